"""A small program as data: built in JAX, and differentiated in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxdebug.testing.programs.dual import Dual
from jaxdebug.testing.programs.steps import (
    OPERATIONS,
    Input,
    Step,
    all_steps,
    is_rule,
    listed,
    mended,
    with_mistake,
)

TINY_STEP = 1e-30
"""Of an imaginary step: its square is nothing beside 1."""


class Known(NamedTuple):
    """What is known of a program at a point.

    Attributes:
        value: of the outputs, in float64, flat.
        jacobian: of each input that is differentiated by, the derivative of the
            flat outputs: an axis of its elements, then one of outputs.
        clear: distance to the nearest kink or jump on the way.
    """

    value: np.ndarray
    jacobian: dict[str, np.ndarray]
    clear: float


@dataclass(frozen=True)
class SmallProgram:
    """A program of a few instructions whose derivative is known without JAX.

    It can be printed, compared and built again from its `repr`.

    Attributes:
        inputs: what it takes: a dictionary of arrays `x0`, `x1`, ...
        steps: instructions.
        outputs: registers that it returns.
        scalar: whether it returns one weighted sum of all of them.
    """

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    scalar: bool = True

    def __str__(self) -> str:
        lines = [
            f"x{at}: {i.dtype}{list(i.shape)} {i.kind}, seed {i.seed}"
            for at, i in enumerate(self.inputs)
        ]
        lines += listed(self.steps, len(self.inputs))
        returned = ", ".join(f"x{at}" for at in self.outputs)
        return "\n".join([*lines, f"return {'sum of ' * self.scalar}{returned}"])

    def arguments(self, point: int = 0, dtype: str | None = None) -> dict[str, Any]:
        """The arrays it takes, of JAX.

        Args:
            point: values of another seed.
            dtype: of all floats in the place of their own, without other values.
        """
        found = {}
        for at, one in enumerate(self.inputs):
            own = one.dtype if one.dtype == "int32" else dtype or one.dtype
            found[f"x{at}"] = jnp.asarray(one.values(point), jnp.dtype(own))
        return found

    def function(self) -> Callable[[dict[str, Any]], Any]:
        """The program in JAX: a function of the dictionary of arrays.

        Where the mistake of a rule is a list of mistakes, the number `mistake` in the
        dictionary says which it has: one compiled program is as many programs.
        """

        def small_program(inputs: dict[str, Any]) -> Any:
            given = [inputs[f"x{at}"] for at in range(len(self.inputs))]
            registers = _traced(self.steps, given, inputs.get("mistake"))
            kept = [registers[at] for at in self.outputs]
            if not self.scalar:
                return kept
            return sum(jnp.sum(out * _weights(jnp, out)) for out in kept)

        return small_program

    def known(self, point: int = 0, moved: float = 0.0, seed: int = 0) -> Known:
        """Value and derivative in float64, rules with the mistakes that they have.

        Args:
            point: as of `arguments`.
            moved: a displacement of each element, relative to its input's scale.
            seed: of the displacement.
        """
        return self._known(self._values(point, moved, seed))

    def known_second(self, point: int = 0, seed: int = 0) -> Known:
        """Derivative of the value and of the first derivative along a direction.

        Args:
            point: as of `arguments`.
            seed: of the direction.
        """
        values, rng = self._values(point, 0.0, 0), np.random.default_rng([seed, 5])
        moved = [
            x if x.dtype.kind == "i" else x + TINY_STEP * 1j * rng.normal(size=x.shape)
            for x in values
        ]
        found = self._known(moved)
        second = {name: np.imag(x) / TINY_STEP for name, x in found.jacobian.items()}
        return Known(np.imag(found.value) / TINY_STEP, second, found.clear)

    def _values(self, point: int, moved: float, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, 3])
        values = []
        for one in self.inputs:
            value = one.values(point)
            if value.dtype.kind != "i":
                value = value.astype(np.float64)
                scale = np.sqrt(np.mean(value**2)) or 1.0
                value = value + moved * scale * rng.normal(size=value.shape)
            values.append(value)
        return values

    def _known(self, values: Sequence[np.ndarray]) -> Known:
        moving = [value.dtype.kind != "i" for value in values]
        sizes = [
            value.size * moves for value, moves in zip(values, moving, strict=True)
        ]
        starts = np.cumsum([0, *sizes])
        given = []
        for value, size, start in zip(values, sizes, starts[:-1], strict=True):
            tangent = np.zeros((starts[-1], value.size))
            tangent[start : start + size, :size] = np.eye(size)
            given.append(Dual(value, tangent.reshape(-1, *value.shape)))
        with np.errstate(all="ignore"):
            registers = duals(self.steps, given)
        kept = [registers[at] for at in self.outputs]
        value = np.concatenate([dual.value.reshape(-1) for dual in kept])
        rows = [dual.tangent.reshape(starts[-1], -1) for dual in kept]
        jacobian = np.concatenate(rows, 1)
        if self.scalar:
            weights = np.concatenate([_weights(np, d.value).reshape(-1) for d in kept])
            value, jacobian = value[None] @ weights, jacobian @ weights[:, None]
        split = {
            f"x{at}": jacobian[starts[at] : starts[at + 1]]
            for at in range(len(values))
            if moving[at]
        }
        return Known(value, split, min(dual.clear for dual in kept))

    def right(self) -> SmallProgram:
        """The same program, its rules without mistakes."""
        return replace(self, steps=mended(self.steps))

    def rules(self) -> list[Step]:
        """The instructions with a derivative rule, in bodies too."""
        return [step for step in all_steps(self.steps) if is_rule(step)]

    def with_mistake(self, at: int, mistake: Any) -> SmallProgram:
        """The same program with a mistake in one of its rules.

        Args:
            at: which of `rules()`.
            mistake: its kind; or several, to choose from when it runs.
        """
        steps, _ = with_mistake(self.steps, at, mistake)
        return replace(self, steps=steps)

    def names(self) -> set[str]:
        """The operations it uses, in bodies too."""
        return {step.name for step in all_steps(self.steps)}


def _weights(xp: Any, array: Any) -> Any:
    """Numbers of either sign that are exact in every dtype."""
    count = array.size
    return xp.reshape((xp.arange(count) * 5 % 7 - 2.5) / 2, array.shape).astype(
        xp.real(array).dtype
    )


def _traced(steps: Sequence[Step], given: Sequence[Any], mistake: Any) -> list[Any]:
    registers = list(given)
    for step in steps:
        operation, settings = OPERATIONS[step.name], step.settings
        if is_rule(step) and not isinstance(settings[1], str):
            settings = (*settings, mistake)

        def body(*xs: Any, step: Step = step) -> Any:
            return _traced(step.body, xs, mistake)[-1]

        xs = [registers[at] for at in step.operands]
        registers.append(operation.traced(body, settings, *xs))
    return registers


def duals(steps: Sequence[Step], given: Sequence[Dual]) -> list[Dual]:
    """All registers in NumPy: what is given, then the result of each instruction."""
    registers = list(given)
    for step in steps:
        operation = OPERATIONS[step.name]

        def body(*xs: Dual, step: Step = step) -> Dual:
            return duals(step.body, xs)[-1]

        xs = [registers[at] for at in step.operands]
        registers.append(operation.dual(body, step.settings, *xs))
    return registers
