"""Whether an array's numbers are there, without waiting for them."""

from __future__ import annotations

from typing import Any

import jax


def has_arrived(value: Any) -> bool:
    """Whether reading it would not wait; also of what was donated, or is no array."""
    if not isinstance(value, jax.Array) or value.is_deleted():
        return True
    ready: Any = getattr(value, "is_ready", None)  # no part of the typed interface
    return ready is None or bool(ready())


def is_donated(value: Any) -> bool:
    """Whether it is an array whose memory was given away."""
    return isinstance(value, jax.Array) and value.is_deleted()
