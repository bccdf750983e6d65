"""How often each row of a table was looked up, and how often none of them was."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

from jaxdebug.programs.layers.lookups import Lookup
from jaxdebug.statistics.statistic import Statistic


class Rows(NamedTuple):
    """Lookups of each row of a table, and those outside of it."""

    looked_up: Int[Array, "*iterations rows"]
    outside: Int[Array, "*iterations"]


def row_lookups(lookup: Lookup) -> Statistic:
    """Counts by row for the indices of one lookup."""
    rows = lookup.site.shape[0]

    def measure(indices: Int[Array, "*shape"]) -> Rows:
        own = indices if lookup.by_product else indices[..., 0]
        flat = lax.stop_gradient(own).reshape(-1)
        inside = (flat >= 0) & (flat < rows)
        row = jnp.where(inside, flat, 0).astype(np.int32)
        counts = jnp.zeros(rows, np.int32).at[row].add(inside.astype(np.int32))
        # One-hot rows of an index outside are zeros, as padding wants them.
        outside = jnp.zeros_like(inside) if lookup.by_product else ~inside
        return Rows(counts, jnp.sum(outside, dtype=np.int32))

    def finalize(record: Rows) -> dict[str, Any]:
        return {
            "rows": np.int64(rows),
            "looked_up": record.looked_up,
            "outside": record.outside,
        }

    return Statistic("rows", measure, finalize, kinds=("lookup",))
