"""What holds of training and evaluation."""

from __future__ import annotations

from jaxdebug.testing.layers.draw import Usual, output
from jaxdebug.testing.layers.property import Pair, Property, Setting


def _determined(usual: Usual, setting: Setting) -> Pair:
    other = usual.draw._replace(key=usual.draw.other_key)
    return usual.output, output(usual.layer, other)


def _kept(usual: Usual, setting: Setting) -> Pair:
    variables, key, _, args, _ = usual.draw
    _, state = usual.layer.apply(variables, key, args, False)
    return variables.state, state


def _same(usual: Usual, setting: Setting) -> Pair:
    return usual.output, output(usual.layer, usual.draw, training=True)


def _one_mode(setting: Setting) -> str:
    return "" if setting.layer.has_modes else "the layer knows no mode"


MODES = (
    Property(
        "deterministic",
        "in evaluation the output does not depend on the random key",
        _determined,
        noise="none",
    ),
    Property(
        "evaluation-keeps-state",
        "evaluation leaves the state as it was",
        _kept,
        noise="none",
    ),
    Property(
        "same-in-training",
        "training and evaluation give the same output",
        _same,
        why_not=_one_mode,
        is_declared=True,
    ),
)
