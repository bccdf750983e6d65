"""How often `lint` warns on healthy programs, and which planted mistakes it finds."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import jax

import jaxdebug as jd
from benchmarks.result import Row
from jaxdebug.checks.outcome_report import OutcomeReport
from jaxdebug.findings import Severity
from tests.lint.healthy_networks import HEALTHY
from tests.lint.library_functions import library_functions
from tests.lint.planted import PLANTED
from tests.lint.programs import Linted, healthy

BAR = 0.1
"""Warnings for each healthy program."""

Call = Callable[[], OutcomeReport]


def measure() -> list[Row]:
    """A row for each list of healthy programs, and one for the planted mistakes."""
    libraries = {name: _of_library(make) for name, make in healthy().items()}
    functions = [
        (name, lambda made=made: jd.lint(made.fn, argnums=made.argnums)(*made.args))
        for name, made in library_functions()
    ]
    losses = {name: _of_network(name, lambda loss: loss) for name in HEALTHY}
    gradients = {
        name: _of_network(name, jax.grad)
        for name, make in HEALTHY.items()
        if _is_loss(*make())
    }
    return [
        _healthy("modules, losses, trainings", libraries.items()),
        _healthy("functions and optimisers", functions),
        _healthy("networks as people write them", losses.items()),
        _healthy("their gradients", gradients.items()),
        _planted(),
    ]


def _of_library(make: Callable[[], Linted]) -> Call:
    def call() -> OutcomeReport:
        made = make()
        return jd.lint(made.fn, argnums=made.argnums)(*made.args)

    return call


def _is_loss(fn: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    return jax.eval_shape(fn, *args).shape == ()


def _of_network(name: str, transform: Callable[..., Any]) -> Call:
    def call() -> OutcomeReport:
        loss, args = HEALTHY[name]()
        return jd.lint(transform(loss))(*args)

    return call


def _warned(report: OutcomeReport) -> list[str]:
    return [one.code for one in report.findings if one.severity is not Severity.INFO]


def _healthy(what: str, calls: Iterable[tuple[str, Call]]) -> Row:
    seconds, found, infos = [], [], 0
    for name, call in calls:
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = call()
        seconds.append(time.perf_counter() - begun)
        found += [f"{name}: {code}" for code in _warned(report)]
        infos += len(report.findings) - len(_warned(report))
    rate = len(found) / len(seconds)
    note = (
        f"{len(found)} warnings and {infos} infos on {len(seconds)} programs, "
        f"the slowest {max(seconds):.1f} s"
    )
    return Row(
        what,
        seconds=statistics.median(seconds),
        ratio=rate,
        bar=BAR,
        held=rate <= BAR,
        note="; ".join([note, *found]),
    )


def _planted() -> Row:
    missed, blamed = [], []
    for name, one in PLANTED.items():
        report = jd.lint(one.fault)(*one.args)
        if one.code not in _warned(report):
            missed.append(name)
        if _warned(jd.lint(one.repair)(*one.args)):
            blamed.append(name)
    count = len(PLANTED)
    note = (
        f"{count - len(missed)} of {count} found, "
        f"{count - len(blamed)} of {count} repaired ones passed"
    )
    return Row(
        "planted mistakes",
        held=not missed and not blamed,
        note="; ".join([note, *missed, *blamed]),
    )
