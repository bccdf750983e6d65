"""A workload: a loss, its parameters, its data and its train step under one name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxdebug.checks.declarations import DECLARATIONS, require_declarations
from jaxdebug.checks.workload_fields import (
    is_re_iterable,
    require_batches,
    require_callable,
    require_expectations,
    require_optimizer,
    require_place,
    spelled,
)


class WorkloadError(ValueError):
    """A workload that cannot be audited; the message is complete as it stands."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """Everything a check needs to know about a model and its training.

    The command line and the checks that look at more than one function take a
    workload. What it is given is refused at construction if it cannot be right; a
    check whose field is missing says so and never guesses.

    Args:
        loss_fn: ``loss_fn(params, batch, *extra)``, which returns a scalar loss, or
            ``(loss, aux)`` with ``has_aux=True``.
        params: the parameters: a pytree, or an NNX or Equinox module.
        train: the training batches: something that can be iterated more than once,
            or a function without arguments that returns an iterator.
        extra: further arguments of the loss, such as batch statistics or a dropout
            key.
        has_aux: whether the loss returns ``(loss, aux)``.
        next_extra: ``next_extra(extra, aux, step)``, which returns the ``extra`` of
            the next step. By default the step is folded into keys and the rest kept.
        eval_loss_fn: as ``loss_fn``, in evaluation mode.
        predict_fn: ``predict_fn(params, batch, *extra)``, which returns the outputs.
        inputs: where the inputs stand in a batch: a key, an index, or a function of
            the batch. By default a batch is ``(x, y)``.
        targets: where the targets stand in a batch, as ``inputs``.
        mask: where a batch says which positions count and which are only padding
            (true or one: it counts), as ``inputs``.
        expect: what ``"inputs"``, ``"targets"`` and ``"outputs"`` must be: types of
            jaxtyping, such as ``{"outputs": Float[Array, "batch classes"]}``. Axes
            of one name must have one size.
        declare: properties the model claims to have: ``"causal"``,
            ``"frozen:encoder/*"``, ``"permutation-invariant"``. A property is tested
            only if it is declared. ``"time-ordered"``, ``"augmented"`` and
            ``"resampled"`` say what is meant to be so of the data, for `check_data`.
        eval: evaluation batches, as ``train``.
        test: test batches, as ``train``.
        optimizer: an ``optax.GradientTransformation``.
        train_step: ``train_step(state, batch)``, which returns ``(state, metrics)``.
        state: the state ``train_step`` starts from.
        name: how reports call the workload.

    Raises:
        TypeError: if a field has a type it cannot have.
        ValueError: if a field has a value it cannot have.

    Example:
        >>> import numpy as np
        >>> batches = [{"x": np.ones((2, 3), np.float32)}]
        >>> workload = Workload(
        ...     loss_fn=lambda params, batch: ((batch["x"] @ params) ** 2).mean(),
        ...     params=np.zeros(3, np.float32),
        ...     train=batches,
        ...     inputs="x",
        ...     name="line",
        ... )
        >>> workload
        Workload(name='line')
    """

    loss_fn: Callable[..., Any] = field(repr=False)
    params: Any = field(repr=False)
    train: Iterable[Any] | Callable[[], Iterator[Any]] = field(repr=False)
    extra: tuple[Any, ...] = field(default=(), repr=False)
    has_aux: bool = field(default=False, repr=False)
    next_extra: Callable[..., Any] | None = field(default=None, repr=False)
    eval_loss_fn: Callable[..., Any] | None = field(default=None, repr=False)
    predict_fn: Callable[..., Any] | None = field(default=None, repr=False)
    inputs: str | int | Callable[[Any], Any] | None = field(default=None, repr=False)
    targets: str | int | Callable[[Any], Any] | None = field(default=None, repr=False)
    mask: str | int | Callable[[Any], Any] | None = field(default=None, repr=False)
    expect: Mapping[str, Any] = field(default_factory=dict, repr=False)
    declare: tuple[str, ...] = field(default=(), repr=False)
    eval: Iterable[Any] | Callable[[], Iterator[Any]] | None = field(
        default=None, repr=False
    )
    test: Iterable[Any] | Callable[[], Iterator[Any]] | None = field(
        default=None, repr=False
    )
    optimizer: Any = field(default=None, repr=False)
    train_step: Callable[..., Any] | None = field(default=None, repr=False)
    state: Any = field(default=None, repr=False)
    name: str = "workload"

    def __post_init__(self) -> None:
        require_callable("loss_fn", self.loss_fn, "loss_fn(params, batch, *extra)")
        if self.params is None:
            raise TypeError(
                "Workload: params must be a pytree of arrays or a module; found "
                "params=None. Give the parameters the loss is differentiated by."
            )
        require_batches("train", self.train)
        if not isinstance(self.extra, tuple):
            raise TypeError(
                "Workload: extra must be a tuple of the loss's further arguments; "
                f"found extra={spelled(self.extra)}. Write extra=(value,) for one."
            )
        if not isinstance(self.has_aux, bool):
            raise TypeError(
                "Workload: has_aux must be True or False; found "
                f"has_aux={spelled(self.has_aux)}. Give True if the loss returns "
                "(loss, aux)."
            )
        for name, call in (
            ("next_extra", "next_extra(extra, aux, step)"),
            ("eval_loss_fn", "eval_loss_fn(params, batch, *extra)"),
            ("predict_fn", "predict_fn(params, batch, *extra)"),
            ("train_step", "train_step(state, batch)"),
        ):
            if getattr(self, name) is not None:
                require_callable(name, getattr(self, name), call)
        for name in ("inputs", "targets", "mask"):
            require_place(name, getattr(self, name))
        require_expectations(self.expect)
        require_declarations("Workload", self.declare, DECLARATIONS)
        for name in ("eval", "test"):
            if getattr(self, name) is not None:
                require_batches(name, getattr(self, name))
        require_optimizer("Workload", self.optimizer)
        if self.train_step is not None and self.state is None:
            raise ValueError(
                "Workload: train_step needs the state it starts from; found "
                "state=None. Give state=..., as you would pass it to the first call."
            )
        if not isinstance(self.name, str):
            raise TypeError(
                f"Workload: name must be a str; found name={spelled(self.name)}."
            )
        if not self.name.strip():
            raise ValueError(
                f"Workload: name must not be empty; found name={self.name!r}. Leave "
                "it out for the default."
            )


def first_batch(workload: Workload) -> Any:
    """Return the first training batch of a workload.

    Args:
        workload: the workload; its ``train`` is iterated, or called and iterated.

    Returns:
        The batch, as the workload gives it.

    Raises:
        WorkloadError: if there is no batch, or if ``train`` is a function that does
            not return an iterator.

    Cost:
        One batch is produced; the iterator is dropped after it.

    Example:
        >>> import numpy as np
        >>> loss = lambda params, batch: (params * batch).sum()
        >>> first_batch(Workload(loss_fn=loss, params=np.ones(1), train=[3.0, 4.0]))
        3.0
    """
    return next(batches_of(workload, "train"))


def batches_of(workload: Workload, split: str) -> Iterator[Any]:
    """Give the batches of a split, from its first.

    Args:
        workload: whose field it is.
        split: `"train"`, `"eval"` or `"test"`, one that was given.

    Raises:
        WorkloadError: if there is no batch, or if a function does not return an
            iterator.
    """
    batches: Any = getattr(workload, split)
    source = split
    if not is_re_iterable(batches) and callable(batches):
        batches = batches()
        source = f"what the function {split} returned"
    if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
        raise WorkloadError(
            f"Workload {workload.name!r}: {source} must be an iterator of batches; "
            f"found {spelled(batches)}. Return iter(batches), or write it as a "
            "generator."
        )
    empty = True
    for batch in batches:
        empty = False
        yield batch
    if empty:
        raise WorkloadError(
            f"Workload {workload.name!r}: expected at least one batch from {split}; "
            f"found none in {source} ({spelled(batches)}). Check that the data set is "
            "not smaller than one batch, and that a function gives a fresh iterator "
            "at every call."
        )
