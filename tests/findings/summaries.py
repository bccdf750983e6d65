"""Made-up summaries of sites, to try rules on numbers without running a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdebug.findings import Finding
from jaxdebug.findings.rules import rules
from jaxdebug.programs.places import Site

Measured = list[tuple[Site, dict[str, Any]]]


def core(rms: Any, count: Any = 256, **changes: Any) -> dict[str, Any]:
    """The summary of an array of Gaussian numbers of this size."""
    rms = np.asarray(rms, np.float64)
    count = np.broadcast_to(np.asarray(count, np.int64), rms.shape)
    zeros = np.where(rms > 0, 0, count)
    summary = {
        "count": count,
        "nonfinite": np.zeros_like(count),
        "sum": 0.1 * rms * count,
        "mean": 0.1 * rms,
        "rms": rms,
        "std": rms * np.sqrt(0.99),
        "max": 3 * rms,
        "zeros": zeros,
        "smallest": np.where(rms > 0, 1e-3 * rms, np.inf),
    }
    return {**summary, **changes}


def site(
    name: str, kind: str = "output", shape: Sequence[int] = (16, 16), **changes: Any
) -> Site:
    """A site by its name."""
    path = tuple(name.split("/"))
    made = Site(path, kind, 0, tuple(shape), "float32", "add", None)
    return made._replace(**changes)


def leaf(
    name: str,
    value: Mapping[str, Any],
    gradient: Mapping[str, Any] | None,
    **site_is: Any,
) -> Measured:
    """A parameter and its gradient."""
    made: Measured = [(site(name, "parameter", **site_is), dict(value))]
    if gradient is not None:
        made.append((site(name, "gradient", **site_is), dict(gradient)))
    return made


def units(
    active: Any, examples: int, saturated: Any = None, **changes: Any
) -> dict[str, Any]:
    """The summary of an activation site."""
    active = np.asarray(active)
    off = examples - active if saturated is None else np.asarray(saturated)
    counted = {"active": active, "saturated": off, "units": np.int64(active.shape[-1])}
    full = np.full(active.shape[:-1], examples)
    hard = bool(np.all(active + off == examples))
    return {**counted, "examples": full, "bounded": False, "hard": hard, **changes}


def lookups(rows: int, outside: int = 0) -> Measured:
    """A table of which half of the rows are looked up once."""
    counts = np.arange(rows) % 2
    numbers = {"rows": np.int64(rows), "looked_up": counts, "outside": outside}
    return [(site("tokens/embedding", "lookup", (rows, 8)), numbers)]


def codes(measured: Measured) -> dict[str, str]:
    """Severities of the findings on these numbers, by code and place."""
    return {f"{f.code}:{f.where}": str(f.severity) for f in rules(measured)}


def only(measured: Measured) -> Finding:
    """The one finding there is."""
    (finding,) = rules(measured)
    return finding
