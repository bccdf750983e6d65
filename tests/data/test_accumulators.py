"""Merging what is known of chunks gives what is known of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.checks.data import classes, columns, padding, row_hashes, series
from jaxdebug.checks.data.fields import Field
from jaxdebug.checks.data.sample import MOST_ROWS, Sample

CUTS = st.integers(1, 29)
SEEDS = st.integers(0, 2**16)
LABELS = Field("y", "target", (), np.dtype(np.int32))
TOKENS = Field("t", "input", (6,), np.dtype(np.int32))


def known(array: np.ndarray, start: int = 0) -> columns.Columns:
    values = row_hashes.values_of(array)
    words = row_hashes.words_of(array, values)
    sums = row_hashes.column_sums(words, start)
    return columns.columns_of(values, sums, start)


def block(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = 1e3 + random.standard_normal((30, 4))
    x[random.random((30, 4)) < 0.1] = random.choice([np.nan, np.inf, 0.0])
    return x


@given(SEEDS, CUTS)
def test_columns(seed: int, cut: int) -> None:
    x = block(seed)
    whole, both = known(x), columns.merged(known(x[:cut]), known(x[cut:], cut))
    for name in columns.Columns._fields:
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name)) if (
            name not in ("bad", "hashes")
        ) else None
    assert (both.hashes == whole.hashes).all()
    assert both.bad == whole.bad


@given(SEEDS)
def test_columns_are_those_of_numpy(seed: int) -> None:
    x = block(seed)
    x[~np.isfinite(x)] = 7.0
    made = known(x)
    np.testing.assert_allclose(made.mean, x.mean(0))
    np.testing.assert_allclose(made.variance, x.var(0), rtol=1e-6)
    assert (made.low == x.min(0)).all()
    assert (made.high == x.max(0)).all()
    assert not made.bad


def test_first_bad_rows_are_named_by_number() -> None:
    x = np.zeros((50, 2))
    x[[3, 40], 1] = np.nan
    x[7, 0] = -np.inf
    made = columns.merged(known(x[:20]), known(x[20:], 20))
    assert made.bad == ((3, 1, "NaN"), (40, 1, "NaN"), (7, 0, "infinite"))
    assert made.bad_rows == 2


@given(SEEDS, CUTS)
def test_classes(seed: int, cut: int) -> None:
    y = np.random.default_rng(seed).integers(-2, 3, (30, 1)).astype(float)
    parts = [classes.classes_of(LABELS, part) for part in (y, y[:cut], y[cut:])]
    both = classes.merged(*parts[1:])
    assert both is not None
    assert parts[0] is not None
    for one, other in zip(both, parts[0], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "dtype", "rows", "labels"),
    [
        ((), "int64", [[3.0], [5.0]], [3, 5]),
        ((), "float32", [[0.0], [1.0]], [0, 1]),
        ((), "float32", [[0.5], [1.0]], None),
        ((), "float32", [[np.nan], [1.0]], None),
        ((3,), "float32", [[0, 1, 0], [0, 0, 1]], [1, 2]),
        ((3,), "float32", [[0, 1, 1], [0, 0, 1]], None),
        ((3,), "int32", [[4, 1, 1], [0, 0, 1]], None),
    ],
)
def test_what_class_labels_are(
    shape: tuple[int, ...], dtype: str, rows: list, labels: list | None
) -> None:
    field = Field("y", "target", shape, np.dtype(dtype))
    made = classes.labels_of(field, np.array(rows, np.float64))
    assert (None if made is None else made.tolist()) == labels


@given(SEEDS, CUTS)
def test_series(seed: int, cut: int) -> None:
    y = np.cumsum(np.random.default_rng(seed).standard_normal(30))
    both = series.merged(series.series_of(y[:cut]), series.series_of(y[cut:]))
    np.testing.assert_allclose(both, series.series_of(y), atol=1e-9)


def test_the_correlation_of_neighbours() -> None:
    random = np.random.default_rng(0)
    steps = random.standard_normal(4000)
    y = np.zeros(4000)
    for at in range(1, 4000):
        y[at] = 0.7 * y[at - 1] + steps[at]
    assert abs(series.series_of(y).correlation - 0.7) < 0.05
    assert abs(series.series_of(steps).correlation) < 0.05
    assert series.series_of(np.full(9, 3.0)).correlation == 0


def test_ranks_bound_heavy_tails() -> None:
    for seed in range(20):
        y = np.random.default_rng(seed).standard_cauchy(500)
        y[100:102] = 1e9
        made = series.series_of(series.ranks(y, np.sort(y[:200])))
        assert abs(made.correlation) < 0.2


@given(SEEDS, CUTS)
def test_padding(seed: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(0, 2, (30, 6)).astype(float)
    whole = padding.runs_of(TOKENS, rows)
    first = padding.runs_of(TOKENS, rows[:cut], whole)
    assert padding.merged(first, padding.runs_of(TOKENS, rows[cut:], first)) == whole


def test_padding_at_the_end_and_what_is_none() -> None:
    rows = np.array([[5, 3, 0, 0, 0, 0], [4, 1, 2, 6, 0, 0], [7, 8, 9, 1, 2, 3]])
    ends = padding.runs_of(TOKENS, rows.astype(float))
    assert ends["end"].is_padding
    assert ends["end"].total == 6
    assert not ends["start"].is_padding
    counts = np.random.default_rng(0).poisson(0.3, (50, 6)).astype(float)
    assert not any(one.is_padding for one in padding.runs_of(TOKENS, counts).values())


@pytest.mark.parametrize("sizes", [[1] * 40, [7, 33], [40]])
def test_a_sample_of_a_small_set_is_all_of_it(sizes: list[int]) -> None:
    sample = Sample([LABELS], 0)
    for numbers in np.split(np.arange(40.0)[:, None], np.cumsum(sizes)[:-1]):
        sample.add([numbers])
    assert sample.rows.tolist() == sample.arrays[0][:, 0].tolist() == [*range(40)]


def test_every_row_of_a_large_set_has_the_same_chance() -> None:
    sample, count = Sample([LABELS], 0), 4 * MOST_ROWS
    for start in range(0, count, 1000):
        sample.add([np.arange(start, min(start + 1000, count), dtype=float)[:, None]])
    assert len(sample.rows) == len(np.unique(sample.rows)) == MOST_ROWS
    assert (sample.arrays[0][:, 0] == sample.rows).all()
    quarters = np.bincount(sample.rows * 4 // count)
    assert abs(quarters - MOST_ROWS / 4).max() < 5 * np.sqrt(MOST_ROWS * 3 / 16)
