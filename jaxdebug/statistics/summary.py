"""What people read of the statistics: NumPy, counts exact, the rest float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxdebug.statistics.moments import LIMB, Moments

Summary = dict[str, Any]


def summarize(record: Moments) -> Summary:
    """What people read of moments on the host.

    Returns:
        count, nonfinite (int64); sum, mean, rms, std, max (largest magnitude).
        Mean, rms and std are NaN where no element is finite. Where the spread was
        measured also zeros (int64) and smallest, the smallest non-zero magnitude,
        infinite where there is none.
    """
    count, nonfinite = _whole(record.count), _whole(record.nonfinite)
    total, squares = record.total.to_numpy(), record.squares.to_numpy()
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        finite = (count - nonfinite).astype(np.float64)
        mean = np.where(finite > 0, total / finite, np.nan)
        mean_square = np.where(finite > 0, squares / finite, np.nan)
        # The one-pass variance cancels when |mean| >> std: what is left of the
        # mantissas' 24 bits is reported, never a negative number.
        variance = np.maximum(mean_square - np.abs(mean) ** 2, 0.0)
        summary = {
            "count": count,
            "nonfinite": nonfinite,
            "sum": total,
            "mean": mean,
            "rms": np.sqrt(mean_square),
            "std": np.sqrt(variance),
            "max": record.largest.to_numpy(),
        }
    if record.nonzero is not None and record.smallest is not None:
        summary["zeros"] = count - nonfinite - _whole(record.nonzero)
        summary["smallest"] = record.smallest.to_numpy()
    return summary


def summarize_array(array: np.ndarray) -> Summary:
    """The summary of an array that is on the host already, in float64."""
    wide = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
    finite = wide[np.isfinite(wide)]
    count = np.int64(wide.size)
    largest = np.abs(finite).max(initial=0.0)
    safe = largest if largest > 0 else 1.0
    with np.errstate(over="ignore"):
        mean = finite.mean() if finite.size else np.float64(np.nan)
        spread = np.abs((finite - mean) / safe) ** 2
        rms = (
            safe * np.sqrt(np.mean(np.abs(finite / safe) ** 2)) if finite.size else mean
        )
        std = safe * np.sqrt(spread.mean()) if finite.size else mean
        return {
            "count": count,
            "nonfinite": np.int64(wide.size - finite.size),
            "sum": finite.sum(),
            "mean": mean,
            "rms": np.abs(rms),
            "std": np.abs(std),
            "max": largest,
            "zeros": np.int64((finite == 0).sum()),
            "smallest": np.abs(finite[finite != 0]).min(initial=np.inf),
        }


def _whole(limbs: Any) -> np.ndarray:
    limbs = np.asarray(limbs).astype(np.int64)
    return limbs[..., 0] * LIMB + limbs[..., 1]
