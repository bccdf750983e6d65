"""What a sink has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Sink(Protocol):
    """Anything with these four methods; nothing has to be imported or derived from.

    All are called from one background thread, in the order of the training. A sink
    that raises is switched off with one warning, and the training goes on.
    """

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Take numbers of one step by name."""

    def write_histogram(
        self, step: int, name: str, edges: np.ndarray, counts: np.ndarray
    ) -> None:
        """Take counts between edges; there is one edge more than there are counts."""

    def write_event(self, step: int, event: Mapping[str, Any]) -> None:
        """Take `{"kind": ..., "content": ...}`, which JSON can hold."""

    def close(self) -> None:
        """Write what is left; called once, at the end."""
