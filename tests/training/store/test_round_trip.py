"""What is written is read back, bit by bit, whatever its names and values are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import ml_dtypes
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxdebug.training.arrays import DTYPES, dtype_named, from_raw, to_raw
from jaxdebug.training.layout import Layout, Row, layout_of_content
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import open_run

HOSTILE = (
    *("kernel[/]", "<script>", "../../x", "\x1b[31mred", "a\nb", "a\0b", "", "'\"`;--"),
    *("DROP TABLE scalars", "\udc80", "\u202e", "ключ", "x" * 10_000),
)
LAYOUT = Layout(
    tuple(Row(name, "forward", "output") for name in HOSTILE), ("rms", "mean", "\udc81")
)
INF = float("inf")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("run")
    values = np.arange(np.prod(LAYOUT.shape), dtype=np.float32).reshape(LAYOUT.shape)
    values[0] = (np.nan, np.inf, -np.inf)
    with open_run(folder, manifest={"every": 50, "name": HOSTILE[-1]}) as writer:
        for step, name in enumerate(HOSTILE):
            writer.write_scalars(step, {name: 0.1})
        for step, value in enumerate((0.1, float("nan"), INF, -INF, 1e308, 5e-324)):
            writer.write_scalars(step, {"loss": np.float64(value)})
        writer.write_sample(0, LAYOUT, values)
        writer.write_sample(50, LAYOUT, values + 1)
        checksums = np.array([2**64 - 1] * len(HOSTILE), np.uint64)
        writer.write_checksums(0, HOSTILE, checksums)
        for name in HOSTILE:
            writer.write_histogram(50, name, [-INF, 0.0, INF], np.array([3, 4]))
        for kind in HOSTILE:
            writer.write_event(7, kind, {"where": kind, "value": float("nan")})
    return load_run(folder)


def test_scalars_come_back(run: Any) -> None:
    expected = [0.1, np.nan, np.inf, -np.inf, 1e308, 5e-324]
    np.testing.assert_array_equal(run.scalars["loss"].values, expected)
    np.testing.assert_array_equal(run.scalars["loss"].steps, range(6))
    assert set(run.scalars) == {"loss", *HOSTILE}


def test_samples_come_back(run: Any) -> None:
    for row, name in enumerate(HOSTILE[1:], 1):
        steps, values = run.statistic(name, "mean")
        assert steps.tolist() == [0, 50]
        assert values.tolist() == [row * 3 + 1, row * 3 + 2]
    assert np.isnan(run.statistic(HOSTILE[0], "rms").values[0])
    assert run.statistic(HOSTILE[0], "\udc81").values[0] == -INF


def test_the_table_has_every_number_once(run: Any) -> None:
    table = run.table()
    assert {len(column) for column in table.values()} == {2 * np.prod(LAYOUT.shape)}
    one = run.table(path="kernel[/]", statistic="mean")
    assert one["step"].tolist() == [0, 50]
    assert one["kind"].tolist() == ["output"] * 2
    np.testing.assert_array_equal(one["value"], run.statistic("kernel[/]", "mean")[1])
    assert len(run.table(kind="gradient")["value"]) == 0


def test_checksums_histograms_events_and_the_manifest_come_back(run: Any) -> None:
    assert all(run.checksums[name].values[0] == 2**64 - 1 for name in HOSTILE)
    assert all(run.histograms[name][0].counts.tolist() == [3, 4] for name in HOSTILE)
    assert run.histograms[""][0].edges.tolist() == [-INF, 0, INF]
    assert tuple(event.kind for event in run.events) == HOSTILE
    assert run.events[0].content == {"where": HOSTILE[0], "value": "NaN"}
    assert run.manifest["every"] == 50
    assert run.manifest["versions"]["python"].startswith("3.")
    assert run.finished


def test_what_was_read_cannot_be_changed(run: Any) -> None:
    with pytest.raises(ValueError, match="read-only"):
        run.scalars["loss"].values[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        run.samples[0].values[0] = 1
    with pytest.raises(TypeError):
        run.scalars["loss"] = None


def test_the_text_shows_hostile_names_literally(run: Any) -> None:
    text = str(run)
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text
    assert max(map(len, text.splitlines())) < 400
    assert '"\\udc80"' in run.to_json()


def test_a_layout_is_kept_once(tmp_path: Path) -> None:
    layout = Layout((Row("p" * 10_000, "", "parameter"),), ("rms",))
    with open_run(tmp_path / "a") as writer:
        for step in range(200):
            writer.write_sample(step, layout, np.zeros((1, 1), np.float32))
            writer.write_scalars(step, {"n" * 10_000: 1.0})
            assert step % 50 or writer.flush()
    assert (tmp_path / "a" / "run.sqlite").stat().st_size < 200_000


def test_layouts_without_rows_and_shapes_that_differ(tmp_path: Path) -> None:
    empty = Layout((), ("rms",))
    with open_run(tmp_path) as writer:
        writer.write_sample(1, empty, np.zeros((0, 1), np.float32))
        writer.write_checksums(1, (), np.zeros(0, np.uint32))
        with pytest.raises(ValueError, match=r"shape \(13, 3\); found \(2,\)"):
            writer.write_sample(1, LAYOUT, np.zeros(2))
        with pytest.raises(ValueError, match="found values of float64"):
            writer.write_checksums(1, ("a",), np.zeros(1))
        with pytest.raises(ValueError, match=r"edges of shape \(4,\)"):
            writer.write_histogram(1, "a", np.zeros(3), np.zeros(3, int))
        with pytest.raises(TypeError, match="found object"):
            writer.write_event(1, "a", object())
    run = load_run(tmp_path)
    assert run.samples[0].values.shape == (1, 0, 1)
    assert run.rows == ()
    assert run.table()["value"].shape == (0,)
    with pytest.raises(ValueError, match="expected each of rows once"):
        Layout((Row("a", "", ""), Row("a", "", "")), ())


def test_layouts_that_follow_one_another_are_one_series(tmp_path: Path) -> None:
    wide = Layout((Row("a", "", "g"), Row("b", "", "g")), ("rms",))
    narrow = Layout((Row("b", "", "g"),), ("rms",))
    with open_run(tmp_path) as writer:
        writer.write_sample(2, narrow, np.array([[2.0]]))
        writer.write_sample(1, wide, np.array([[0.0], [1.0]]))
        writer.write_sample(3, wide, np.array([[0.0], [3.0]]))
    run = load_run(tmp_path)
    steps, values = run.statistic("b", "rms")
    assert steps.tolist() == values.tolist() == [1, 2, 3]
    assert run.table(path="b")["step"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", DTYPES)
def test_an_array_comes_back_with_its_bits(name: str) -> None:
    kind = dtype_named(name)
    bits = np.arange(6 * kind.itemsize, dtype=np.uint8)
    array = (bits % 2).view(bool) if name == "bool" else bits.view(kind)
    raw = to_raw(array.reshape(2, 3)[:, ::-1])
    again = from_raw(*raw)
    assert again.dtype == kind
    np.testing.assert_array_equal(
        again.view(np.uint8), array.reshape(2, 3)[:, ::-1].copy().view(np.uint8)
    )


@hypothesis.given(
    hnp.arrays(
        st.sampled_from(["<f4", ">f4", ">i8", "?"]),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
)
def test_any_byte_order_and_shape_comes_back(array: np.ndarray) -> None:
    again = from_raw(*to_raw(array))
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array(["text"]), np.zeros(1, "M8[s]")]
)
def test_other_dtypes_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a dtype of bool"):
        to_raw(array)


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("object", [1], b"12345678"),
        ("O", [1], b"12345678"),
        ("float32", [2], b"1234"),
        ("float32", [-1], b"1234"),
        ("float32", [1.0], b"1234"),
        ("float32", [2**62, 4], b""),
    ],
)
def test_bytes_that_are_no_array_are_refused(
    dtype: str, shape: list[Any], data: bytes
) -> None:
    with pytest.raises(ValueError, match="expected"):
        from_raw(dtype, shape, data)


def test_bfloat16_samples(tmp_path: Path) -> None:
    layout = Layout((Row("a", "", "g"),), ("rms",))
    with open_run(tmp_path) as writer:
        writer.write_sample(1, layout, np.array([[1.5]], ml_dtypes.bfloat16))
    assert load_run(tmp_path).samples[0].values.dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("content", ["[]", "1", "[[[1, 2, 3]], []]", "[[], [1]]"])
def test_a_layout_that_is_none_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"expected|unpack"):
        layout_of_content(content)
