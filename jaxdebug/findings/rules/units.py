"""Dead units, saturated units, and softmaxes that are one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.activations import (
    FEWEST_EXAMPLES,
    FEWEST_KEYS,
    FEWEST_ROWS,
    FEWEST_UNITS,
    MOSTLY,
    ONE_HOT,
    RAREST,
    SPARSE,
)
from jaxdebug.findings.rules.reading import (
    Measured,
    Numbers,
    at,
    of_kind,
    scanned_layers,
    whole,
)
from jaxdebug.findings.severity import Severity
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site


def unit_findings(measured: Measured) -> list[Finding]:
    """Findings on activation functions and softmaxes."""
    scanned = scanned_layers(measured)
    layers = [
        layer
        for site, numbers in of_kind(measured, "activation")
        for layer in _layers(site, numbers, site.path in scanned)
    ]
    # Behind a layer that passes nothing on, others are silent because of it.
    first, *others = [i for i, layer in enumerate(layers) if layer.is_silent] or [-1]
    behind = [layers[index] for index in others]
    findings = [
        _dead(layer, behind if index == first else [])
        if layer.judged_by_silence
        else _saturated(layer)
        for index, layer in enumerate(layers)
        if index not in others
    ]
    findings += [_one_hot(*entry) for entry in of_kind(measured, "softmax")]
    return [finding for finding in findings if finding is not None]


def silent_units(active: np.ndarray, saturated: np.ndarray) -> np.ndarray:
    """Which units are flat on all examples that tell; one that none tells of is not."""
    return (np.asarray(active) == 0) & (np.asarray(saturated) > 0)


def stuck_units(saturated: np.ndarray, examples: int | np.ndarray) -> np.ndarray:
    """Which units are saturated on most examples."""
    return np.asarray(saturated) >= MOSTLY * np.asarray(examples)


def chance_of_many(many: int, units: int) -> float:
    """The chance of so many silent units or more, if each is with chance 1/2.

    With random weights no unit is silent on a whole batch with more than that:
    the opposite weights, which are as likely, make it fire.
    """
    return _tail(many, units) / 2**units if units <= 512 else _gauss(many, units)


@lru_cache(maxsize=256)
def _tail(many: int, units: int) -> int:
    return sum(comb(units, number) for number in range(many, units + 1))


def _gauss(many: int, units: int) -> float:
    """Hoeffding's bound, which needs no large numbers."""
    excess = many / units - 0.5
    return float(np.exp(-2 * units * excess**2)) if excess > 0 else 1.0


class Layer(NamedTuple):
    """The units of one activation function in one layer."""

    name: str
    site: Site
    active: np.ndarray
    saturated: np.ndarray
    examples: int
    bounded: bool
    hidden: bool
    hard: bool
    """Whether the slope is either full or nothing."""

    @property
    def silent(self) -> int:
        """How many units are silent."""
        return int(np.sum(silent_units(self.active, self.saturated)))

    @property
    def is_silent(self) -> bool:
        """Whether all units are, of enough units on enough examples."""
        return (
            self.judged_by_silence
            and self.silent == self.active.size >= FEWEST_UNITS
            and self.examples >= FEWEST_EXAMPLES
        )

    @property
    def judged_by_silence(self) -> bool:
        """Whether being flat is normal, as for relu on one side.

        A bounded function whose slope is either full or nothing is a clipped relu;
        where it is nothing everywhere, both names fit, and saturated says more.
        """
        return not self.bounded or (self.hard and bool(self.active.any()))


def _layers(site: Site, numbers: Numbers, scanned: bool) -> list[Layer]:
    """One layer, or one for each iteration of a scan over layers."""
    active, saturated = (
        np.asarray(numbers[name], np.int64) for name in ("active", "saturated")
    )
    examples = np.asarray(numbers["examples"], np.int64)
    bounded = bool(np.all(numbers.get("bounded", False)))
    hidden = bool(np.all(numbers.get("hidden", True)))
    hard = bool(np.all(numbers.get("hard", False)))
    if scanned and active.ndim == 2:
        rows = zip(
            active, saturated, np.broadcast_to(examples, len(active)), strict=True
        )
        return [
            Layer(f"{site.name} #{i}", site, a, s, int(n), bounded, hidden, hard)
            for i, (a, s, n) in enumerate(rows)
        ]
    before = tuple(range(active.ndim - 1))
    return [
        Layer(
            site.name,
            site,
            active.sum(before),
            saturated.sum(before),
            int(examples.sum()),
            bounded,
            hidden,
            hard,
        )
    ]


def _dead(layer: Layer, others: Sequence[Layer]) -> Finding | None:
    units, examples = layer.active.size, layer.examples
    silent = layer.silent
    if not silent or not examples:
        return None
    alive = layer.active[layer.active > 0] / examples
    rate = float(np.median(alive)) if alive.size else 1.0
    if (1 - min(rate, 1.0)) ** examples > SPARSE:
        return None
    chance = chance_of_many(silent, units)
    many = 2 * silent >= units >= FEWEST_UNITS and examples >= FEWEST_EXAMPLES
    sure = chance <= RAREST or layer.is_silent
    if not sure and not many:
        return None
    return found(
        "dead-units",
        layer.name,
        f"{silent} of {units} units of {layer.site.primitive}{at(layer.site)} are "
        f"active on none of {format_number(examples)} examples; the others are "
        f"active on {rate:.0%} of them (median)"
        if alive.size
        else f"none of the {units} units of {layer.site.primitive}{at(layer.site)} is "
        f"active on any of {format_number(examples)} examples{_and(others)}",
        severity=Severity.WARNING if sure and layer.hidden else Severity.INFO,
        line=layer.site.line,
        evidence={
            "silent": silent,
            "units": units,
            "examples": examples,
            "median_rate": rate if alive.size else None,
            "chance": chance,
            "threshold": RAREST,
            "also_silent": [other.name for other in others],
        },
    )


def _and(others: Sequence[Layer]) -> str:
    if not others:
        return ""
    return f", nor of {len(others)} other layers, the next being {others[0].name}"


def _saturated(layer: Layer) -> Finding | None:
    units, examples = layer.saturated.size, layer.examples
    stuck = int(np.sum(stuck_units(layer.saturated, examples)))
    if not stuck or not examples:
        return None
    chance = chance_of_many(stuck, units)
    whole_layer = stuck == units >= FEWEST_UNITS and examples >= FEWEST_EXAMPLES
    if chance > RAREST and not whole_layer:
        return None
    return found(
        "saturated-units",
        layer.name,
        f"{stuck} of {units} units of {layer.site.primitive}{at(layer.site)} are "
        f"saturated on at least {MOSTLY:.0%} of {format_number(examples)} examples",
        severity=Severity.WARNING if layer.hidden else Severity.INFO,
        line=layer.site.line,
        evidence={
            "saturated": stuck,
            "units": units,
            "examples": examples,
            "share_of_examples": float(np.mean(layer.saturated / examples)),
            "chance": chance,
            "threshold": RAREST,
        },
    )


def _one_hot(site: Site, numbers: Numbers) -> Finding | None:
    rows, saturated = whole(numbers, "count"), whole(numbers, "saturated")
    if rows < FEWEST_ROWS or saturated < ONE_HOT * rows:
        return None
    keys = int(np.max(numbers["entries"]))
    if keys < FEWEST_KEYS:
        return None
    largest = np.asarray(numbers["largest"], np.float64)
    mean = float(np.nansum(largest * numbers["count"]) / rows)
    return found(
        "saturated-softmax",
        site.name,
        f"in {saturated} of {format_number(rows)} rows{at(site)} one of {keys} "
        f"entries has a probability above 0.99; on average the largest has {mean:.4g}",
        # A matrix of rows and classes is the output of a classifier or of a router.
        severity=Severity.WARNING if len(site.shape) > 2 else Severity.INFO,
        line=site.line,
        evidence={
            "rows": rows,
            "saturated": saturated,
            "entries": keys,
            "largest": mean,
            "threshold": ONE_HOT,
        },
    )
