"""One graph as a batch: its rows are tied to each other, and are no examples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.graph_batches import tied_rows
from jaxdebug.findings import Finding
from jaxdebug.reports import Verdict

NODES, FEATURES = 24, 5
RANDOM = np.random.default_rng(0)
TIED = np.triu(RANDOM.random((NODES, NODES)) < 0.15, 1)
TIED |= TIED.T
SENDERS, RECEIVERS = (numbers.astype(np.int32) for numbers in np.nonzero(TIED))
GRAPH = {
    "x": RANDOM.normal(size=(NODES, FEATURES)).astype(np.float32),
    "y": RANDOM.integers(0, 2, NODES).astype(np.int32),
}
COUNTS = np.arange(NODES) < NODES // 2


def mixed(batch: Any) -> jax.Array:
    x = batch["x"]
    if "adjacency" in batch:
        return x + batch["adjacency"] @ x
    if "senders" in batch:
        return x.at[batch["receivers"]].add(x[batch["senders"]])
    return x + x.mean(0)


def graph(masks: tuple[np.ndarray, ...], **edges: np.ndarray) -> jd.Workload:
    def predict(params: Any, batch: Any) -> jax.Array:
        return mixed(batch) @ params

    def loss(params: Any, batch: Any) -> jax.Array:
        each = optax.softmax_cross_entropy_with_integer_labels(
            predict(params, batch), batch["y"]
        )
        return jnp.sum(each * batch["mask"]) / jnp.sum(batch["mask"])

    train, held = ({**GRAPH, **edges, "mask": mask} for mask in masks)
    return jd.Workload(
        loss_fn=loss,
        params=RANDOM.normal(size=(FEATURES, 2)).astype(np.float32),
        train=[train],
        eval=[held],
        predict_fn=predict,
        inputs="x",
        targets="y",
    )


EDGES = {
    "matrix": {"adjacency": TIED.astype(np.float32)},
    "lists": {"senders": SENDERS, "receivers": RECEIVERS},
}
CHECKS = ["batch-sizes", "independent-examples", "data"]


def leaks(report: jd.OutcomeReport) -> list[Finding]:
    return [one for one in report.findings if one.code == "leaked-rows"]


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
def test_nodes_of_a_graph_are_no_examples(edges: dict[str, np.ndarray]) -> None:
    report = jd.checkup(graph((COUNTS, ~COUNTS), **edges), only=CHECKS)
    for name in ("batch-sizes", "independent-examples"):
        assert report[name].verdict is Verdict.INCONCLUSIVE
        assert "edges of one graph" in report[name].said
    (leak,) = leaks(report)
    assert (leak.code, leak.severity) == ("leaked-rows", "info")
    assert "mask counts other rows in each" in leak.message


def test_without_edges_rows_that_mix_are_found() -> None:
    report = jd.checkup(graph((COUNTS, ~COUNTS)), only=CHECKS)
    found = {one.code for one in report.findings if one.severity == "error"}
    assert found == {"batch-size", "mixed-examples"}


def test_nodes_that_count_in_both_splits_are_leaked() -> None:
    both = np.arange(NODES) < NODES // 2 + 1
    report = jd.checkup(graph((both, ~COUNTS), **EDGES["matrix"]), only=["data"])
    (leak,) = leaks(report)
    assert (leak.code, leak.severity) == ("leaked-rows", "error")


@pytest.mark.parametrize(
    "leaf",
    [
        RANDOM.normal(size=(NODES, NODES)),
        RANDOM.random((NODES, NODES)) < 0.5,
        np.eye(NODES),
        np.zeros((NODES, NODES)),
        np.arange(NODES // 2),
        RANDOM.integers(0, 2**31, 2),
        RANDOM.random(2 * NODES),
    ],
    ids=["dense", "one-sided", "one-hot", "empty", "few", "a key", "floats"],
)
def test_other_leaves_tie_nothing(leaf: np.ndarray) -> None:
    assert tied_rows({**GRAPH, "leaf": leaf}) is None
