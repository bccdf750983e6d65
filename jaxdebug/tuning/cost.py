"""What trainings side by side took, in words."""

from __future__ import annotations

from collections.abc import Mapping


def said_cost(cost: Mapping[str, float]) -> str:
    """Seconds, and how many trainings ran at once, in words."""
    return (
        f"{cost['seconds']:.1f} s with compilation; trainings in one call: "
        f"{cost['at once']:.0f}"
    )
