"""Settings of a training side by side: which one trains best, and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from jaxdebug.checks.report import Report
from jaxdebug.checks.workload import Workload
from jaxdebug.reports import (
    Column,
    Document,
    Section,
    Table,
    Verdict,
    format_number,
)
from jaxdebug.tuning.arguments import require_training, seeds_of
from jaxdebug.tuning.cost import said_cost
from jaxdebug.tuning.paired import paired, told_apart
from jaxdebug.tuning.settings import Values, all_combinations, require_taken
from jaxdebug.tuning.variants import Variants

SHOWN = 20
"""Rows of the table; the rest is in the report's arrays."""


@dataclass(frozen=True, eq=False)
class SweepReport(Report):
    """How trainings with several settings went.

    Attributes:
        name: of the workload.
        verdict: pass if a setting is the best; inconclusive if that one lies at the
            end of what was tried; fail if none lowers the loss.
        settings: of each setting its values, one a training.
        seeds: that each was trained from.
        before: evaluation loss of each seed before training.
        evaluated: evaluation loss after it.
        losses: of the batch of each step, before the step.
        reasons: what the verdict rests on.
        cost: seconds with compilation, and trainings that ran at once.
    """

    schema: ClassVar[str] = "jaxdebug.sweep/1"

    name: str
    verdict: Verdict
    settings: Mapping[str, Float[np.ndarray, " settings"]]
    seeds: tuple[int, ...]
    before: Float[np.ndarray, " seeds"]
    evaluated: Float[np.ndarray, "settings seeds"]
    losses: Float[np.ndarray, "settings seeds steps"]
    reasons: tuple[str, ...]
    cost: Mapping[str, float]

    @property
    def order(self) -> list[int]:
        """The settings, best first; those that diverge from a seed come last."""
        return [int(index) for index in np.argsort(_means(self.evaluated))]

    @property
    def best(self) -> dict[str, float]:
        """The setting with the lowest mean evaluation loss."""
        return _at(self.settings, self.order[0])

    def _document(self) -> Document:
        head = f"best of {len(self.order)}: {_spelled(self.best)}"
        return Document(
            f"sweep of {self.name}", self.verdict, head, tuple(self._sections())
        )

    def _sections(self) -> Iterator[Section]:
        columns = [Column(name, "number") for name in self.settings]
        several = len(self.seeds) > 1
        columns += [Column("loss", "number"), *([Column("±", "number")] * several)]
        rows = []
        for index in self.order[:SHOWN]:
            found = self.evaluated[index]
            mean = float(_means(found[None])[0])
            own = [mean if np.isfinite(mean) else None]
            own += [paired(found).half_width if own[0] is not None else None] * several
            rows.append((*_at(self.settings, index).values(), *own))
        table = Table(columns, rows, max(0, len(self.order) - SHOWN))
        steps = self.losses.shape[-1]
        said = f"Evaluation loss after {steps} steps; a dash if it is not finite."
        if several:
            said += f" Mean of {len(self.seeds)} seeds and its interval at 95 %."
        yield Section("Settings", (*self.reasons, said), table)
        yield Section("Cost", (said_cost(self.cost),))

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "best": self.best,
            "settings": {name: [*map(float, v)] for name, v in self.settings.items()},
            "seeds": self.seeds,
            "before": self.before.tolist(),
            "evaluated": self.evaluated.tolist(),
            "losses": self.losses.tolist(),
            "reasons": self.reasons,
            "cost": dict(self.cost),
        }


def sweep(
    workload: Workload,
    settings: Mapping[str, Sequence[float] | Float[np.ndarray, " values"]],
    *,
    steps: int = 200,
    seeds: int | Sequence[int] = 1,
    optimizer: Callable[..., Any] | None = None,
    loss_fn: Callable[..., Any] | None = None,
    init: Callable[[Any], Any] | None = None,
    memory: int | None = None,
) -> SweepReport:
    """Train with every combination of numeric settings, side by side.

    A setting is an argument of `optimizer` or of `loss_fn`, by name. From one seed all
    settings begin at the same parameters and see the same batches in the same order,
    so that their differences are the settings'.

    Args:
        workload: with `optimizer` unless one is given here. Its `eval` batches, or else
            its training batches, are what a training is judged by, with its own
            `eval_loss_fn` or `loss_fn`.
        settings: names and finite values; every combination is trained.
        steps: of each training; up to 200 batches or 256 MiB are taken again and again,
            in an order of the seed.
        seeds: how many, or which. A seed chooses the order of batches, is folded into
            random keys of `extra`, and is the key of `init`.
        optimizer: a function of settings that returns one, such as `optax.adam`.
        loss_fn: trained on in place of the workload's; takes settings by keyword.
        init: `init(key)`, parameters as the workload's; by default all seeds begin at
            the workload's.
        memory: bytes that the trainings may take on the device besides the data; by
            default a quarter of the machine's memory, or three quarters of what an
            accelerator has free.

    Returns:
        A frozen report: `best`, `evaluated`, `losses`, text and JSON.

    Raises:
        TypeError: if an argument has a type it cannot have.
        ValueError: if a setting is taken by no function, or is not of finite numbers.
        WorkloadError: if the workload cannot be trained.
        MemoryError: if not even one training fits.

    Cost:
        One compilation, and all trainings. On an accelerator as many are mapped as fit;
        on a CPU blocks of 16 in a thread for each processor, which is 2 to 3 times as
        fast as one reused compiled scan on two processors. Losses of all steps are kept
        on the host.

    Limits:
        What is no number is not swept. A learning rate that is best over a few hundred
        steps is often larger than the best one of a long run. Two combinations are
        called different only over seeds.

    Example:
        >>> import numpy as np, optax
        >>> from jaxdebug import Workload, tuning
        >>> x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)
        >>> line = Workload(
        ...     loss_fn=lambda w, batch: ((w * batch[0] - batch[1]) ** 2).mean(),
        ...     params=np.float32(0),
        ...     train=[(row, 3 * row) for row in x],
        ... )
        >>> report = tuning.sweep(
        ...     line, {"learning_rate": [1e-3, 0.1, 1.0, 10.0]}, optimizer=optax.sgd
        ... )
        >>> report.best
        {'learning_rate': 1.0}
    """
    begun = time.perf_counter()
    functions = {"optimizer": optimizer, "loss_fn": loss_fn}
    require_training("sweep", workload, {**functions, "init": init}, steps, 1)
    values = all_combinations("sweep", settings)
    own = seeds_of("sweep", seeds)
    require_taken("sweep", [*values], functions)
    variants = Variants(workload, optimizer, loss_fn, init)
    trained = variants.train(values, own, steps, memory)
    before = trained.before[0]
    verdict, reasons = _judged(values, before, trained.after)
    cost = {"seconds": time.perf_counter() - begun, "at once": trained.at_once}
    return SweepReport(
        workload.name,
        verdict,
        values,
        own,
        before,
        trained.after,
        trained.losses,
        reasons,
        cost,
    )


def _judged(
    settings: Values,
    before: Float[np.ndarray, " seeds"],
    after: Float[np.ndarray, "settings seeds"],
) -> tuple[Verdict, tuple[str, ...]]:
    means = _means(after)
    first = int(np.argmin(means))
    start = float(np.mean(before))
    if not means[first] < start:
        reason = f"no setting lowers the evaluation loss of {format_number(start)}"
        return Verdict.FAIL, (reason,)
    best = _at(settings, first)
    said = [
        f"{_spelled(best)}: evaluation loss from {format_number(start)} to "
        f"{format_number(float(means[first]))}"
    ]
    diverged = int(np.sum(~np.isfinite(means)))
    if diverged:
        said.append(f"{diverged} of {len(means)} diverge: losses that are not finite")
    alike, seeds = _like_the_best(after, first), after.shape[1]
    if alike is None:
        said.append("one seed: what differs from another seed is not known")
    elif alike:
        said.append(
            f"{alike} other{'s' * (alike > 1)} not told from the best by {seeds} seeds"
        )
    ends = [
        name
        for name, value in best.items()
        if len({*settings[name]}) > 2
        and value in (settings[name].min(), settings[name].max())
    ]
    if not ends:
        return Verdict.PASS, tuple(said)
    said.append(
        f"the best {' and '.join(ends)} lies at the end of what was tried: widen it"
    )
    return Verdict.INCONCLUSIVE, tuple(said)


def _like_the_best(after: Float[np.ndarray, "settings seeds"], best: int) -> int | None:
    """How many settings are not told from the best; None where nothing is known."""
    if after.shape[1] < 2:
        return None
    others = [row for index, row in enumerate(after) if index != best]
    finite = [row for row in others if np.isfinite(row).all()]
    return told_apart([paired(row - after[best]) for row in finite]).count(False)


def _means(after: Float[np.ndarray, "settings seeds"]) -> np.ndarray:
    found = after.mean(1)
    return np.where(np.isfinite(found), found, np.inf)


def _at(settings: Mapping[str, np.ndarray], index: int) -> dict[str, float]:
    return {name: float(values[index]) for name, values in settings.items()}


def _spelled(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {format_number(one)}" for name, one in values.items())
