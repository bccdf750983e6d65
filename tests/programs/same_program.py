"""Where two traced programs differ, equation by equation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxdebug.programs._jax import ir, source

Names = dict[Any, int]


def differences(left: ir.ClosedJaxpr, right: ir.ClosedJaxpr) -> list[str]:
    """What differs: primitives, operands, avals, parameters, scopes, lines, effects.

    Variables are compared by the order in which they appear.
    """
    return list(_differences(left, right, ""))


def _differences(
    left: ir.ClosedJaxpr, right: ir.ClosedJaxpr, where: str
) -> Iterator[str]:
    if len(left.jaxpr.eqns) != len(right.jaxpr.eqns):
        yield (
            f"{where}: {[e.primitive.name for e in left.jaxpr.eqns]} became "
            f"{[e.primitive.name for e in right.jaxpr.eqns]}"
        )
        return
    names: tuple[Names, Names] = ({}, {})
    both = (left.jaxpr, right.jaxpr)
    inputs = [
        _atoms([*j.constvars, *j.invars], n) for j, n in zip(both, names, strict=True)
    ]
    yield from _changed(where, "inputs", *inputs)
    for index, (a, b) in enumerate(zip(left.jaxpr.eqns, right.jaxpr.eqns, strict=True)):
        place = f"{where}/{index}:{a.primitive.name}"
        equations = (a, b)
        yield from _changed(place, "primitive", a.primitive.name, b.primitive.name)
        for what, pick in (("operands", "invars"), ("results", "outvars")):
            atoms = [
                _atoms(getattr(e, pick), n)
                for e, n in zip(equations, names, strict=True)
            ]
            yield from _changed(place, what, *atoms)
        for what, read in (
            ("scopes", source.name_stack),
            ("line", source.users_line),
            ("parameters", _plain_parameters),
            ("effects", _named_effects),
        ):
            yield from _changed(place, what, read(a), read(b))
        inside = [list(ir.nested_jaxprs(e)) for e in equations]
        yield from _changed(place, "bodies", *map(len, inside))
        for number, pair in enumerate(zip(*inside, strict=False)):
            yield from _differences(*pair, f"{place}[{number}]")
    outputs = [jaxpr.outvars for jaxpr in both]
    yield from _changed(where, "outputs", *map(_atoms, outputs, names))


def _changed(where: str, what: str, left: Any, right: Any) -> Iterator[str]:
    if left != right:
        yield f"{where}: {what} {left} became {right}"


def _atoms(atoms: Any, names: Names) -> list[str]:
    found = []
    for atom in atoms:
        if isinstance(atom, ir.Literal):
            found.append(f"{atom.val!r}:{atom.aval.str_short()}")
        else:
            weak = getattr(atom.aval, "weak_type", False)
            number = names.setdefault(atom, len(names))
            found.append(f"v{number}:{atom.aval.str_short()}{'~' if weak else ''}")
    return found


MADE_ANEW = frozenset(
    {"jvp_jaxpr_fun", "out_trees", "fwd_jaxpr_thunk", "bwd", "ft_in", "ft_out"}
)
"""Functions and trees that belong to a body; the trees only count its variables."""


def _plain_parameters(equation: ir.JaxprEqn) -> dict[str, str]:
    """Parameters that are data: neither bodies nor functions, which are made anew."""
    return {
        name: str(value)
        for name, value in equation.params.items()
        if name not in MADE_ANEW and not any(ir.jaxprs_in(value))
    }


def _named_effects(equation: ir.JaxprEqn) -> list[str]:
    return sorted(type(effect).__name__ for effect in equation.effects)
