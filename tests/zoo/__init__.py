"""Small programs as users of Flax, Optax, Equinox and Haiku write them.

`PROGRAMS` maps a name to a function that makes the program. A program is made anew at
every call, since some train steps donate their state.
"""

from collections.abc import Callable

from tests.zoo.control_flow import CONTROL_FLOW
from tests.zoo.equinox_models import EQUINOX_MODELS
from tests.zoo.haiku_models import HAIKU_MODELS
from tests.zoo.linen_models import LINEN_MODELS
from tests.zoo.linen_sequences import LINEN_SEQUENCES
from tests.zoo.nnx_models import NNX_MODELS
from tests.zoo.plain_models import PLAIN_MODELS
from tests.zoo.program import ZooProgram
from tests.zoo.sharded import SHARDED
from tests.zoo.train_steps import TRAIN_STEPS

PROGRAMS: dict[str, Callable[[], ZooProgram]] = {
    **LINEN_MODELS,
    **LINEN_SEQUENCES,
    **NNX_MODELS,
    **EQUINOX_MODELS,
    **HAIKU_MODELS,
    **PLAIN_MODELS,
    **CONTROL_FLOW,
    **TRAIN_STEPS,
    **SHARDED,
}

__all__ = ["PROGRAMS", "ZooProgram"]
