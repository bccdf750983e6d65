"""Running the last steps again, from a snapshot to the first that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

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
    lasts: bool | None
    """Whether the state that the step left is not finite; None if it is not known what
    of its results is its state."""
    known: tuple[tuple[str, ...], ...]
    """Paths of those results that are known to be not finite without harm."""
    is_idle: bool
    """Whether the state is finite, and every trained parameter as it was."""


class Known(NamedTuple):
    """What was looked into already."""

    before: int
    """Scalars of steps before this one."""
    names: frozenset[str]
    """Scalars that are not finite without harm."""


def replay(
    function: Callable[..., Any],
    flattening: Flattening,
    links: Links | None,
    snapshot: Snapshot,
    past: Past,
    trouble: Trouble,
    known: Known,
    trained: Sequence[int],
) -> Replayed:
    """Run the steps from a snapshot again, until one makes what is not finite.

    Args:
        function: the user's step.
        flattening: of its arguments.
        links: which of them the step before left; None if there was none.
        snapshot: where to begin.
        past: what was new in each step, and its scalars.
        trouble: what was seen, at the last step to run.
        known: what was looked into already.
        trained: which flat arguments every step changes.

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
        spoilt, lasts = _left(links, flat.leaves, left, before)
        bad = any(
            not math.isfinite(x) for n, x in numbers.items() if n not in known.names
        )
        skipped = trouble.is_skipped and step == trouble.seen
        if spoilt or (step >= known.before and (bad or skipped)):
            idle = not spoilt and _unchanged(links, flat.leaves, left, trained)
            harmless = [
                each.path for each in signals.found or () if each.name in known.names
            ]
            return Replayed(
                step, snapshot.step, flat, unlike, lasts, tuple(harmless), idle
            )
    raise LookupError("run again, every step is finite: it is not the same twice")


def _next(links: Links, left: list[Any], given: Mapping[int, Any]) -> list[Any]:
    """The arguments of the next step."""
    return [
        given[i] if source is None else left[source]
        for i, source in enumerate(links.sources)
    ]


def _left(
    links: Links | None, before: Sequence[Any], left: Sequence[Any], was: Sequence[bool]
) -> tuple[bool, bool | None]:
    """Whether something of the state is no longer finite, and whether something is not.

    An infinity that stays as it was is meant, as the best loss before the first one.
    """
    if links is None:
        return False, None
    pairs = [(i, s) for i, s in enumerate(links.sources) if s is not None]
    now = finite([left[source] for _, source in pairs])
    bad = [i for (i, _), is_finite in zip(pairs, now, strict=True) if not is_finite]
    spoilt = any(was[i] for i in bad)
    return spoilt, spoilt or not (not bad or _unchanged(links, before, left, bad))


def _unchanged(
    links: Links | None,
    before: Sequence[Any],
    left: Sequence[Any],
    which: Sequence[int],
) -> bool:
    """Whether a step left all of some arguments as they were, if there are any."""
    if links is None or not which:
        return False
    sources = [links.sources[i] for i in which]
    after = [left[source] for source in sources if source is not None]
    if len(after) < len(which):
        return False
    # One after the other: of a step that trains the first differs already.
    now = (before[i] for i in which)
    return all(bool(jnp.array_equal(a, b)) for a, b in zip(now, after, strict=True))


def _same(first: Numbers, again: Numbers) -> bool:
    """Bit by bit, but for the payload of NaN."""
    if first.keys() != again.keys():
        return False
    return all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in zip(first.values(), again.values(), strict=True)
    )
