"""Names of activation functions, told from their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import erf
from types import MappingProxyType

import numpy as np

CLOSE = 2e-3
"""The two forms of gelu differ by less than 1e-3, any two others by far more."""


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0)


KNOWN: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "relu": lambda x: np.maximum(x, 0),
        "relu6": lambda x: np.clip(x, 0, 6),
        "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
        "gelu": lambda x: x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2,
        "silu": lambda x: x * _sigmoid(x),
        "mish": lambda x: x * np.tanh(_softplus(x)),
        "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "softplus": _softplus,
        "sigmoid": _sigmoid,
        "tanh": np.tanh,
        "hard_tanh": lambda x: np.clip(x, -1, 1),
    }
)


def known_name(points: np.ndarray, values: np.ndarray) -> str | None:
    """The function that has these values at these points, if it is a known one.

    Args:
        points: inputs, from -10 to 10.
        values: in single precision; those of half precision are too coarse to tell.
    """
    return next(
        (
            name
            for name, function in KNOWN.items()
            if np.abs(function(points) - values).max() < CLOSE
        ),
        None,
    )
