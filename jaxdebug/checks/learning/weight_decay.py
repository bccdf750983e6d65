"""Whether the optimiser's weight decay outweighs the gradient."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxdebug.checks.learning.training import Training, update
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.findings.parts import listed
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.reports import format_number

NAME = "weight-decay"

STEPS = (0, 10)
"""After which the updates are looked at: the first of a warm-up is none, and a strong
decay soon leaves little to decay."""

STRONG = 2.0
"""So many times the gradient's part, the decay outweighs it."""

TOWARDS = 0.9
"""Cosine from which on an update points to zero."""


def weight_decay(subject: Subject) -> Outcome:
    """Compare the optimiser's updates with those of parameters that are zero.

    The difference is what it makes of the parameters themselves. It is a decay where
    it points from them to zero.

    Args:
        subject: with `optimizer`.
    """
    pure, split = subject.pure, subject.pure.split
    optimizer = subject.optimizer

    @jax.jit
    def updates(training: Training, loss: Any, slopes: Any) -> tuple[Any, Any, Any]:
        """The parameters, and their updates with and without them."""
        arrays = training.arrays
        moving = pure.trained(arrays)
        params, gradient = split.rebuild(arrays, moving), split.rebuild(arrays, slopes)

        def of(params: Any) -> Any:
            return update(optimizer, gradient, training.optimizer, params, loss)[0]

        return params, of(params), of(jax.tree.map(lambda leaf: 0 * leaf, params))

    ratios: dict[str, float] = {}
    training = subject.begin()
    for count in STEPS:
        order = subject.order(count + 1)
        training, _ = subject.train_on(training, order[:count])
        params, *both = updates(
            training, *subject.value_and_gradient(training.arrays, order[count])
        )
        names = ["/".join(path) or "(params)" for path in path_names(params)]
        leaves = [jax.tree.leaves(tree) for tree in (params, *both)]
        for name, *numbers in zip(names, *leaves, strict=True):
            ratios[name] = max(ratios.get(name, 0.0), _ratio(*numbers))
    strong = [name for name, ratio in ratios.items() if ratio > STRONG]
    most = max(ratios.values())
    said = f"decay at most {format_number(most)} times the gradient's part of an update"
    numbers = {"ratio": most, "parameters": strong}
    findings = []
    if strong:
        findings.append(found("strong-decay", listed(strong), said, evidence=numbers))
    return judged(NAME, said, findings, numbers)


def _ratio(leaf: Any, whole: Any, rest: Any) -> float:
    """How large the decay in an update is beside the rest; 0 if there is none."""
    decay = np.float64(whole) - np.float64(rest)
    sizes = [float(np.linalg.norm(x)) for x in (leaf, decay, rest)]
    towards = -float(np.vdot(decay, np.float64(leaf)))
    # A leaf without a gradient is another finding's.
    if not sizes[2] or towards <= TOWARDS * sizes[0] * sizes[1]:
        return 0.0
    return sizes[1] / sizes[2]
