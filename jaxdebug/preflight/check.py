"""One check of a check-up, and how it is run so that nothing stops the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxdebug.checks.arguments import AuditInputError
from jaxdebug.checks.outcome import CannotRun, Outcome, not_run, undecided
from jaxdebug.checks.outcome_report import OutcomeReport
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.checks.workload import WorkloadError
from jaxdebug.reports.error_text import in_one_line


class Check(NamedTuple):
    """One check of a check-up.

    Attributes:
        name: of its outcome.
        run: what makes the outcome of a subject, or a report of many.
    """

    name: str
    run: Callable[[Subject], Outcome | OutcomeReport]


def outcomes_of(check: Check, subject: Subject) -> list[Outcome]:
    """Run a check; what is missing or raised becomes its outcome.

    A check that lacks a field is not run. One that something raised in could have found
    anything: it is undecided.

    Args:
        check: that is run.
        subject: that it looks at.
    """
    begun = time.perf_counter()
    try:
        # A training that diverges overflows in what compares it, too: that is said.
        with np.errstate(all="ignore"):
            result = check.run(subject)
        if isinstance(result, OutcomeReport):
            return [
                replace(one, name=f"{check.name}/{one.name}") for one in result.outcomes
            ]
        found = replace(result, name=check.name)
    except CannotRun as missing:
        found = not_run(check.name, f"could not run: {missing}")
    except (WorkloadError, AuditInputError) as error:
        found = undecided(check.name, f"could not run: {error}")
    except Exception as error:  # of the user's functions; the other checks go on
        place = user_line(error)
        where = f" at {place}" if place else ""
        found = undecided(check.name, f"could not run: {in_one_line(error)}{where}")
    return [replace(found, seconds=time.perf_counter() - begun)]
