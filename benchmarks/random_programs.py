"""Verdicts on random small programs whose gradient is known without JAX."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import jaxdebug as jd
from benchmarks import random_journal
from benchmarks.random_check import Check
from benchmarks.result import Row
from jaxdebug.testing.programs.drawing import random_program
from jaxdebug.testing.programs.expected import Expected, expected
from jaxdebug.testing.programs.program import SmallProgram
from jaxdebug.testing.programs.rules import mistakes_of

COUNT = 1000
"""Programs; a program with a mistake in a rule is another than without."""

POINTS = 2
"""At which a program with a mistake is checked, compiled once."""

RIGHT_POINTS = 6
"""At which one without is: there are fewer of them."""

SECOND = 8
"""One in so many is checked to order 2."""


class Family(NamedTuple):
    """Programs that differ only in the mistake of one rule, and so compile once.

    Attributes:
        program: without mistakes.
        at: which of its rules has them.
        mistakes: the kinds; the first is none.
    """

    program: SmallProgram
    at: int
    mistakes: tuple[str, ...]

    def member(self, mistake: str) -> SmallProgram:
        """One of the programs."""
        return self.program.with_mistake(self.at, mistake) if mistake else self.program


def family(seed: int, number: int, order: int, longest: int = 7) -> Family:
    """The programs of a seed that have a verdict to be judged by.

    Args:
        seed: of the whole run.
        number: of the family.
        order: of the derivatives that are checked.
        longest: most instructions.
    """
    attempt = 0
    while True:
        drawn = random_program([seed, number, attempt], mistake=True, longest=longest)
        rules, plain = drawn.rules(), drawn.right()
        at = [bool(rule.settings[1]) for rule in rules].index(True)
        # Not a number would be in the program whichever mistake is chosen.
        kinds = [kind for kind in mistakes_of(rules[at].name) if kind != "nan"]
        found = Family(plain, at, ("", *kinds))
        telling = [
            kind
            for kind in kinds
            if expected(found.member(kind), 0, order) is Expected.WRONG
        ]
        if telling and expected(plain, 0, order) is Expected.RIGHT:
            return found._replace(mistakes=("", *telling))
        attempt += 1


def checks_of(found: Family, order: int) -> Iterator[Check]:
    """The verdicts on all programs of a family.

    Args:
        found: the family.
        order: of the derivatives.
    """
    switched = found.program.with_mistake(found.at, found.mistakes)
    function = switched.function()
    check = jd.check_gradients(function, order=order)
    for number, mistake in enumerate(found.mistakes):
        program = found.member(mistake)
        for point in range(POINTS if mistake else RIGHT_POINTS):
            arguments = program.arguments(point) | {"mistake": jnp.int32(number)}
            known = expected(program, point, order)
            if known is Expected.UNSAID:
                continue
            verdict, reasons = said(check, arguments)
            if "not-finite" in reasons and not _is_finite(function, arguments):
                continue  # true of its precision, of which the known gradient is not
            text = repr(program)
            yield Check(text, mistake, point, order, known, verdict, reasons)


def _is_finite(function: Callable[[Any], Any], arguments: Any) -> bool:
    """Whether JAX itself makes finite numbers of it in the precision of its inputs.

    Of what is checked: a mistake that is not chosen can overflow beside the right rule.
    """
    moving = {
        name: x
        for name, x in arguments.items()
        if jnp.issubdtype(x.dtype, jnp.floating)
    }
    out, pull_back = jax.vjp(lambda own: function(arguments | own), moving)
    ones = jax.tree.map(jnp.ones_like, out)
    leaves = jax.tree.leaves((out, pull_back(ones)))
    return all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def said(check: Any, arguments: Any) -> tuple[str, tuple[str, ...]]:
    """The verdict of a check, and the reasons of what does not pass.

    Args:
        check: as `check_gradients` makes it.
        arguments: of it.
    """
    try:
        report = check(arguments)
    except Exception as error:  # a row of the table, and a bar that is not held
        return "raised", (f"{type(error).__name__}: {error}",)
    second = report.second.leaves + report.second.rules if report.second else ()
    parts = (*report.leaves, *report.rules, *second)
    reasons = {part.reason for part in parts if part.verdict != "pass"}
    return report.verdict.value, tuple(sorted(reasons))


@contextmanager
def cheap_compilation() -> Iterator[None]:
    """Let XLA optimise little: most of the time is its.

    With jaxlib 0.10, `XLA_FLAGS=--xla_cpu_use_fusion_emitters=false` halves the rest.
    """
    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, True)
    try:
        yield
    finally:
        jax.config.update(name, before)


def run_checks(
    count: int, seed: int, journal: str | Path | None = None
) -> Iterator[Check]:
    """Verdicts on so many programs.

    Args:
        count: of programs.
        seed: of the run.
        journal: a file of verdicts that were made already, and are not made again; new
            ones are appended, family by family.
    """
    done = {} if journal is None else random_journal.read(journal, seed)
    number, seen = 0, 0
    with cheap_compilation():
        while seen < count:
            made = done.get(number)
            if made is None or made.programs > count - seen:
                order = 2 if number % SECOND == SECOND - 1 else 1
                found = family(seed, number, order)
                wanted = found._replace(mistakes=found.mistakes[: count - seen])
                checks = [*checks_of(wanted, order)]
                made = random_journal.Entry(len(wanted.mistakes), checks)
                if journal is not None and wanted == found:
                    random_journal.append(journal, seed, number, made)
                if number % 50 == 49:
                    jax.clear_caches()
            yield from made.checks
            seen, number = seen + made.programs, number + 1


def measure(
    count: int = COUNT, seed: int = 0, journal: str | Path | None = None
) -> list[Row]:
    """That no verdict is wrong, and how many are left open.

    Args:
        count: of programs.
        seed: of the run.
        journal: where an interrupted run goes on.
    """
    start = time.perf_counter()
    checks = list(run_checks(count, seed, journal))
    return rows_of(checks, time.perf_counter() - start)


def rows_of(checks: Sequence[Check], seconds: float) -> list[Row]:
    """The table of verdicts.

    Args:
        checks: the verdicts.
        seconds: that they took.
    """
    wrong = [check for check in checks if check.wrong]
    programs = {check.program for check in checks}
    plain = {check.program for check in checks if not check.mistake}
    rows = [
        Row(
            what=f"{len(programs)} programs ({len(plain)} without their mistakes), "
            f"{len(checks)} verdicts",
            seconds=seconds,
            ratio=float(len(wrong)),
            bar=0.0,
            held=not wrong,
            note="wrong: " + ("; ".join(map(str, wrong)) or "none"),
        )
    ]
    for known in (Expected.RIGHT, Expected.WRONG):
        of = [check for check in checks if check.known is known]
        verdicts = Counter(check.verdict for check in of)
        open_ = Counter(r for c in of if c.verdict == "inconclusive" for r in c.reasons)
        rows.append(
            Row(
                what=f"gradients that are {known.value}",
                note=f"{_counts(verdicts)}; inconclusive: {_counts(open_) or 'none'}",
            )
        )
    kinds = Counter((check.mistake, check.verdict) for check in checks if check.mistake)
    for kind in sorted({kind for kind, _ in kinds}):
        verdicts = Counter({v: n for (k, v), n in kinds.items() if k == kind})
        rows.append(Row(what=f"mistake: {kind}", note=_counts(verdicts)))
    return rows


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counted.most_common())
