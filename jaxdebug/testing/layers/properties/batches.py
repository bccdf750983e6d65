"""What holds of a batch of examples: each is on its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxdebug.testing.layers.draw import Usual
from jaxdebug.testing.layers.property import Pair, Property, Setting
from jaxdebug.testing.layers.rows import first_from, first_missing, of_rows


def _no_batch(setting: Setting) -> str:
    return "" if setting.rows else "the inputs are no batch of examples"


def _no_rows(setting: Setting) -> str:
    if setting.rows and setting.rows > 1:
        return ""
    return _no_batch(setting) or "the batch is of one example"


def _others(out: Any) -> Any:
    return of_rows(lambda leaf: leaf[1:], out)


def _independent(usual: Usual, setting: Setting) -> Pair:
    args, others = usual.draw.args, usual.draw.others
    own = _others(usual.output)
    changed = {
        "output beside another example": first_from(args, others),
        "output beside an example of NaN": first_missing(args),
    }
    found = {name: _others(usual.of(one)) for name, one in changed.items()}
    return dict.fromkeys(changed, own), found


def _picked(usual: Usual, which: Any) -> Pair:
    """Of some of the rows, by their outputs in the whole batch and by themselves."""
    expected = of_rows(lambda leaf: leaf[which], usual.output)
    return expected, usual.of(of_rows(lambda leaf: leaf[which], usual.draw.args))


def _alone(usual: Usual, setting: Setting) -> Pair:
    return _picked(usual, slice(1))


def _repeated(usual: Usual, setting: Setting) -> Pair:
    """Twice as many examples and one more, which is an odd number."""
    rows = setting.rows or 1
    return _picked(usual, np.arange(2 * rows + 1) % rows)


def _none(usual: Usual, setting: Setting) -> Pair:
    return _picked(usual, slice(0))


BATCHES = (
    Property(
        "rows-independent",
        "an example's output does not depend on the other examples of the batch",
        _independent,
        why_not=_no_rows,
    ),
    Property(
        "batch-of-one",
        "an example alone has the output that it has in a batch",
        _alone,
        why_not=_no_rows,
    ),
    Property(
        "odd-batch",
        "a batch of an odd number of examples has the outputs of these examples",
        _repeated,
        why_not=_no_batch,
    ),
    Property(
        "empty-batch",
        "a batch of no examples has no outputs, of the right shape",
        _none,
        why_not=_no_batch,
    ),
)
