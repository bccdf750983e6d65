"""What is wrong as XLA compiles quickly is asked again as it compiles for anybody."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxdebug.testing.layers.draw import Draw, Usual
from jaxdebug.testing.layers.gap import Undecided
from jaxdebug.testing.layers.layer import Variables
from jaxdebug.testing.layers.plain_layer import plain_layer
from jaxdebug.testing.layers.program import Measured
from jaxdebug.testing.layers.properties.batches import BATCHES
from jaxdebug.testing.layers.property import Pair, Property, Setting

ALONE = next(one for one in BATCHES if one.name == "batch-of-one")


def _look(function: Any) -> tuple[str, str]:
    """What is said of a batch of one, and with a quick program that is wrong."""
    layer, args = plain_layer(function, None, {}), (jnp.arange(3.0),)
    setting = Setting(layer, args, Variables({}, {}), 3, frozenset(), None)
    draw = Draw(Variables({}, {}), jnp.uint32(0), jnp.uint32(0), args, args)
    measured = Measured(layer, [ALONE], setting)
    right, _ = measured.look(draw)
    run = measured.run

    def quick(draw: Draw) -> Any:
        found, noise = run(draw)
        (gap,) = found["batch-of-one"]
        return {"batch-of-one": [gap._replace(worst=gap.worst + 1)]}, noise

    measured.quick = jax.jit(quick)
    again, _ = measured.look(draw)
    return str(right["batch-of-one"]), str(again["batch-of-one"])


def test_what_only_quick_compilation_makes_wrong_is_no_failure() -> None:
    assert _look(lambda x: 2.0 * x) == ("", "")


def test_what_is_wrong_both_ways_is_a_failure() -> None:
    right, again = _look(lambda x: x - x.mean())
    assert right == again == "output[0] is 0, not -1"


@pytest.mark.slow
def test_what_roundings_change_is_asked_of_both_inputs_that_are_compared() -> None:
    """Those of zeros change nothing, but what others make cancels to rounding."""

    def apart(usual: Usual, setting: Setting) -> Pair:
        return usual.both, usual.both + 1e-6

    def cancels(x: Any) -> Any:
        return x * 1e3 - x * 999.9 - x * 0.1

    def said(noise: Any) -> Any:
        layer, args = plain_layer(cancels, None, {}), (jnp.zeros(3),)
        setting = Setting(layer, args, Variables({}, {}), 3, frozenset(), None)
        key, others = jnp.uint32(0), (jnp.arange(1.0, 4.0),)
        draw = Draw(Variables({}, {}), key, key, args, others)
        one = Property("apart", "they are the same", apart, noise=noise)
        return Measured(layer, [one], setting).look(draw)[0]["apart"]

    assert said("outputs")
    assert not said("both") or isinstance(said("both"), Undecided)
    assert not said("any of both") or isinstance(said("any of both"), Undecided)
