"""All properties, in the order in which they are reported."""

from __future__ import annotations

from jaxdebug.testing.layers.properties.batches import BATCHES
from jaxdebug.testing.layers.properties.gradients import gradients_right
from jaxdebug.testing.layers.properties.modes import MODES
from jaxdebug.testing.layers.properties.parameters import PARAMETERS
from jaxdebug.testing.layers.properties.symmetries import SYMMETRIES
from jaxdebug.testing.layers.properties.transformations import TRANSFORMATIONS
from jaxdebug.testing.layers.properties.values import VALUES
from jaxdebug.testing.layers.property import Property


def all_properties(order: int) -> tuple[Property, ...]:
    """Every property there is.

    Args:
        order: of the derivatives that are checked.
    """
    return (
        gradients_right(order),
        *TRANSFORMATIONS,
        *BATCHES,
        *VALUES,
        *MODES,
        *PARAMETERS,
        *SYMMETRIES,
    )
