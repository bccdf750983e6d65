"""A loss with a mistake breaks the property that it should; right ones none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.losses.check_loss import check_loss
from jaxdebug.testing.losses.masks import Mask
from jaxdebug.testing.strategies.arrays import arrays, batches
from tests.checks.json_schema import problems
from tests.slow import quick_cases
from tests.testing.library_losses import FOUND, LOSSES
from tests.testing.mutant import with_rule

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/layer-1.json").read_text("utf-8")
)
TWO = arrays((3, 4))


class Mutant(NamedTuple):
    """A loss with one mistake."""

    breaks: str
    loss: Any
    settings: dict[str, Any]


def failed(report: LayerReport) -> list[str]:
    """The properties that do not hold."""
    return [one.name for one in report.properties if one.verdict is Verdict.FAIL]


def _squares(p: Any, t: Any) -> Any:
    return jnp.mean((p - t) ** 2, axis=-1)


def masked_mean(p: Any, t: Any, where: Any) -> Any:
    """Over what counts, and 0 if nothing does."""
    rows = jnp.where(where, _squares(p, t), 0.0)
    return jnp.sum(rows) / jnp.maximum(jnp.sum(where), 1)


ROWS: dict[str, Any] = {"mask": Mask("where", axes=1)}
MUTANTS: dict[str, Mutant] = {
    "a sum that is declared a mean": Mutant(
        "reduction", lambda p, t: jnp.sum(_squares(p, t)), {"reduction": "mean"}
    ),
    "mean over pairs of examples": Mutant(
        "rows-independent",
        lambda p, t: jnp.mean(_squares(p, jnp.roll(p, 1, 0) + t)),
        {"reduction": "mean"},
    ),
    "divides by a fixed batch size": Mutant(
        "doubled-batch",
        lambda p, t: jnp.sum(_squares(p, t)) / 3,
        {"reduction": "mean"},
    ),
    "log of a softmax": Mutant(
        "extreme-predictions",
        lambda p, t: -jnp.sum(jax.nn.softmax(t) * jnp.log(jax.nn.softmax(p)), -1),
        {},
    ),
    "exponent": Mutant("extreme-predictions", lambda p, t: jnp.exp(p - t), {}),
    "a prediction without a gradient": Mutant(
        "predictions-reached", lambda p, t: _squares(jax.lax.stop_gradient(p), t), {}
    ),
    "a wrong rule": Mutant(
        "gradients",
        lambda p, t: with_rule(jnp.square, lambda x, dx: x * dx)(p - t),
        {},
    ),
    "least elsewhere": Mutant(
        "minimum", lambda p, t: (p - 0.5 * t) ** 2, {"best": lambda t: t}
    ),
    "below zero": Mutant(
        "non-negative", lambda p, t: (p - t) ** 2 - 0.1, {"declare": ["non-negative"]}
    ),
    "steeper than it says": Mutant(
        "bounded-gradient", lambda p, t: jnp.abs(2 * p - t), {"gradient_bound": 1.0}
    ),
    "ignores the mask": Mutant("masked", lambda p, t, where=None: _squares(p, t), ROWS),
    "divides by all examples": Mutant(
        "masked-is-absent",
        lambda p, t, where=True: jnp.mean(jnp.where(where, _squares(p, t), 0.0)),
        ROWS | {"reduction": "mean"},
    ),
    "divides by all places": Mutant(
        "masked-is-absent",
        lambda p, t, where=True: jnp.mean(jnp.where(where, (p - t) ** 2, 0.0)),
        {"mask": "where", "reduction": "mean"},
    ),
    "divides by no examples": Mutant(
        "all-masked",
        lambda p, t, where=True: jnp.mean(_squares(p, t), where=where),
        ROWS,
    ),
}


@pytest.mark.parametrize("name", quick_cases(MUTANTS, ["divides by all examples"]))
def test_a_mistake_is_caught_by_its_property(name: str) -> None:
    mutant = MUTANTS[name]
    report = check_loss(
        mutant.loss, TWO, TWO, only=[mutant.breaks], examples=8, **mutant.settings
    )
    assert failed(report) == [mutant.breaks], str(report)
    assert not problems(json.loads(report.to_json()), SCHEMA, SCHEMA)


@pytest.mark.parametrize(
    ("loss", "reduction"),
    [
        pytest.param(lambda p, t: jnp.mean(_squares(p, t)), "mean", id="mean"),
        pytest.param(lambda p, t: jnp.sum(_squares(p, t)), "sum", id="sum"),
        pytest.param(_squares, "none", id="none"),
        pytest.param(
            lambda p, t: jnp.sqrt(1 + jnp.sum((p - t) ** 2)),
            "whole",
            id="whole",
        ),
    ],
)
@pytest.mark.slow
def test_the_reduction_is_found(loss: Any, reduction: str) -> None:
    report = check_loss(loss, TWO, TWO, only=["vmap"], examples=4)
    assert report.said == (f"reduction: {reduction}",)


@pytest.mark.slow
def test_a_loss_that_mixes_examples_is_inconclusive_until_that_is_declared() -> None:
    def broadcast(p: Any, t: Any) -> Any:
        return jnp.mean((p[:, 0] - t[:, :1]) ** 2)

    only = ["reduction", "rows-independent"]
    report = check_loss(broadcast, TWO, TWO, only=only, examples=3)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "declare reduction='whole'" in report.properties[0].reason
    report = check_loss(broadcast, TWO, TWO, only=only, examples=3, reduction="mean")
    assert failed(report) == only


@pytest.mark.slow
def test_a_right_masked_mean_passes() -> None:
    def loss(p: Any, t: Any, where: Any = None) -> Any:
        where = jnp.ones(p.shape[0], bool) if where is None else where
        return masked_mean(p, t, where)

    report = check_loss(
        loss,
        batches((4,)),
        batches((4,)),
        best=lambda t: t,
        declare=["non-negative"],
        examples=6,
        order=2,
        **ROWS,
    )
    assert report.verdict is Verdict.PASS, str(report)


@pytest.mark.acceptance
def test_every_loss_of_optax_is_tried() -> None:
    assert set(LOSSES) >= FOUND, "a new release has more: add a case"


@pytest.mark.parametrize("name", quick_cases(LOSSES, [], slice_of=12))
def test_a_loss_of_optax(name: str) -> None:
    case = LOSSES[name]
    report = check_loss(
        case.loss, case.predictions, case.targets, examples=8, **case.settings
    )
    assert tuple(failed(report)) == case.breaks, str(report)


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="one of mean, sum, none, whole; found 'avg'"):
        check_loss(_squares, reduction="avg")  # type: ignore[arg-type]
