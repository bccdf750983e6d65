"""`check_layer`: property tests of a layer, from three lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxdebug.checks.arguments import require_order, require_seed
from jaxdebug.testing.layers.again import Again, one_or_tuple
from jaxdebug.testing.layers.arguments import (
    require_domain,
    require_examples,
    several,
)
from jaxdebug.testing.layers.as_layer import as_layer
from jaxdebug.testing.layers.properties.all_properties import all_properties
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.layers.trial import Trial
from jaxdebug.testing.layers.tried import batches_of, chosen, tried


def check_layer(
    layer: Any,
    inputs: Any = None,
    *,
    params: Any = None,
    call: Mapping[str, Any] | None = None,
    batched: bool = True,
    declare: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    domain: tuple[float, float] | None = None,
    order: int = 2,
    examples: int = 24,
    seed: int = 0,
) -> LayerReport:
    """Whether a layer has the properties that any layer should have.

    Args:
        layer: a Linen, NNX or Equinox module, or a function of arrays. An Equinox
            module is of one example: it is mapped over the batch. One with a state is
            given with it, as `equinox.nn.make_with_state` returns both.
        inputs: a strategy of an input, such as `arrays` or `batches`, an array, or a
            tuple of these for several inputs; batches of 3, 1 and 2 vectors of four
            numbers by default.
        params: first argument of a function with parameters.
        call: further arguments of the call, held fixed, such as `{"decode": False}`.
            The mode is told by names that the frameworks use: `train`, `training`,
            `deterministic`, `use_running_average`, `inference`.
        batched: whether the first axis of every input counts examples.
        declare: properties that only some layers have: `causal`,
            `permutation-equivariant`, `permutation-invariant`,
            `translation-equivariant` (of the second axis), `same-in-training`.
        only: names of the properties to try; by default all that need no declaration.
        skip: names of properties not to try.
        domain: numbers that inputs lie between; output and gradient are asked to be
            finite at both instead of at zero and at large and small numbers.
        order: 2 to check second derivatives too.
        examples: how many inputs are tried.
        seed: of parameters, keys and examples.

    Returns:
        A report with a verdict for each property; `raise_if_failed()` in a test.

    Raises:
        TypeError: if `layer` is no layer; whatever it raises when it is called with
            such inputs.
        ValueError: if a property is not known, or a number is not one.

    Cost:
        One program for each shape of inputs, and the two of `check_gradients` for the
        first one. Seconds for a dense layer, half a minute for attention.

    Limits:
        Parameters are those that the layer begins with, a quarter of their size off.
        Batches are along the first axis. What a layer draws at random in training is
        not looked at.

    Example:
        >>> import flax.linen as nn
        >>> report = check_layer(nn.Dense(2), order=1, examples=3)
        >>> report.ok
        True
    """
    require_seed("check_layer", seed)
    settings = {
        "params": params,
        "call": call,
        "batched": batched,
        "domain": domain,
        "order": order,
        "examples": examples,
    }
    if not isinstance(call, Mapping | None):
        raise TypeError(
            "check_layer expects call to be further arguments by name, as in "
            f"call={{'decode': False}}; found {call!r}."
        )
    seen = as_layer(layer, params, dict(call or {}), batched=batched)
    require_order("check_layer", order)
    require_examples("check_layer", examples)
    require_domain("check_layer", domain)
    strategy = several("check_layer", "inputs", inputs)
    properties = chosen("check_layer", all_properties(order), declare, only, skip)
    return tried(
        Again(check_layer, seen.made, one_or_tuple, {"inputs": inputs}, settings),
        Trial(seen, properties, batched, frozenset(declare), domain, seed),
        batches_of(strategy) if batched else strategy,
        examples=examples,
        seed=seed,
    )
