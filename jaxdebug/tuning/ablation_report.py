"""What the parts of a training are worth: values on the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from jaxdebug.checks.report import Report
from jaxdebug.reports import (
    Column,
    Document,
    Section,
    Table,
    Verdict,
    format_number,
)
from jaxdebug.tuning.cost import said_cost
from jaxdebug.tuning.paired import Paired

HELPS, HARMS, SAME, UNTOLD = "helps", "harms", "the same bits", "not told"
"""What a part does to the evaluation loss."""


@dataclass(frozen=True)
class Ablation:
    """One part that was left out.

    Attributes:
        name: of the setting or feature.
        says: `helps` if the loss is higher without it, `harms` if it is lower, `the
            same bits` if nothing changes, `not told` if seeds differ as much.
        difference: by how much the evaluation loss is higher without it, over seeds.
        each: the difference of each seed.
    """

    name: str
    says: str
    difference: Paired
    each: Float[np.ndarray, " seeds"] = field(repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class AblationReport(Report):
    """What the parts of a training are worth.

    Attributes:
        name: of the workload.
        verdict: pass if each part was told to help, harm or change nothing;
            inconclusive if some were not told, or trainings diverged.
        parts: each that was left out.
        whole: evaluation loss of each seed with all of them.
        seeds: of all.
        cost: seconds with compilation, and trainings that ran at once.
    """

    schema: ClassVar[str] = "jaxdebug.ablation/1"

    name: str
    verdict: Verdict
    parts: tuple[Ablation, ...]
    whole: Float[np.ndarray, " seeds"]
    seeds: tuple[int, ...]
    cost: Mapping[str, float]

    def __getitem__(self, name: str) -> Ablation:
        """The ablation of one part.

        Raises:
            KeyError: if none of that name was left out; lists those that were.
        """
        for one in self.parts:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.parts)
        raise KeyError(f"no part {name!r} was left out; these were: {known}")

    def _document(self) -> Document:
        said = [f"{one.name} {one.says}" for one in self.parts]
        head = "; ".join(said)
        title = f"ablation of {self.name}"
        return Document(title, self.verdict, head, tuple(self._sections()))

    def _sections(self) -> Iterator[Section]:
        columns = (
            Column("without", "path"),
            Column("it"),
            Column("loss higher by", "number"),
            Column("±", "number"),
        )
        rows = [
            (one.name, one.says, one.difference.mean, one.difference.half_width)
            for one in self.parts
        ]
        said = (
            f"Evaluation loss with all: {format_number(float(np.mean(self.whole)))}, "
            f"mean of {len(self.seeds)} seeds. Differences are of pairs with the same "
            "seed, with their intervals at 95 %; of all verdicts together at most 5 % "
            "are wrong by chance."
        )
        yield Section("Parts", (said,), Table(columns, rows))
        yield Section("Cost", (said_cost(self.cost),))

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "whole": self.whole.tolist(),
            "seeds": self.seeds,
            "parts": [
                {
                    "name": one.name,
                    "says": one.says,
                    **one.difference._asdict(),
                    "each": one.each.tolist(),
                }
                for one in self.parts
            ],
            "cost": dict(self.cost),
        }
