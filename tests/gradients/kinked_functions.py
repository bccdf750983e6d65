"""Functions at points that are not, or only just, smooth, and what they are there."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.kinks import Kind

Function = Callable[[np.ndarray], np.ndarray]
SMOOTH, KINK, CUSP, JUMP = Kind.SMOOTH, Kind.KINK, Kind.CUSP, Kind.JUMP
EDGE, INVALID, UNDECIDED = Kind.EDGE, Kind.INVALID, Kind.UNDECIDED


class Entry(NamedTuple):
    """A function at a point.

    Attributes:
        name: of the entry.
        function: works in any floating type.
        point: exact in float32.
        kind: what it is there in float64.
        lawful: slopes that must pass; at cusps and jumps, that must not fail.
        wrong: slopes that must not pass; where there is a slope, that must fail.
        single: what it may be taken for in float32, if not the same.
    """

    name: str
    function: Function
    point: float
    kind: Kind
    lawful: tuple[float, ...] = ()
    wrong: tuple[float, ...] = ()
    single: tuple[Kind, ...] = ()


NAN, INF = float("nan"), float("inf")
QUARTER = np.pi / 4


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def huber(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


def hard_swish(x: np.ndarray) -> np.ndarray:
    return x * np.clip(x + 3, 0, 6) / 6


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def hinge(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - x)


def xlogx(x: np.ndarray) -> np.ndarray:
    safe = np.where(x == 0, 1, np.abs(x)).astype(x.dtype)
    return np.where(x == 0, 0, x * np.log(safe))


def sinc(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, 1, np.sin(x) / np.where(x == 0, 1, x))


def attention(x: np.ndarray) -> np.ndarray:
    """The largest of four scores, tied at zero."""
    return np.max(np.stack([x, -2 * x, 0.5 * x, 0 * x]), axis=0)


def where_inside(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, np.nan, 1).astype(x.dtype)


ENTRIES: tuple[Entry, ...] = (
    # Kinks, with the convention of JAX and other lawful values.
    Entry("abs", np.abs, 0.0, KINK, (0.0, 1.0, -1.0, 0.3), (1.5, -1.001, NAN)),
    Entry("abs off zero", lambda x: np.abs(x - 1), 1.0, KINK, (0.0, 1.0), (1.01,)),
    Entry("relu", relu, 0.0, KINK, (0.0, 0.5, 1.0), (-0.2, 1.1, INF)),
    Entry(
        "leaky relu", lambda x: np.where(x > 0, x, x / 8), 0.0, KINK, (0.125, 1), (0,)
    ),
    Entry(
        "clip below", lambda x: np.clip(x, -1, 1), -1.0, KINK, (0, 1, 0.5), (-0.1, 2)
    ),
    Entry("clip above", lambda x: np.clip(x, -1, 1), 1.0, KINK, (0, 1, 0.5), (-0.1, 2)),
    Entry("relu6 below", lambda x: np.clip(x, 0, 6), 0.0, KINK, (0.0, 0.5), (1.2,)),
    Entry("relu6 above", lambda x: np.clip(x, 0, 6), 6.0, KINK, (0.0, 0.5), (1.2,)),
    Entry("hard swish", hard_swish, -3.0, KINK, (0.0, -0.5, -0.25), (0.1, -0.6)),
    Entry("hard swish above", hard_swish, 3.0, KINK, (1.0, 1.5), (0.9, 1.6)),
    Entry(
        "hard tanh of 2x", lambda x: np.clip(2 * x, -1, 1), 0.5, KINK, (0, 2), (2.1,)
    ),
    Entry("hinge", hinge, 1.0, KINK, (-1.0, 0.0, -0.5), (0.1, -1.1)),
    Entry("squared plus hinge", lambda x: x * x + hinge(x), 1.0, KINK, (1, 2), (0.9,)),
    Entry("three-way tie", attention, 0.0, KINK, (-0.125, 1, -2), (1.1, -2.1)),
    Entry("min of tie", lambda x: np.minimum(x, x * x), 1.0, KINK, (1, 2, 1.5), (0.9,)),
    Entry(
        "max of sin and x", lambda x: np.maximum(np.sin(x), -x), 0.0, KINK, (0,), (2,)
    ),
    Entry("norm", lambda x: np.sqrt(9 * x * x), 0.0, KINK, (0.0, 3.0), (3.1, NAN)),
    Entry(
        "l1 penalty", lambda x: x + 0.01 * np.abs(x), 0.0, KINK, (1.0, 1.01), (1.02,)
    ),
    Entry("exp of abs", lambda x: np.exp(-np.abs(x)), 0.0, KINK, (0, 1, -1), (1.1,)),
    Entry("triangle", lambda x: np.abs(x - np.round(x)), 2.0, KINK, (0, 1), (1.1,)),
    Entry("prelu of sin", lambda x: relu(np.sin(8 * x)), 0.0, KINK, (0, 8), (8.5,)),
    Entry("sqrt of square", lambda x: np.sqrt((x - 2) ** 2), 2.0, KINK, (0,), (1.5,)),
    Entry("scaled kink", lambda x: 1e12 * np.abs(x), 0.0, KINK, (0, 1e12), (1.1e12,)),
    Entry("tiny kink", lambda x: 1e-12 * np.abs(x), 0.0, KINK, (0, 1e-12), (2e-12,)),
    Entry("kink at 1024", lambda x: np.abs(x - 1024), 1024.0, KINK, (0, 1), (1.1,)),
    Entry("kink at 2**-20", lambda x: np.abs(x - 2**-20), 2.0**-20, KINK, (0,), (1.1,)),
    Entry("offset kink", lambda x: 5 + np.abs(x), 0.0, KINK, (0.0, 1.0), (1.1,)),
    Entry(
        "weak kink",
        lambda x: np.sin(x) + 1e-4 * np.abs(x - 1),
        1.0,
        KINK,
        (np.cos(1), np.cos(1) + 1e-4),
        (np.cos(1) + 2e-4,),
        (KINK, SMOOTH, UNDECIDED),
    ),
    Entry(
        "very weak kink",
        lambda x: np.exp(x) + 1e-7 * np.abs(x),
        0.0,
        KINK,
        (1.0, 1 + 1e-7),
        (1 + 3e-7,),
        (KINK, SMOOTH, UNDECIDED),
    ),
    # Differentiable once, though made of parts.
    Entry(
        "identity of relus", lambda x: relu(x) - relu(-x), 0.0, SMOOTH, (1,), (0, 0.5)
    ),
    Entry("x abs x", lambda x: x * np.abs(x), 0.0, SMOOTH, (0.0,), (0.1, -0.1)),
    Entry("abs to 1.5", lambda x: np.abs(x) ** 1.5, 0.0, SMOOTH, (0.0,), (0.1, -0.1)),
    Entry("huber", huber, 1.0, SMOOTH, (1.0,), (0.0, 0.99, 1.01)),
    Entry("huber below", huber, -1.0, SMOOTH, (-1.0,), (0.0, -0.99)),
    Entry("huber middle", huber, 0.0, SMOOTH, (0.0,), (0.1,)),
    Entry("squared relu", lambda x: relu(x) ** 2, 0.0, SMOOTH, (0.0,), (0.1,)),
    Entry("elu", elu, 0.0, SMOOTH, (1.0,), (0.0, 0.99)),
    Entry("sinc", sinc, 0.0, SMOOTH, (0.0,), (NAN, 0.1)),
    Entry(
        "splice",
        lambda x: np.where(x < 1, (x - 1) ** 5, (x - 1) ** 3),
        1.0,
        SMOOTH,
        (0.0,),
        (0.01,),
    ),
    Entry("squared hinge", lambda x: hinge(x) ** 2, 1.0, SMOOTH, (0.0,), (0.1,)),
    # Near a kink or jump, but not on it.
    Entry("abs at 1e-5", np.abs, 1e-5, SMOOTH, (1.0,), (0.0, 0.99)),
    Entry("abs at 8e-4", np.abs, 8e-4, SMOOTH, (1.0,), (0.0, -1.0)),
    Entry("abs at -8e-4", np.abs, -8e-4, SMOOTH, (-1.0,), (0.0, 1.0)),
    Entry("relu at -1e-7", relu, -1e-7, SMOOTH, (0.0,), (1.0, 0.5), (SMOOTH, KINK)),
    Entry("relu at 1e-4", relu, 1e-4, SMOOTH, (1.0,), (0.0, 0.5)),
    Entry("relu at 3", relu, 3.0, SMOOTH, (1.0,), (0.0, 0.99)),
    Entry("relu at -3", relu, -3.0, SMOOTH, (), (1.0,)),
    Entry("floor at 8e-4", np.floor, 8e-4, SMOOTH, (0.0,), (1.0,)),
    Entry("sign at -8e-4", np.sign, -8e-4, SMOOTH, (0.0,), (1.0,)),
    Entry("step plus x", lambda x: x + np.sign(x), 0.01, SMOOTH, (1.0,), (0.0, 1.01)),
    Entry("rounding at 0.3", np.round, 0.3125, SMOOTH, (0.0,), (1.0,)),
    Entry("clip near", lambda x: np.clip(x, -1, 1), 1.0009765625, SMOOTH, (0,), (1,)),
    Entry("log at 1e-3", np.log, 1e-3, SMOOTH, (), (0.0, 900.0)),
    Entry("tan near pole", np.tan, 1.57, SMOOTH, (), (0.0, 1e6)),
    # Cusps, vertical tangents and logarithms.
    Entry("root of abs", lambda x: np.sqrt(np.abs(x)), 0.0, CUSP, (0.0,), (NAN, INF)),
    Entry("cube root", np.cbrt, 0.0, CUSP, (1.0,), (INF,)),
    Entry("abs to 0.9", lambda x: np.abs(x) ** 0.9, 0.0, CUSP, (0.0,)),
    Entry("abs to 0.3", lambda x: np.abs(x) ** 0.3, 0.0, CUSP, (0.0,)),
    Entry("x log x", xlogx, 0.0, CUSP, (0.0,), (-INF,)),
    Entry("shifted root", lambda x: np.sqrt(np.abs(x - 1)), 1.0, CUSP, (0.0,)),
    Entry("root of relu", lambda x: np.sqrt(relu(x)), 0.0, CUSP, (0.0,), (NAN,)),
    Entry(
        "sine plus root", lambda x: np.sin(x) + np.sqrt(np.abs(x)), 0.0, CUSP, (1.0,)
    ),
    Entry(
        "weak cusp",
        lambda x: x + 1e-3 * np.sqrt(np.abs(x)),
        0.0,
        CUSP,
        (1.0,),
    ),
    # Jumps.
    Entry("step", lambda x: np.heaviside(x, 1), 0.0, JUMP, (0.0,), (NAN,)),
    Entry("step, other side", lambda x: np.heaviside(x, 0), 0.0, JUMP, (0.0,)),
    Entry("sign", np.sign, 0.0, JUMP, (0.0,)),
    Entry("floor", np.floor, 2.0, JUMP, (0.0,)),
    Entry("ceil", np.ceil, -1.0, JUMP, (0.0,)),
    Entry("round", np.round, 0.5, JUMP, (0.0,)),
    Entry("sawtooth", lambda x: x - np.floor(x), 1.0, JUMP, (1.0,)),
    Entry("sine and step", lambda x: np.sin(x) + np.floor(x), 1.0, JUMP, (0.54,)),
    Entry("small step", lambda x: np.cos(x) + 1e-3 * np.sign(x), 0.0, JUMP, (0.0,)),
    Entry(
        "argmax", lambda x: np.where(x > 0, 3.0, 1.0).astype(x.dtype), 0.0, JUMP, (0,)
    ),
    Entry(
        "lone value", lambda x: np.where(x == 0, 1, 0).astype(x.dtype), 0.0, JUMP, (0,)
    ),
    # Edges of the domain and points outside it.
    Entry("root at zero", np.sqrt, 0.0, EDGE, (), (INF, NAN, 1.0)),
    Entry("x root x", lambda x: x * np.sqrt(x), 0.0, EDGE, (0.0,), (1.0,)),
    Entry(
        "line from zero",
        lambda x: np.where(x < 0, np.nan, 2 * x),
        0.0,
        EDGE,
        (2,),
        (0, 1),
    ),
    Entry("arcsine at one", np.arcsin, 1.0, EDGE, (), (INF, NAN, 1.0)),
    Entry("power at zero", lambda x: np.power(x, 2.5), 0.0, EDGE, (0.0,), (1.0,)),
    Entry("hole, at its end", where_inside, 1.0, EDGE, (), (1.0,)),
    Entry("hole", where_inside, 0.0, INVALID, (), (0.0, 1.0)),
    Entry("log at zero", np.log, 0.0, INVALID, (), (INF, 0.0)),
    Entry("log at -10", np.log, -10.0, INVALID, (), (-0.1, 0.0)),
    Entry("root at -1", np.sqrt, -1.0, INVALID, (), (NAN, 0.0)),
    Entry("reciprocal at zero", lambda x: 1 / x, 0.0, INVALID, (), (INF, 0.0)),
    # Neither.
    Entry(
        "oscillating",
        lambda x: x * np.sin(1 / np.where(x == 0, 1, x)),
        0.0,
        UNDECIDED,
        (),
        (),
        (UNDECIDED,),
    ),
)
