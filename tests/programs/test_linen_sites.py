"""Layers of Linen models: their outputs and cotangents are those Flax has itself."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxdebug.statistics.probe import probe
from jaxdebug.statistics.site_statistics import Statistics
from tests.programs.linen_models import (
    LOOPED,
    MODELS,
    capture,
    cotangents,
    loss,
    outputs_by_path,
    variables,
)
from tests.slow import quick_cases

QUICK = ("scan_remat", "two_outputs")


class Seen(NamedTuple):
    """The statistics of a model's gradient, and the arrays they are of."""

    statistics: Statistics
    outputs: dict[str, list[np.ndarray]]
    cotangents: dict[str, list[np.ndarray]]


@cache
def seen(name: str) -> Seen:
    """One compilation for each model."""
    _, x = MODELS[name]

    def everything(params: Any, x: Any) -> Any:
        _, statistics = probe(jax.grad(loss(name)), statistics=())(params, x)
        return statistics, capture(name, params), cotangents(name, params)

    compiled = jax.jit(everything)
    statistics, stored, true = compiled(variables(name)["params"], x)
    return Seen(
        statistics,
        outputs_by_path(name, stored),
        {path: [np.asarray(a) for a in each] for path, each in true.items()},
    )


def check(numbers: dict[str, np.ndarray], array: np.ndarray, shape: Any) -> None:
    """Counts exact, rms and largest magnitude to 1e-6 of the array itself."""
    array = array.astype(np.float64)
    axes = tuple(range(array.ndim - len(shape), array.ndim))
    rms = np.sqrt((array**2).mean(axis=axes))
    assert np.all(numbers["count"] == np.prod(shape, dtype=int))
    assert np.all(numbers["nonfinite"] == 0)
    # The two are computed by two programs, whose rounding differs.
    np.testing.assert_allclose(numbers["rms"], rms, rtol=3e-6)
    largest = np.abs(array).max(axis=axes)
    np.testing.assert_allclose(numbers["max"], largest, rtol=3e-6)


@pytest.mark.parametrize("name", quick_cases(MODELS, QUICK))
def test_outputs_are_the_captured_intermediates(name: str) -> None:
    result = seen(name)
    found = {}
    for site, numbers in result.statistics:
        path = "/".join(site.path)
        if site.kind == "output" and path in result.outputs:
            found.setdefault(path, []).append((site.index, site.shape, numbers))
    assert found.keys() == result.outputs.keys()
    for path, sites in found.items():
        arrays = result.outputs[path]
        assert len(sites) == len(arrays), path
        for (_, shape, numbers), array in zip(
            sorted(sites, key=lambda site: site[0]), arrays, strict=True
        ):
            check(numbers, array, shape)


@pytest.mark.parametrize("name", quick_cases(MODELS, QUICK))
def test_cotangents_are_the_derivatives(name: str) -> None:
    result = seen(name)
    found = {}
    for site, numbers in result.statistics:
        path = "/".join(site.path)
        if site.kind == "cotangent" and path in result.cotangents:
            found.setdefault(path, []).append((site.index, site.shape, numbers))
    unidentified = {"/".join(path) for path, _ in result.statistics.layout.unidentified}
    assert found.keys() | unidentified == result.cotangents.keys()
    assert len(found) > len(unidentified)
    for path, sites in found.items():
        arrays = result.cotangents[path]
        assert len(sites) == len(arrays), path
        for (_, shape, numbers), array in zip(
            sorted(sites, key=lambda site: site[0]), arrays, strict=True
        ):
            check(numbers, array, shape)


@pytest.mark.parametrize("name", quick_cases(MODELS, QUICK))
def test_every_other_site_is_a_scope_of_the_model(name: str) -> None:
    """No path that Flax does not know, but for scopes that a library opens."""
    result = seen(name)
    root = type(MODELS[name][0]).__name__
    for site in result.statistics.sites:
        if site.kind in ("output", "cotangent"):
            path = "/".join(site.path)
            known = path in result.outputs or path.startswith(LOOPED)
            assert site.path[0] == root
            assert known or "->" in site.path[-1], path


@pytest.mark.parametrize("name", quick_cases(MODELS, QUICK))
def test_lines_are_the_users_own(name: str) -> None:
    """The file that defines the models, never one of Flax or JAX."""
    for site in seen(name).statistics.sites:
        if site.kind in ("output", "cotangent"):
            assert site.line is not None, site.name
            assert site.line.file.endswith("tests/programs/linen_models.py"), site


def test_a_wrong_array_is_caught() -> None:
    """The same check refuses the output of another layer and a missing row."""
    result = seen("dense")
    wanted = result.outputs["DenseStack/Dense_0"][0]
    numbers = result.statistics.summary("DenseStack/Dense_0")
    check(numbers, wanted, wanted.shape)
    other = result.outputs["DenseStack/Dense_1"][0]
    for wrong in (other, wanted[1:], wanted * np.float32(1.00001)):
        with pytest.raises(AssertionError):
            check(numbers, wrong, wrong.shape)


@pytest.mark.parametrize("name", ["remat", "scan_remat"])
def test_recomputed_values_are_not_counted_twice(name: str) -> None:
    """Each layer has one output, though its forward part runs again."""
    sites = [site for site in seen(name).statistics.sites if site.kind == "output"]
    assert len(sites) == len({site.path for site in sites})


def test_a_module_called_twice_is_two_sites() -> None:
    names = {
        site.name
        for site in seen("twice").statistics.sites
        if site.path[-1] == "shared"
    }
    assert names == {"Twice/shared", "Twice/shared[1]"}
