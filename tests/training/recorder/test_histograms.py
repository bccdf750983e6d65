"""Every so many samples a run holds histograms, and sinks are given them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.statistics.histogram import THINNED, between_edges, binned

X = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
W = jnp.array([[0.3], [-1.5], [0.0], [7.0]])


class _Kept:
    """A sink that keeps the histograms it is given."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, int]] = []

    def write_scalars(self, step: int, scalars: Any) -> None:
        pass

    def write_histogram(self, step: int, name: str, edges: Any, counts: Any) -> None:
        self.found.append((step, name, int(counts.sum())))

    def write_event(self, step: int, event: Any) -> None:
        pass

    def close(self) -> None:
        pass


@jax.jit
def _step(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(lambda w: jnp.mean((x @ w["w"] - 1) ** 2))(w)
    return jax.tree.map(lambda w, g: w - 0.1 * g, w, g), loss


@pytest.mark.slow
def test_every_second_sample_has_histograms(tmp_path: Path) -> None:
    params, sink = {"w": W}, _Kept()
    settings = {"every": 2, "histograms": 2, "run_dir": tmp_path, "sinks": [sink]}
    with jd.watch(_step, **settings) as watched:
        for _ in range(7):
            params, _ = watched(params, X)
    found = jd.load_run(tmp_path).histograms
    assert found.keys() == {f"{k}/w" for k in ("parameter", "gradient", "update")}
    first, second = found["parameter/w"]
    assert (first.step, second.step) == (0, 4)
    edges, counts = between_edges(np.asarray(binned(W)))
    assert np.array_equal(first.edges, edges)
    assert np.array_equal(first.counts, counts)
    assert first.counts.sum() == 3  # one is zero
    assert {(0, "parameter/w", 3), (4, "gradient/w", 4)} <= set(sink.found)
    assert len(sink.found) == 6


def test_none_is_measured_unless_it_is_kept(tmp_path: Path) -> None:
    params = {"w": W}
    with jd.watch(_step) as watched:
        watched(params, X)
    ((_, reading),) = watched.history.samples
    assert not any("histogram" in numbers for _, numbers in reading.statistics)
    with pytest.raises(ValueError, match="histograms to be a number of samples"):
        jd.watch(_step, histograms=-1)


def test_of_a_large_matrix_elements_of_every_column_count() -> None:
    columns = 2.0 ** np.arange(64, dtype=np.float32) * np.float32(2**-32)
    matrix = np.broadcast_to(columns, (1024, 64))
    assert THINNED.measure_each is not None
    both = jax.jit(THINNED.measure_each)(matrix, -columns)
    large, small = (np.asarray(counts) for counts in both)
    _, positive = large
    assert 2**13 <= positive.sum() <= 2**14
    filled = positive[positive > 0]
    assert len(filled) > 50
    assert filled[:-1].max() <= filled[:-1].min() + 2  # the last bin holds several
    assert np.array_equal(small, np.asarray(binned(-columns)))
