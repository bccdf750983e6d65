"""The settings of JAX under which a check runs, whatever the user's are."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import jax

from jaxdebug.programs._jax.sharding import within_mesh


def undisturbed(arguments: Any) -> ExitStack:
    """No error at NaN, which is what is looked for; and the mesh of the arguments."""
    stack = ExitStack()
    stack.enter_context(jax.debug_nans(False))
    stack.enter_context(jax.debug_infs(False))
    stack.enter_context(within_mesh(arguments))
    return stack
