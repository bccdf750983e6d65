"""What holds of a custom derivative rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.testing.layers.draw import Usual, stacked
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.properties.gradients import gradients_right
from jaxdebug.testing.layers.properties.transformations import TRANSFORMATIONS
from jaxdebug.testing.layers.properties.values import (
    VALUES,
    count_nonfinite,
    extremes,
    nonfinite_words,
)
from jaxdebug.testing.layers.property import HostCheck, Pair, Property, Setting
from jaxdebug.testing.rules.derivative import moving_part, some_like

FACTORS = 2.0, -3.0
"""Of two cotangents, whose sum a linear rule takes apart."""


def _combined(left: Any, right: Any) -> Any:
    a, b = FACTORS
    return jax.tree.map(lambda x, y: (a * x + b * y).astype(x.dtype), left, right)


def rule_properties(
    plain: Layer, order: int, expected: Sequence[str], *, forward: bool
) -> tuple[Property, ...]:
    """Every property of a rule.

    Args:
        plain: the function, as a layer that returns its value alone.
        order: of the derivatives that are checked.
        expected: names of rules that are meant to differ from their function.
        forward: whether there is a derivative in forward mode.
    """
    gradients = gradients_right(order, expected)
    own = gradients.host
    assert own is not None

    def right(layer: Layer, setting: Setting) -> HostCheck:
        return own(plain, setting._replace(layer=plain))

    def derivative(usual: Usual) -> tuple[Callable[[Any], Any], Any]:
        return moving_part(plain, usual.draw)

    def primal(usual: Usual, setting: Setting) -> Pair:
        function, operands = derivative(usual)
        expected, found = function(operands), {}
        found["reverse"], _ = jax.vjp(function, operands)
        if forward:
            tangents = some_like(operands, 3)
            found["forward"], _ = jax.jvp(function, (operands,), (tangents,))
        return dict.fromkeys(found, expected), found

    def linear(usual: Usual, setting: Setting) -> Pair:
        function, operands = derivative(usual)
        made, pull_back = jax.vjp(function, operands)
        one, two = (some_like(made, number) for number in (1, 2))
        apart, together = {}, {}
        apart["cotangent"] = _combined(pull_back(one)[0], pull_back(two)[0])
        together["cotangent"] = pull_back(_combined(one, two))[0]
        if forward:

            def push(tangents: Any) -> Any:
                return jax.jvp(function, (operands,), (tangents,))[1]

            one, two = (some_like(operands, number) for number in (1, 2))
            apart["tangent"] = _combined(push(one), push(two))
            together["tangent"] = push(_combined(one, two))
        return apart, together

    def zero(usual: Usual, setting: Setting) -> Pair:
        function, operands = derivative(usual)
        made, pull_back = jax.vjp(function, operands)
        nothing = pull_back([jnp.zeros_like(leaf) for leaf in made])[0]
        # Where the derivative itself is infinite, no rule has a product to return.
        usually = pull_back(some_like(made, 0))[0]
        found = jax.tree.map(
            lambda x, y: jnp.where(jnp.isfinite(y), x, 0), nothing, usually
        )
        return jax.tree.map(jnp.zeros_like, found), found

    def alone(usual: Usual, setting: Setting) -> Pair:
        function, operands = derivative(usual)
        made, pull_back = jax.vjp(function, operands)
        cotangents = some_like(made, 0)
        expected = {"all": pull_back(cotangents)[0]}
        found: dict[str, Any] = {"all": []}
        for i, operand in enumerate(operands):

            def of_one(x: Any, i: int = i) -> Any:
                return function([*operands[:i], x, *operands[i + 1 :]])

            found["all"] += jax.vjp(of_one, operand)[1](cotangents)
        if len(made) > 1:
            # The cotangents of the other outputs are zeros that JAX knows to be zero.
            each = [
                jax.vjp(lambda x, k=k: function(x)[k], operands)[1](cotangent)[0]
                for k, cotangent in enumerate(cotangents)
            ]
            expected["outputs"] = expected["all"]
            found["outputs"] = jax.tree.map(lambda *leaves: sum(leaves), *each)
        return expected, found

    def remade(usual: Usual, setting: Setting) -> Pair:
        function, operands = derivative(usual)
        made, pull_back = jax.vjp(jax.checkpoint(function), operands)
        return usual.output["cotangent"], pull_back(some_like(made, 0))[0]

    def finite(usual: Usual, setting: Setting) -> Pair:
        inputs = extremes(usual.draw.args, setting.domain)

        def bad(args: tuple[Any, ...]) -> Any:
            found = jax.tree.map(count_nonfinite, usual.of(args))
            values = sum(jax.tree.leaves(found["value"]), 0)
            # A function that overflows has no derivative to speak of.
            return {
                "gradient of/inputs": jax.tree.map(
                    lambda count: jnp.where(values == 0, count, 0), found["cotangent"]
                )
            }

        counts = jax.vmap(bad)(stacked(*inputs.values()))
        each = {
            name: jax.tree.map(lambda leaf, i=i: leaf[i], counts)
            for i, name in enumerate(inputs)
        }
        return jax.tree.map(jnp.zeros_like, each), each

    (dtype,) = (one for one in VALUES if one.name == "dtype")
    kept = {one.name: one for one in TRANSFORMATIONS}
    return (
        gradients._replace(host=right),
        Property(
            "primal", "the rule's value is the function's", primal, noise="any output"
        ),
        Property(
            "linear",
            "the rule is linear in tangent and cotangent",
            linear,
            noise="any output",
        ),
        Property(
            "zero", "a cotangent of zero gives a gradient of zero", zero, noise="none"
        ),
        Property(
            "alone",
            "each operand alone has the cotangent that it has with all others",
            alone,
            noise="any output",
        ),
        dtype._replace(
            says="value and cotangent have the dtype of the operands",
        ),
        Property(
            "finite",
            "where the value is finite, the gradient is, at extreme operands",
            finite,
            noise="none",
            words=nonfinite_words,
        ),
        *(kept[name] for name in ("jit", "vmap", "scan")),
        kept["remat"]._replace(pair=remade, noise="any output"),
    )
