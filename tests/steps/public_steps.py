"""Train steps in the manner of public examples, with all that stands among arguments.

Written afresh for this project: whole modules, optimisers, static objects, states of
NNX, agents, several losses. `measured` says what is found in one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.steps.agent_steps import AGENT_STEPS
from tests.steps.equinox_steps import EQUINOX_STEPS
from tests.steps.measured import Measured, measure
from tests.steps.nnx_steps import NNX_STEPS
from tests.steps.objective_steps import OBJECTIVE_STEPS
from tests.steps.train_step import TrainStep
from tests.steps.transformer_steps import TRANSFORMER_STEPS

HERE = Path(__file__).parent
SHARE = 0.9

PUBLIC_STEPS: dict[str, Callable[[], TrainStep]] = {
    **TRANSFORMER_STEPS,
    **EQUINOX_STEPS,
    **NNX_STEPS,
    **AGENT_STEPS,
    **OBJECTIVE_STEPS,
}


@cache
def measured(name: str) -> Measured:
    """What is found in a step of `PUBLIC_STEPS`, measured once."""
    return measure(PUBLIC_STEPS[name](), HERE)
