"""Dead is not sparse, saturated is not confident, and small layers say little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxdebug.findings.rules import rules
from jaxdebug.findings.rules.units import chance_of_many
from tests.findings.summaries import Measured, codes, core, leaf, only, site, units

RANDOM = np.random.default_rng(0)


def relu(
    active: Any, examples: int, name: str = "Net/relu", **changes: Any
) -> Measured:
    made = site(name, "activation", (examples, np.shape(active)[-1]), primitive="relu")
    return [(made, units(active, examples, **changes))]


def tanh(saturated: Any, examples: int, **changes: Any) -> Measured:
    saturated = np.asarray(saturated)
    counts = units(np.full_like(saturated, examples), examples, saturated)
    made = site("Net/tanh", "activation", (examples, saturated.size), primitive="tanh")
    return [(made, {**counts, "bounded": np.bool_(True), **changes})]


def test_a_dead_layer_is_found() -> None:
    finding = only(relu(np.zeros(64, int), 128))
    assert (finding.code, finding.where) == ("dead-units", "Net/relu")
    assert finding.severity == "warning"
    assert "none of the 64 units of relu" in finding.message


@pytest.mark.parametrize(("dead", "fires"), [(50, False), (56, True)])
def test_many_dead_units_from_both_sides(dead: int, fires: bool) -> None:
    active = np.full(64, 60)
    active[:dead] = 0
    assert ("warning" in codes(relu(active, 128)).values()) is fires


def test_the_chance_is_a_binomial_one() -> None:
    draws = RANDOM.binomial(20, 0.5, 200_000)
    assert abs(chance_of_many(14, 20) - np.mean(draws >= 14)) < 2e-3
    assert abs(chance_of_many(14, 20) - np.mean(draws >= 15)) > 2e-2
    assert chance_of_many(0, 5) == 1
    assert chance_of_many(700, 1000) < 1e-6 < 1 == chance_of_many(400, 1000)
    assert chance_of_many(300, 513) > chance_of_many(300, 512) * 0.9


def test_sparse_is_not_dead() -> None:
    """At a rate of 0.2 %, three quarters of 2000 units are silent on 128 examples."""
    sparse = RANDOM.binomial(128, 2e-3, 2000)
    assert np.mean(sparse == 0) > 0.7
    assert codes(relu(sparse, 128)) == {}
    # On so many examples each of them fires.
    assert codes(relu(RANDOM.binomial(20_000, 2e-3, 2000), 20_000)) == {}


def test_eighty_percent_zeros_are_healthy() -> None:
    assert codes(relu(RANDOM.binomial(64, 0.2, 128), 64)) == {}


@pytest.mark.parametrize("examples", [1, 2])
def test_a_tiny_batch_says_little(examples: int) -> None:
    for _ in range(50):
        assert codes(relu(RANDOM.binomial(examples, 0.5, 64), examples)) == {}
        assert codes(relu(RANDOM.binomial(examples, 0.5, 8), examples)) == {}


def test_a_narrow_layer_needs_examples() -> None:
    assert codes(relu(np.zeros(8, int), 31)) == {}
    assert codes(relu(np.zeros(8, int), 32)) == {"dead-units:Net/relu": "warning"}
    assert codes(relu(np.zeros(3, int), 500)) == {}


def test_the_first_silent_layer_speaks_for_those_behind_it() -> None:
    measured = [
        entry
        for index, alive in enumerate((30, 0, 0, 0))
        for entry in relu(np.full(32, alive), 64, f"Net/Dense_{index}")
    ]
    finding = only(measured)
    assert finding.where == "Net/Dense_1"
    assert finding.evidence["also_silent"] == ["Net/Dense_2", "Net/Dense_3"]
    assert "nor of 2 other layers" in finding.message


def test_a_slope_that_is_nan_is_not_silent() -> None:
    nothing = np.zeros(32, int)
    assert codes(relu(nothing, 64, saturated=nothing)) == {}


def test_half_dead_is_mentioned() -> None:
    active = np.array([0] * 20 + [30] * 20)
    assert codes(relu(active, 64)) == {"dead-units:Net/relu": "info"}


def test_an_activation_that_no_layer_follows_is_mentioned() -> None:
    silent = np.zeros(64, int)
    assert codes(relu(silent, 64, hidden=np.bool_(False))) == {
        "dead-units:Net/relu": "info"
    }


def test_iterations_over_time_are_examples() -> None:
    """A unit that fires at some time step is alive."""
    active = np.eye(16, dtype=int)[:, :] * 9
    assert codes(relu(np.tile(active, (1, 2)), 64, "Net/cell")) == {}
    assert codes(relu(np.zeros((16, 32), int), 64, "Net/cell")) == {
        "dead-units:Net/cell": "warning"
    }


def test_iterations_over_layers_are_layers() -> None:
    active = np.full((3, 32), 40)
    active[1] = 0
    measured = relu(active, 64, "Net/ScanBlock_0")
    measured += leaf("ScanBlock_0/kernel", core(1.0), None, shape=(3, 8, 8))
    assert codes(measured) == {"dead-units:Net/ScanBlock_0 #1": "warning"}


def test_saturated_units_are_found_and_a_healthy_tanh_is_not() -> None:
    finding = only(tanh(np.full(32, 127), 128))
    assert (finding.code, finding.severity) == ("saturated-units", "warning")
    assert codes(tanh(RANDOM.binomial(128, 0.3, 32), 128)) == {}


@pytest.mark.parametrize(("stuck", "fires"), [(26, False), (31, True)])
def test_many_saturated_units_from_both_sides(stuck: int, fires: bool) -> None:
    saturated = np.array([128] * stuck + [5] * (32 - stuck))
    assert bool(rules(tanh(saturated, 128))) is fires


def test_almost_always_is_ninety_five_percent() -> None:
    assert codes(tanh(np.full(32, 94), 100)) == {}
    assert codes(tanh(np.full(32, 95), 100)) == {"saturated-units:Net/tanh": "warning"}


def test_a_confident_output_is_mentioned_only() -> None:
    measured = tanh(np.full(32, 128), 128, hidden=np.bool_(False))
    assert codes(measured) == {"saturated-units:Net/tanh": "info"}


def test_a_clipped_relu_is_judged_like_relu() -> None:
    """Flat on one side or the other in most units is how relu6 works."""
    active = RANDOM.binomial(128, 0.01, 32) + 1
    clipped = relu(active, 128, bounded=np.bool_(True))
    assert codes(clipped) == {}
    assert codes(tanh(128 - active, 128)) != {}
    dead = relu(np.where(np.arange(64) < 60, 0, 60), 128, bounded=np.bool_(True))
    assert codes(dead) == {"dead-units:Net/relu": "warning"}


def softmax(
    saturated: int, rows: int = 256, shape: tuple[int, ...] = (4, 4, 16, 16)
) -> Measured:
    numbers = {"count": rows, "saturated": saturated, "largest": 0.5}
    numbers["entries"] = shape[-1]
    return [(site("Net/attention", "softmax", shape), numbers)]


@pytest.mark.parametrize(("saturated", "fires"), [(230, False), (231, True)])
def test_a_one_hot_softmax_from_both_sides(saturated: int, fires: bool) -> None:
    found = {"saturated-softmax:Net/attention": "warning"} if fires else {}
    assert codes(softmax(saturated)) == found


def test_softmaxes_that_are_one_hot_by_themselves() -> None:
    single = softmax(256, shape=(4, 4, 16, 1))
    few = softmax(16, 16, (1, 16, 16))
    assert codes(single) == codes(few) == {}
    classifier = softmax(256, shape=(256, 10))
    assert codes(classifier) == {"saturated-softmax:Net/attention": "info"}


def test_no_example_says_nothing() -> None:
    empty = relu(np.zeros(32, int), 0)
    assert codes(empty + softmax(0, 0)) == {}
