"""Floating scalars of a step's results, at every step, without waiting for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, GetAttrKey, SequenceKey

from jaxdebug.programs._jax.arrival import has_arrived, is_donated, received, send
from jaxdebug.programs.parameters.leaves import path_names, short_paths

SKIPPED, SKIPPED_NOW = "total_notfinite", "notfinite_count"
"""What `optax.apply_if_finite` counts: steps, and those in a row up to this one."""

LEFT_OUT, LEFT_OUT_NOW = "num_not_finite", "should_skip"
"""What `optax.skip_not_finite` says of the last step of `optax.MultiSteps`."""

_COUNTERS = frozenset({SKIPPED, SKIPPED_NOW, LEFT_OUT, LEFT_OUT_NOW})

_MOVED = (KeyError, IndexError, AttributeError, TypeError)
"""What a reader raises where a result has another structure than the first."""


class Signal(NamedTuple):
    """One scalar of a result."""

    name: str
    path: tuple[str, ...]
    """Of it in the result."""
    read: Callable[[Any], Any]
    """From a result: a result of many leaves is not flattened at every step."""


def find_signals(out: Any) -> tuple[Signal, ...]:
    """The floating scalars of a result, and Optax's counters."""
    whole = path_names(out)
    paths = [path if path else ("output",) for path in whole]
    named = short_paths(paths) if isinstance(out, tuple) else {}
    flat, _ = jax.tree_util.tree_flatten_with_path(out)
    found = []
    for place, (name, (path, leaf)) in enumerate(zip(paths, flat, strict=True)):
        if _is_signal(leaf, name[-1]):
            read = _reader(path, out, leaf) or _by_position(place)
            short = named.get(name, name)
            # A part of a tuple has no name but its place.
            spelled = f"output[{short[0]}]" if short == name[:1] and named else ""
            found.append(Signal(spelled or "/".join(short), whole[place], read))
    return tuple(found)


def _is_signal(leaf: Any, name: str) -> bool:
    if isinstance(leaf, float):
        return True
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or getattr(leaf, "shape", None) != ():
        return False
    return name in _COUNTERS or jnp.issubdtype(dtype, jnp.floating)


def _reader(path: Any, out: Any, leaf: Any) -> Callable[[Any], Any] | None:
    """How to go to a leaf key by key, if that leads to it."""
    steps: list[Callable[[Any], Any]] = []
    for key in path:
        match key:
            case DictKey():
                steps.append(itemgetter(key.key))
            case SequenceKey():
                steps.append(itemgetter(key.idx))
            case GetAttrKey():
                steps.append(attrgetter(key.name))
            case _:
                return None

    def read(result: Any) -> Any:
        for step in steps:
            result = step(result)
        return result

    try:
        return read if read(out) is leaf else None
    except _MOVED:
        return None


def _by_position(place: int) -> Callable[[Any], Any]:
    return lambda result: jax.tree.leaves(result)[place]


class Signals:
    """Signals that are on their way to the host, oldest first."""

    def __init__(self) -> None:
        self.found: tuple[Signal, ...] | None = None
        self.waiting = deque[tuple[int, tuple[Signal, ...], list[Any]]]()

    def start(self, step: int, out: Any) -> None:
        """Send the signals of a step to the host; waits for nothing."""
        if self.found is None:
            self.found = find_signals(out)
        try:
            leaves = [signal.read(out) for signal in self.found]
        except _MOVED:
            self.found = find_signals(out)
            leaves = [signal.read(out) for signal in self.found]
        if leaves:
            send(leaves)
            self.waiting.append((step, self.found, leaves))

    def arrived(self, *, wait: bool = False) -> Iterator[tuple[int, dict[str, float]]]:
        """Signals that are here, by step; takes them out.

        Args:
            wait: for all that are on their way.
        """
        while self.waiting:
            step, signals, leaves = self.waiting[0]
            if not wait and not all(map(has_arrived, leaves)):
                return
            self.waiting.popleft()
            # What the user donated before it was read is gone.
            pairs = zip(signals, leaves, strict=True)
            here = {s.name: leaf for s, leaf in pairs if not is_donated(leaf)}
            numbers = map(float, received(here.values()))
            yield step, dict(zip(here, numbers, strict=True))
