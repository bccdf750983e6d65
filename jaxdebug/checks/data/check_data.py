"""What is wrong with data sets, before a model sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from jaxdebug.checks.arguments import require_seed
from jaxdebug.checks.batch_fields import Place
from jaxdebug.checks.data import scale
from jaxdebug.checks.data.all_checks import CHECKS, OF_INPUTS, checks_of
from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.layout import require_same_fields
from jaxdebug.checks.data.perturbations import RANDOM, first_rows
from jaxdebug.checks.data.scan import Scan, scan
from jaxdebug.checks.data.splits import require_apart
from jaxdebug.checks.outcome import Outcome, not_run
from jaxdebug.checks.outcome_report import OutcomeReport, outcome_report
from jaxdebug.checks.selection import selected
from jaxdebug.findings.silence import require_patterns

DECLARATIONS = ("time-ordered", "augmented", "resampled", RANDOM)
"""What a user can say of the data."""


def check_data(
    train: Any,
    eval: Any = None,
    test: Any = None,
    *,
    inputs: Place = None,
    targets: Place = None,
    num_classes: int | None = None,
    first_layer: str | None = None,
    transform: Callable[[Any], Any] | None = None,
    declare: Sequence[str] = (),
    rows: int | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    silence: Sequence[str] = (),
    seed: int = 0,
    name: str = "data",
) -> OutcomeReport:
    """Say what is wrong with data sets: bad values, leaks, shifts, labels, batches.

    Each split is read once, in chunks. It is an array, or a tuple, dict or other pytree
    of arrays with a common first axis; or an iterable of such batches, such as a list;
    or a function without arguments that returns an iterator of them. NumPy and JAX
    arrays of numbers are looked at; anything else is named in `report.said`.

    Args:
        train: the training split.
        eval: the evaluation split.
        test: the test split.
        inputs: where the inputs stand in a batch: a key, an index, or a function of the
            batch. By default a pair is `(x, y)`, and otherwise all that is no target.
        targets: where the targets stand, as `inputs`.
        num_classes: how many classes the model has.
        first_layer: what the model does first with the inputs: `"linear"`,
            `"normalization"` or `"embedding"`. Only of `"linear"` the scale of the
            inputs is a warning.
        transform: the transformation of a batch that the training uses, to be tried on
            the first rows.
        declare: what is meant to be so: `"time-ordered"`, splits and rows follow each
            other in time; `"augmented"`, training inputs are changed at random;
            `"resampled"`, classes are drawn more often or less in one split;
            `"random-transform"`, `transform` draws random numbers.
        rows: after so many rows a split is not read any further.
        only: names of the checks to run; all by default.
        skip: names of checks not to run.
        silence: codes of findings that do not count, or `code:where`.
        seed: of the sample and the sketches.
        name: how the report calls the data.

    Returns:
        A report with an outcome for each check, `report["leakage"]`, and all findings.

    Raises:
        TypeError: if a split or an argument is of a type that it cannot have.
        ValueError: if a split is empty, if lengths or fields do not agree, or if a name
            is unknown.

    Cost:
        One pass over each split. Memory of a chunk, a sample of at most 32 MiB, some
        numbers a column, and 16 bytes a row. See `docs/data.md`.

    Limits:
        Near duplicates are found by random sketches, and shifts and leaked targets in a
        random sample. A shift of several columns together that leaves the distribution
        of each and their correlations as they are, is not seen, nor what a model makes
        of the data.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> x, y = random.normal(size=(500, 4)), random.integers(0, 3, 500)
        >>> report = check_data((x[:400], y[:400]), (x[390:], y[390:]))
        >>> print(report["leakage"].said)
        10 rows of eval in train
        >>> [finding.code for finding in report.findings if finding.severity == "error"]
        ['leaked-rows']
    """
    started = time.perf_counter()
    wanted = selected("check_data", CHECKS, only, skip)
    require_seed("check_data", seed)
    require_patterns("silence", silence)
    _require_options(num_classes, first_layer, transform, declare, rows)
    given = {"train": train, "eval": eval, "test": test}
    splits = {key: split for key, split in given.items() if split is not None}
    if "train" not in splits:
        raise TypeError("check_data: expected a training split; found train=None.")
    require_apart(splits)
    batch = None
    if transform is not None and "transform" in wanted:
        batch, splits["train"] = first_rows(splits["train"])
    scans: list[Scan] = []
    planes = None
    for key, split in splits.items():
        one, made = scan(
            key,
            split,
            inputs=inputs,
            targets=targets,
            most=rows,
            planes=planes,
            seed=seed,
        )
        planes = planes or made
        if scans:
            require_same_fields(scans[0], one)
        scans.append(one)
    checks = checks_of(scans, declare, num_classes, first_layer, transform, batch)
    seen = bool(scans[0].of_role(INPUT))
    outcomes = [
        _timed(checks[key])
        if seen or key not in OF_INPUTS
        else not_run(key, "no input is an array of numbers")
        for key in CHECKS
        if key in wanted
    ]
    return outcome_report(
        "check_data",
        name,
        outcomes,
        silence=silence,
        seed=seed,
        seconds=time.perf_counter() - started,
        said=[line for one in scans for line in _said(one)],
    )


def _timed(check: Callable[[], Outcome]) -> Outcome:
    started = time.perf_counter()
    outcome = check()
    return replace(outcome, seconds=time.perf_counter() - started)


def _said(one: Scan) -> Iterator[str]:
    """What the report says of a split besides."""
    cut = ", and not read any further, as asked" if one.cut else ""
    yield f"{one.name}: {one.rows:,} rows read{cut}."
    if one.left_out:
        shown = list(one.left_out.items())[:5]
        listed = ", ".join(f"{path or 'it'} ({why})" for path, why in shown)
        more = len(one.left_out) - len(shown)
        others = f" and {more} more" if more else ""
        yield f"{one.name}: not looked at: {listed}{others}."


def _require_options(
    num_classes: Any, first_layer: Any, transform: Any, declare: Any, rows: Any
) -> None:
    for option, value, least in (("num_classes", num_classes, 2), ("rows", rows, 1)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise ValueError(
                f"check_data: expected {option} to be a whole number of at least "
                f"{least}; found {value!r}."
            )
    if first_layer is not None and first_layer not in scale.FIRST_LAYERS:
        raise ValueError(
            "check_data: expected first_layer to be one of "
            f"{', '.join(scale.FIRST_LAYERS)}; found {first_layer!r}."
        )
    if transform is not None and not callable(transform):
        raise TypeError(
            "check_data: expected transform to be a function of a batch; found "
            f"{type(transform).__name__}."
        )
    known = isinstance(declare, tuple | list) and all(
        each in DECLARATIONS for each in declare
    )
    if not known:
        raise ValueError(
            "check_data: expected declare to be a tuple of "
            f"{', '.join(DECLARATIONS)}; found {declare!r}."
        )
