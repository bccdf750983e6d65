"""A sink that writes files for TensorBoard."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


class TensorBoard:
    """Scalars, histograms from their counts, and events as text.

    Neither TensorFlow nor TensorBoard is needed to write.

    Args:
        folder: the log directory.

    Raises:
        ImportError: if tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError(
                "TensorBoard needs tensorboardX: pip install 'jaxdebug[tb]'"
            ) from None
        self._writer = SummaryWriter(os.fspath(folder))

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def write_histogram(
        self, step: int, name: str, edges: np.ndarray, counts: np.ndarray
    ) -> None:
        """Add a histogram; its moments are those of the middles of its bins."""
        ends = _drawable(np.array(edges, np.float64))
        counts = np.asarray(counts, np.float64)
        middles = ends[:-1] / 2 + ends[1:] / 2
        filled = np.flatnonzero(counts)
        low, high = (ends[filled[0]], ends[filled[-1] + 1]) if filled.size else (0, 0)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = float(np.nan_to_num(counts @ middles**2))
        self._writer.add_histogram_raw(
            name,
            min=float(low),
            max=float(high),
            num=float(counts.sum()),
            sum=float(counts @ middles),
            sum_squares=squares,
            bucket_limits=ends[1:].tolist(),
            bucket_counts=counts.tolist(),
            global_step=step,
        )

    def write_event(self, step: int, event: Mapping[str, Any]) -> None:
        """Add an event's content as text under `events/kind`."""
        text = json.dumps(event["content"])
        self._writer.add_text(f"events/{event['kind']}", text, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _drawable(edges: np.ndarray) -> np.ndarray:
    """Edges whose outermost bins have ends: TensorBoard cannot draw one without."""
    if len(edges) > 2 and edges[0] == -np.inf:
        edges[0] = 2 * edges[1] if edges[1] < 0 else edges[1] - 1
    if len(edges) > 2 and edges[-1] == np.inf:
        edges[-1] = 2 * edges[-2] if edges[-2] > 0 else edges[-2] + 1
    return np.nan_to_num(edges)
