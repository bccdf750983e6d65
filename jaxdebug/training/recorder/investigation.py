"""From a value that is not finite to the step that made it, and the operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from jaxdebug.checks.arguments import field_name
from jaxdebug.checks.nonfinite.locate_nonfinite import locate_beside
from jaxdebug.checks.nonfinite.report import NonfiniteReport
from jaxdebug.checks.untraced import why_untraced
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.training.recorder.arguments import Flat, Flattening, Links
from jaxdebug.training.recorder.incident import Incident
from jaxdebug.training.recorder.lookout import Trouble
from jaxdebug.training.recorder.outside import undone
from jaxdebug.training.recorder.past import Past
from jaxdebug.training.recorder.replay import Known, Replayed, replay
from jaxdebug.training.recorder.snapshots import finite


class Investigated(NamedTuple):
    """What is known of a value that is not finite."""

    incident: Incident
    flat: Flat | None
    """What the step that made it was given, if it could be run again."""


def investigate(
    function: Callable[..., Any],
    flattening: Flattening,
    links: Links | None,
    past: Past,
    trouble: Trouble,
    known: Known,
    trained: Sequence[int],
) -> Investigated:
    """Run the steps since the last good snapshot again, and take the guilty one apart.

    Args:
        function: the user's step.
        flattening: of its arguments.
        links: which of them the step before left; None if there was none.
        past: what is kept.
        trouble: what was seen.
        known: what was looked into already.
        trained: which flat arguments every step changes, as far as is known.
    """
    seen = Incident(trouble.seen, trouble.signs, is_skipped=trouble.is_skipped)
    try:
        start = past.last_good(trouble.seen, links)
        with undone(function):  # what it counts or draws, it does once a step
            replayed = replay(
                function, flattening, links, start, past, trouble, known, trained
            )
    except LookupError as error:
        return Investigated(replace(seen, unlike=str(error)), None)
    report, untraced = _located(function, replayed)
    if trouble.is_skipped and report is not None and not report.findings:
        untraced = "no gradient that was identified holds it"
    found = replace(
        seen,
        step=replayed.step,
        started=replayed.started,
        exact=not replayed.unlike,
        unlike=replayed.unlike,
        report=None if untraced else report,
        untraced=untraced,
        # A guard of the user's own leaves the parameters alone, and counts nothing.
        is_skipped=replayed.is_idle or (trouble.is_skipped and not replayed.lasts),
        lasts=replayed.lasts,
    )
    return Investigated(found, replayed.flat)


def _located(
    function: Callable[..., Any], replayed: Replayed
) -> tuple[NonfiniteReport | None, str]:
    """Which operation of a step made it, or why that is not known."""
    flat = replayed.flat
    args, kwargs = flat.call(flat.leaves)
    try:
        with undone(function):
            return locate_beside(function, replayed.known)(*args, **kwargs), ""
    except Exception as error:  # whatever the user's Python raises in a trace
        why = why_untraced(error)
    named = zip(path_names(flat.apart(flat.leaves)), finite(flat.leaves), strict=True)
    given = [field_name(path) for path, is_finite in named if not is_finite]
    return None, why + (f"; not finite already: {', '.join(given[:3])}" * bool(given))
