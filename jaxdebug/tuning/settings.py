"""Numeric settings of a training: their values, and which functions take them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

Values = dict[str, np.ndarray]
"""A value of each setting for each of several trainings."""


def taken_by(function: Callable[..., Any], names: Sequence[str]) -> list[str]:
    """Those of some names by which a function takes an argument."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return [*names]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {one.name for one in parameters if one.kind in kinds}
    return [name for name in names if name in known]


def given(function: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """A function with those of the settings that it takes."""
    names = taken_by(function, [*settings])
    return partial(function, **{name: settings[name] for name in names})


def all_combinations(tool: str, settings: Mapping[str, Any]) -> Values:
    """Every value of each setting with every value of each other one.

    Raises:
        ValueError: if a setting has no values, or some that are no finite numbers.
    """
    if not isinstance(settings, Mapping) or not settings:
        raise ValueError(
            f"{tool} expects settings to be names and their values, as in "
            f"{{'learning_rate': [1e-3, 1e-2]}}; found {settings!r}."
        )
    for name, values in settings.items():
        require_numbers(tool, name, values)
    rows = [*itertools.product(*map(np.ravel, settings.values()))]
    return {
        name: np.asarray(column)
        for name, column in zip(settings, zip(*rows, strict=True), strict=True)
    }


def require_numbers(tool: str, name: str, values: Any) -> None:
    """Refuse values of a setting that cannot be trained side by side."""
    try:
        found = np.asarray(values)
        right = found.ndim == 1 and found.size and found.dtype.kind in "biuf"
    except ValueError:  # rows of several lengths
        right, found = False, np.zeros(0)
    if not right or not np.isfinite(found).all():
        raise ValueError(
            f"{tool} expects the values of {name!r} to be finite numbers in a row; "
            f"found {values!r}. What is no number, such as a choice of optimizer, is "
            "compared by a call for each."
        )


def require_taken(
    tool: str, names: Sequence[str], functions: Mapping[str, Callable[..., Any] | None]
) -> None:
    """Refuse a setting that no function takes.

    Args:
        tool: for the message.
        names: of the settings.
        functions: that may take them, by the name of their argument.
    """
    asked = {what: one for what, one in functions.items() if one is not None}
    taken = {name for one in asked.values() for name in taken_by(one, names)}
    lost = [name for name in names if name not in taken]
    if not lost:
        return
    known = "; ".join(
        f"{what} takes {', '.join(inspect.signature(one).parameters) or 'nothing'}"
        for what, one in asked.items()
    )
    raise ValueError(
        f"{tool} expects each setting to be an argument of optimizer or loss_fn; found "
        f"none that takes {', '.join(map(repr, lost))}"
        f"{f' ({known})' if known else ''}. Give optimizer=optax.adam, whose "
        "learning_rate is a setting, or loss_fn=..., a loss with one more argument."
    )
