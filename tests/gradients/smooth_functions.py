"""Smooth functions of one variable with their derivatives, and points to take."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import special

Function = Callable[[np.ndarray], np.ndarray]


class Smooth(NamedTuple):
    """A function that works in any floating type, and its derivative."""

    function: Function
    derivative: Function
    points: tuple[float, ...]


AROUND = (-3.7, -1.2, -0.31, 0.0, 1e-3, 0.45, 1.0, 2.6, 8.3)
POSITIVE = (1e-6, 1e-3, 0.04, 0.7, 1.0, 3.3, 47.0, 2e3, 1e6)
WIDE = (-1e6, -321.0, -1e-6, 1e-6, 0.02, 5.0, 1e3, 4e5)
INSIDE = (-0.99, -0.5, -0.01, 0.0, 0.2, 0.7, 0.999)
ROOT_PI = 2 / np.sqrt(np.pi)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def logistic_slope(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x) - np.logaddexp(0, x))


FUNCTIONS: dict[str, Smooth] = {
    # Elementary.
    "linear": Smooth(lambda x: 3 * x - 1, lambda x: 3 + 0 * x, AROUND + WIDE),
    "square": Smooth(lambda x: x * x, lambda x: 2 * x, AROUND + WIDE),
    "cubic": Smooth(lambda x: x**3 - x, lambda x: 3 * x**2 - 1, AROUND + WIDE),
    "flat cubic": Smooth(
        lambda x: (x - 1) ** 3, lambda x: 3 * (x - 1) ** 2, (*AROUND, 1 + 1 / 1024)
    ),
    "spliced": Smooth(
        lambda x: np.where(x < 1, (x - 1) ** 5, (x - 1) ** 3),
        lambda x: np.where(x < 1, 5 * (x - 1) ** 4, 3 * (x - 1) ** 2),
        (0.5, 1.0, 1.5),
    ),
    "reciprocal": Smooth(lambda x: 1 / x, lambda x: -1 / x**2, (*POSITIVE, -2.5, 1e-4)),
    "root": Smooth(np.sqrt, lambda x: 0.5 / np.sqrt(x), POSITIVE),
    "logarithm": Smooth(np.log, lambda x: 1 / x, POSITIVE),
    "log1p": Smooth(np.log1p, lambda x: 1 / (1 + x), POSITIVE),
    "exponential": Smooth(np.exp, np.exp, (*AROUND, -30.0, 30.0)),
    "expm1": Smooth(np.expm1, np.exp, AROUND),
    "power": Smooth(lambda x: x**2.5, lambda x: 2.5 * x**1.5, POSITIVE),
    "sine": Smooth(np.sin, np.cos, (*AROUND, 1000.0, -77.0, 3e4)),
    "cosine": Smooth(np.cos, lambda x: -np.sin(x), (*AROUND, 1000.0, 250.0)),
    "tangent": Smooth(
        np.tan, lambda x: 1 / np.cos(x) ** 2, (*INSIDE, 1.57, 1.5699999332427979)
    ),
    "arctangent": Smooth(np.arctan, lambda x: 1 / (1 + x * x), (*AROUND, 40.0, 1000.0)),
    "arcsine": Smooth(np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), INSIDE),
    "artanh": Smooth(np.arctanh, lambda x: 1 / (1 - x * x), INSIDE),
    "arsinh": Smooth(np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x), AROUND + WIDE),
    "tanh": Smooth(np.tanh, lambda x: np.cosh(x) ** -2.0, (*AROUND, 20.0, -15.0)),
    "sinh": Smooth(np.sinh, np.cosh, AROUND),
    # Layers and losses.
    "sigmoid": Smooth(sigmoid, logistic_slope, (*AROUND, -40.0, 17.0, 30.0)),
    "softplus": Smooth(lambda x: np.logaddexp(0, x), sigmoid, (*AROUND, -40.0, 25.0)),
    "silu": Smooth(
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) + x * logistic_slope(x),
        (*AROUND, -20.0),
    ),
    "gaussian": Smooth(
        lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), AROUND
    ),
    "soft one-hot": Smooth(
        lambda x: np.logaddexp(np.logaddexp(x, 2 * x), 0.5) - x,
        lambda x: (
            (np.exp(x) + 2 * np.exp(2 * x)) / (np.exp(x) + np.exp(2 * x) + np.exp(0.5))
            - 1
        ),
        AROUND,
    ),
    "normalised": Smooth(
        lambda x: x / np.sqrt(x * x + 0.25),
        lambda x: 0.25 * (x * x + 0.25) ** -1.5,
        AROUND,
    ),
    # Special functions.
    "erf": Smooth(special.erf, lambda x: ROOT_PI * np.exp(-x * x), (*AROUND, 10.0)),
    "erfc": Smooth(special.erfc, lambda x: -ROOT_PI * np.exp(-x * x), AROUND),
    "erfinv": Smooth(
        special.erfinv,
        lambda x: np.exp(special.erfinv(np.float64(x)) ** 2) / ROOT_PI,
        INSIDE,
    ),
    "log gamma": Smooth(
        special.gammaln, lambda x: special.digamma(np.float64(x)), POSITIVE
    ),
    "digamma": Smooth(
        special.digamma,
        lambda x: special.polygamma(1, np.float64(x)),
        (0.04, 0.7, 1.0, 3.3, 47.0, 2e3),
    ),
    "bessel": Smooth(special.j0, lambda x: -special.j1(np.float64(x)), AROUND),
    "scaled bessel": Smooth(
        special.i0e,
        lambda x: special.i1e(np.float64(x)) - special.i0e(np.float64(x)),
        POSITIVE[:6],
    ),
    "gelu": Smooth(
        lambda x: x * special.ndtr(x),
        lambda x: (
            special.ndtr(np.float64(x)) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        ),
        AROUND,
    ),
    # Compositions, offsets, narrow and fast features.
    "sine of square": Smooth(
        lambda x: np.sin(x * x), lambda x: 2 * x * np.cos(x * x), AROUND
    ),
    "chain": Smooth(
        lambda x: np.exp(np.sin(3 * x)) / (1 + x * x),
        lambda x: (
            np.exp(np.sin(3 * x))
            * (3 * np.cos(3 * x) * (1 + x * x) - 2 * x)
            / (1 + x * x) ** 2
        ),
        AROUND,
    ),
    "root of log": Smooth(
        lambda x: np.sqrt(1 + np.log1p(x * x)),
        lambda x: x / (1 + x * x) / np.sqrt(1 + np.log1p(x * x)),
        AROUND + WIDE,
    ),
    "offset": Smooth(lambda x: 1e8 + np.sin(x), np.cos, AROUND),
    "small offset": Smooth(lambda x: 1e3 + np.sin(x), np.cos, AROUND),
    "bump": Smooth(
        lambda x: np.exp(-((x * 1024) ** 2)),
        lambda x: -2 * 1024**2 * x * np.exp(-((x * 1024) ** 2)),
        (0.0, 1 / 2048, -1 / 1024, 1e-4),
    ),
    "fast": Smooth(
        lambda x: np.sin(1024 * x), lambda x: 1024 * np.cos(1024 * x), AROUND
    ),
    "ripple": Smooth(
        lambda x: x + np.sin(4096 * x) / 4096,
        lambda x: 1 + np.cos(4096 * x),
        AROUND[1:],
    ),
    "tiny": Smooth(lambda x: 1e-25 * np.sin(x), lambda x: 1e-25 * np.cos(x), AROUND),
    "huge": Smooth(lambda x: 1e25 * np.sin(x), lambda x: 1e25 * np.cos(x), AROUND),
    "runge": Smooth(
        lambda x: 1 / (1 + 25 * x * x),
        lambda x: -50 * x / (1 + 25 * x * x) ** 2,
        AROUND,
    ),
    "cancelling": Smooth(
        lambda x: np.sqrt(x * x + 1) - 1, lambda x: x / np.sqrt(x * x + 1), AROUND
    ),
}


class Taken(NamedTuple):
    """Every pair of a function and a point, sampled on one ladder."""

    names: list[str]
    values: np.ndarray
    centre: np.ndarray
    moves: np.ndarray
    truth: np.ndarray


def take(steps: np.ndarray, kind: type[np.floating], seed: int = 0) -> Taken:
    """Evaluate in the given type; the truth is that at the point so rounded.

    Args:
        steps: of the ladder, relative to the point, or to one.
        kind: type of the evaluation.
        seed: if not zero, the points are displaced at random.
    """
    rng = np.random.default_rng(seed) if seed else None
    names, *arrays = zip(*_rows(steps, kind, rng), strict=True)
    return Taken(list(names), *(np.stack(array) for array in arrays))


def _rows(
    steps: np.ndarray, kind: type[np.floating], rng: np.random.Generator | None
) -> Iterator[tuple]:
    for name, (function, derivative, points) in FUNCTIONS.items():
        for given in points:
            point = given if rng is None else _displaced(given, points, rng)
            x = kind(point)
            # Relative to the point; one at zero, and one for functions of order one.
            for scale in sorted({abs(point) or 1.0, 1.0}):
                step = (steps * scale).astype(kind)
                moved = np.stack([x + step, x - step], -1)
                with np.errstate(all="ignore"):
                    values = np.asarray(function(moved))
                    centre = np.asarray(function(np.array([x])))[0]
                    truth = np.float64(derivative(np.array([x], np.longdouble))[0])
                assert values.dtype == kind, name
                if np.isfinite(centre) and np.isfinite(truth):
                    moves = np.abs(moved.astype(np.float64) - np.float64(x))
                    named = f"{name} at {point:g} by {scale:g}"
                    yield named, values.astype(float), float(centre), moves, truth


def _displaced(
    point: float, points: tuple[float, ...], rng: np.random.Generator
) -> float:
    """Another point nearby, inside the same domain."""
    largest = max(map(abs, points))
    size = 0.2 * abs(point) if point else 0.1 * min(largest, 1.0)
    moved = point + size * rng.standard_normal()
    return float(np.clip(moved, -largest, largest))
