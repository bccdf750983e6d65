"""Examples of a batch that are mixed, and two batches that are crossed."""

from __future__ import annotations

from collections.abc import Iterator

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.programs.batch_axes import BatchAxes
from jaxdebug.programs.graph import Step
from jaxdebug.programs.primitives import RESHAPING
from jaxdebug.programs.ranges.identity import same
from jaxdebug.programs.ranges.softmax import peak_of

_CROSSING = frozenset({"add", "atan2", "div", "max", "min", "mul", "pow", "sub"})

UNKNOWN = (
    "no batch axis is known: expected, besides the parameters, arrays with one first "
    "axis in common, such as inputs and targets"
)


def lint_batch(linted: Linted) -> tuple[Outcome, Outcome]:
    """The outcomes of `batch` and `broadcast`."""
    if not linted.batch:
        return not_run("batch", UNKNOWN), not_run("broadcast", UNKNOWN)
    size = linted.graph.avals[linted.graph.inputs[linted.batch[0]]].shape[0]
    axes = BatchAxes(linted.graph, linted.batch, size)
    mixed = findings_of(linted, _mixed(linted, axes))
    crossed = findings_of(linted, _crossed(linted, axes))
    said = f"batches of {size} examples"
    return (
        judged("batch", said, mixed, {"size": size}),
        judged("broadcast", said, crossed, {"size": size}),
    )


def _mixed(linted: Linted, axes: BatchAxes) -> Iterator[Spot]:
    graph, steps = linted.graph, set(linted.steps)
    for step in axes.mixing:
        if step not in steps:
            continue
        old = graph.avals[step.operands[0]].shape  # type: ignore[index]
        new = graph.avals[step.results[0]].shape
        yield Spot(
            "batch-mixing",
            step,
            f"a reshape of {_shape(old)} to {_shape(new)} puts numbers of different "
            "examples together: it keeps their order and moves no axis",
            remedies=(
                "Use `jnp.swapaxes` or `jnp.moveaxis` to move an axis.",
                "Keep the batch in front: `x.reshape(x.shape[0], -1)`.",
            ),
        )
    for step in linted.steps:
        if step.equation.primitive != "sub":
            continue
        summed = peak_of(graph, step)
        digits = axes[step.results[0]]
        shape = graph.avals[step.results[0]].shape
        if summed is None or len(digits) != 1 or len(shape) < 2:
            continue
        (digit,) = digits
        if digit.axis in summed and _is_of_model(linted, step):
            yield Spot(
                "batch-mixing",
                step,
                f"a softmax over axis {digit.axis} of {_shape(shape)}, which is the "
                "batch: the examples compete with each other",
                remedies=("Say the axis of the classes: `axis=-1`.",),
            )


def _is_of_model(linted: Linted, step: Step) -> bool:
    """Whether parameters have a part in it."""
    known = {linted.graph.inputs[index] for index in linted.trained}
    nodes = [node for node in step.operands if node is not None]
    return not known.isdisjoint(linted.graph.before(*nodes))


def _crossed(linted: Linted, axes: BatchAxes) -> Iterator[Spot]:
    graph = linted.graph
    for step in linted.steps:
        if step.equation.primitive not in _CROSSING or None in step.operands:
            continue
        left, right = (node for node in step.operands if node is not None)
        one, other = axes.whole(left), axes.whole(right)
        if len(one) != 1 or len(other) != 1 or one == other:
            continue
        if not _is_of_model(linted, step):
            continue
        for column, row in ((left, right), (right, left)):
            narrow, flat = _own_shape(linted, column), _own_shape(linted, row)
            if len(flat) + 1 == len(narrow) and narrow[-1] == 1:
                result = graph.avals[step.results[0]].shape
                yield Spot(
                    "accidental-broadcast",
                    step,
                    f"{step.equation.primitive} of {_shape(narrow)} and "
                    f"{_shape(flat)} gives {_shape(result)}: every example with every "
                    "other",
                )
                break


def _own_shape(linted: Linted, node: int) -> tuple[int, ...]:
    """The shape of an array before axes of length one were put in."""
    graph = linted.graph
    seen: set[int] = set()
    queue = [node]
    while queue:
        current = same(graph, queue.pop())
        if current in seen:
            continue
        seen.add(current)
        shape, step = graph.avals[current].shape, graph.made_by[current]
        if step is None or step.opened:
            continue
        before = [n for n in step.operands if n is not None]
        if step.equation.primitive in RESHAPING and len(before) == 1:
            own = graph.avals[before[0]].shape
            if len(own) < len(shape) and _long(own) == _long(shape):
                return own
        queue += [n for n in before if graph.avals[n].shape == shape]
    return graph.avals[node].shape


def _long(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
