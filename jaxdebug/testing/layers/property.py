"""A property of a layer: what two results must be the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from jaxdebug.testing.layers.draw import Draw, Usual
from jaxdebug.testing.layers.gap import Gap, in_words
from jaxdebug.testing.layers.layer import Layer

Pair = tuple[Any, Any]
"""Two results that must be the same: what is expected, what is found."""


Noise = Mapping[str, Sequence[float]]
"""By how much roundings of inputs change each leaf of the outputs, of the gradients,
and of the outputs of the other inputs."""


class Setting(NamedTuple):
    """What is known of a layer and its inputs before they are tried."""

    layer: Layer
    args: tuple[Any, ...]
    """Shapes and dtypes of the inputs."""
    variables: Any
    """Shapes and dtypes."""
    rows: int | None
    """How many examples the inputs are of; None if they are not a batch."""
    declared: frozenset[str]
    domain: tuple[float, float] | None
    """What the inputs must lie between."""


def always(setting: Setting) -> str:
    """It can be asked of any layer."""
    return ""


AskNoise = Callable[[], Noise]
"""It takes the program of all pairs, which may still be compiling."""

HostCheck = Callable[[Draw, AskNoise], str]
"""Of inputs, what is wrong, or empty."""


class Property(NamedTuple):
    """Something that holds of a layer.

    It is told either by two results, computed in one program with those of all other
    properties, or by the host.
    """

    name: str
    says: str
    """What holds, in words."""
    pair: Callable[[Usual, Setting], Pair] | None = None
    """Of the inputs, two results that must be the same; traced."""
    host: Callable[[Layer, Setting], HostCheck] | None = None
    """What checks it by itself, on inputs of these shapes."""
    why_not: Callable[[Setting], str] = always
    """Why it cannot be asked here; empty if it can."""
    noise: Literal[
        "outputs", "gradients", "both", "any output", "any of both", "none"
    ] = "outputs"
    """What roundings of the inputs change: they may differ by so much. `both` is what
    is made of the inputs and of the others; `any` is the most of all outputs, where the
    results are not these one by one."""
    once: bool = False
    """Whether it need hold on one example only."""
    words: Callable[[str, Gap, tuple[int, ...]], str] = in_words
    """Of the leaf that differs most: what is wrong."""
    is_declared: bool = False
    """Whether it is asked only of layers that are declared so."""
