"""What is not finite, or near the end of its dtype, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.findings.rules import Constant, constant_findings, rules
from jaxdebug.findings.rules.dynamic_range import LARGEST, share_too_small
from tests.findings.summaries import Measured, codes, core, leaf, only, site


def bad(count: int = 3) -> dict[str, Any]:
    return core(1.0, nonfinite=np.int64(count))


def network(broken: dict[str, dict[str, Any]]) -> Measured:
    """Four layers; what is broken, by kind and name."""
    names = [f"Net/layer{i}" for i in range(4)]
    order = [
        *(("output", name) for name in names),
        *(("cotangent", name) for name in reversed(names)),
        *(("gradient", f"layer{i}/kernel") for i in range(4)),
    ]
    return [
        (site(name, kind), broken.get(f"{kind} {name}", core(1.0)))
        for kind, name in order
    ]


GRADIENT = {"gradient layer0/kernel": bad()}


def test_the_first_layer_forward() -> None:
    broken = {"output Net/layer2": bad(), "output Net/layer3": bad()}
    finding = only(network({**broken, **GRADIENT}))
    assert (finding.code, finding.where) == ("nonfinite-layer", "Net/layer2")
    assert finding.severity == "error"
    assert "3 of 256 values" in finding.message


def test_the_first_cotangent_in_the_order_of_the_backward_pass() -> None:
    broken = {"cotangent Net/layer1": bad(), "cotangent Net/layer2": bad()}
    finding = only(network({**broken, **GRADIENT}))
    assert (finding.code, finding.where) == ("nonfinite-cotangent", "Net/layer2")
    assert finding.severity == "error"


@pytest.mark.parametrize("kind", ["output", "cotangent"])
def test_what_is_selected_away_is_mentioned_only(kind: str) -> None:
    assert only(network({f"{kind} Net/layer1": bad()})).severity == "info"


def test_a_parameter_comes_before_what_it_causes() -> None:
    measured = network({"output Net/layer2": bad(), **GRADIENT})
    measured += leaf("layer2/bias", bad(1), core(1.0), shape=(16,))
    assert codes(measured) == {"nonfinite-parameter:layer2/bias": "error"}


def test_parameters_that_one_mistake_spoilt_are_one_finding() -> None:
    measured = network({"output Net/layer2": bad(), **GRADIENT})
    for name in "abcde":
        measured += leaf(name, core(1.0) if name == "b" else bad(1), core(1.0))
    finding = only(measured)
    assert finding.where == "a, c, d and 1 more"
    assert "in 4 of 5 parameters" in finding.message
    assert finding.evidence["parameters"] == ["a", "c", "d", "e"]


def test_an_infinite_input_is_none_of_ours() -> None:
    assert codes([(site("mask", "input"), bad()), *network({})]) == {}


@pytest.mark.parametrize("kind", ["output", "cotangent", "gradient", "update"])
@pytest.mark.parametrize("dtype", LARGEST)
def test_values_near_the_end_of_their_dtype(kind: str, dtype: str) -> None:
    made = site("Net/Dense_0", kind, dtype=dtype)
    near = core(1.0, max=np.float64(LARGEST[dtype] / 3.9))
    far = core(1.0, max=np.float64(LARGEST[dtype] / 4.1))
    assert codes([(made, near)]) == {"overflow-risk:Net/Dense_0": "warning"}
    assert codes([(made, far)]) == {}


def test_the_worst_of_many_layers_speaks_for_them() -> None:
    measured: Measured = [
        (site(f"Net/layer{c}", dtype="float16"), core(1.0, max=np.float64(size)))
        for c, size in (("A", 30_000), ("B", 60_000), ("C", 40_000), ("D", 100))
    ]
    finding = only(measured)
    assert finding.where == "Net/layerB"
    assert "the same in 2 more" in finding.message


def half(rms: float, **changes: Any) -> Measured:
    made = site("Net/Dense_0", "cotangent", dtype="float16")._replace(
        **changes.pop("site", {})
    )
    return [(made, core(rms, **changes))]


@pytest.mark.parametrize(("rms", "fires"), [(2.1e-6, False), (1.8e-6, True)])
def test_gradients_too_small_for_float16(rms: float, fires: bool) -> None:
    assert ("underflow-risk:Net/Dense_0" in codes(half(rms))) is fires


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_other_dtypes_reach_further_down(dtype: str) -> None:
    assert codes(half(1e-8, site={"dtype": dtype})) == {}
    assert codes(half(1e-8, site={"kind": "output"})) == {}


def test_exact_zeros_do_not_make_gradients_small() -> None:
    """Of an embedding's gradient few rows are not zero."""
    rows = core(1e-6, count=100_000, zeros=np.int64(99_900))
    assert share_too_small(rows) == 0
    assert share_too_small(core(1e-6, count=100_000)) == 1
    assert share_too_small(core(1e-6, count=60)) is None


@pytest.mark.parametrize(("below", "fires"), [(49, False), (51, True)])
def test_a_histogram_tells_the_share(below: int, fires: bool) -> None:
    histogram = np.zeros((2, 64), np.int64)
    histogram[0, -20 + 40] = below  # 2^-20 to 2^-19
    histogram[1, -19 + 40] = 100 - below
    measured = half(1e-8 if not fires else 1.0, histogram=histogram)
    assert ("underflow-risk:Net/Dense_0" in codes(measured)) is fires


@given(st.floats(1e-6, 1e6), st.sampled_from(["output", "cotangent"]))
def test_the_scale_makes_no_difference_to_what_is_first(
    scale: float, kind: str
) -> None:
    measured = [
        (s, {**n, **{k: n[k] * scale for k in ("sum", "mean", "rms", "std", "max")}})
        for s, n in network({f"{kind} Net/layer1": bad(), **GRADIENT})
    ]
    assert only(measured).where == "Net/layer1"


MIB = 1 << 20


def test_large_constants_the_largest_first() -> None:
    sizes = [MIB - 1, MIB, 32 * MIB - 1, 32 * MIB]
    made = [Constant((size // 4,), "float32", size, f"a.py:{size}") for size in sizes]
    findings = constant_findings(made)
    assert [f.evidence["bytes"] for f in findings] == sizes[:0:-1]
    assert [str(f.severity) for f in findings] == ["warning", "info", "info"]
    assert findings[0].line == f"a.py:{32 * MIB}"
    assert "32.0 MiB" in findings[0].message


def test_no_site_is_no_finding() -> None:
    assert rules([]) == []
    assert constant_findings([]) == []
