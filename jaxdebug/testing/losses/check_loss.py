"""`check_loss`: property tests of a loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import jax
from hypothesis import strategies as st

from jaxdebug.checks.arguments import require_order, require_seed
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import require_function
from jaxdebug.testing.layers.again import Again, one_or_tuple
from jaxdebug.testing.layers.arguments import (
    require_domain,
    require_examples,
    several,
)
from jaxdebug.testing.layers.plain_layer import plain_layer
from jaxdebug.testing.layers.property import Property
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.layers.rows import fewest_rows
from jaxdebug.testing.layers.shown import shown_shapes
from jaxdebug.testing.layers.trial import Trial
from jaxdebug.testing.layers.tried import chosen, looked_at, tried
from jaxdebug.testing.losses.masks import Mask, mask_properties
from jaxdebug.testing.losses.properties import loss_properties
from jaxdebug.testing.losses.reduction import (
    EXAMPLES,
    REDUCTIONS,
    Reduction,
    find_reduction,
)


def check_loss(
    fn: Callable[..., Any],
    predictions: Any = None,
    targets: Any = None,
    *,
    reduction: Reduction | None = None,
    mask: Mask | str | None = None,
    gradient_bound: float | None = None,
    best: Callable[..., Any] | None = None,
    declare: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    domain: tuple[float, float] | None = None,
    order: int = 1,
    examples: int = 24,
    seed: int = 0,
) -> LayerReport:
    """Whether a loss has the properties that any loss should have.

    Args:
        fn: of predictions and targets; returns a value, or one for each example.
        predictions: a strategy of them, such as `batches((10,))`, or a tuple of some
            if `fn` takes several. They are differentiated by. The first axis counts
            examples; those drawn for different arguments are cut to the fewest.
        targets: the same of what is not differentiated by; batches of vectors by
            default, `()` if there are none.
        reduction: `mean` or `sum` over the examples, `none` if there is a value for
            each, `whole` if none of these; found and said by default. One that is
            found to be none of these is inconclusive until it is declared.
        mask: name of the argument that says which elements count, or a `Mask` that
            says which axes of the predictions it has, and what it holds.
        gradient_bound: what no element of an example's gradient may exceed.
        best: of targets, the predictions at which the loss is least.
        declare: `non-negative`.
        only: names of the properties to try; by default all that need no declaration.
        skip: names of properties not to try.
        domain: numbers that predictions lie between, if they are no logits: value and
            gradient are asked to be finite at both instead of at ±10 000.
        order: 2 to check second derivatives too.
        examples: how many batches are tried.
        seed: of keys and examples.

    Returns:
        A report with a verdict for each property; `raise_if_failed()` in a test.

    Raises:
        TypeError: if `fn` is no function; whatever it raises when it is called.
        ValueError: if a name or a reduction is not known.

    Cost:
        One program for each size of batch, the two of `check_gradients`, and two to
        find the reduction.

    Limits:
        A loss that draws random numbers is called with none. Where examples are
        compared with each other, as in contrastive losses, declare the reduction
        `whole`: no property of single examples is asked then.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(predictions, targets):
        ...     return jnp.mean((predictions - targets) ** 2)
        >>> report = check_loss(loss, best=lambda targets: targets, examples=3)
        >>> report.ok, report.said
        (True, ('reduction: mean',))
    """
    require_function("check_loss", fn)
    require_seed("check_loss", seed)
    if reduction is not None and reduction not in REDUCTIONS:
        raise ValueError(
            f"check_loss expects reduction to be one of {', '.join(REDUCTIONS)}; "
            f"found {reduction!r}."
        )
    require_order("check_loss", order)
    require_examples("check_loss", examples)
    require_domain("check_loss", domain)
    _require_settings(fn, mask, gradient_bound, best)
    count = len(predictions) if isinstance(predictions, tuple) else 1
    strategy = _cut(predictions, targets, count)
    batches: list[tuple[Any, ...]] = []
    if reduction is None:
        looked_at(strategy, batches.append, EXAMPLES)
    found = reduction or find_reduction(fn, batches)
    layer = plain_layer(fn, None, {})
    layer = layer._replace(argnums=tuple(range(count)))
    known: tuple[Property, ...] = loss_properties(
        layer, order, found, reduction is not None, gradient_bound, best
    )
    if mask is not None:
        mask = Mask(mask) if isinstance(mask, str) else mask
        known += mask_properties(fn, mask, count, found)
    properties = chosen("check_loss", known, declare, only, skip)
    trial = Trial(layer, properties, True, frozenset(declare), domain, seed)
    said = f"reduction: {found}" + (", declared" if reduction else "")
    again = Again(
        check_loss,
        layer.made,
        lambda texts: ", ".join(
            (one_or_tuple(texts[:count]), one_or_tuple(texts[count:]))
        ),
        {"predictions": predictions, "targets": targets},
        {
            "reduction": reduction,
            "mask": mask,
            "gradient_bound": gradient_bound,
            "best": best,
            "domain": domain,
            "order": order,
            "examples": examples,
        },
    )
    return tried(again, trial, strategy, examples=examples, seed=seed, said=(said,))


def _require_settings(fn: Any, mask: Any, bound: Any, best: Any) -> None:
    """Refuse what a loss cannot be asked with."""
    if not isinstance(mask, Mask | str | None):
        raise TypeError(
            "check_loss expects mask to be the name of an argument of the loss, or a "
            f"testing.Mask; found {mask!r}."
        )
    if mask is not None:
        name = mask if isinstance(mask, str) else mask.name
        try:
            kinds = inspect.signature(fn).parameters
        except (TypeError, ValueError):  # a builtin
            kinds = {name: None}
        open_ended = any(one and one.kind is one.VAR_KEYWORD for one in kinds.values())
        if name not in kinds and not open_ended:
            raise ValueError(
                f"check_loss expects mask to name an argument of the loss, of "
                f"{', '.join(kinds)}; found {name!r}."
            )
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, Real)):
        raise TypeError(
            f"check_loss expects gradient_bound to be a number; found {bound!r}."
        )
    if best is not None and not callable(best):
        raise TypeError(
            "check_loss expects best to be a function of the targets that returns the "
            f"predictions at which the loss is least; found {type(best).__name__}."
        )


def _cut(
    predictions: Any, targets: Any, count: int
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Predictions and targets of as many examples as each other."""
    both = st.tuples(
        several("check_loss", "predictions", predictions),
        several("check_loss", "targets", targets),
    ).map(lambda pair: (*pair[0], *pair[1]))

    def cut(args: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(leaf.ndim == 0 for leaf in jax.tree.leaves(args)):
            raise ValueError(
                "check_loss expects predictions and targets whose first axis counts "
                f"examples; found {shown_shapes(args)}. Close over what is no batch."
            )
        moving = jax.tree.leaves(args[:count])
        if not any(is_inexact(jax.typeof(leaf)) for leaf in moving):
            raise TypeError(
                "check_loss expects predictions of a floating dtype, to differentiate "
                f"by; found {shown_shapes(args[:count])}."
            )
        return fewest_rows(args)

    return both.map(cut)
