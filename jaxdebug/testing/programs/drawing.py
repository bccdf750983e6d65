"""Small programs drawn at random, by choices alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jaxdebug.testing.programs.dual import Dual
from jaxdebug.testing.programs.operation import Operation, Shape, broadcast
from jaxdebug.testing.programs.program import SmallProgram, duals
from jaxdebug.testing.programs.ruled_operations import STYLES
from jaxdebug.testing.programs.rules import mistakes_of
from jaxdebug.testing.programs.steps import OPERATIONS, Input, Step

Choose = Callable[[Sequence[Any]], Any]
"""Takes one of several; the first is the simplest."""

SHAPES: tuple[Shape, ...] = ((3,), (), (2, 2), (2, 3), (3, 2), (1, 3), (3, 3))
DTYPES = ("float32", "float32", "float32", "bfloat16", "float16")
GROUPS = {
    "elementwise": 3,
    "array": 4,
    "rule": 3,
    "flow": 3,
    "indexed": 2,
    "blocked": 1,
}
"""How often each group is drawn."""

LARGEST_SIZE, LARGE, LARGEST = 18, 8.0, 500.0
"""Of a result: its elements; values that are made smaller; those that are refused."""

TRIES = 12
"""Instructions that are drawn before a plain one is taken."""

DEPTH = 2
"""Of bodies in bodies."""


def programs(
    *,
    mistake: bool | None = None,
    dtypes: Sequence[str] = DTYPES,
    longest: int = 7,
) -> st.SearchStrategy[SmallProgram]:
    """Small programs whose derivative is known without JAX.

    Args:
        mistake: whether one custom rule of each has a mistake; by default of some.
        dtypes: of the inputs.
        longest: most instructions, without those that keep values small.

    Returns:
        A strategy of programs; shrunk to few instructions.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=3, database=None)
        ... @given(programs(mistake=True))
        ... def test(program):
        ...     assert program != program.right()
        >>> test()
    """

    @st.composite
    def drawn(draw: st.DrawFn) -> SmallProgram:
        return drawn_program(
            lambda options: draw(st.sampled_from(options)), mistake, dtypes, longest
        )

    return drawn()


def random_program(
    seed: int | Sequence[int],
    *,
    mistake: bool | None = None,
    dtypes: Sequence[str] = DTYPES,
    longest: int = 7,
) -> SmallProgram:
    """The program of a seed.

    Args:
        seed: of the choices.
        mistake: as of `programs`.
        dtypes: as of `programs`.
        longest: as of `programs`.
    """
    rng = np.random.default_rng(seed)
    return drawn_program(
        lambda options: options[int(rng.integers(len(options)))],
        mistake,
        dtypes,
        longest,
    )


def drawn_program(
    choose: Choose, mistake: bool | None, dtypes: Sequence[str], longest: int
) -> SmallProgram:
    """A program by a way of choosing.

    Args:
        choose: takes one of several.
        mistake: as of `programs`.
        dtypes: as of `programs`.
        longest: as of `programs`.
    """
    spoilt = bool(choose((False, True))) if mistake is None else mistake
    inputs = [_input(choose, dtypes) for _ in range(choose((1, 2, 3)))]
    if choose((False, True)):
        shape = choose(((), (2,), (4,)))
        inputs.append(Input(shape, "int32", "random", choose(range(100))))
    registers = [_placeholder(one.values()) for one in inputs]
    steps: list[Step] = []
    for at in range(choose(range(1, longest + 1))):
        ruled = spoilt and at == 0
        _append(choose, steps, registers, _group(choose, inputs, ruled))
    made = SmallProgram(tuple(inputs), tuple(steps), (len(registers) - 1,))
    return _finished(choose, made, registers, spoilt)


def _finished(
    choose: Choose, made: SmallProgram, registers: Sequence[Dual], mistake: bool
) -> SmallProgram:
    """With outputs, and perhaps a mistake."""
    if mistake and not made.rules():
        last = len(registers) - 1
        made = replace(made, steps=(*made.steps, Step("sine", (last,), ("jvp", ""))))
        made = replace(made, outputs=(last + 1,))
    scalar = choose((True, True, False))
    more = choose((False, False, True)) and len(made.steps) > 1
    others = range(len(made.inputs), made.outputs[0])
    outputs = (choose(others), *made.outputs) if more else made.outputs
    made = replace(made, outputs=outputs, scalar=scalar)
    if not mistake:
        return made
    at = choose(range(len(made.rules())))
    wrong = choose(mistakes_of(made.rules()[at].name))
    return made.with_mistake(at, wrong)


def _input(choose: Choose, dtypes: Sequence[str]) -> Input:
    kind = choose(("random", "random", "random", "coarse"))
    return Input(choose(SHAPES), choose(dtypes), kind, choose(range(1000)))


def _placeholder(value: np.ndarray) -> Dual:
    """A value without derivatives: what is drawn depends on values alone."""
    wide = value if value.dtype.kind == "i" else value.astype(np.float64)
    return Dual(wide, np.zeros((1, *value.shape)))


def _group(choose: Choose, inputs: Sequence[Input], ruled: bool) -> str:
    if ruled:
        return choose(("rule", "flow"))
    whole = any(one.dtype == "int32" for one in inputs)
    often = [
        group
        for group, count in GROUPS.items()
        for _ in range(count)
        if group != "indexed" or whole
    ]
    return choose(often)


def _names(group: str) -> list[str]:
    return [name for name, each in OPERATIONS.items() if each.group == group]


def _append(
    choose: Choose, steps: list[Step], registers: list[Dual], group: str
) -> None:
    """Append an instruction of a group, or a plain one if none fits."""
    for _ in range(TRIES):
        step = _drawn_step(choose, registers, group)
        if step is not None and _kept(steps, registers, step):
            return
    moving = [at for at, one in enumerate(registers) if one.value.dtype.kind != "i"]
    assert _kept(steps, registers, Step("tanh", (moving[-1],)))


def _kept(steps: list[Step], registers: list[Dual], step: Step) -> bool:
    """Whether a step's result is small enough; it is appended then."""
    with np.errstate(all="ignore"):
        result = duals([step], registers)[-1]
    highest = float(np.max(np.abs(result.value), initial=0.0))
    if not highest < LARGEST or not 0 < result.value.size <= LARGEST_SIZE:
        return False
    steps.append(step)
    registers.append(result)
    if highest > LARGE:
        return _kept(steps, registers, Step("halve", (len(registers) - 1,)))
    return True


def _drawn_step(choose: Choose, registers: Sequence[Dual], group: str) -> Step | None:
    name = choose(_names(group))
    operation = OPERATIONS[name]
    moving = [at for at, one in enumerate(registers) if one.value.dtype.kind != "i"]
    whole = [at for at, one in enumerate(registers) if one.value.dtype.kind == "i"]
    recent = [moving[-1], *moving[::-1]]
    operands = tuple(choose(recent) for _ in range(operation.operands))
    if group == "indexed":
        operands = (operands[0], whole[0])
    shapes = [registers[at].value.shape for at in operands]
    settings = _settings(choose, operation, shapes)
    if settings is None:
        return None
    if group != "flow":
        return Step(name, operands, settings)
    x, y = shapes
    if name in ("vmap", "map"):
        x = x[1:]
    if name == "scan-rows":
        y = y[1:]
    return Step(name, operands, settings, _body(choose, x, y, 1))


def _settings(choose: Choose, operation: Operation, shapes: Sequence[Shape]) -> Any:
    options = operation.fits(shapes)
    return choose(options) if options else None


def _body(choose: Choose, x: Shape, y: Shape, depth: int) -> tuple[Step, ...]:
    """Instructions on two operands that keep the first one's shape."""
    shapes, steps = [x, y], []
    for _ in range(choose((1, 2, 3))):
        step = _body_step(choose, shapes, x, depth)
        steps.append(step)
        shapes.append(x)
    return tuple(steps)


def _body_step(choose: Choose, shapes: Sequence[Shape], x: Shape, depth: int) -> Step:
    alike = [at for at, shape in enumerate(shapes) if shape == x][::-1]
    lesser = [at for at, shape in enumerate(shapes) if broadcast(shape, x) == x][::-1]
    groups = ("elementwise", "elementwise", "rule", "array", "array", "flow")
    group = choose(groups[: -(depth == DEPTH) or None])
    if group == "flow":
        name = choose(("jit", "remat", "scan", "fori", "cond"))
        body = _body(choose, x, shapes[1], depth + 1)
        return Step(name, (choose(alike), 1), (), body)
    if group == "rule":
        name = choose(("sine", "squash", "swish", "bump", "cubic", "scaled", "product"))
        count = OPERATIONS[name].operands
        operands = tuple(choose(alike) for _ in range(count))
        return Step(name, operands, (choose(STYLES), ""))
    if group == "array" and x:
        name = choose(("softmax", "sort", "reverse", "roll", "cumsum"))
        return Step(name, (choose(alike),), (choose(range(len(x))),))
    name = choose(_names("elementwise"))
    operands = (choose(alike), choose(lesser))[: OPERATIONS[name].operands]
    return Step(name, operands)
