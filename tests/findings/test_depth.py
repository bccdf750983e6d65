"""Vanishing, exploding and drifting chains: found over depth, whatever the scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.findings.rules import rules
from jaxdebug.findings.rules.chains import fit_slope, numbered_chains
from tests.findings.summaries import Measured, codes, core, leaf, only, site

RANDOM = np.random.default_rng(0)


def chain(
    decades: float,
    layers: int,
    kind: str = "cotangent",
    noise: float = 0.1,
    scale: float = 1.0,
    name: str = "Net/Dense_{}",
) -> Measured:
    """Magnitudes that change by so many powers of ten a layer."""
    logs = decades * np.arange(layers) + noise * RANDOM.standard_normal(layers)
    return [
        (site(name.format(index), kind), core(scale * 10**log))
        for index, log in enumerate(logs)
    ]


@pytest.mark.parametrize("layers", [6, 20])
def test_a_gradient_that_vanishes_is_named_at_its_far_end(layers: int) -> None:
    finding = only(chain(0.9, layers))
    assert (finding.code, finding.where) == ("vanishing-gradient", "Net/Dense_0")
    assert finding.severity == "warning"
    assert f"through {layers} layers" in finding.message
    assert abs(finding.evidence["decades_per_layer"] - 0.9) < 0.1


def test_a_gradient_that_explodes() -> None:
    finding = only(chain(-0.9, 8))
    assert (finding.code, finding.where) == ("exploding-gradient", "Net/Dense_0")


@pytest.mark.parametrize("decades", [-0.9, 0.9])
def test_activations_that_drift_are_named_where_they_end(decades: float) -> None:
    finding = only(chain(decades, 8, "output"))
    assert (finding.code, finding.where) == ("activation-drift", "Net/Dense_7")
    assert ("grow" if decades > 0 else "shrink") in finding.message


@pytest.mark.parametrize(("change", "fires"), [(2.9, False), (3.1, True)])
def test_the_threshold_from_both_sides(change: float, fires: bool) -> None:
    assert bool(rules(chain(change / 9, 10, noise=0))) is fires


@pytest.mark.parametrize("layers", [4, 5])
def test_a_chain_has_five_layers(layers: int) -> None:
    assert bool(rules(chain(2.0, layers, noise=0))) is (layers == 5)


def test_healthy_profiles_are_silent() -> None:
    residual = [
        (site(f"Net/Block_{i}", kind), core(np.sqrt(i + 1)))
        for i in range(50)
        for kind in ("output", "cotangent")
    ]
    branches = [  # residual branches scaled to 1e-4 beside blocks of scale 1
        (site(f"Net/{name}_{i}", "cotangent"), core(scale))
        for i in range(12)
        for name, scale in (("Block", 1.0), ("Branch", 1e-4))
    ]
    noisy = chain(0.0, 12, noise=1.0)
    one_step = [
        (site(f"Net/Dense_{i}", "cotangent"), core(1e-4 if i < 6 else 1.0))
        for i in range(12)
    ]
    few_steps = chain(0.15, 12)
    for profile in (residual, branches, noisy, few_steps, one_step):
        assert codes(profile) == {}


def test_a_bottleneck_keeps_the_norm_of_a_cotangent() -> None:
    """Elements grow where there are fewer, and the norm stays."""
    widths = [4096, 512, 64, 8, 64, 512, 4096]
    profile = [
        (site(f"Net/Dense_{i}", "cotangent"), core(1 / np.sqrt(width), count=width))
        for i, width in enumerate(widths)
    ]
    assert codes(profile) == {}


def test_zero_branches_leave_the_chain() -> None:
    profile = chain(0.0, 8)
    profile += [(site(f"Net/Zero_{i}", "cotangent"), core(0.0)) for i in range(8)]
    assert codes(profile) == {}


def test_blocks_speak_for_what_is_inside_them() -> None:
    measured = chain(0.9, 8, name="Net/Block_{}") + [
        entry
        for part in ("attention", "mlp/Dense_0", "mlp/Dense_1")
        for entry in chain(0.9, 8, name="Net/Block_{}/" + part)
    ]
    assert only(measured).where == "Net/Block_0"


def test_two_chains_are_two_findings() -> None:
    measured = chain(0.9, 8, name="Net/enc_{}") + chain(-0.9, 9, name="Net/dec_{}")
    assert set(codes(measured)) == {
        "vanishing-gradient:Net/enc_0",
        "exploding-gradient:Net/dec_0",
    }


NAMES = ("stem", "early", "middle", "late", "deep", "last")


@pytest.mark.parametrize("kind", ["cotangent", "output"])
def test_names_without_numbers_are_in_the_order_of_the_program(kind: str) -> None:
    """Cotangents are listed as they are made, from the last layer on."""
    magnitudes = core(1.0), *(core(10.0**index) for index in range(1, 6))
    outputs = [site(f"Net/{name}") for name in NAMES]
    measured = [
        (made, numbers if kind == "output" else core(1.0))
        for made, numbers in zip(outputs, magnitudes, strict=True)
    ]
    if kind == "cotangent":
        pairs = zip(outputs, magnitudes, strict=True)
        made = [(output._replace(kind=kind), numbers) for output, numbers in pairs]
        measured += reversed(made)
    where = {"cotangent": "Net/stem", "output": "Net/last"}[kind]
    assert only(measured).where == where


def test_names_without_numbers_need_one_parent_and_one_shape() -> None:
    def profile(path: str, widths: Sequence[int]) -> Measured:
        return [
            (site(path.format(name), shape=(8, width)), core(10.0**index))
            for index, (name, width) in enumerate(zip(NAMES, widths, strict=True))
        ]

    assert len(codes(profile("Net/{}", [16] * 6))) == 1
    assert codes(profile("Net/{}", [16, 16, 16, 16, 8, 8])) == {}
    assert codes(profile("Net/{}/Dense_0", [16] * 6)) == {}


def test_numbers_are_counted_not_spelled() -> None:
    names = ["linear", "linear_1", "linear_2", "linear_10", "linear_9"]
    (links,) = [
        links
        for links in numbered_chains((site(name), 1.0) for name in names)
        if len(links) > 1
    ]
    assert [link.name for link in links] == sorted(
        names, key=lambda n: int("0" + n[7:])
    )


def test_gradients_stand_in_where_no_cotangent_is_known() -> None:
    measured = [
        entry
        for index in range(6)
        for name, shape in (("kernel", (16, 16)), ("bias", (16,)))
        for entry in leaf(
            f"layers/{index}/{name}", core(1.0), core(10.0**index), shape=shape
        )
    ]
    assert only(measured).where == "layers/0/kernel"
    healthy = chain(0.0, 6, name="Net/Layer_{}")
    assert codes(healthy + measured) == {}


@pytest.mark.parametrize("stacked", [True, False])
def test_rows_of_a_scan_are_layers_only_if_its_parameters_are_stacked(
    stacked: bool,
) -> None:
    front = (8,) if stacked else ()
    measured = [
        (site("Net/ScanBlock_0", "cotangent"), core(10.0 ** np.arange(8))),
        (site("Net/ScanBlock_0/Dense_0", "cotangent"), core(10.0 ** np.arange(8))),
        *leaf("ScanBlock_0/Dense_0/kernel", core(1.0), None, shape=(*front, 8, 8)),
        *leaf("ScanBlock_0/Dense_0/bias", core(1.0), None, shape=(*front, 8)),
    ]
    found = {} if not stacked else {"vanishing-gradient:Net/ScanBlock_0 #0": "warning"}
    assert codes(measured) == found


def test_the_slope_is_the_one_of_least_squares() -> None:
    logs = RANDOM.standard_normal(9)
    slope = fit_slope(10**logs)
    wanted = np.polyfit(np.arange(9), logs, 1)[0]
    assert abs(slope.slope - wanted) < 1e-12
    assert abs(slope.slope - wanted * 1.001) > 1e-12
    assert fit_slope([1.0, 10.0, 100.0]).error < 1e-12
    assert fit_slope([1.0, 1.0, 1e9, 1.0, 1.0]).bound == 0


@given(
    st.floats(-12, 12),
    st.lists(st.floats(-6, 6), min_size=5, max_size=12),
    st.sampled_from(["cotangent", "output"]),
)
def test_the_scale_of_the_loss_makes_no_difference(
    power: float, logs: list[float], kind: str
) -> None:
    def profile(scale: float) -> Measured:
        return [
            (site(f"Net/Dense_{i}", kind), core(scale * 10**log))
            for i, log in enumerate(logs)
        ]

    slope = fit_slope(10 ** np.array(logs))
    ends = abs(logs[-1] - logs[0])
    limits = (abs(slope.bound) - 3, ends - 3, abs(slope.steady) - 1.5)
    if min(map(abs, limits)) > 1e-6:
        assert codes(profile(1.0)) == codes(profile(10**power))
