"""Losses whose best constant is known, told by their value on outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
        wanted: the targets in the shape of the outputs; of classes, ones and zeros.
        of: what other outputs come to.
        least: what the best constant comes to of other outputs and targets.
    """

    form: str
    value: float
    constant: float
    uniform: float | None
    wanted: np.ndarray
    of: Callable[[np.ndarray], float]
    least: Callable[[np.ndarray, np.ndarray], float]


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
    for form, (wanted_of, each, least) in FORMS.items():
        wanted = wanted_of(outputs, np.asarray(targets))
        if wanted is None:
            continue
        own = each(outputs, wanted)
        for scale in _scales(own):
            if abs(scale * own.mean() - value) <= CLOSE * abs(value):
                constant, uniform = least(wanted)
                return KnownLoss(
                    form,
                    value,
                    scale * constant,
                    None if uniform is None else scale * uniform,
                    wanted,
                    partial(_mean, each, wanted, scale),
                    partial(_least, wanted_of, least, scale),
                )
    return None


def _mean(each: _Each, wanted: np.ndarray, scale: float, outputs: np.ndarray) -> float:
    return scale * float(each(outputs, wanted).mean())


def _least(
    wanted_of: _Wanted,
    least: _Least,
    scale: float,
    outputs: np.ndarray,
    targets: np.ndarray,
) -> float:
    wanted = wanted_of(outputs, targets)
    return np.nan if wanted is None else scale * least(wanted)[0]


_Wanted = Callable[[np.ndarray, np.ndarray], np.ndarray | None]
_Each = Callable[[np.ndarray, np.ndarray], np.ndarray]
_Least = Callable[[np.ndarray], tuple[float, float | None]]


def _scales(terms: np.ndarray) -> list[float]:
    """What a mean over all terms is multiplied by, in the usual reductions."""
    rows = terms.shape[0] if terms.ndim else 1
    sums = {1.0, float(terms.size), terms.size / rows, float(rows)}
    return [scale * factor for scale in sorted(sums) for factor in (1.0, 0.5)]


def _classes(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """Classes as ones and zeros."""
    fits = outputs.ndim > 0 and targets.shape == outputs.shape[:-1]
    if not fits or targets.dtype.kind not in "iu" or outputs.shape[-1] < 2:
        return None
    count = outputs.shape[-1]
    if targets.size == 0 or targets.min() < 0:
        return None
    # A label beyond the last class is a row of zeros, as `jax.nn.one_hot` makes it.
    return (targets[..., None] == np.arange(count)).astype(np.float64)


def _clipped_classes(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """Classes of which those beyond the last are taken for it, as an index is."""
    last = outputs.shape[-1] - 1 if outputs.ndim else 0
    if targets.dtype.kind not in "iu" or (targets <= last).all():
        return None
    return _classes(outputs, np.minimum(targets, last))


def _probabilities(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    numbers = _alike(outputs, targets)
    if numbers is None or outputs.ndim < 2 or outputs.shape[-1] < 2:
        return None
    sums_to_one = numbers.min() >= 0 and np.allclose(numbers.sum(-1), 1, atol=1e-3)
    return numbers if sums_to_one else None


def _yes_or_no(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    numbers = _alike(outputs, targets)
    if numbers is None or numbers.min() < 0 or numbers.max() > 1:
        return None
    return numbers


def _beyond_yes_or_no(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """Numbers that are no probabilities, where some are meant."""
    numbers = _alike(outputs, targets)
    if numbers is None or (numbers.min() >= 0 and numbers.max() <= 1):
        return None
    return numbers


def _entropies(wanted: np.ndarray) -> tuple[float, float]:
    shares = wanted.reshape(-1, wanted.shape[-1]).mean(0)
    return _entropy(shares), float(np.log(wanted.shape[-1]))


def _two_entropies(wanted: np.ndarray) -> tuple[float, float]:
    shares = wanted.mean(0) if wanted.ndim else wanted
    both = np.stack([shares, 1 - shares], -1).reshape(-1, 2)
    return float(np.mean([_entropy(one) for one in both])), float(np.log(2))


def _no_least(wanted: np.ndarray) -> tuple[float, None]:
    """Of targets beyond 0 and 1 a sigmoid cross entropy falls without end."""
    return -np.inf, None


def _deviation(wanted: np.ndarray) -> tuple[float, None]:
    return float(np.abs(wanted - np.median(wanted, axis=0)).mean()), None


def _variance(wanted: np.ndarray) -> tuple[float, None]:
    return float(wanted.var(0).mean()), None


def _cross_entropy(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return -(wanted * _log_softmax(outputs)).sum(-1)


def _sigmoid_cross_entropy(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, outputs) - wanted * outputs


def _square(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return (outputs - wanted) ** 2


def _distance(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.abs(outputs - wanted)


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


FORMS: dict[str, tuple[_Wanted, _Each, _Least]] = {
    "cross entropy": (_classes, _cross_entropy, _entropies),
    "cross entropy of clipped classes": (_clipped_classes, _cross_entropy, _entropies),
    "cross entropy with probabilities": (_probabilities, _cross_entropy, _entropies),
    "sigmoid cross entropy": (_yes_or_no, _sigmoid_cross_entropy, _two_entropies),
    "sigmoid cross entropy beyond 0 to 1": (
        _beyond_yes_or_no,
        _sigmoid_cross_entropy,
        _no_least,
    ),
    "squared error": (_alike, _square, _variance),
    "absolute error": (_alike, _distance, _deviation),
    "squared error of classes": (_classes, _square, _variance),
}
"""In the order in which they are tried: what is wanted, the loss of each, the least."""
