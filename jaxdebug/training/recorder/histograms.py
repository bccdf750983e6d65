"""Histograms of a sample, the way a run keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxdebug.programs.places import Site
from jaxdebug.statistics.histogram import between_edges


def histograms_of(
    measured: Iterable[tuple[Site, Mapping[str, Any]]],
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, edges and counts of each site that has a histogram.

    Args:
        measured: sites with their summaries. Iterations of a scan count together.

    Returns:
        Names such as `gradient/Dense_0/kernel`: the kind, then the path.
    """
    for site, numbers in measured:
        if "histogram" in numbers:
            counts = np.asarray(numbers["histogram"])
            counts = counts.reshape(-1, *counts.shape[-2:]).sum(0)
            edges, heights = between_edges(counts)
            yield f"{site.kind}/{site.name}", edges, heights.astype(np.int32)
