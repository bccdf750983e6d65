"""Losses whose best constant is known, told by their value on outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

CLOSE = 1e-4
"""Relative difference up to which two values are of the same loss: sums in float32 are
closer, and values of other losses are seldom so close."""


class KnownLoss(NamedTuple):
    """A loss that was recognised.

    Attributes:
        form: in words.
        value: as the workload computes it.
        constant: what the best constant prediction of these targets comes to.
        uniform: what equal probabilities come to; None without classes.
    """

    form: str
    value: float
    constant: float
    uniform: float | None


def recognise(
    value: float,
    outputs: Float[np.ndarray, " *outputs"],
    targets: Shaped[np.ndarray, " *targets"],
) -> KnownLoss | None:
    """The loss that has this value on these outputs and targets.

    Means, sums, sums over all but the first axis, and halves of them are told apart.

    Args:
        value: of the loss.
        outputs: of the model, such as logits with the classes last.
        targets: classes, probabilities or numbers.
    """
    outputs = np.asarray(outputs, np.float64)
    for form, terms_of in FORMS.items():
        terms = terms_of(outputs, np.asarray(targets))
        if terms is None:
            continue
        own, constant, uniform = terms
        for scale in _scales(own):
            if abs(scale * own.mean() - value) <= CLOSE * abs(value):
                equal = None if uniform is None else scale * uniform
                return KnownLoss(form, value, scale * constant, equal)
    return None


_Terms = tuple[np.ndarray, float, float | None]


def _scales(terms: np.ndarray) -> list[float]:
    """What a mean over all terms is multiplied by, in the usual reductions."""
    rows = terms.shape[0] if terms.ndim else 1
    sums = {1.0, float(terms.size), terms.size / rows, float(rows)}
    return [scale * factor for scale in sorted(sums) for factor in (1.0, 0.5)]


def _classes(outputs: np.ndarray, targets: np.ndarray) -> _Terms | None:
    fits = targets.shape == outputs.shape[:-1] and outputs.ndim > 0
    if not fits or targets.dtype.kind not in "iu" or outputs.shape[-1] < 2:
        return None
    count = outputs.shape[-1]
    if targets.size == 0 or targets.min() < 0 or targets.max() >= count:
        return None
    logs = _log_softmax(outputs)
    own = -np.take_along_axis(logs, targets[..., None].astype(np.int64), -1)[..., 0]
    shares = np.bincount(targets.ravel().astype(np.int64), minlength=count)
    return own, _entropy(shares / targets.size), float(np.log(count))


def _probabilities(outputs: np.ndarray, targets: np.ndarray) -> _Terms | None:
    numbers = _alike(outputs, targets)
    if numbers is None or outputs.ndim < 2 or outputs.shape[-1] < 2:
        return None
    if numbers.min() < 0 or not np.allclose(numbers.sum(-1), 1, atol=1e-3):
        return None
    own = -(numbers * _log_softmax(outputs)).sum(-1)
    shares = numbers.reshape(-1, numbers.shape[-1]).mean(0)
    return own, _entropy(shares), float(np.log(outputs.shape[-1]))


def _yes_or_no(outputs: np.ndarray, targets: np.ndarray) -> _Terms | None:
    numbers = _alike(outputs, targets)
    if numbers is None or numbers.min() < 0 or numbers.max() > 1:
        return None
    own = np.logaddexp(0, outputs) - numbers * outputs
    shares = numbers.mean(0) if numbers.ndim else numbers
    both = np.stack([shares, 1 - shares], -1).reshape(-1, 2)
    return own, float(np.mean([_entropy(one) for one in both])), float(np.log(2))


def _squares(outputs: np.ndarray, targets: np.ndarray) -> _Terms | None:
    numbers = _alike(outputs, targets)
    if numbers is None:
        return None
    return (outputs - numbers) ** 2, float(numbers.var(0).mean()), None


def _distances(outputs: np.ndarray, targets: np.ndarray) -> _Terms | None:
    numbers = _alike(outputs, targets)
    if numbers is None:
        return None
    centre = np.median(numbers, axis=0)
    return np.abs(outputs - numbers), float(np.abs(numbers - centre).mean()), None


FORMS: dict[str, Callable[[np.ndarray, np.ndarray], _Terms | None]] = {
    "cross entropy": _classes,
    "cross entropy with probabilities": _probabilities,
    "sigmoid cross entropy": _yes_or_no,
    "squared error": _squares,
    "absolute error": _distances,
}
"""In the order in which they are tried."""


def _alike(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """The targets as numbers, if they have the shape of the outputs."""
    if targets.dtype.kind not in "fiub" or not outputs.size:
        return None
    if targets.size == outputs.size and targets.shape != outputs.shape:
        # (N,) beside (N, 1): as it was meant, not as it broadcasts.
        if targets.squeeze().shape != outputs.squeeze().shape:
            return None
        targets = targets.reshape(outputs.shape)
    return targets.astype(np.float64) if targets.shape == outputs.shape else None


def _log_softmax(outputs: np.ndarray) -> np.ndarray:
    shifted = outputs - outputs.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _entropy(shares: np.ndarray) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())
