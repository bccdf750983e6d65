"""What each part of a training is worth: the same trainings without it, in pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxdebug.checks.batch_fields import pick, put
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.workload import Workload
from jaxdebug.reports import Verdict
from jaxdebug.tuning.ablation_report import (
    HARMS,
    HELPS,
    SAME,
    UNTOLD,
    Ablation,
    AblationReport,
)
from jaxdebug.tuning.arguments import require_training, seeds_of
from jaxdebug.tuning.paired import paired, told_apart
from jaxdebug.tuning.settings import require_numbers, require_taken
from jaxdebug.tuning.variants import Change, Variants

FEATURES = " kept features"
"""Setting of which inputs are kept; no argument has such a name."""


def ablate(
    workload: Workload,
    settings: Mapping[str, float] | None = None,
    *,
    without: Mapping[str, float] | None = None,
    features: Mapping[str, int] | None = None,
    seeds: int | Sequence[int] = 8,
    steps: int = 200,
    optimizer: Callable[..., Any] | None = None,
    loss_fn: Callable[..., Any] | None = None,
    init: Callable[[Any], Any] | None = None,
    memory: int | None = None,
) -> AblationReport:
    """Train with all parts and without each of them, from the same seeds.

    Args:
        workload: with `optimizer` unless one is given here; judged as in `sweep`.
        settings: value of each setting that stands for a part: a weight of a loss term,
            a rate of decay. They are arguments of `optimizer` or `loss_fn`, by name.
        without: value at which the part is left out, where that is not 0.
        features: names of inputs, and where they stand on their last axis; one is left
            out by putting its mean over the training batches in its place.
        seeds: how many, or which; see `sweep`.
        steps: of each training.
        optimizer: a function of settings, as in `sweep`.
        loss_fn: trained on in place of the workload's; takes settings by keyword.
        init: `init(key)`, parameters as the workload's; without it all seeds begin at
            the same ones, and differ by the order of batches alone.
        memory: bytes, as in `sweep`.

    Returns:
        A frozen report: each part with its paired difference, text and JSON.

    Raises:
        TypeError: if an argument has a type it cannot have.
        ValueError: if nothing is left out, or a setting is taken by no function.
        WorkloadError: if the workload cannot be trained.

    Cost:
        As a `sweep` of one setting more than there are parts, times the seeds.

    Limits:
        A part is left out alone: two that stand for each other both seem worth nothing.
        A short training tells nothing of what matters only later.

    Example:
        >>> import numpy as np, optax
        >>> from jaxdebug import Workload, tuning
        >>> x = np.random.default_rng(0).normal(size=(8, 16, 2)).astype(np.float32)
        >>> line = Workload(
        ...     loss_fn=lambda w, batch: ((batch[0] @ w - batch[1]) ** 2).mean(),
        ...     params=np.zeros(2, np.float32),
        ...     train=[(rows, 3 * rows[:, 0]) for rows in x],
        ...     optimizer=optax.sgd(0.1),
        ... )
        >>> report = tuning.ablate(line, features={"slope": 0}, steps=20)
        >>> report["slope"].says
        'helps'
    """
    begun = time.perf_counter()
    tool = "ablate"
    functions = {"optimizer": optimizer, "loss_fn": loss_fn}
    require_training(tool, workload, {**functions, "init": init}, steps, 1)
    own = seeds_of(tool, seeds)
    base, off = _parts(settings or {}, without or {}, features or {})
    require_taken(tool, [*base], functions)
    variants = Variants(workload, optimizer, loss_fn, init)
    values = _values(base, off, 1 + len(base) + len(features or {}))
    if features:
        change, kept = _without_features(variants, features, len(base))
        variants = variants.with_change(change)
        values[FEATURES] = kept
    trained = variants.train(values, own, steps, memory)
    names = [*base, *(features or {})]
    parts = _judged(names, trained.after)
    told = all(one.says != UNTOLD for one in parts)
    cost = {"seconds": time.perf_counter() - begun, "at once": trained.at_once}
    verdict = Verdict.PASS if told else Verdict.INCONCLUSIVE
    return AblationReport(workload.name, verdict, parts, trained.after[0], own, cost)


def _parts(
    settings: Mapping[str, float],
    without: Mapping[str, float],
    features: Mapping[str, int],
) -> tuple[dict[str, float], dict[str, float]]:
    for name, value in {**settings, **without}.items():
        require_numbers("ablate", name, [value])
    unknown = [name for name in without if name not in settings]
    twice = [name for name in features if name in settings]
    if unknown or twice:
        raise ValueError(
            "ablate expects without to have names of settings, and features to have "
            f"others; found {', '.join(map(repr, unknown + twice))}."
        )
    off = {name: without.get(name, 0.0) for name in settings}
    idle = [name for name, value in settings.items() if value == off[name]]
    if idle:
        raise ValueError(
            "ablate expects a setting to have another value than the one without it; "
            f"found {', '.join(f'{name}={off[name]!r}' for name in idle)}. Give "
            "without={name: value}."
        )
    if not settings and not features:
        raise ValueError(
            "ablate expects something to leave out; found neither settings nor "
            "features. Give settings={'penalty': 1e-3}, an argument of loss_fn."
        )
    return dict(settings), off


def _values(
    base: Mapping[str, float], off: Mapping[str, float], count: int
) -> dict[str, Any]:
    """All parts, then each left out, of so many trainings."""
    values = {name: np.full(count, value, float) for name, value in base.items()}
    for row, name in enumerate(base, 1):
        values[name][row] = off[name]
    return values


def _without_features(
    variants: Variants, features: Mapping[str, int], before: int
) -> tuple[Change, np.ndarray]:
    """A change of batches by the kept features, and which each training keeps."""
    workload = variants.workload
    try:
        inputs = pick(variants.batches["train"], "inputs", workload.inputs)
    except CannotRun as error:
        raise ValueError(f"ablate with features: {error}.") from error
    if len(jax.tree.leaves(inputs)) != 1 or jnp.asarray(inputs).ndim < 2:
        raise ValueError(
            "ablate expects features of inputs that are one array with features on its "
            f"last axis; found {jax.tree.map(jax.typeof, inputs)}."
        )
    size = inputs.shape[-1]
    for name, place in features.items():
        if not isinstance(place, int) or not -size <= place < size:
            raise ValueError(
                f"ablate expects features to be places on the last axis, which has "
                f"{size}; found {name}={place!r}."
            )
    mean = inputs.mean(tuple(range(inputs.ndim - 1))).astype(inputs.dtype)
    kept = np.ones((1 + before + len(features), size), bool)
    for row, place in enumerate(features.values(), 1 + before):
        kept[row, place] = False

    def change(batch: Any, settings: Mapping[str, Any]) -> Any:
        own = pick(batch, "inputs", workload.inputs)
        value = jnp.where(settings[FEATURES], own, mean)
        return put(batch, "inputs", workload.inputs, value)

    return change, kept


def _judged(
    names: Sequence[str], after: Float[np.ndarray, "settings seeds"]
) -> tuple[Ablation, ...]:
    differences = [row - after[0] for row in after[1:]]
    pairs = [paired(each) for each in differences]
    parts = []
    for name, each, pair, apart in zip(
        names, differences, pairs, told_apart(pairs), strict=True
    ):
        says = UNTOLD
        if apart:
            says = HELPS if pair.mean > 0 else HARMS
        elif np.all(each == 0):
            says = SAME
        parts.append(Ablation(name, says, pair, each))
    return tuple(parts)
