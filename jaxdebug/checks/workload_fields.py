"""What the fields of a workload must be: refused in the words of who gave them."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def require_callable(name: str, value: Any, call: str) -> None:
    if not callable(value):
        raise TypeError(
            f"Workload: {name} must be a function called as {call}; found "
            f"{name}={spelled(value)}."
        )


def is_re_iterable(value: Any) -> bool:
    # Data sets with nothing but __getitem__ iterate as well; classes do not, even
    # those that can be subscripted.
    return not isinstance(value, type) and (
        isinstance(value, Iterable) or hasattr(value, "__getitem__")
    )


def require_batches(name: str, value: Any) -> None:
    if isinstance(value, Iterator):
        raise TypeError(
            f"Workload: {name} must be iterable more than once; found "
            f"{name}={spelled(value)}, an iterator, which can be read only once, and "
            f"several checks read it. Give a list of batches, or the function that "
            f"makes the iterator: {name}=lambda: batches()."
        )
    if isinstance(value, (str, bytes, Mapping)):
        raise TypeError(
            f"Workload: {name} must be an iterable of batches; found "
            f"{name}={spelled(value)}, which iterates over its "
            f"{'keys' if isinstance(value, Mapping) else 'characters'}. For a single "
            f"batch write {name}=[batch]."
        )
    if is_re_iterable(value):
        return
    if not callable(value):
        raise TypeError(
            f"Workload: {name} must be an iterable of batches, or a function that "
            f"returns an iterator of them; found {name}={spelled(value)}."
        )
    needed = required_arguments(value)
    if needed:
        raise TypeError(
            f"Workload: {name} must be a function without arguments; found "
            f"{name}={spelled(value)}, which needs {', '.join(needed)}. Bind them: "
            f"{name}=lambda: batches(...)."
        )


def required_arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments a function cannot be called without.

    Args:
        function: any callable.

    Returns:
        The names in order, and none if the function does not tell its signature.

    Example:
        >>> required_arguments(lambda size, seed=0: None)
        ('size',)
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins may have no signature
        return ()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in optional
    )


def require_place(name: str, value: Any) -> None:
    is_place = isinstance(value, (str, int)) and not isinstance(value, bool)
    if value is not None and not is_place and not callable(value):
        raise TypeError(
            f"Workload: {name} must be a key, an index or a function of a batch; "
            f"found {name}={spelled(value)}."
        )


def require_expectations(value: Any) -> None:
    known = ("inputs", "targets", "outputs")
    if not isinstance(value, Mapping) or not all(
        name in known and isinstance(kind, type) for name, kind in value.items()
    ):
        raise TypeError(
            f"Workload: expect must give types of {', '.join(known)}; found "
            f"expect={value!r}. Write expect={{'outputs': Float[Array, 'batch 10']}}, "
            "with types of jaxtyping."
        )


def require_optimizer(owner: str, optimizer: Any) -> None:
    """Refuse, in the name of `owner`, what is no gradient transformation."""
    parts = (getattr(optimizer, "init", None), getattr(optimizer, "update", None))
    if optimizer is not None and not all(map(callable, parts)):
        raise TypeError(
            f"{owner}: optimizer must be an optax.GradientTransformation, with init "
            f"and update; found optimizer={spelled(optimizer)}. Call the constructor: "
            "optax.adam(1e-3)."
        )


def spelled(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    return f"<{type(value).__qualname__}>"
