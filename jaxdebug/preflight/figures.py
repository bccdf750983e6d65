"""The figures of a check-up: which there are, and how they come into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxdebug import tuning
from jaxdebug.checks.learning import step_size
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.figures.activation_maps import activation_maps
from jaxdebug.figures.depth import parameters_in_order
from jaxdebug.figures.folder import save_figure
from jaxdebug.figures.gradient_flow import gradient_flow
from jaxdebug.figures.learning_curves import learning_curves
from jaxdebug.figures.range_test import range_test
from jaxdebug.figures.rows import without_root
from jaxdebug.figures.weight_histograms import weight_histograms
from jaxdebug.preflight.studied import STEPS, Studied
from jaxdebug.reports import show_name
from jaxdebug.reports.error_text import in_one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """One figure of a check-up.

    Attributes:
        name: of its file, without the suffix.
        checks: of which one must have been asked for: a figure costs what they do.
        draw: what makes the figure.
    """

    name: str
    checks: tuple[str, ...]
    draw: Callable[[Studied], Figure]


def _training(studied: Studied) -> Figure:
    title = f"The first {STEPS} steps of {_name(studied)}"
    return learning_curves(studied.training.curves, title=title)


def _by_heart(studied: Studied) -> Figure:
    curves = {}
    for name, word in (("batch", "one batch"), ("example", "one example")):
        if studied.outcome(f"overfit-one-{name}") is not None:
            losses = np.asarray(studied.numbers(f"overfit-one-{name}")["losses"])
            curves[word] = np.arange(losses.size), losses
    title = f"{_name(studied)} on the same examples again and again"
    return learning_curves(curves, title=title)


def _step_sizes(studied: Studied) -> Figure:
    numbers = studied.numbers("step-size")
    gains = {float(factor): gain for factor, gain in numbers["gains"].items()}
    return range_test(
        list(gains),
        [numbers["loss"] - gain for gain in gains.values()],
        start=numbers["loss"],
        title=f"Step sizes of {_name(studied)}",
        rate="size of the steps, as a multiple of the optimizer's",
        value=f"mean loss after {step_size.STEPS} steps",
    )


def _range_test(studied: Studied) -> Figure:
    subject = studied.subject
    subject.optimizer  # noqa: B018  # said as by the checks, where there is none
    report = tuning.range_test(subject.workload, seed=subject.seed)
    rate = "factor of the optimizer's updates" if report.is_factor else "learning rate"
    return range_test(
        report.learning_rates,
        report.losses,
        report.suggested,
        means=report.means,
        title=f"{_name(studied)}: steps that grow from one to the next",
        rate=rate,
        value="loss of a batch, and its mean",
    )


def _weights(studied: Studied) -> Figure:
    later = None
    order: list[str] = []
    if studied.subject.workload.optimizer is not None:
        later = studied.training.params
    if studied.outcome("gradients-and-layers") is not None:
        order = [leaf.path for leaf in parameters_in_order(studied.audit)]
    return weight_histograms(
        studied.start,
        later,
        order=order,
        title=f"Parameters of {_name(studied)}",
        words=("at the start", f"after {STEPS} steps"),
    )


def _gradients(studied: Studied) -> Figure:
    return gradient_flow(studied.audit)


def _activations(studied: Studied) -> Figure:
    maps = studied.maps
    if not maps:
        raise CannotRun(
            "no layer's output comes from a convolution over rows and columns"
        )
    names = without_root([path for path, _, _ in maps])
    named = {
        f"{name}{ending}": array
        for name, (_, ending, array) in zip(names, maps, strict=True)
    }
    title = f"Activation maps of {_name(studied)}, first example, before training"
    return activation_maps(named, title=title)


def _name(studied: Studied) -> str:
    return show_name(studied.subject.workload.name, limit=60, ascii_only=True)


DRAWINGS: tuple[Drawing, ...] = (
    Drawing("learning-curves", ("loss-falls",), _training),
    Drawing("by-heart", ("overfit-one-batch", "overfit-one-example"), _by_heart),
    Drawing("step-sizes", ("step-size",), _step_sizes),
    Drawing("range-test", ("step-size",), _range_test),
    Drawing("weight-histograms", ("loss-falls",), _weights),
    Drawing("gradient-flow", ("gradients-and-layers",), _gradients),
    Drawing("activation-maps", ("gradients-and-layers",), _activations),
)
"""All figures, in the order in which they are drawn."""


def drawn(
    studied: Studied, folder: Path, progress: Callable[[str], Any] | None
) -> Iterator[str]:
    """Draw what can be drawn, and say what was written and what was not, and why.

    Args:
        studied: the workload after its check-up.
        folder: that the files are written into.
        progress: called with a line of text at the beginning of each figure.
    """
    for drawing in DRAWINGS:
        if not any(studied.outcome(name) for name in drawing.checks):
            needed = " or ".join(drawing.checks)
            yield f"No figure {drawing.name}: it needs {needed}, left out here."
            continue
        if progress is not None:
            progress(f"figures: {drawing.name}")
        path = folder / f"{drawing.name}.png"
        try:
            save_figure(drawing.draw(studied), path)
        except CannotRun as missing:
            yield f"No figure {drawing.name}: {missing}."
        except Exception as error:  # what cannot be drawn fails no check-up
            yield f"No figure {drawing.name}: {in_one_line(error).rstrip('.')}."
        else:
            yield f"Figure: {show_name(str(path))}"
