"""What a small program consists of: its inputs and instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxdebug.testing.programs.array_operations import ARRAYS
from jaxdebug.testing.programs.control_flow import BLOCKED, FLOW
from jaxdebug.testing.programs.elementwise import ELEMENTWISE
from jaxdebug.testing.programs.indexed_operations import INDEXED
from jaxdebug.testing.programs.operation import Operation, Settings, Shape
from jaxdebug.testing.programs.ruled_operations import RULED

OPERATIONS: dict[str, Operation] = (
    ELEMENTWISE | ARRAYS | INDEXED | RULED | FLOW | BLOCKED
)


@dataclass(frozen=True)
class Input:
    """An array that a program takes.

    Attributes:
        shape: of it.
        dtype: name of its dtype.
        kind: `random`; `coarse` for multiples of a half, so that there are ties, zeros
            and elements on kinks.
        seed: of its values.
    """

    shape: Shape
    dtype: str
    kind: str
    seed: int

    def values(self, point: int = 0) -> np.ndarray:
        """Values exact in its dtype; the same for the same seed and point."""
        rng = np.random.default_rng([self.seed, point])
        if self.dtype == "int32":
            return rng.integers(0, 4, self.shape).astype(np.int32)
        drawn = rng.uniform(-2, 2, self.shape)
        if self.kind == "coarse":
            drawn = np.round(2 * drawn) / 2
        return np.asarray(drawn).astype(jnp.dtype(self.dtype))


@dataclass(frozen=True)
class Step:
    """One instruction.

    Attributes:
        name: of the operation.
        operands: registers: inputs first, then results in order. In a body, its
            operands first.
        settings: of the operation; of a rule `(style, mistake)`.
        body: instructions of control flow; the last result is what it returns.
    """

    name: str
    operands: tuple[int, ...]
    settings: Settings = ()
    body: tuple[Step, ...] = ()


def is_rule(step: Step) -> bool:
    return OPERATIONS[step.name].group == "rule"


def all_steps(steps: Sequence[Step]) -> list[Step]:
    return [found for step in steps for found in (step, *all_steps(step.body))]


def mended(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(
        replace(
            step,
            settings=(step.settings[0], "") if is_rule(step) else step.settings,
            body=mended(step.body),
        )
        for step in steps
    )


def with_mistake(
    steps: Sequence[Step], at: int, mistake: Any
) -> tuple[tuple[Step, ...], int]:
    """The steps with a mistake in one rule, counted in order; what is left to count."""
    found = []
    for step in steps:
        if is_rule(step):
            if at == 0:
                step = replace(step, settings=(step.settings[0], mistake))
            at -= 1
        body, at = with_mistake(step.body, at, mistake)
        found.append(replace(step, body=body))
    return tuple(found), at


def listed(steps: Sequence[Step], first: int, indent: str = "") -> list[str]:
    lines = []
    for at, step in enumerate(steps, first):
        operands = ", ".join(f"x{one}" for one in step.operands)
        settings = " ".join(str(one) for one in step.settings if one != "")
        lines.append(f"{indent}x{at} = {step.name}({operands}) {settings}".rstrip())
        lines += listed(step.body, len(step.operands), indent + "    ")
    return lines
