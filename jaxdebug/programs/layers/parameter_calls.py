"""Which call of a layer each cotangent is of, where its parameters name the layer.

Of several calls some may have no cotangent: a loss need not differentiate what it
calls, as the loss of a discriminator does not differentiate the generator. That is
known once everything that the backward part does with the parameters is accounted
for by the other calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxdebug.programs.graph import Step
from jaxdebug.programs.layers.parameter_cotangents import (
    Backward,
    are_accounted_for,
    cotangent_of,
)
from jaxdebug.programs.layers.parameter_layers import ParameterLayer
from jaxdebug.programs.scopes import Direction


class Calls(NamedTuple):
    """The cotangents of one layer's calls."""

    outputs: dict[int, int]
    """For each cotangent, the output that it is of."""
    readers: list[Step]
    """The equations that read them for the layer."""
    reason: str = ""
    """Why they are not certain."""


def calls_of(
    backward: Backward,
    calls: Sequence[ParameterLayer],
    consuming: Mapping[int, Sequence[ParameterLayer]],
) -> Calls:
    """Tell the cotangents of a layer's calls, or why they cannot be told.

    Args:
        backward: the program.
        calls: every call of the layer, in the order of the program.
        consuming: the calls that consume each parameter, of this layer and others.
    """
    cotangents = [
        cotangent_of(backward, call, _rivals(call, consuming)) for call in calls
    ]
    reasons = [cotangent.reason for cotangent in cotangents if cotangent.reason]
    if reasons:
        return Calls({}, [], reasons[0])
    nodes = [cotangent.node for cotangent in cotangents]
    known = {node for node in nodes if node is not None}
    if not known:
        some = any(s.direction is Direction.BACKWARD for s in backward.graph.steps)
        return Calls({}, [], "no array is certain to be its cotangent" if some else "")
    is_certain = len(known) + nodes.count(None) == len(nodes)
    if None in nodes and is_certain:
        is_certain = are_accounted_for(backward, calls, known)
    if not is_certain:
        reason = f"{len(calls)} calls, but cotangents that are certain: {len(known)}"
        return Calls({}, [], reason)
    outputs = {
        cotangent.node: call.members[-1].results[0]
        for call, cotangent in zip(calls, cotangents, strict=True)
        if cotangent.node is not None
    }
    return Calls(outputs, [step for c in cotangents for step in c.readers])


def _rivals(
    call: ParameterLayer, consuming: Mapping[int, Sequence[ParameterLayer]]
) -> list[Step]:
    """The equations of other calls that consume its parameters."""
    others = {other for leaf in call.leaves for other in consuming[leaf]} - {call}
    return [step for other in others for step in other.consumers]
