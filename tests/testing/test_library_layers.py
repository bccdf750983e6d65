"""Every module of Flax and every activation of JAX holds what is not known to break."""

from __future__ import annotations

import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.check_layer import check_layer
from tests.slow import quick_cases
from tests.testing import library_activations, library_linen, library_nnx
from tests.testing.library_layers import Case

LISTS = {
    "jax.nn": (library_activations.FOUND, library_activations.ACTIVATIONS),
    "linen": (library_linen.FOUND, library_linen.LINEN),
    "nnx": (library_nnx.FOUND, library_nnx.NNX),
}
CASES: dict[str, Case] = {
    f"{library}.{name}": case
    for library, (found, cases) in LISTS.items()
    for name, case in cases.items()
    # Some are in later releases only; after a space it is said how one is used.
    if name.split(" ")[0].rstrip(",") in found
}


# Not for every change: a release of a library that has more breaks nobody's change.
@pytest.mark.acceptance
@pytest.mark.parametrize("library", LISTS)
def test_every_one_of_a_library_is_tried(library: str) -> None:
    found, cases = LISTS[library]
    assert found
    assert found <= set(cases), "a new release has more: add a case"


# What a library calls out of date is a part of it all the same.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", quick_cases(CASES, [], slice_of=24))
def test_a_layer_of_a_library(name: str) -> None:
    case = CASES[name]
    report = check_layer(case.make(), case.inputs, **case.settings)
    broken = {
        one.name: one.reason for one in report.properties if one.verdict is Verdict.FAIL
    }
    assert tuple(broken) == case.breaks, str(report)
