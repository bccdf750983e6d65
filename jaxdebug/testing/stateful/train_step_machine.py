"""`train_step_machine`: sequences of train steps that Hypothesis makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import serialization
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.draw import rounded
from jaxdebug.testing.layers.gap import differing, gaps, in_words, on_host
from jaxdebug.testing.layers.unlike import unlike
from jaxdebug.testing.stateful.moved import moved, spoiled

SETTINGS = settings(
    max_examples=20,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Few steps, since each may compile; a time limit would be of the compiler."""


def train_step_machine(
    make_state: Callable[[], Any],
    step: Callable[[Any, Any], Any],
    batches: st.SearchStrategy[Any] | Sequence[Any],
    *,
    save: Callable[[Any], Any] = serialization.to_bytes,
    restore: Callable[[Any, Any], Any] = serialization.from_bytes,
    count: Callable[[Any], Any] | None = None,
    skips_nonfinite: bool = False,
) -> type[RuleBasedStateMachine]:
    """A state machine that trains, saves, restores, reshards and spoils batches.

    After whatever order of these, the state has the structure, shapes and dtypes that
    it began with and is finite, the count of steps is right, and at the end the state
    is that of a run of the same batches that did nothing else.

    Args:
        make_state: makes the state at first, a pytree of arrays; always the same.
        step: `step(state, batch)`, which returns a new state, or `(state, metrics)`.
        batches: a strategy of batches, or a sequence of some.
        save: makes of a state what is written down; Flax's bytes by default.
        restore: of a state at first and what was written, the state.
        count: of a state, how many steps it has made; an entry or attribute `step` by
            default, if it has one.
        skips_nonfinite: whether a batch with NaN must leave all floating arrays of the
            state as they were. Without it no such batch is given.

    Returns:
        A class. `TestSteps = train_step_machine(...).TestCase` is a test for pytest,
        whose `settings` can be replaced.

    Cost:
        Up to 20 runs of 8 rules each, every run trained again three times to compare.

    Limits:
        States are moved over two devices along the first axes that these divide, and
        only where there are two. A step that draws from anything but its state and
        batch is not the same twice, and fails.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from hypothesis.stateful import run_state_machine_as_test
        >>> @jax.jit
        ... def step(state, batch):
        ...     w = state["w"] - 0.1 * (state["w"] - batch)
        ...     return {"w": w, "step": state["step"] + 1}
        >>> machine = train_step_machine(
        ...     lambda: {"w": jnp.zeros(2), "step": jnp.int32(0)}, step, [jnp.ones(2)]
        ... )
        >>> run_state_machine_as_test(machine)
    """
    for name, function in {"make_state": make_state, "step": step}.items():
        if not callable(function):
            raise TypeError(
                f"train_step_machine expects {name} to be a function; found "
                f"{function!r}."
            )
    if not isinstance(batches, st.SearchStrategy):
        some = list(batches) if isinstance(batches, Iterable) else []
        if not some:
            raise ValueError(
                "train_step_machine expects batches to be a strategy, or a sequence of "
                f"one batch or more; found {batches!r}."
            )
        batches = st.sampled_from(some)
    counted = _count if count is None else count

    def after(state: Any, batch: Any) -> Any:
        out = step(state, batch)
        # A state may itself be a tuple of two.
        both = isinstance(out, tuple) and unlike("", avals, out)
        return out[0] if both else out

    avals = jax.eval_shape(lambda state: state, make_state())

    class TrainSteps(RuleBasedStateMachine):
        """A training."""

        @initialize()
        def begin(self) -> None:
            self.state, self.batches = make_state(), []

        @rule(batch=batches)
        def train(self, batch: Any) -> None:
            """One step; the count must be one more."""
            before = counted(self.state)
            self._train(batch)
            if before is not None:
                now = counted(self.state)
                _require(
                    int(now) == int(before) + 1,
                    f"a step took the count of steps from {before} to {now}",
                )

        def _train(self, batch: Any) -> None:
            self.state = after(self.state, batch)
            self.batches.append(batch)

        @rule()
        def save_and_restore(self) -> None:
            """Write the state down and read it into a new one."""
            self.state = restore(make_state(), save(self.state))

        @precondition(lambda self: skips_nonfinite)
        @rule(batch=batches)
        def train_on_nonfinite(self, batch: Any) -> None:
            """One step on a batch with NaN: floating arrays must stay as they were."""
            before = jax.tree.map(np.array, _named(self.state))
            self._train(spoiled(batch))
            now = jax.device_get(_named(self.state))
            wrong = differing(gaps(before, now, np), before, (), in_words)
            _require(not wrong, f"a batch with NaN changed the state: {wrong}")

        @precondition(lambda self: len(jax.devices()) > 1)
        @rule(over=st.booleans())
        def reshard(self, over: bool) -> None:
            """Move the state over two devices, or to one."""
            self.state = moved(self.state, over=over)

        @invariant()
        def keeps_its_structure(self) -> None:
            """Structure, shapes and dtypes are those of the start."""
            wrong = unlike("the state", avals, self.state)
            _require(not wrong, f"the state changed: {wrong}")

        @invariant()
        def is_finite(self) -> None:
            """No element of the state is NaN or infinite."""
            for name, leaf in _named(self.state).items():
                finite = np.isfinite(np.asarray(leaf, np.complex128))
                _require(bool(finite.all()), f"{name} is not finite")

        def teardown(self) -> None:
            """Compare with a run of the same batches that did nothing else."""
            if not getattr(self, "batches", None):
                return
            plain, again = (self._replayed(make_state()) for _ in range(2))
            wrong = differing(gaps(plain, again, np), plain, (), in_words)
            _require(
                not wrong,
                f"two runs of the same {len(self.batches)} batches differ, so a step "
                f"depends on something besides its state and batch: {wrong}",
            )
            other = self._replayed(rounded(1, make_state()))
            noise = [float(gap.worst) for gap in gaps(plain, other, np)]
            found = gaps(plain, on_host(self.state), np)
            wrong = differing(found, plain, noise, in_words)
            _require(
                not wrong,
                f"after {len(self.batches)} steps the state is not that of a run of "
                f"the same batches that was not interrupted: {wrong}",
            )

        def _replayed(self, state: Any) -> Any:
            for batch in self.batches:
                state = after(state, batch)
            return on_host(state)

    TrainSteps.TestCase.settings = SETTINGS
    return TrainSteps


def _count(state: Any) -> Any:
    """The count of steps, where a state has one under its usual name."""
    if isinstance(state, Mapping):
        return state.get("step")
    return getattr(state, "step", None)


def _named(state: Any) -> dict[str, Any]:
    """The floating arrays of a state, by name."""
    leaves = zip(path_names(state), jax.tree.leaves(state), strict=True)
    return {
        "/".join(path): leaf for path, leaf in leaves if is_inexact(jax.typeof(leaf))
    }


def _require(holds: bool, said: str) -> None:
    if not holds:
        raise AssertionError(said)
