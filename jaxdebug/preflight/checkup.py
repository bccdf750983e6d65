"""`checkup`: everything worth knowing of a workload before a long run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from jaxdebug.checks.arguments import require_seed
from jaxdebug.checks.outcome import Outcome
from jaxdebug.checks.outcome_report import OutcomeReport, outcome_report
from jaxdebug.checks.settings import undisturbed
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.workload import Workload
from jaxdebug.figures.folder import require_folder
from jaxdebug.findings.silence import require_patterns
from jaxdebug.preflight.all_checks import chosen
from jaxdebug.preflight.check import outcomes_of
from jaxdebug.preflight.figures import drawn
from jaxdebug.preflight.studied import Studied
from jaxdebug.reports import Verdict


def checkup(
    workload: Workload,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    silence: Sequence[str] = (),
    seed: int = 0,
    figures: str | os.PathLike[str] | None = None,
    progress: Callable[[str], object] | None = None,
) -> OutcomeReport:
    """Examine data, model, loss, optimiser and a short training.

    A check that lacks a field of the workload says which, as could not run; the others
    go on. So they do where a function of the user's raises. Ctrl-C ends the check-up
    with the report so far, which is inconclusive unless something failed.

    Args:
        workload: what is examined; nothing of it is changed.
        only: names of checks, where not all are wanted.
        skip: names of checks that are left out.
        silence: findings that are known and accepted, as for `audit`.
        seed: of what is drawn.
        figures: a folder that figures are written into as PNG; it is made if there is
            none. Without it nothing is drawn.
        progress: called with a line of text at the beginning of each check.

    Returns:
        A report: each check passed, failed or could not run, with its number and what
        to try.

    Raises:
        TypeError: if `workload` is no `Workload`, names are no lists, or `figures` is
            no path.
        ValueError: if there is no check, or no finding, of a name.
        OSError: if `figures` is a file, or a folder that cannot be written into.
        ImportError: if there are to be figures, and Matplotlib is not installed.

    Cost:
        One compilation each of the loss, the predictions, their gradient, the
        optimiser's step and an audit; some hundred steps of training, and with figures
        five hundred more and two more compilations.

    Limits:
        Those of each check, on the page of its finding (`jaxdebug explain`).

    Example:
        >>> import numpy as np, optax
        >>> def loss(w, batch):
        ...     return ((batch[0] @ w - batch[1]) ** 2).mean()
        >>> x = np.random.default_rng(0).normal(size=(8, 16, 3)).astype(np.float32)
        >>> workload = Workload(
        ...     loss_fn=loss,
        ...     params=np.zeros(3, np.float32),
        ...     train=[(one, one.sum(-1)) for one in x],
        ...     optimizer=optax.adam(0.1),
        ... )
        >>> report = checkup(workload, only=["repeats", "loss-falls"])
        >>> [(one.name, one.word) for one in report.outcomes]
        [('repeats', <Verdict.PASS: 'pass'>), ('loss-falls', <Verdict.PASS: 'pass'>)]
    """
    if not isinstance(workload, Workload):
        raise TypeError(
            f"checkup expects a jaxdebug.Workload; found {type(workload).__name__}. "
            "Write jd.checkup(jd.Workload(loss_fn=..., params=..., train=...))."
        )
    require_seed("checkup", seed)
    silence = require_patterns("silence", silence)
    phases = chosen(only, skip)
    folder = None if figures is None else require_folder("checkup", figures)
    subject = Subject(workload, seed)
    begun = time.perf_counter()
    outcomes: list[Outcome] = []
    said: list[str] = []
    left = [check.name for checks in phases.values() for check in checks]
    complete = False
    try:
        with undisturbed(()):
            for phase, checks in phases.items():
                for check in checks:
                    if progress is not None:
                        progress(f"{phase}: {check.name}")
                    outcomes += outcomes_of(check, subject)
                    left.remove(check.name)
            complete = True
            if folder is not None:
                left = ["figures"]
                for line in drawn(Studied(subject, outcomes), folder, progress):
                    said.append(line)
    except KeyboardInterrupt:
        said.append(f"Interrupted; not run: {', '.join(left)}.")
    return outcome_report(
        "checkup",
        workload.name,
        _said_once(outcomes),
        silence=silence,
        seed=seed,
        seconds=time.perf_counter() - begun,
        said=said,
        complete=complete,
    )


def _said_once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What stops many checks is said of the first; the others name it."""
    first: dict[str, str] = {}
    for one in outcomes:
        if one.verdict is Verdict.INCONCLUSIVE:
            first.setdefault(one.said, one.name)
    return [
        replace(one, said=f"could not run: as `{name}`")
        if (name := first.get(one.said, one.name)) != one.name
        else one
        for one in outcomes
    ]
