"""What is wrong with how a function is called: constants, donation, compilations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import found
from jaxdebug.findings.parts import listed
from jaxdebug.findings.rules.constants import Constant, constant_findings
from jaxdebug.programs._jax import operations
from jaxdebug.programs.graph import Step

DONATED_FROM = 1 << 20
"""Bytes of state from which on it is said that they are held twice."""


def lint_constants(linted: Linted) -> Outcome:
    """Large arrays that the trace captured."""
    graph, constants = linted.graph, []
    first = len(graph.inputs)
    for offset, value in enumerate(linted.jaxpr.consts):
        size = getattr(value, "nbytes", 0)
        readers = graph.steps_after(first + offset)
        line = next((s.equation.line for s in readers if s.equation.line), None)
        constants.append(Constant(tuple(value.shape), str(value.dtype), size, line))
    total = sum(constant.bytes for constant in constants)
    return judged(
        "constants",
        f"{len(constants)} captured, {total / 2**20:.1f} MiB",
        constant_findings(constants),
        {"constants": len(constants), "bytes": total},
    )


def lint_donation(linted: Linted) -> Outcome:
    """State that a jitted step holds twice because its old value is not given away."""
    call = _whole_call(linted)
    if call is None:
        return not_run("donation", "it concerns jitted functions")
    given = dict(zip(call.operands, operations.donated(call.equation.raw), strict=True))
    kept = [
        index
        for index, output in linted.state
        if not given.get(linted.graph.inputs[index], True)
        and _alike(linted, index, output)
    ]
    size = sum(_bytes(linted.graph.avals[linted.graph.inputs[i]]) for i in kept)
    findings = []
    if size >= DONATED_FROM:
        arguments = sorted({linted.inputs[index][1] for index in kept})
        findings.append(
            found(
                "missed-donation",
                f"argument {', '.join(arguments)}",
                f"{len(kept)} arrays of {size / 2**20:.1f} MiB come out as new values "
                "of the same shapes, and the old ones are kept",
                evidence={"bytes": size, "threshold": DONATED_FROM},
            )
        )
    said = f"{size / 2**20:.1f} MiB of state not donated"
    return judged("donation", said, findings, {"bytes": size})


def lint_recompilation(linted: Linted) -> Outcome:
    """State that comes out with another type than it goes in with."""
    changed = [
        (index, old, new)
        for index, output in linted.state
        for old, new in [_types(linted, index, output)]
        if old != new
    ]
    if not linted.state:
        return not_run("recompilation", "it hands on no state: give the train step")
    findings = [
        found(
            "state-changes-type",
            linted.name(index),
            f"it goes in as {old} and comes out as {new}",
            evidence={"before": old, "after": new},
        )
        for index, old, new in changed
    ]
    names = listed(linted.name(index) for index, _, _ in changed)
    said = f"{len(changed)} of {len(linted.state)} leaves of the state" + (
        f": {names}" if changed else ""
    )
    return judged("recompilation", said, findings, {"changed": len(changed)})


def _whole_call(linted: Linted) -> Step | None:
    """The one call that the program consists of, if the function is jitted."""
    if not hasattr(linted.function, "lower"):
        return None
    calls = [step for step in _top(linted) if step.equation.primitive == "jit"]
    return calls[0] if len(calls) == 1 else None


def _top(linted: Linted) -> Iterator[Step]:
    return (step for step in linted.graph.steps if len(step.address) == 1)


def _alike(linted: Linted, index: int, output: int) -> bool:
    old, new = _types(linted, index, output)
    return old == new


def _types(linted: Linted, index: int, output: int) -> tuple[str, str]:
    old: Any = linted.jaxpr.in_avals[index]
    new: Any = linted.jaxpr.out_avals[output]
    return _type(old), _type(new)


def _type(aval: Any) -> str:
    weak = ", weakly typed" if getattr(aval, "weak_type", False) else ""
    shape = ",".join(map(str, aval.shape))
    return f"{aval.dtype}[{shape}]{weak}"


def _bytes(aval: Any) -> int:
    return aval.size * aval.dtype.itemsize
