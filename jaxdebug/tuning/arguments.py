"""What all tools of this part refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxdebug.checks.workload import Workload


def require_training(
    tool: str, workload: Any, functions: Mapping[str, Any], steps: Any, least: int
) -> None:
    """Refuse what cannot be trained.

    Args:
        tool: whose words these are.
        workload: that is trained.
        functions: given besides, by name; `optimizer` among them.
        steps: of a training.
        least: of them.
    """
    if not isinstance(workload, Workload):
        raise TypeError(
            f"{tool} expects a jd.Workload; found {type(workload).__name__}."
        )
    for name, one in functions.items():
        if one is not None and not callable(one):
            hint = " A finished optimizer belongs into the workload."
            raise TypeError(
                f"{tool} expects {name} to be a function; found {type(one).__name__}."
                f"{hint if name == 'optimizer' else ''}"
            )
    if functions["optimizer"] is None and workload.optimizer is None:
        raise ValueError(
            f"{tool} expects an optimizer; found none. Give optimizer=optax.adam, or "
            "an optimizer in the workload."
        )
    _require_count(tool, "steps", steps, least)


def _require_count(tool: str, name: str, count: Any, least: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise ValueError(
            f"{tool} expects {name} to be an integer from {least}; found {count!r}."
        )


def seeds_of(tool: str, seeds: int | Sequence[int]) -> tuple[int, ...]:
    """The seeds: so many from 0, or those given."""
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        _require_count(tool, "seeds", seeds, 1)
        return tuple(range(seeds))
    found = tuple(seeds) if isinstance(seeds, Iterable) else ()
    right = all(isinstance(one, int) and 0 <= one < 2**32 for one in found)
    if not found or not right or len({*found}) < len(found):
        raise ValueError(
            f"{tool} expects seeds to be how many there are, or different integers "
            f"from 0 to 2**32 - 1; found {seeds!r}."
        )
    return found
