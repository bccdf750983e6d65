"""Whether a layer's gradients are right, and its second derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxdebug.checks.gradients.check_gradients import check_gradients
from jaxdebug.programs.places import is_inexact
from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.draw import Draw
from jaxdebug.testing.layers.gap import Undecided
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Property,
    Setting,
)


def gradients_right(order: int, expected: Sequence[str] = ()) -> Property:
    """The property, with derivatives up to an order.

    Args:
        order: 1 or 2.
        expected: names of functions whose derivative is meant to differ.
    """

    def host(layer: Layer, setting: Setting) -> HostCheck:
        training = layer.has_modes

        moves = layer.moving(setting.args)

        def function(params: Any, moving: Any, held: Any, state: Any, key: Any) -> Any:
            own = iter(moving), iter(held)
            leaves = [next(own[0] if one else own[1]) for one in moves]
            args = jax.tree.unflatten(jax.tree.structure(setting.args), leaves)
            variables = setting.variables._replace(params=params, state=state)
            return layer.apply(variables, key, args, training)[0]

        argnums = [0] if _is_differentiable(setting.variables.params) else []
        argnums += [1] if any(moves) else []
        checked = check_gradients(
            function, argnums=argnums, order=order, expected=expected
        )

        def check(draw: Draw, noise: AskNoise) -> str:
            params, state = draw.variables
            leaves = jax.tree.leaves(draw.args)
            moving, held = (
                [leaf for leaf, one in zip(leaves, moves, strict=True) if one is kind]
                for kind in (True, False)
            )
            report = checked(params, moving, held, state, draw.key)
            if report.verdict is Verdict.INCONCLUSIVE:
                raise Undecided(_reason(report))
            return "" if report.ok else _reason(report)

        return check

    return Property(
        "gradients",
        "gradients are right" + (", and second derivatives" if order > 1 else ""),
        host=host,
        why_not=_nothing_to_differentiate,
    )


def _is_differentiable(tree: Any) -> bool:
    return any(map(is_inexact, jax.tree.leaves(tree)))


def _nothing_to_differentiate(setting: Setting) -> str:
    moves = any(setting.layer.moving(setting.args))
    if moves or _is_differentiable(setting.variables.params):
        return ""
    return "there are no floating parameters or inputs"


def _reason(report: Any) -> str:
    """What the report says first: of the leaf or rule that has its verdict."""
    findings = [f"{one.where}: {one.message}" for one in report.findings]
    second = [] if report.second is None else [report.second]
    for each in (report, *second):
        for one in (*each.leaves, *each.rules):
            if one.verdict is report.verdict:
                name = getattr(one, "path", "") or getattr(one, "name", "the function")
                return next(iter(findings), f"{name}: {one.reason}")
    return next(iter(findings), "the value of the function could not be evaluated")
