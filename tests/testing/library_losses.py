"""Every loss of Optax, with inputs that it takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import losses

from jaxdebug.testing.strategies.arrays import arrays, batches
from jaxdebug.testing.strategies.one_hot import one_hot


class Case(NamedTuple):
    """A loss, and what it can be asked."""

    loss: Callable[..., Any]
    predictions: Any = None
    targets: Any = None
    settings: Mapping[str, Any] = MappingProxyType({})
    breaks: tuple[str, ...] = ()
    """Properties that it does not have."""


LOGITS = batches((5,))
ONE_LOGIT = batches(())
CLASSES = arrays((3,), "int32", low=0, high=4)
VECTORS = one_hot((3,), 5)
SOFT = one_hot((3,), 5, smoothing=0.1)
BINARY = arrays((3,), "int32", low=0, high=1)
SIGNS = BINARY.map(lambda x: 2.0 * x - 1.0)
LOG_PROBABILITIES = LOGITS.map(jax.nn.log_softmax)
SEQUENCES = arrays((3, 6, 4))
LABELS = arrays((3, 2), "int32", low=1, high=3)
WHERE = {"mask": "where"}
LOGS = {"domain": (-1e4, 0.0)}
SELF = {"best": lambda targets: targets, "declare": ["non-negative"]}


def _ctc(logits: Any, labels: Any) -> Any:
    rows = logits.shape[0]
    return losses.ctc_loss(
        logits,
        jnp.zeros((rows, 6), logits.dtype),
        labels,
        jnp.zeros((rows, 2), logits.dtype),
    )


def _ctc_forward(logits: Any, labels: Any) -> Any:
    rows = logits.shape[0]
    return losses.ctc_loss_with_forward_probs(
        logits,
        jnp.zeros((rows, 6), logits.dtype),
        labels,
        jnp.zeros((rows, 2), logits.dtype),
    )[0]


def _convex_kl_divergence(logs: Any, targets: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return losses.convex_kl_divergence(logs, targets)


def _logsumexp(scores: Any) -> Any:
    return jax.nn.logsumexp(scores)


def _ntxent(embeddings: Any) -> Any:
    return losses.ntxent(embeddings, jnp.array([0, 0, 1, 1]))


OTHERS = {"smooth_labels"}
"""What is no loss."""

FOUND = {
    name
    for name, found in vars(losses).items()
    if callable(found) and not name.startswith("_")
} - OTHERS

LOSSES: dict[str, Case] = {
    "binary_dice_loss": Case(
        losses.binary_dice_loss, LOGITS, arrays((3, 5), low=0, high=1)
    ),
    "convex_kl_divergence": Case(_convex_kl_divergence, LOG_PROBABILITIES, SOFT, LOGS),
    "cosine_distance": Case(
        lambda p, t: losses.cosine_distance(p, t, epsilon=1e-6), LOGITS, LOGITS
    ),
    "cosine_similarity": Case(
        lambda p, t: losses.cosine_similarity(p, t, epsilon=1e-6), LOGITS, LOGITS
    ),
    "ctc_loss": Case(_ctc, SEQUENCES, LABELS, breaks=("dtype",)),
    "ctc_loss_with_forward_probs": Case(
        _ctc_forward, SEQUENCES, LABELS, breaks=("dtype",)
    ),
    "dice_loss": Case(losses.dice_loss, LOGITS, VECTORS),
    "generalized_kl_divergence": Case(
        losses.generalized_kl_divergence, LOG_PROBABILITIES, SOFT, LOGS
    ),
    "hinge_loss": Case(losses.hinge_loss, ONE_LOGIT, SIGNS, {"gradient_bound": 1.0}),
    "huber_loss": Case(
        losses.huber_loss, LOGITS, LOGITS, {**SELF, "gradient_bound": 1.0}
    ),
    "kl_divergence": Case(losses.kl_divergence, LOG_PROBABILITIES, SOFT, WHERE | LOGS),
    "kl_divergence_with_log_targets": Case(
        losses.kl_divergence_with_log_targets,
        LOG_PROBABILITIES,
        LOG_PROBABILITIES,
        LOGS,
    ),
    "l2_loss": Case(losses.l2_loss, LOGITS, LOGITS, SELF),
    "log_cosh": Case(losses.log_cosh, LOGITS, LOGITS, {**SELF, "gradient_bound": 1.0}),
    "make_fenchel_young_loss": Case(
        losses.make_fenchel_young_loss(_logsumexp),
        arrays((5,)),
        one_hot((), 5),
        {"reduction": "whole"},
    ),
    "multiclass_generalized_dice_loss": Case(
        # Classes are weighted by how often the batch has them.
        losses.multiclass_generalized_dice_loss,
        LOGITS,
        VECTORS,
        {"reduction": "whole"},
    ),
    "multiclass_hinge_loss": Case(
        losses.multiclass_hinge_loss, LOGITS, CLASSES, breaks=("dtype",)
    ),
    "multiclass_perceptron_loss": Case(
        losses.multiclass_perceptron_loss, LOGITS, CLASSES, breaks=("dtype",)
    ),
    "multiclass_sparsemax_loss": Case(
        losses.multiclass_sparsemax_loss, LOGITS, CLASSES, breaks=("dtype",)
    ),
    "ntxent": Case(
        _ntxent, arrays((4, 3), kinds=["random"]), (), {"reduction": "whole"}
    ),
    "perceptron_loss": Case(losses.perceptron_loss, ONE_LOGIT, SIGNS),
    "poly_loss_cross_entropy": Case(
        losses.poly_loss_cross_entropy, LOGITS, SOFT, WHERE
    ),
    "ranking_softmax_loss": Case(losses.ranking_softmax_loss, LOGITS, SOFT, WHERE),
    "safe_softmax_cross_entropy": Case(
        losses.safe_softmax_cross_entropy, LOGITS, VECTORS
    ),
    "sigmoid_binary_cross_entropy": Case(
        losses.sigmoid_binary_cross_entropy,
        LOGITS,
        VECTORS,
        {"gradient_bound": 1.0, "declare": ["non-negative"]},
    ),
    "sigmoid_focal_loss": Case(losses.sigmoid_focal_loss, LOGITS, VECTORS),
    "softmax_cross_entropy": Case(losses.softmax_cross_entropy, LOGITS, SOFT, WHERE),
    "softmax_cross_entropy_with_integer_labels": Case(
        losses.softmax_cross_entropy_with_integer_labels,
        LOGITS,
        CLASSES,
        {"gradient_bound": 1.0, "declare": ["non-negative"]},
    ),
    "sparsemax_loss": Case(losses.sparsemax_loss, ONE_LOGIT, BINARY),
    "squared_error": Case(losses.squared_error, LOGITS, LOGITS, SELF),
    "triplet_margin_loss": Case(
        losses.triplet_margin_loss, (LOGITS, LOGITS, LOGITS), ()
    ),
    "mean of softmax_cross_entropy": Case(
        lambda p, t: jnp.mean(optax.softmax_cross_entropy(p, t)), LOGITS, SOFT
    ),
}
"""What is tried, and the properties that are known not to hold."""
