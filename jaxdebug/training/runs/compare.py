"""At which step, and where, two runs part first."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jaxdebug.checks.report import Report
from jaxdebug.findings import Finding
from jaxdebug.reports import Document, Verdict
from jaxdebug.training.runs.comparison_document import comparison_document
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.runs.run import Run, Series, joined

Key = tuple[str, ...]
"""What is compared: `("scalar", name)`, `("checksum", leaf)` or `("statistic", path,
direction, kind, statistic)`."""


@dataclass(frozen=True)
class Parting:
    """Where one quantity of two runs differs first.

    Attributes:
        what: `checksum`, `statistic` or `scalar`.
        name: of the scalar, the leaf or the layer.
        kind: of a statistic: direction, kind and statistic.
        step: the first at which it differs.
        left: the value there in the first run.
        right: the value there in the second.
        steps: how many steps differ.
        of: how many both runs have.
    """

    what: str
    name: str
    kind: str
    step: int
    left: float | int
    right: float | int
    steps: int
    of: int


@dataclass(frozen=True)
class RunComparison(Report):
    """How two runs differ.

    Attributes:
        left: the file of the first run.
        right: the file of the second.
        verdict: pass if all is equal that both have, fail if not; inconclusive if they
            have nothing in common.
        partings: what differs, the earliest step first; at one step checksums, then
            statistics in the order of the program, then scalars.
        compared: how many quantities both runs have at some step.
        steps: at how many steps.
        rtol: relative difference that counts as equal.
        manifest: what differs in the manifests: key, first run, second run.
        left_only: what only the first run has.
        right_only: what only the second run has.
        findings: always empty.
    """

    schema: ClassVar[str] = "jaxdebug.comparison/1"

    left: Path
    right: Path
    verdict: Verdict
    partings: tuple[Parting, ...]
    compared: int
    steps: int
    rtol: float
    manifest: tuple[tuple[str, Any, Any], ...]
    left_only: tuple[str, ...]
    right_only: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def first(self) -> Parting | None:
        """Where the runs part first; None if they do not."""
        return self.partings[0] if self.partings else None

    def _document(self) -> Document:
        return comparison_document(self)

    def _record(self) -> Mapping[str, Any]:
        names = ("verdict", "compared", "steps", "rtol", "left_only", "right_only")
        return {
            "left": str(self.left),
            "right": str(self.right),
            **{name: getattr(self, name) for name in names},
            "partings": [asdict(parting) for parting in self.partings],
            "manifest": [
                {"key": key, "left": left, "right": right}
                for key, left, right in self.manifest
            ],
        }


def compare_runs(
    left: Run | str | os.PathLike[str],
    right: Run | str | os.PathLike[str],
    *,
    rtol: float = 0.0,
) -> RunComparison:
    """Say at which step two runs part first, and where.

    Compared are scalars, checksums and statistics, at the steps that both runs have.
    NaN equals NaN.

    Args:
        left: a run, its folder or its file.
        right: another one.
        rtol: largest difference that counts as equal, relative to the larger of the
            two magnitudes. Checksums are compared exactly.

    Returns:
        The report.

    Raises:
        RunError: if one of them cannot be read.
        ValueError: if `rtol` is not from 0 to 1.
        TypeError: if `rtol` is no number, or `left` or `right` no run and no path.

    Limits:
        Says where a difference is seen first, which may be later than where it began:
        between two sampled steps only scalars are recorded.
    """
    is_number = isinstance(rtol, Real) and not isinstance(rtol, bool)
    if not is_number or not 0 <= rtol <= 1:
        raise (ValueError if is_number else TypeError)(
            f"compare_runs expected rtol from 0 to 1, a number; found {rtol!r:.60}. "
            "Write rtol=1e-6, or leave it to compare exactly."
        )
    runs = [run if isinstance(run, Run) else load_run(run) for run in (left, right)]
    one, two = (_quantities(run) for run in runs)
    common = [
        pair
        for key in one
        if key in two and (pair := _Pair.of(key, one[key], two[key])).steps.size
    ]
    found = [parting for pair in common if (parting := pair.parting(rtol))]
    # Sorting keeps what differs at one step in the order of the quantities.
    found.sort(key=lambda parting: parting.step)
    steps = len(set().union(*(pair.steps.tolist() for pair in common)))
    verdict = Verdict.FAIL if found else Verdict.PASS
    return RunComparison(
        left=runs[0].path,
        right=runs[1].path,
        verdict=verdict if common else Verdict.INCONCLUSIVE,
        partings=tuple(found),
        compared=len(common),
        steps=steps,
        rtol=rtol,
        manifest=tuple(_differences(runs[0].manifest, runs[1].manifest)),
        left_only=_spelled(key for key in one if key not in two),
        right_only=_spelled(key for key in two if key not in one),
    )


def _quantities(run: Run) -> dict[Key, Series]:
    """Everything that is compared: what is nearest to the cause first."""
    statistics: dict[Key, list[Series]] = defaultdict(list)
    for layout, steps, values in run.samples:
        for place, row in enumerate(layout.rows):
            for index, name in enumerate(layout.columns):
                series = Series(steps, values[:, place, index])
                statistics["statistic", *row, name].append(series)
    return {
        **{("checksum", leaf): series for leaf, series in run.checksums.items()},
        **{
            key: joined(parts) if len(parts) > 1 else parts[0]
            for key, parts in statistics.items()
        },
        **{("scalar", name): series for name, series in run.scalars.items()},
    }


class _Pair(NamedTuple):
    """One quantity of two runs at the steps that both have."""

    key: Key
    steps: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, key: Key, left: Series, right: Series) -> _Pair:
        steps, one, two = np.intersect1d(left.steps, right.steps, return_indices=True)
        return cls(key, steps, left.values[one], right.values[two])

    def parting(self, rtol: float) -> Parting | None:
        what, name, *kind = self.key
        apart = _apart(self.left, self.right, 0.0 if what == "checksum" else rtol)
        if not apart.any():
            return None
        first = int(np.argmax(apart))
        left, right = self.left[first].item(), self.right[first].item()
        counts = int(apart.sum()), len(self.steps)
        step = int(self.steps[first])
        return Parting(
            what, name, " ".join(filter(None, kind)), step, left, right, *counts
        )


def _apart(left: np.ndarray, right: np.ndarray, rtol: float) -> np.ndarray:
    """Where two arrays differ; NaN equals NaN, and infinity only itself."""
    same = (left == right) | ((left != left) & (right != right))
    if rtol:
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.abs(left), np.abs(right))
            close = np.abs(left - right) <= rtol * size
        same |= close & np.isfinite(size)
    return ~same


def _spelled(keys: Iterator[Key]) -> tuple[str, ...]:
    return tuple(" ".join(filter(None, key)) for key in keys)


def _differences(
    left: Any, right: Any, path: Sequence[str] = ()
) -> Iterator[tuple[str, Any, Any]]:
    """Where two manifests differ, key by key; None for what one of them lacks."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in dict.fromkeys([*left, *right]):
            yield from _differences(left.get(key), right.get(key), (*path, key))
    elif left != right:
        yield "/".join(path), left, right
