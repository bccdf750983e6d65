"""Whether a random key is used twice, and so gives the same numbers twice."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.findings import found
from jaxdebug.reports.error_text import in_one_line


def key_reuse(subject: Subject) -> Outcome:
    """Trace the loss with JAX's own check of keys, `jax.debug_key_reuse`.

    It follows keys of `jax.random.key` through the program; those of
    `jax.random.PRNGKey` are plain integers to it.

    Args:
        subject: any.
    """
    pure = subject.pure
    old = [x for x in pure.start if x.dtype == jnp.uint32 and x.shape[-1:] == (2,)]
    if old:
        raise CannotRun("give keys of `jax.random.key`, not of `jax.random.PRNGKey`")
    with jax.debug_key_reuse(True):
        try:
            jax.jit(subject.value).lower(list(pure.start), subject.batch)
        except jax.errors.KeyReuseError as error:
            message = in_one_line(error)
            finding = found("reused-key", "loss_fn", message, line=user_line(error))
            return judged("key-reuse", "a key is used twice", [finding])
    return judged("key-reuse", "no key is used twice")
