"""The learning-rate range test: one training whose rate grows from step to step.

L. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section
3.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxdebug.checks.arguments import require_seed
from jaxdebug.checks.report import Report
from jaxdebug.checks.workload import Workload
from jaxdebug.reports import Document, Section, Verdict, format_number
from jaxdebug.tuning.arguments import require_training
from jaxdebug.tuning.cost import said_cost
from jaxdebug.tuning.course import Course
from jaxdebug.tuning.settings import require_taken
from jaxdebug.tuning.side_by_side import train_side_by_side
from jaxdebug.tuning.variants import Variants

RATE = "learning_rate"
MOVES = "moves"
"""Whether a training takes its steps."""

KEPT = 0.9
"""Of the running mean of losses, at each step, by which a test has run away."""

WIDTH = 4.0
"""Steps: standard deviation of the window of a mean. It is centred: a running mean of
the losses so far would fall later than they, by about a factor of two in the rate."""

DIVERGED = 5.0
"""Times the best mean loss from which on the test has run away."""

SURE = 8.0
"""Standard errors of the mean from which on a fall of it is none of chance: four from
the top of what noise makes, and four to the bottom."""


@dataclass(frozen=True, eq=False)
class RangeReport(Report):
    """How the loss went while the learning rate grew.

    Attributes:
        name: of the workload.
        verdict: pass if a rate is suggested; inconclusive if the loss still falls at
            the highest; fail if it never falls.
        learning_rates: of each step; factors of the updates if the workload's own
            optimizer was used.
        losses: of the batch of each step, before the step.
        still: of the same batches at the parameters of the start.
        means: of the losses of steps nearby, without what batches differ by at the
            start; not a number once they have run away.
        suggested: a rate to begin with; None if the mean never falls.
        is_factor: whether rates are factors.
        reasons: what the verdict rests on.
        cost: seconds with compilation.
    """

    schema: ClassVar[str] = "jaxdebug.range-test/1"

    name: str
    verdict: Verdict
    learning_rates: Float[np.ndarray, " steps"]
    losses: Float[np.ndarray, " steps"]
    still: Float[np.ndarray, " steps"]
    means: Float[np.ndarray, " steps"]
    suggested: float | None
    is_factor: bool
    reasons: tuple[str, ...]
    cost: Mapping[str, float]

    def _document(self) -> Document:
        what = "factor of the updates" if self.is_factor else "learning rate"
        said = f"{what} {format_number(self.suggested)}" if self.suggested else "none"
        sections = tuple(self._sections(what))
        title = f"range test of {self.name}"
        return Document(title, self.verdict, f"suggested: {said}", sections)

    def _sections(self, what: str) -> Iterator[Section]:
        low, high = (format_number(float(self.learning_rates[i])) for i in (0, -1))
        tried = f"{len(self.losses)} steps, {what} from {low} to {high}"
        yield Section("Rates", (*self.reasons, tried))
        yield Section("Cost", (said_cost(self.cost),))

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "suggested": self.suggested,
            "is_factor": self.is_factor,
            "learning_rates": self.learning_rates.tolist(),
            "losses": self.losses.tolist(),
            "still": self.still.tolist(),
            "means": self.means.tolist(),
            "reasons": self.reasons,
            "cost": dict(self.cost),
        }


def range_test(
    workload: Workload,
    *,
    optimizer: Callable[..., Any] | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    seed: int = 0,
) -> RangeReport:
    """Train once with a learning rate that grows by the same factor at each step.

    What is suggested lies, by factors, halfway between the rate at which the mean of
    the loss falls fastest and the one at which it is lowest. It is not the best one of
    a long run; compare it with others by `sweep`.

    Args:
        workload: with `optimizer` unless one is given here.
        optimizer: a function of `learning_rate`, such as `optax.adam`; without it, the
            updates of the workload's own are multiplied, and rates are factors.
        lowest: rate or factor of the first step.
        highest: of the last.
        steps: how many.
        seed: of the order of the batches, folded into random keys of `extra`.

    Returns:
        A frozen report: `suggested`, `learning_rates`, `losses`, text and JSON.

    Raises:
        TypeError: if an argument has a type it cannot have.
        ValueError: if `optimizer` takes no `learning_rate`, or rates are in no order.
        WorkloadError: if the workload cannot be trained.

    Cost:
        One compilation, and the steps twice as one scan: once standing still. On CPU a
        loop of compiled steps if the loss has convolutions. The parameters are dropped.

    Limits:
        One training. Of seven that were compared with a sweep of 60 to 200 steps, six
        were suggested a rate within a factor of five of the best; the seventh was best
        at a tenth of it, where it overfits less.
        A schedule in the workload's own optimizer acts on top of the factor.

    Example:
        >>> import numpy as np, optax
        >>> from jaxdebug import Workload, tuning
        >>> x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)
        >>> line = Workload(
        ...     loss_fn=lambda w, batch: ((w * batch[0] - batch[1]) ** 2).mean(),
        ...     params=np.float32(0),
        ...     train=[(row, 3 * row) for row in x],
        ... )
        >>> report = tuning.range_test(line, optimizer=optax.sgd, highest=100.0)
        >>> 0.01 < report.suggested < 1
        True
    """
    begun = time.perf_counter()
    functions = {"optimizer": optimizer}
    require_training("range_test", workload, functions, steps, LEAST)
    require_seed("range_test", seed)
    if not 0 < lowest < highest < np.inf:
        raise ValueError(
            "range_test expects 0 < lowest < highest; found "
            f"lowest={lowest!r}, highest={highest!r}."
        )
    if optimizer is not None:
        require_taken("range_test", [RATE], functions)
    variants = Variants(workload, optimizer)
    rates = np.geomspace(lowest, highest, steps)

    def step(data: Any, settings: Any, training: Any, index: Any, rate: Any) -> Any:
        moves = settings[MOVES]
        if optimizer is None:
            return variants.step(data, settings, training, index, moves * rate)
        return variants.step(data, {RATE: rate}, training, index, moves)

    # The second one stands still: what its losses differ by is the batches' alone.
    settings = {MOVES: np.asarray([1.0, 0.0]), RATE: np.full(2, lowest)}
    asked = variants.asked(settings, [seed], steps)
    trained = train_side_by_side(
        asked._replace(
            course=Course(variants.begin, step, variants.evaluate, 0),
            steps=(*asked.steps, rates.astype(np.float32)[None]),
        )
    )
    losses, still = trained.losses[:, 0]
    judged = judge(rates, losses - still + still.mean(), losses)
    return RangeReport(
        workload.name,
        judged.verdict,
        rates,
        losses,
        still,
        judged.means,
        judged.suggested,
        optimizer is None,
        judged.reasons,
        {"seconds": time.perf_counter() - begun, "at once": trained.at_once},
    )


LEAST = 30
"""Steps of which a mean says anything."""


class Judged(NamedTuple):
    """What a range test says."""

    verdict: Verdict
    means: Float[np.ndarray, " steps"]
    suggested: float | None
    reasons: tuple[str, ...]


def judge(
    rates: Float[np.ndarray, " steps"],
    losses: Float[np.ndarray, " steps"],
    seen: Float[np.ndarray, " steps"] | None = None,
) -> Judged:
    """What the losses of growing rates say.

    Args:
        rates: of the steps, growing.
        losses: before each step, without what batches differ by.
        seen: the same with it, of which the words are.
    """
    used = steps_before_it_runs_away(losses)
    means = np.full(len(losses), np.nan)
    kept, at = centred_means(losses[:used]), np.log(rates[:used])
    means[:used] = kept
    if used < LEAST // 3:
        said = f"the loss runs away after {used} steps: lower `lowest`"
        return Judged(Verdict.FAIL, means, None, (said,))
    lowest = int(np.argmin(kept))
    # Of one loss beside the next, which a trend changes little; then of their mean.
    jumps = np.diff(losses[: max(lowest, LEAST // 3) + 1])
    noise = float(np.std(jumps)) / (2 * WIDTH * np.pi**0.5) ** 0.5 / 2**0.5
    fall = float(np.max(kept[: lowest + 1]) - kept[lowest])
    rounding = float(np.abs(losses[: lowest + 1]).max() * np.finfo(np.float32).eps)
    if not fall > SURE * max(noise, rounding):
        said = f"the loss of {format_number(float(kept[0]))} falls at no rate"
        return Judged(Verdict.FAIL, means, None, (said,))
    slopes = np.gradient(kept, at)
    steepest = int(np.argmin(slopes[: lowest + 1]))
    # The easy part of a loss falls at once, at a rate far too small for the rest; where
    # the loss is lowest, it is about to run away.
    suggested = float((rates[steepest] * rates[lowest]) ** 0.5)
    # Without what batches differ by, the loss may seem to be less than it can be.
    own = centred_means((losses if seen is None else seen)[:used])
    reasons = [
        f"the mean of the loss falls from {format_number(float(own[0]))} to "
        f"{format_number(float(own[lowest]))} at {format_number(float(rates[lowest]))}"
    ]
    if lowest >= len(means) - int(2 * WIDTH):
        reasons.append("it still falls at the highest rate: raise `highest`")
        return Judged(Verdict.INCONCLUSIVE, means, suggested, tuple(reasons))
    return Judged(Verdict.PASS, means, suggested, tuple(reasons))


def centred_means(losses: Float[np.ndarray, " steps"]) -> np.ndarray:
    """Of the losses near each step, by a Gaussian window.

    Args:
        losses: before each step.
    """
    apart = np.subtract.outer(np.arange(len(losses)), np.arange(len(losses)))
    weights = np.exp(-0.5 * (apart / WIDTH) ** 2)
    return (weights @ losses) / weights.sum(1)


def steps_before_it_runs_away(losses: Float[np.ndarray, " steps"]) -> int:
    """How many steps the running mean stays finite, and near its best.

    Args:
        losses: before each step.
    """
    total = weight = 0.0
    best = np.inf
    for index, loss in enumerate(losses):
        total, weight = KEPT * total + (1 - KEPT) * loss, KEPT * weight + 1 - KEPT
        mean = total / weight
        scale = abs(best) if np.isfinite(best) else np.inf
        if not np.isfinite(mean) or mean - best > (DIVERGED - 1) * scale:
            return index
        best = min(best, mean)
    return len(losses)
