"""`check_transformation`: property tests of a gradient transformation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.checks.arguments import require_seed
from jaxdebug.testing.layers.again import Again
from jaxdebug.testing.layers.arguments import (
    require_domain,
    require_examples,
    several,
)
from jaxdebug.testing.layers.layer import Variables
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.layers.trial import Trial
from jaxdebug.testing.layers.tried import chosen, tried
from jaxdebug.testing.strategies.pytrees import pytrees_like
from jaxdebug.testing.transformations.as_layer import (
    Extra,
    transformation_layer,
    update,
)
from jaxdebug.testing.transformations.properties import transformation_properties


def check_transformation(
    tx: Any,
    params: Any = None,
    gradients: Any = None,
    *,
    extra: Extra | None = None,
    declare: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    domain: tuple[float, float] | None = None,
    examples: int = 24,
    seed: int = 0,
) -> LayerReport:
    """Whether a gradient transformation has the properties that any should have.

    Args:
        tx: an `optax.GradientTransformation`, with extra arguments or without.
        params: a pytree of arrays; a kernel, a bias and a number by default.
        gradients: a strategy of them; `pytrees_like(params)` by default.
        extra: further arguments of the update, or a function of parameters and
            gradients that returns them.
        declare: `still` (gradients of zero, at first, give updates of zero) and
            `skips-nonfinite` (one with NaN is passed over).
        only: names of the properties to try; by default all that need no declaration.
        skip: names of properties not to try.
        domain: numbers that gradients lie between, instead of ±1 000 000.
        examples: how many gradients are tried.
        seed: of parameters and examples.

    Returns:
        A report with a verdict for each property, that says whether the parameters
        are needed; `raise_if_failed()` in a test.

    Raises:
        TypeError: if `tx` is no gradient transformation; whatever it raises itself.
        ValueError: if a name is not known.

    Cost:
        Four programs: one of all properties that are told by pairs of results, one
        compiled update, one on two devices where there are two, and one of the start.

    Limits:
        Updates are looked at one, two and three steps after the start, and at no
        schedule's later steps.

    Example:
        >>> import optax
        >>> report = check_transformation(optax.sgd(0.1), examples=3)
        >>> report.ok, report.said
        (True, ('parameters: not needed by the update',))
    """
    require_seed("check_transformation", seed)
    if not callable(getattr(tx, "init", None)) or not callable(
        getattr(tx, "update", None)
    ):
        raise TypeError(
            "check_transformation expects an optax.GradientTransformation, with init "
            f"and update; found {type(tx).__name__}"
        )
    require_examples("check_transformation", examples)
    require_domain("check_transformation", domain)
    own = _some() if params is None else jax.tree.map(jnp.asarray, params)
    drawn = pytrees_like(own) if gradients is None else gradients
    layer = transformation_layer(tx, own, extra or {})
    known = transformation_properties(tx.init)
    properties = chosen("check_transformation", known, declare, only, skip)
    trial = Trial(layer, properties, False, frozenset(declare), domain, seed)
    needed = "needed" if _needs_parameters(tx, own, extra or {}) else "not needed"
    settings = {"extra": extra, "domain": domain, "examples": examples}
    given = {"params": params, "gradients": gradients}
    return tried(
        Again(
            check_transformation,
            layer.made,
            lambda texts: (
                f"{'params, ' if params is not None else ''}gradients={texts[0]}"
            ),
            given,
            settings,
        ),
        trial,
        several("check_transformation", "gradients", (drawn,)),
        examples=examples,
        seed=seed,
        said=(f"parameters: {needed} by the update",),
    )


def _some() -> Any:
    return {
        "bias": jnp.array([0.5, -1.0, 2.0]),
        "kernel": 0.3 * jnp.arange(12.0).reshape(4, 3) - 1,
        "scale": jnp.array(1.5, jnp.float32),
    }


def _needs_parameters(tx: Any, params: Any, extra: Extra) -> bool:
    """Whether the update refuses to go without."""

    def without(params: Any) -> Any:
        variables = Variables(params, tx.init(params))
        return update(tx, params, variables, extra, None)

    try:
        jax.eval_shape(without, params)
    except (ValueError, TypeError, AttributeError):
        return True
    return False
