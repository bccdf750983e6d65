"""Arguments of a step as flat arrays, and which of them the call before it left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static, require_constants

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""


class Flat(NamedTuple):
    """Arguments as flat arrays; modules and what is no array are part of the tree."""

    leaves: list[Any]
    tree: Any

    def call(self, leaves: Sequence[Any]) -> Call:
        """Arguments with other arrays: new modules, that nobody else holds."""
        args, kwargs = modules.put_together(jax.tree.unflatten(self.tree, leaves)).tree
        return args, kwargs

    def apart(self, leaves: Sequence[Any]) -> Call:
        """The same with modules taken apart, as they are traced."""
        args, kwargs = jax.tree.unflatten(self.tree, leaves)
        return args, kwargs


class Flattening(NamedTuple):
    """How the arguments of one function are flattened."""

    function: Callable[..., Any]
    take: Callable[[Any], Any]

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flat:
        """The flat arguments of a call."""
        held = hold_static(self.function, args, kwargs)
        apart = modules.take_apart(held, other=self.take).tree
        require_constants("watch", apart)
        return Flat(*jax.tree.flatten(apart))

    def of_slot(self, value: Any) -> list[Any]:
        """The flat arrays of one argument alone."""
        return jax.tree.leaves(modules.take_apart(value, other=self.take).tree)

    def left(
        self, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Any]:
        """Flat arrays that the user holds after a call: results, then arguments.

        Modules among the arguments may hold others than before.
        """
        result = modules.take_apart(out, other=self.take).tree
        return [*jax.tree.leaves(result), *self.of(args, kwargs).leaves]


def flattening(function: Callable[..., Any]) -> Flattening:
    """How a function's arguments are flattened."""
    return Flattening(function, hold_leaf(function))


class Slot(NamedTuple):
    """One argument, and how it relates to the call before."""

    name: int | str
    start: int
    """Of its arrays among all flat ones."""
    given: tuple[int, ...]
    """Positions among its arrays that are new with every call."""
    same: Callable[[Any, Any, Call], bool] | None
    """Whether the argument is what a call left, from it, the result and the arguments
    of that call; None if nothing of it is."""

    def of(self, call: Call) -> Any:
        """The argument."""
        return call[0][self.name] if isinstance(self.name, int) else call[1][self.name]


class Links(NamedTuple):
    """Which flat arguments are what the call before left."""

    sources: tuple[int | None, ...]
    """Of each flat argument: its index among what was left; None if it is new."""
    slots: tuple[Slot, ...]

    def hold(self, out: Any, before: Call, now: Call) -> bool:
        """Whether a call goes on where the one before stopped; costs no flattening."""
        checks = ((slot.same, slot.of(now)) for slot in self.slots if slot.same)
        return all(same(value, out, before) for same, value in checks)


def find_links(flattening: Flattening, out: Any, before: Call, now: Call) -> Links:
    """Find what of a call's arguments the call before left, by identity.

    Args:
        flattening: of the function.
        out: what the call before returned.
        before: its arguments.
        now: those of this call.
    """
    left = flattening.left(out, *before)
    # An array of NumPy may hold other numbers each time.
    index = {id(leaf): i for i, leaf in enumerate(left) if isinstance(leaf, jax.Array)}
    flat = flattening.of(*now)
    sources = tuple(index.get(id(leaf)) for leaf in flat.leaves)
    # Flattened together, since arguments may share objects.
    args, kwargs = jax.tree.unflatten(flat.tree, range(len(flat.leaves)))
    slots = []
    for name, numbered in (*enumerate(args), *sorted(kwargs.items())):
        mine = jax.tree.leaves(numbered)
        given = tuple(i for i, leaf in enumerate(mine) if sources[leaf] is None)
        same = None
        if len(given) < len(mine):
            carried = next(i for i in range(len(mine)) if i not in given)
            source = sources[mine[carried]]
            assert source is not None  # it is not given
            same = _sameness(flattening, name, now, out, before, (carried, source))
        slots.append(Slot(name, mine[0] if mine else 0, given, same))
    return Links(sources, tuple(slots))


def _sameness(
    flattening: Flattening,
    name: int | str,
    now: Call,
    out: Any,
    before: Call,
    pair: tuple[int, int],
) -> Callable[[Any, Any, Call], bool]:
    """The cheapest way to tell that an argument is what the call before left."""
    slot = Slot(name, 0, (), None)
    first, source = pair
    whole = _whole(slot, slot.of(now), out, before)

    def by_array(value: Any, out: Any, before: Call) -> bool:
        found, left = flattening.of_slot(value), flattening.left(out, *before)
        return first < len(found) and found[first] is left[source]

    if whole is None:
        return by_array
    return lambda value, out, before: (
        value is whole(out, before) or by_array(value, out, before)
    )


def _whole(
    slot: Slot, value: Any, out: Any, before: Call
) -> Callable[[Any, Call], Any] | None:
    """Where all of an argument is found at once: the result, its part, an argument."""
    if value is out:
        return lambda out, _: out
    if isinstance(out, tuple | list):
        for place, part in enumerate(out):
            if value is part:
                return lambda out, _: out[place]
    if _is_at(before, slot.name) and value is slot.of(before):
        return lambda _, before: slot.of(before)
    return None


def _is_at(call: Call, name: int | str) -> bool:
    return name < len(call[0]) if isinstance(name, int) else name in call[1]
