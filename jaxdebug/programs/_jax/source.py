"""Name stacks, source lines and the contexts that equations carry."""

from __future__ import annotations

import contextlib
import os
import sysconfig
from collections.abc import Iterator
from functools import cache, lru_cache
from types import CodeType
from typing import Any, NamedTuple

import jax
from jax._src import source_info_util
from jax.extend.core import ClosedJaxpr, JaxprEqn

from jaxdebug.programs._jax.ir import nested_jaxprs

_SPECIAL = os.path.join("jax", "_src", "scipy", "")

# Tracing under a context of our own keeps us away from inner jaxprs that JAX
# cached when the user's function ran before: those may lack scopes.
_own_trace = jax.make_user_context(default_value=None)


class Scope(NamedTuple):
    """One entry of a name stack: a scope the user opened, or a transformation."""

    name: str
    transform: bool


class Line(NamedTuple):
    """A place in the user's source."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def own_trace() -> contextlib.AbstractContextManager[Any]:
    """Context in which a trace is ours alone."""
    return _own_trace("jaxdebug")


def name_stack(equation: JaxprEqn) -> tuple[Scope, ...]:
    """The equation's own name stack, outermost first.

    Transposing remat writes the scopes of its equation twice, as in
    `transpose(jvp(M))/jvp(M)`: they are taken once.
    """
    stack = tuple(
        Scope(entry.name, isinstance(entry, source_info_util.Transform))
        for entry in equation.source_info.name_stack.stack
    )
    if equation.params.get("differentiated"):
        scopes = [scope for scope in stack if not scope.transform]
        half = len(scopes) // 2
        if half and scopes[:half] == scopes[half:]:
            transforms = tuple(scope for scope in stack if scope.transform)
            return (*transforms, *scopes[:half])
    return stack


@contextlib.contextmanager
def context_of(equation: JaxprEqn) -> Iterator[None]:
    """Re-enter the equation's name stack, traceback and configuration."""
    stack = source_info_util.current_name_stack() + equation.source_info.name_stack
    with (
        source_info_util.user_context(equation.source_info.traceback, name_stack=stack),
        equation.ctx.manager,
    ):
        yield


def marked_trace() -> contextlib.AbstractContextManager[Any]:
    """Context of a trace with marks: inner jaxprs without them are not reused."""
    return _own_trace("jaxdebug, marked")


@cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    return tuple({*(paths[name] + os.sep for name in names), own + os.sep})


def is_users(file: str) -> bool:
    """Whether a source file is outside installed libraries and this package."""
    return not (
        file.startswith((*_library_folders(), "<frozen "))
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
    )


def call_chain(equation: JaxprEqn) -> tuple[Any, ...]:
    """Where the equation was traced, outermost call first; JAX itself left out.

    An equation and its transpose have the same chain: JAX transposes under the
    traceback of the equation that it transposes.
    """
    return _chain(equation.source_info.traceback)


@lru_cache(maxsize=4096)
def _chain(traceback: Any) -> tuple[Any, ...]:
    frames = reversed([*source_info_util.user_frames(traceback)])
    # Of two operators in one expression, only the last column tells them apart.
    return tuple(
        (f.file_name, f.function_name, f.start_line, f.start_column, f.end_column)
        for f in frames
    )


def users_line(equation: JaxprEqn) -> Line | None:
    """The innermost frame outside installed libraries, if the trace has one."""
    for frame in source_info_util.user_frames(equation.source_info.traceback):
        if is_users(frame.file_name):
            return Line(frame.file_name, frame.start_line, frame.function_name)
    return None


def in_special_function(equation: JaxprEqn) -> bool:
    """Whether it was traced inside a function of jax.scipy, which knows its edges."""
    traceback = equation.source_info.traceback
    if traceback is None:
        return False
    return any(_SPECIAL in code.co_filename for code in traceback.raw_frames()[0])


def traced_in(jaxpr: ClosedJaxpr) -> Iterator[tuple[CodeType, ...]]:
    """The calls that equations of a program were traced in, outermost first.

    Equations of one line and call have them once. The frames of an equation in a body
    may end at the body: those of the enclosing one come first.
    """
    seen: set[int] = set()
    queue: list[tuple[ClosedJaxpr, tuple[CodeType, ...]]] = [(jaxpr, ())]
    for current, around in queue:
        for equation in current.jaxpr.eqns:
            traceback = equation.source_info.traceback
            bodies = list(nested_jaxprs(equation))
            fresh = traceback is not None and id(traceback) not in seen
            if not (fresh or bodies):
                continue
            own = () if traceback is None else reversed(traceback.raw_frames()[0])
            frames = (*around, *own)
            queue += [(body, frames) for body in bodies]
            if fresh:
                seen.add(id(traceback))
                yield frames
