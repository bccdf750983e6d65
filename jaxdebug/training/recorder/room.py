"""How much memory is free, and whose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import jax


@lru_cache(maxsize=1024)
def is_in_host_memory(sharding: Any) -> bool:
    """Whether arrays of a sharding take host memory: those of the CPU do."""
    if str(sharding.memory_kind).endswith("host"):
        return True
    return all(device.platform == "cpu" for device in sharding.device_set)


def takes(leaves: Iterable[Any]) -> int:
    """Bytes of arrays, and of numbers."""
    return sum(getattr(leaf, "nbytes", 8) for leaf in leaves)


def takes_of_host(leaves: Sequence[Any]) -> int:
    """Bytes of those arrays that are in host memory."""
    return takes(
        leaf
        for leaf in leaves
        if not isinstance(leaf, jax.Array) or is_in_host_memory(leaf.sharding)
    )


def free_memory(leaves: Sequence[Any]) -> float:
    """Bytes that are free on the fullest device of some arrays; infinite if unknown."""
    arrays = (leaf for leaf in leaves if isinstance(leaf, jax.Array))
    devices = {device for array in arrays for device in array.devices()}
    every = [device.memory_stats() for device in devices]
    known = [stats for stats in every if stats and "bytes_limit" in stats]
    left = (stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in known)
    return min(left, default=float("inf"))
