"""Running the last steps again, from a snapshot to the first that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxdebug.training.recorder.arguments import Flat, Flattening, Links
from jaxdebug.training.recorder.kept import Keeping
from jaxdebug.training.recorder.signals import Signals
from jaxdebug.training.recorder.snapshots import Snapshot, copied, finite

Numbers = Mapping[str, float]


class Replayed(NamedTuple):
    """A step that made a value that is not finite, found by running it again."""

    step: int
    """The first whose results are not finite although its arguments are."""
    started: int
    """The step of the snapshot."""
    flat: Flat
    """Its arguments."""
    unlike: str
    """What differs from the first time; empty if the replay is exact."""


def replay(
    function: Callable[..., Any],
    flattening: Flattening,
    links: Links | None,
    snapshot: Snapshot,
    keeping: Keeping,
    until: int,
    recorded: Mapping[int, Numbers],
) -> Replayed:
    """Run the steps from a snapshot again, until one makes what is not finite.

    Args:
        function: the user's step.
        flattening: of its arguments.
        links: which of them the step before left; None if there was none.
        snapshot: where to begin.
        keeping: what was new in each step.
        until: the last step to run.
        recorded: signals of the first time, by step.

    Raises:
        LookupError: if that cannot be done; says why.
    """
    kept = {each.step: each for each in keeping.steps}
    flat, unlike = snapshot.flat, ""
    left: list[Any] = []
    for step in range(snapshot.step, until + 1):
        if step > snapshot.step:
            if links is None or step not in kept:
                why = f"what step {step} was given was not kept"
                raise LookupError(keeping.lost[1] if keeping.lost else why)
            flat = flat._replace(
                leaves=_next(links, left, keeping.leaves(kept[step], links))
            )
        args, kwargs = flat.call(copied(flat.leaves))
        before = finite(flat.leaves)
        out = function(*args, **kwargs)
        left = flattening.left(out, args, kwargs)
        signals = Signals()
        signals.start(step, out)
        ((_, numbers),) = [*signals.arrived(wait=True)] or [(step, {})]
        if step in recorded and not _same(recorded[step], numbers):
            unlike = (
                unlike or f"the scalars of step {step} are others than the first time"
            )
        if not all(map(math.isfinite, numbers.values())) or _spoilt(
            links, left, before
        ):
            return Replayed(step, snapshot.step, flat, unlike)
    raise LookupError("run again, every step is finite: it is not the same twice")


def _next(links: Links, left: list[Any], given: Mapping[int, Any]) -> list[Any]:
    """The arguments of the next step."""
    return [
        given[i] if source is None else left[source]
        for i, source in enumerate(links.sources)
    ]


def _spoilt(links: Links | None, left: list[Any], before: list[bool]) -> bool:
    """Whether something that the next step gets is no longer finite."""
    if links is None:
        return False
    pairs = [(i, s) for i, s in enumerate(links.sources) if s is not None]
    after = finite([left[source] for _, source in pairs])
    return any(before[i] and not ok for (i, _), ok in zip(pairs, after, strict=True))


def _same(first: Numbers, again: Numbers) -> bool:
    """Bit by bit, but for the payload of NaN."""
    if first.keys() != again.keys():
        return False
    return all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in zip(first.values(), again.values(), strict=True)
    )
