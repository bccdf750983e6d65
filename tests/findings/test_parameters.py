"""Gradients that are zero, weights that are equal, updates that are lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.findings.summaries import Measured, codes, core, leaf, lookups, only, site

ONE, ZERO = core(1.0), core(0.0)


def equal(value: float, count: int = 256) -> dict[str, Any]:
    size = np.float64(abs(value))
    return core(size, count, mean=np.float64(value), max=size, std=size * 0)


def dense(
    name: str, kernel: Any = ONE, kernel_gradient: Any = ONE, bias_gradient: Any = ONE
) -> Measured:
    return [
        *leaf(f"{name}/kernel", kernel, kernel_gradient),
        *leaf(f"{name}/bias", ZERO, bias_gradient, shape=(16,)),
    ]


def test_a_part_without_gradient_is_one_finding() -> None:
    measured = [
        *dense("encoder/Dense_0", ONE, ZERO, ZERO),
        *dense("encoder/norm", ONE, ZERO, ZERO),
        *dense("decoder/Dense_0"),
    ]
    finding = only(measured)
    assert (finding.code, finding.where) == ("zero-gradient", "encoder")
    assert finding.severity == "info"
    assert len(finding.evidence["parameters"]) == 4


def test_experts_without_tokens_are_one_finding() -> None:
    idle = (1, 3, 4)
    measured = [
        entry
        for index in range(6)
        for gradient in [ZERO if index in idle else ONE]
        for entry in dense(f"expert_{index}", ONE, gradient, gradient)
    ]
    finding = only(measured)
    assert (finding.where, finding.severity) == ("expert_1", "info")
    assert "and in 2 more like it" in finding.message
    assert finding.evidence["parts"] == ["expert_1", "expert_3", "expert_4"]


def test_one_leaf_without_gradient_among_siblings() -> None:
    assert codes(dense("Dense_0", ONE, ZERO) + dense("Dense_1")) == {
        "zero-gradient:Dense_0/kernel": "info"
    }


def test_a_small_gradient_is_no_zero_and_an_unidentified_one_is_not_missing() -> None:
    tiny = core(1e-30)
    assert codes(dense("Dense_0", ONE, tiny, tiny) + dense("Dense_1")) == {}
    assert codes(dense("Dense_0", ONE, None, None) + dense("Dense_1")) == {}


def test_everything_zero_says_nothing_of_one_leaf() -> None:
    assert codes(dense("Dense_0", ONE, ZERO, ZERO)) == {}


def test_a_zero_readout_explains_what_is_behind_it() -> None:
    """As Fixup starts: branches end in zeros, and so does the network."""
    measured = [
        *dense("Block_0/Dense_0", ONE, ZERO, ZERO),
        *dense("Block_0/Dense_1", ZERO, ZERO, ZERO),
        *dense("head", ZERO, ONE, ONE),
    ]
    finding = only(measured)
    assert (finding.code, finding.severity) == ("zero-gradient", "info")
    assert finding.where == "head/kernel"
    assert "may free them" in finding.message


def test_zero_weights_that_hold_each_other_at_zero() -> None:
    measured = [
        *dense("Dense_0", ZERO, ZERO, ZERO),
        *dense("Dense_1", ZERO, ZERO, ONE),
    ]
    assert codes(measured) == {
        "stuck-at-zero:Dense_0/kernel": "warning",
        "stuck-at-zero:Dense_1/kernel": "warning",
        "zero-gradient:Dense_0/bias": "info",
    }


def test_an_expert_without_tokens_is_not_stuck() -> None:
    measured = [
        *leaf("expert_0/adapter", ZERO, ZERO),
        *leaf("expert_1/adapter", ONE, ONE),
    ]
    assert codes(measured) == {"zero-gradient:expert_0/adapter": "info"}


def test_inputs_with_a_gradient_are_parameters() -> None:
    measured: Measured = [
        (site("Dense_0/kernel", "input"), equal(0.5)),
        (site("Dense_0/kernel", "gradient"), ONE),
        (site("x", "input"), equal(0.5)),
    ]
    assert codes(measured) == {"constant-weights:Dense_0/kernel": "warning"}


@pytest.mark.parametrize("value", [0.01, -0.5, 1.0])
def test_constant_weights_are_found(value: float) -> None:
    finding = only(leaf("Dense_0/kernel", equal(value), ONE))
    assert (finding.code, finding.where) == ("constant-weights", "Dense_0/kernel")
    assert finding.severity == "warning"


@pytest.mark.parametrize(("deviation", "fires"), [(5e-6, True), (2e-5, False)])
def test_equal_from_both_sides(deviation: float, fires: bool) -> None:
    value = {**equal(0.5), "mean": np.float64(0.5 * (1 - deviation))}
    assert bool(codes(leaf("Dense_0/kernel", value, ONE))) is fires


@pytest.mark.parametrize(
    ("name", "shape", "value"),
    [
        ("Dense_0/bias", (16,), 0.1),
        ("Dense_0/kernel", (16, 16), 0.0),
        ("Dense_0/kernel", (16, 1), 0.3),
        ("LayerNorm_0/scale", (4, 4, 8), 1.0),
        ("norm/weight", (4, 4, 8), 1.0),
        ("block/gamma", (12, 16), 1e-4),
        ("head/scale_of_heads", (8, 1, 1), 1.0),
    ],
)
def test_constants_that_are_healthy(
    name: str, shape: tuple[int, ...], value: float
) -> None:
    assert codes(leaf(name, equal(value), ONE, shape=shape)) == {}


def test_a_stacked_vector_is_no_matrix() -> None:
    """Twelve layers of a bias, stacked by a scan."""
    measured: Measured = [
        (site("Net/Scan_0/Dense_0"), core(np.ones(12))),
        *leaf("Scan_0/Dense_0/kernel", ONE, ONE, shape=(12, 16, 16)),
        *leaf("Scan_0/Dense_0/offset", equal(0.1), ONE, shape=(12, 16)),
    ]
    assert codes(measured) == {}
    constant = leaf("Scan_0/Dense_1/kernel", equal(0.1), ONE, shape=(12, 16, 16))
    measured.append((site("Net/Scan_0/Dense_1"), core(np.ones(12))))
    assert "constant-weights:Scan_0/Dense_1/kernel" in codes(measured + constant)


def test_a_frozen_mask_is_no_weight() -> None:
    measured = leaf("pruning/table", equal(1.0), ZERO) + dense("Dense_0")
    assert codes(measured) == {"zero-gradient:pruning/table": "info"}


def apart(value: float, *axes: int, rms: float = 1.0) -> dict[str, Any]:
    """Slices along these axes are so far from the first, along others much farther."""
    distances = [value if axis in axes else rms for axis in range(2)]
    return core(rms, apart=np.array(distances))


def test_units_that_are_equal_and_move_alike_are_found() -> None:
    finding = only(leaf("Dense_0/kernel", apart(0.0, 1), apart(0.0, 1)))
    assert (finding.code, finding.where) == ("identical-units", "Dense_0/kernel")
    assert finding.severity == "warning"
    assert "the 16 slices along axis 1" in finding.message


@pytest.mark.parametrize("gradient", [apart(0.0, 0), core(1.0)])
def test_units_that_part_at_the_next_step_are_mentioned(gradient: Any) -> None:
    """Their gradients are equal along another axis, or not known."""
    found = {"identical-units:Dense_0/kernel": "info"}
    assert codes(leaf("Dense_0/kernel", apart(0.0, 1), gradient)) == found
    assert codes(leaf("norm/table", apart(0.0, 1), gradient)) == {}


@pytest.mark.parametrize(("distance", "fires"), [(2e-5, True), (5e-5, False)])
def test_equal_units_from_both_sides(distance: float, fires: bool) -> None:
    """The largest element is 3."""
    value = apart(distance, 1)
    assert bool(codes(leaf("kernel", value, apart(0.0, 1)))) is fires


@pytest.mark.parametrize(("distance", "severity"), [(2e-3, "warning"), (4e-3, "info")])
def test_equal_gradients_from_both_sides(distance: float, severity: str) -> None:
    found = codes(leaf("kernel", apart(0.0, 1), apart(distance, 1)))
    assert found == {"identical-units:kernel": severity}


def test_a_single_unit_and_a_frozen_one_are_not_identical() -> None:
    value, gradient = apart(0.0, 1), apart(0.0, 1)
    assert codes(leaf("Dense_0/kernel", value, gradient, shape=(16, 1))) == {}
    frozen = leaf("table", value, apart(0.0, 0, 1, rms=0.0)) + dense("Dense_0")
    assert codes(frozen) == {"zero-gradient:table": "info"}
    constant = {**equal(0.5), "apart": np.zeros(2)}
    assert codes(leaf("Dense_0/kernel", constant, gradient)) == {
        "constant-weights:Dense_0/kernel": "warning"
    }


def test_what_no_derivative_leads_to_is_severed() -> None:
    cut = {**ZERO, "severed": "unused"}
    measured = [
        *dense("encoder/Dense_0", ONE, cut, cut),
        *dense("decoder/Dense_0", ONE, ZERO),
    ]
    assert codes(measured) == {
        "severed-parameter:encoder": "warning",
        "zero-gradient:decoder/Dense_0/kernel": "info",
    }


def test_a_severed_leaf_is_not_explained_by_a_zero_readout() -> None:
    cut = {**ZERO, "severed": "read"}
    measured = [
        *dense("Dense_0", ONE, ZERO, ZERO),
        *dense("unused", ONE, cut, cut),
        *dense("head", ZERO, ONE, ONE),
    ]
    assert codes(measured) == {
        "severed-parameter:unused": "warning",
        "zero-gradient:head/kernel": "info",
    }


def test_rows_that_a_table_does_not_have() -> None:
    assert codes(lookups(100)) == {}
    finding = only(lookups(100, outside=1))
    assert (finding.code, finding.where) == ("lookup-outside", "tokens/embedding")
    assert finding.severity == "warning"
    assert "1 of 51 lookups" in finding.message
    ruined = site("tokens"), {**core(1.0), "nonfinite": np.int64(8)}
    found = codes([*lookups(100, outside=1), ruined])
    assert found["lookup-outside:tokens/embedding"] == "error"


def updates(lost: int, changed: int, dtype: str = "bfloat16") -> Measured:
    count = 1000
    numbers = core(1e-6, count, zeros=np.int64(count - changed), lost=np.int64(lost))
    return [(site("Dense_0/kernel", "update", dtype=dtype), numbers)]


@pytest.mark.parametrize(("lost", "fires"), [(499, False), (501, True)])
def test_lost_updates_from_both_sides(lost: int, fires: bool) -> None:
    finding = {"lost-update:Dense_0/kernel": "warning"} if fires else {}
    assert codes(updates(lost, 1000 - lost)) == finding


def test_updates_that_are_zero_are_not_lost() -> None:
    """Accumulation holds the parameters still on purpose."""
    assert codes(updates(0, 0)) == {}
    assert codes(updates(10, 0)) == {"lost-update:Dense_0/kernel": "warning"}


def test_in_float32_they_are_mentioned_only() -> None:
    assert codes(updates(900, 100, "float32")) == {"lost-update:Dense_0/kernel": "info"}


@given(st.floats(1e-8, 1e8))
def test_the_scale_makes_no_difference(scale: float) -> None:
    measured = [
        *dense("encoder", ONE, ZERO, ZERO),
        *dense("decoder", equal(0.5)),
        *dense("Dense_0", ZERO, ZERO),
    ]
    sizes = ("sum", "mean", "rms", "std", "max", "smallest")
    scaled = [(s, {**n, **{k: n[k] * scale for k in sizes}}) for s, n in measured]
    assert codes(measured) == codes(scaled)
    assert len(codes(measured)) == 3
