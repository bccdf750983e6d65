"""Precision checks at many seeds: healthy models, and losses at a known line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxdebug as jd
from jaxdebug.findings import Finding
from tests.checks.lossy_functions import BF16, F16, F32, LOSSES
from tests.findings import controls
from tests.findings import healthy_models as models
from tests.findings.controls import CONTROLS, Control

MODELS = {
    **{
        name: CONTROLS[name]
        for name in (
            "relu network on blank images",
            "recurrence over time",
            "narrow waist",
            "imbalanced classes",
            "sparse experts",
        )
    },
    "masked and padded attention": Control(models.Transformer(1), controls.sentences),
    "raw inputs into a batch norm": Control(models.Normalised(2), controls.raw_rows),
}
"""Healthy trainings, the deep ones made shallow: they compile for minutes."""

DTYPES = {"float32": F32, "bfloat16": BF16, "float16": F16}
SCALE = 1024.0
"""Of the loss in float16, as whoever trains in it has one."""


def healthy(name: str, dtype: str) -> Callable[[int], list[Finding]]:
    """What is found above info at a seed of a model, all of it in one dtype."""
    control = MODELS[name]._replace(scale=SCALE if dtype == "float16" else 1.0)
    check = jd.check_precision(lambda *args: controls.loss_of(control, *args)[0])
    init = jax.jit(control.model.init)

    def at(seed: int) -> list[Finding]:
        x, y = control.draw(np.random.default_rng(seed))
        statistics = dict(init(jax.random.key(seed), x))
        given = statistics.pop("params"), statistics, x
        report = check(*jax.tree.map(_cast(DTYPES[dtype]), given), y)
        return [found for found in report.findings if found.severity != "info"]

    return at


def _cast(dtype: Any) -> Callable[[Any], Any]:
    def one(leaf: Any) -> Any:
        floating = jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if floating else leaf

    return one


def planted(name: str) -> Callable[[int], tuple[bool, bool]]:
    """Whether a loss is found at its line at a seed, alone, and its twin is quiet."""
    loss = LOSSES[name]
    check, twin = jd.check_precision(loss.function), jd.check_precision(loss.twin)

    def at(seed: int) -> tuple[bool, bool]:
        random = np.random.default_rng(seed)
        drawn = random.normal(size=(4, 4)), random.normal(size=(16, 4))
        args = [jnp.asarray(array, loss.dtype) for array in drawn]
        findings = check(*args).findings
        there = [str(found.line).rpartition(":")[2] for found in findings]
        codes = [found.code for found in findings]
        loud = [found for found in twin(*args).findings if found.severity != "info"]
        return (codes, there) == ([loss.code], [str(loss.line)]), not loud

    return at
