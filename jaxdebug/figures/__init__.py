"""Figures of what was found, for Matplotlib (`jaxdebug[plot]`); hands names on."""

from jaxdebug.figures.activation_maps import activation_maps
from jaxdebug.figures.gradient_flow import gradient_flow
from jaxdebug.figures.learning_curves import learning_curves
from jaxdebug.figures.range_test import range_test
from jaxdebug.figures.weight_histograms import weight_histograms

__all__ = [
    "activation_maps",
    "gradient_flow",
    "learning_curves",
    "range_test",
    "weight_histograms",
]
