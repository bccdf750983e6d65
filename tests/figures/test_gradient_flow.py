"""Gradient flow: norms of the right layers, in the order of the program."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxdebug.figures import gradient_flow
from jaxdebug.programs.places import Site
from jaxdebug.statistics.summary import summarize_array
from tests.figures.texts import row_names, texts_of

NAN = float("nan")


def layer(name: str, kind: str, values: Any, rows: bool = False) -> Any:
    """An audited layer; with rows one for each iteration of a scan."""
    array = np.asarray(values, np.float64)
    site = Site(tuple(name.split("/")), kind, 0, array.shape, "float32", "", None)
    if not rows:
        return SimpleNamespace(site=site, numbers=summarize_array(array))
    each = [summarize_array(row) for row in array]
    numbers = {key: np.asarray([one[key] for one in each]) for key in each[0]}
    return SimpleNamespace(site=site, numbers=numbers)


def leaf(path: str, parameter: Any, gradient: Any) -> Any:
    array = np.asarray(parameter, np.float64)
    return SimpleNamespace(
        path=path,
        shape=array.shape,
        dtype="float32",
        parameter=summarize_array(array),
        derivative=summarize_array(np.asarray(gradient, np.float64)),
    )


def report(layers: Any, leaves: Any) -> Any:
    return SimpleNamespace(name="net", layers=layers, leaves=leaves)


def network(cotangents: dict[str, Any]) -> list[Any]:
    """Outputs in order, then cotangents as they are met on the way back."""
    forward = [layer(name, "output", [1.0]) for name in cotangents]
    return [
        *forward,
        *(layer(name, "cotangent", v) for name, v in reversed(cotangents.items())),
    ]


def points(axes: Any) -> dict[str, float]:
    """The magnitude that is drawn in each row that has one."""
    names = row_names(axes)
    (dots,) = (line for line in axes.lines if line.get_marker() == "o")
    return {
        names[int(y)]: float(x)
        for x, y in zip(dots.get_xdata(), dots.get_ydata(), strict=True)
    }


def marked(axes: Any) -> dict[str, list[str]]:
    """Names of the rows by what their marks mean."""
    names = row_names(axes)
    return {
        line.get_label(): [names[int(y)] for y in line.get_ydata()]
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_rows_are_in_the_order_of_the_program_and_norms_of_whole_arrays() -> None:
    found = report(
        network({"Net/first": [3.0, 4.0], "Net/second": [0.6, 0.8], "Net": [9.0]}),
        [
            leaf("second/w", [[2.0, 0.0]], [[1.0, 0.0]]),
            leaf("first/b", [0.0], [5.0]),
            leaf("first/w", [[3.0, 4.0]], [[0.0, 10.0]]),
        ],
    )
    left, right = gradient_flow(found).axes
    assert row_names(left) == ["first", "second", "Net"]
    assert points(left) == pytest.approx({"first": 5.0, "second": 1.0, "Net": 9.0})
    assert row_names(right) == ["first/b", "first/w", "second/w"]
    assert points(right) == pytest.approx({"first/w": 2.0, "second/w": 0.5})
    assert marked(right) == {"parameter is 0": ["first/b"]}
    assert left.get_xscale() == right.get_xscale() == "log"


def test_zero_and_what_is_not_finite_are_marked() -> None:
    cotangents = {"Net/a": [1.0, NAN], "Net/b": [0.0, 0.0], "Net/c": [1.0, 2.0]}
    leaves = [
        leaf("a/w", [1.0], [np.inf]),
        leaf("b/w", [1.0], [0.0]),
        leaf("c/w", [1.0], [1.0]),
    ]
    left, right = gradient_flow(report(network(cotangents), leaves)).axes
    assert marked(left) == {
        "gradient is 0": ["b"],
        "holds what is not finite": ["a"],
    }
    assert points(left) == pytest.approx({"a": 1.0, "c": 5**0.5})
    assert marked(right)["holds what is not finite"] == ["a/w"]
    assert points(right) == pytest.approx({"c/w": 1.0})


def test_a_module_is_left_out_where_its_output_is_its_last_layers() -> None:
    cotangents = {"Net/block/dense": [1.0], "Net/block": [1.0], "Net/head": [2.0]}
    left, _ = gradient_flow(report(network(cotangents), [])).axes
    assert row_names(left) == ["block/dense", "head"]
    cotangents = {"Net/block/dense": [1.0], "Net/block": [3.0], "Net/head": [2.0]}
    left, _ = gradient_flow(report(network(cotangents), [])).axes
    assert row_names(left) == ["block/dense", "block", "head"]


def test_layers_of_a_scan_are_one_row_each_and_steps_of_time_are_not() -> None:
    rows = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]
    layers = [
        layer("Net/layers/dense", "output", rows, rows=True),
        layer("Net/cell", "output", rows, rows=True),
        layer("Net/cell", "cotangent", rows, rows=True),
        layer("Net/layers/dense", "cotangent", rows, rows=True),
    ]
    leaves = [leaf("layers/dense/w", np.ones((3, 2)), np.ones((3, 2)))]
    leaves += [leaf("cell/w", np.ones((2, 2)), np.ones((2, 2)))]
    left, _ = gradient_flow(report(layers, leaves)).axes
    names = [f"layers/dense #{index}" for index in range(3)]
    assert row_names(left) == [*names, "cell"]
    assert points(left) == pytest.approx(
        {names[0]: 1.0, names[1]: 2.0, names[2]: 3.0, "cell": 14**0.5}
    )


def test_of_many_layers_the_outermost_are_drawn_and_it_is_said() -> None:
    cotangents = {}
    for block in range(60):
        cotangents[f"Net/block_{block}/norm"] = [1.0 + block]
        cotangents[f"Net/block_{block}/dense"] = [2.0 + block]
        cotangents[f"Net/block_{block}"] = [5.0 + block]
    figure = gradient_flow(report(network(cotangents), []))
    left, _ = figure.axes
    assert row_names(left) == [f"block_{index}" for index in range(60)]
    assert any("60 of 180 layers: the outermost" in text for text in texts_of(figure))
    names = {f"Net/layer_{index}": [1.0] for index in range(300)}
    left, _ = gradient_flow(report(network(names), [])).axes
    assert len(row_names(left)) == 100
    assert row_names(left)[-1] == "layer_299"


def test_hostile_names_are_shown_as_they_are() -> None:
    names = ["$\\frac{", "\x1b[31m", "层", "a" * 10_000]
    cotangents = {f"Net/{name}": [1.0] for name in names}
    figure = gradient_flow(report(network(cotangents), []))
    figure.savefig("/dev/null", format="png")
    shown = row_names(figure.axes[0])
    assert shown[:3] == ["$\\frac{", "\\x1b[31m", "\\u5c42"]
    assert len(shown[3]) == 40


def test_an_audit_of_nothing_and_extreme_sizes_can_be_drawn() -> None:
    gradient_flow(report([], [])).savefig("/dev/null", format="png")
    cotangents = {"Net/a": [1e-320], "Net/b": [1e300]}
    gradient_flow(report(network(cotangents), [])).savefig("/dev/null", format="png")


def test_what_is_no_audit_is_refused() -> None:
    with pytest.raises(TypeError, match="expects the report of an audit; found dict"):
        gradient_flow({})  # type: ignore[arg-type]
