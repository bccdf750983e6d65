"""The JAX in use, and the versions the rules were tested with."""

from __future__ import annotations

import jax

TESTED = ("0.10", "0.11", "0.12")
"""Minor versions; a patch release counts as its minor version."""


def jax_version() -> str:
    """The version of the JAX in use, as it calls itself."""
    return jax.__version__


def is_tested() -> bool:
    """Whether the JAX in use is of a tested minor version."""
    return ".".join(jax_version().split(".")[:2]) in TESTED
