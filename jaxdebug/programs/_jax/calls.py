"""Typed views of equations that call one jaxpr: jit, remat, shard_map, custom rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax._src import custom_derivatives
from jax._src.interpreters import ad, partial_eval
from jax._src.sharding_impls import UNSPECIFIED
from jax.extend.core import ClosedJaxpr, JaxprEqn

from jaxdebug.programs._jax.ir import bind, close

REFUSALS = (NotImplementedError, TypeError, ValueError, ad.CustomVJPException)
"""What JAX raises of a function that it cannot differentiate."""


def _repeat(items: Sequence[Any], counts: Sequence[int]) -> tuple[Any, ...]:
    return tuple(
        item for item, count in zip(items, counts, strict=True) for _ in range(count)
    )


class Jit(NamedTuple):
    """A call of a jitted function."""

    equation: JaxprEqn
    body: ClosedJaxpr

    def bind(
        self,
        body: ClosedJaxpr,
        operands: Sequence[Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
        added: int,
    ) -> list[Any]:
        """Run it with another body.

        Args:
            body: the new body.
            operands: flat leaves.
            inputs: how many leaves stand for each old operand.
            outputs: how many leaves stand for each old result.
            added: how many leaves follow the old results.
        """
        params = self.equation.params
        return bind(
            self.equation,
            operands,
            jaxpr=body,
            in_shardings=_repeat(params["in_shardings"], inputs),
            in_layouts=_repeat(params["in_layouts"], inputs),
            donated_invars=_repeat(params["donated_invars"], inputs),
            out_shardings=_repeat(params["out_shardings"], outputs)
            + (UNSPECIFIED,) * added,
            out_layouts=_repeat(params["out_layouts"], outputs) + (None,) * added,
        )


def view_jit(equation: JaxprEqn) -> Jit:
    return Jit(equation, close(equation.params["jaxpr"]))


# The name of the parameter that holds the one body of a plain call. Two
# spellings of one primitive are two JAX versions.
_BODY_NAMES = ("jaxpr", "call_jaxpr")


class Call(NamedTuple):
    """A call with one body and nothing that counts operands or results."""

    equation: JaxprEqn
    body: ClosedJaxpr
    parameter: str

    def bind(self, body: ClosedJaxpr, operands: Sequence[Any]) -> list[Any]:
        """Run it with another body, whose constants become operands.

        remat takes an open jaxpr, closed_call a closed one: without constants
        both are satisfied.
        """
        bare = partial_eval.convert_constvars_jaxpr(body.jaxpr)
        if isinstance(self.equation.params[self.parameter], ClosedJaxpr):
            bare = close(bare)
        operands = [*body.consts, *operands]
        return bind(self.equation, operands, **{self.parameter: bare})


def view_call(equation: JaxprEqn) -> Call:
    name = next(name for name in _BODY_NAMES if name in equation.params)
    return Call(equation, close(equation.params[name]), name)


class ShardMap(NamedTuple):
    """A shard_map over the manual axes of a mesh."""

    equation: JaxprEqn
    body: ClosedJaxpr
    axes: tuple[str, ...]
    checked: bool
    mesh: Any

    def inside(self, other: ShardMap) -> ShardMap:
        """The same with the axes of another, in whose body it stands, all at once."""
        axes = (*other.axes, *self.axes)
        checked = self.checked and other.checked
        return self._replace(axes=axes, checked=checked, mesh=other.mesh)

    def bind(
        self,
        body: Callable[..., Any],
        operands: Sequence[Any],
        added: Any,
    ) -> tuple[Any, Any]:
        """Run it with another body.

        Args:
            body: function of values that returns values and one more pytree.
            operands: one value for each operand.
            added: partition specs of that pytree, or of its parts.
        """
        params = self.equation.params
        mapped = self.map(
            body, tuple(params["in_specs"]), (list(params["out_specs"]), added)
        )
        return mapped(*operands)

    def map(
        self, function: Callable[..., Any], in_specs: Any, out_specs: Any
    ) -> Callable[..., Any]:
        """Another function over the same mesh, with specs of its own."""
        return jax.shard_map(
            function,
            mesh=self.mesh,
            in_specs=in_specs,
            out_specs=out_specs,
            check_vma=self.checked,
            axis_names=set(self.axes),
        )

    @property
    def sizes(self) -> dict[str, int]:
        """Devices along each axis of the mesh."""
        return dict(self.mesh.shape)

    @property
    def in_specs(self) -> tuple[Any, ...]:
        """How each operand is split over the mesh."""
        return tuple(self.equation.params["in_specs"])

    @property
    def out_specs(self) -> tuple[Any, ...]:
        """How each result is put together."""
        return tuple(self.equation.params["out_specs"])


def view_shard_map(equation: JaxprEqn) -> ShardMap:
    params = equation.params
    axes = params.get("newly_manual_axes", params.get("manual_axes"))
    mesh = params["mesh"]
    ordered = tuple(name for name in mesh.axis_names if name in axes)
    body = close(params["jaxpr"])
    return ShardMap(equation, body, ordered, params["check_vma"], mesh)


def varying_axes(aval: Any) -> frozenset[str]:
    """Mesh axes along which a value inside a checked shard_map differs."""
    kept = getattr(aval, "manual_axis_type", None)
    return frozenset(kept.varying if kept is not None else getattr(aval, "vma", ()))


class LinearSolve(NamedTuple):
    """custom_linear_solve: four bodies, each with constants of its own."""

    equation: JaxprEqn
    bodies: dict[str, ClosedJaxpr | None]
    constants: dict[str, int]

    def bind(
        self,
        bodies: dict[str, ClosedJaxpr | None],
        operands: Sequence[Any],
        constants: dict[str, int],
    ) -> list[Any]:
        """Run it with other bodies."""
        params = self.equation.params
        return bind(
            self.equation,
            operands,
            jaxprs=type(params["jaxprs"])(**bodies),
            const_lengths=type(params["const_lengths"])(**constants),
        )


def view_linear_solve(equation: JaxprEqn) -> LinearSolve:
    params = equation.params
    fields = params["jaxprs"]._fields
    bodies = {name: getattr(params["jaxprs"], name) for name in fields}
    return LinearSolve(
        equation,
        {name: None if body is None else close(body) for name, body in bodies.items()},
        {name: getattr(params["const_lengths"], name) for name in fields},
    )


class CustomRule(NamedTuple):
    """A call of a function with a custom derivative rule."""

    equation: JaxprEqn
    body: ClosedJaxpr
    symbolic_zeros: bool
    """Whether the rule is told which operands do not move."""
    closed_over: int
    """How many of the first operands the function closes over: JAX refuses to
    differentiate by them."""


def view_custom_rule(equation: JaxprEqn) -> CustomRule:
    params = equation.params
    return CustomRule(
        equation,
        close(params["call_jaxpr"]),
        params["symbolic_zeros"],
        params["num_consts"],
    )


def custom_rule_name(equation: JaxprEqn) -> tuple[str, str]:
    """Name of the decorated function, and `file:line` of its definition or ""."""
    info = view_custom_rule(equation).body.jaxpr.debug_info.func_src_info
    name, _, place = info.partition(" at ")
    return name, place


_MADE_BY_JAX = custom_derivatives.__file__
"""Where rules are defined that JAX makes of `defjvps` or `custom_gradient`."""


def derivative_definition(equation: JaxprEqn) -> str:
    """`file:line` of the function that is the rule, or "" if JAX made it."""
    params = equation.params
    rule = params["bwd"] if "bwd" in params else params["jvp_jaxpr_fun"]
    info = getattr(getattr(rule, "debug_info", None), "func_src_info", None) or ""
    place = info.partition(" at ")[2]
    return "" if place.startswith(_MADE_BY_JAX) else place
