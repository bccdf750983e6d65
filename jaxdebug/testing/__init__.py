"""Property tests for what users write themselves; hands names on."""

from jaxdebug.testing.assertions.batch_independent import assert_batch_independent
from jaxdebug.testing.assertions.finite import assert_finite
from jaxdebug.testing.assertions.gradients import assert_gradients
from jaxdebug.testing.assertions.jit_consistent import assert_jit_consistent
from jaxdebug.testing.assertions.no_retrace import assert_no_retrace
from jaxdebug.testing.assertions.report import AssertionReport
from jaxdebug.testing.assertions.same_gradients import assert_same_gradients
from jaxdebug.testing.layers.check_layer import check_layer
from jaxdebug.testing.layers.report import LayerReport, PropertyResult
from jaxdebug.testing.losses.check_loss import check_loss
from jaxdebug.testing.losses.masks import Mask
from jaxdebug.testing.programs.drawing import programs, random_program
from jaxdebug.testing.programs.program import SmallProgram
from jaxdebug.testing.rules.check_custom_rule import check_custom_rule
from jaxdebug.testing.stateful.train_step_machine import train_step_machine
from jaxdebug.testing.statistic_laws import assert_statistic
from jaxdebug.testing.strategies.arrays import arrays, batches
from jaxdebug.testing.strategies.keys import keys
from jaxdebug.testing.strategies.masks import masks
from jaxdebug.testing.strategies.one_hot import one_hot
from jaxdebug.testing.strategies.parameters import parameters
from jaxdebug.testing.strategies.pytrees import pytrees_like
from jaxdebug.testing.transformations.check_transformation import check_transformation

__all__ = [
    "AssertionReport",
    "LayerReport",
    "Mask",
    "PropertyResult",
    "SmallProgram",
    "arrays",
    "assert_batch_independent",
    "assert_finite",
    "assert_gradients",
    "assert_jit_consistent",
    "assert_no_retrace",
    "assert_same_gradients",
    "assert_statistic",
    "batches",
    "check_custom_rule",
    "check_layer",
    "check_loss",
    "check_transformation",
    "keys",
    "masks",
    "one_hot",
    "parameters",
    "programs",
    "pytrees_like",
    "random_program",
    "train_step_machine",
]
