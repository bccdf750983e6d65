"""Errors of a function that asks a tracer for its value."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

import jax

from jaxdebug.programs._jax.ir import is_traced
from jaxdebug.programs._jax.source import Line, is_users

MADE_CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""Raised where a number of Python, or an array of NumPy, is made of a tracer."""


def asked_for(error: BaseException) -> Any:
    """The tracer whose value was asked for; None if that is not known."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    held = reversed(frames[-1].f_locals.values()) if frames else ()
    return next((value for value in held if is_traced(value)), None)


def users_frames(error: BaseException) -> Iterator[FrameType]:
    """The frames outside installed libraries that an error came through."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if is_users(frame.f_code.co_filename):
            yield frame


def line_of(error: BaseException) -> Line | None:
    """The innermost line outside installed libraries that an error came through."""
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if is_users(frame.f_code.co_filename):
            line = Line(frame.f_code.co_filename, number, frame.f_code.co_name)
    return line
