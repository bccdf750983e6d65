"""Running the last steps again, from a snapshot to the first that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxdebug.training.recorder.arguments import Flat, Flattening, Links
from jaxdebug.training.recorder.lookout import Trouble
from jaxdebug.training.recorder.past import Past
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
    lasts: bool
    """Whether the state that the step left is not finite."""


def replay(
    function: Callable[..., Any],
    flattening: Flattening,
    links: Links | None,
    snapshot: Snapshot,
    past: Past,
    trouble: Trouble,
    known: int,
) -> Replayed:
    """Run the steps from a snapshot again, until one makes what is not finite.

    Args:
        function: the user's step.
        flattening: of its arguments.
        links: which of them the step before left; None if there was none.
        snapshot: where to begin.
        past: what was new in each step, and its scalars.
        trouble: what was seen, at the last step to run.
        known: steps before this one were looked into already.

    Raises:
        LookupError: if that cannot be done; says why.
    """
    kept = {each.step: each for each in past.keeping.steps}
    flat, unlike = snapshot.flat, ""
    left: list[Any] = []
    for step in range(snapshot.step, trouble.seen + 1):
        if step > snapshot.step:
            if links is None or step not in kept:
                lost = f"what step {step} was given was not kept"
                raise LookupError(past.why or lost)
            given = past.keeping.leaves(kept[step], links)
            flat = flat._replace(leaves=_next(links, left, given))
        args, kwargs = flat.call(copied(flat.leaves))
        before = finite(flat.leaves)
        out = function(*args, **kwargs)
        left = flattening.left(out, args, kwargs)
        signals = Signals()
        signals.start(step, out)
        ((_, numbers),) = [*signals.arrived(wait=True)] or [(step, {})]
        first = past.recorded.get(step)
        if first is not None and not _same(first, numbers):
            unlike = (
                unlike or f"the scalars of step {step} are others than the first time"
            )
        lasts = _spoilt(links, left, before)
        bad = lasts or not all(map(math.isfinite, numbers.values()))
        skipped = trouble.is_skipped and step == trouble.seen
        if step >= known and (bad or skipped):
            return Replayed(step, snapshot.step, flat, unlike, lasts)
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
