"""Binned counts as one histogram: every element lies between its edges."""

import numpy as np

from jaxdebug.statistics.histogram import between_edges, binned


def test_every_element_lies_between_its_edges() -> None:
    values = np.array([-3.0, -1.0, -0.4, 0.0, 0.5, 1.0, 1.5, 2.0, 1e-9], np.float32)
    edges, counts = between_edges(np.asarray(binned(values)))
    assert len(edges) == len(counts) + 1
    assert (np.diff(edges) > 0).all()
    for value in values[values != 0]:
        # A bin holds the edge that is nearer to zero.
        low, high = (edges[:-1], edges[1:]) if value > 0 else (-edges[1:], -edges[:-1])
        (place,) = np.flatnonzero((low <= abs(value)) & (abs(value) < high))
        assert counts[place] > 0
    assert counts.sum() == 8
    middle = len(counts) // 2
    assert counts[middle] == 0
    assert (counts[:middle].sum(), counts[middle + 1 :].sum()) == (3, 5)
