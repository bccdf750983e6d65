"""A sink that writes to Weights & Biases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np


class WandB:
    """Scalars, histograms from their counts, and events as text.

    Args:
        run: one that `wandb.init` gave; it is not finished at the end. If None, one is
            begun with `settings`, and finished.
        settings: arguments of `wandb.init`, such as `project` and `mode="offline"`.

    Raises:
        ImportError: if wandb is not installed.

    Limits:
        W&B drops what comes with a smaller step than it has seen.
    """

    def __init__(self, run: Any = None, **settings: Any) -> None:
        try:
            wandb = import_module("wandb")
        except ImportError:
            raise ImportError("WandB needs wandb: pip install wandb") from None
        self._histogram = wandb.Histogram
        self._is_own = run is None
        self._run = wandb.init(**settings) if run is None else run

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Log scalars."""
        self._run.log(dict(scalars), step=step)

    def write_histogram(
        self, step: int, name: str, edges: np.ndarray, counts: np.ndarray
    ) -> None:
        """Log a histogram."""
        histogram = self._histogram(np_histogram=(counts, edges))
        self._run.log({name: histogram}, step=step)

    def write_event(self, step: int, event: Mapping[str, Any]) -> None:
        """Log an event's content as text under `events/kind`."""
        text = json.dumps(event["content"])
        self._run.log({f"events/{event['kind']}": text}, step=step)

    def close(self) -> None:
        """Finish the run, if it was begun here."""
        if self._is_own:
            self._run.finish()
