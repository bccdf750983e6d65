"""Sending arrays to the host, and whether they are there, without waiting for them.

What a recorder sends is its own: the user's transfer guard is for the user's program,
and would take it for an accident.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np

_NO_GUARD = nullcontext()


def _unguarded() -> AbstractContextManager[None]:
    """A context without a transfer guard; made only if there is one, for its time."""
    config: Any = jax.config  # the option is no part of the typed interface
    if config.jax_transfer_guard_device_to_host in (None, "allow"):
        return _NO_GUARD
    return jax.transfer_guard_device_to_host("allow")


def send(values: Iterable[Any]) -> None:
    """Begin to copy those that are arrays to the host; waits for nothing."""
    with _unguarded():
        for value in values:
            if isinstance(value, jax.Array):
                value.copy_to_host_async()


def received(values: Iterable[Any]) -> list[np.ndarray]:
    """What was sent; waits for it."""
    with _unguarded():
        return [*map(np.asarray, values)]


def has_arrived(value: Any) -> bool:
    """Whether reading it would not wait; also of what was donated, or is no array."""
    if not isinstance(value, jax.Array) or value.is_deleted():
        return True
    ready: Any = getattr(value, "is_ready", None)  # no part of the typed interface
    return ready is None or bool(ready())


def is_donated(value: Any) -> bool:
    """Whether it is an array whose memory was given away."""
    return isinstance(value, jax.Array) and value.is_deleted()
