"""A layer of a library with what it can be asked, and how a library's are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from hypothesis import strategies as st

from jaxdebug.testing.strategies.arrays import arrays, batches


class Case(NamedTuple):
    """How a layer is made, and what it can be asked."""

    make: Callable[[], Any]
    inputs: Any = None
    settings: Mapping[str, Any] = MappingProxyType({})
    breaks: tuple[str, ...] = ()
    """Properties that it does not have."""


SEQUENCES = batches((5, 4))
IMAGES = batches((4, 5, 2))
HEADS = arrays((2, 5, 2, 4))
TOKENS = arrays((3, 5), "int32", low=0, high=6)
STEP = batches((4,), sizes=(3,))
HIDDEN = batches((3,), sizes=(3,))
CARRIES = st.tuples(HIDDEN, HIDDEN)
CAUSAL: dict[str, Any] = {"declare": ["causal"]}
CIRCULAR: dict[str, Any] = {"declare": ["translation-equivariant"]}
UNORDERED: dict[str, Any] = {"declare": ["permutation-equivariant"]}


def modules_of(library: ModuleType, base: type) -> set[str]:
    """The public names of a library under which one of its modules stands."""
    return {
        name
        for name, found in vars(library).items()
        if isinstance(found, type)
        and issubclass(found, base)
        and not name.startswith("_")
    }
