"""The flow of values through a program, followed into every body.

One node for each variable at each level. A node knows the equation that made
it, or, where it enters a body, the values that feed it. Nothing is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.source import call_chain
from jaxdebug.programs.equation import TOP, Address, Equation, Level
from jaxdebug.programs.markers import mark_of
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.scopes import Direction, ModulePath, direction_of, path_of


@dataclass(frozen=True)
class Step:
    """An equation with its module path and direction worked out."""

    equation: Equation
    path: ModulePath
    direction: Direction
    operands: tuple[int | None, ...]
    """Nodes it reads; None for literals."""
    results: tuple[int, ...]
    differentiated: bool
    """Whether it stands below a derivative, forward or backward, or JAX took it out
    of a loop that does."""
    opened: bool
    """Whether a rule leads into its bodies."""
    base: ModulePath = ()
    """Module path of the equation that encloses it."""

    @property
    def address(self) -> Address:
        return self.equation.address

    def layer(self, shared: tuple[str, ...] = ()) -> str:
        """Its path; where no scope but `shared` ones tells it, the module; or ""."""
        own = [scope for scope in self.path if not scope.startswith(shared)]
        return "/".join(own) or self.equation.module or "/".join(self.path)


_N = TypeVar("_N")


def reached(start: Iterable[_N], after: Callable[[_N], Iterable[_N]]) -> Iterator[_N]:
    """Nodes, and every node that comes after one of them, each once.

    Args:
        start: where to begin.
        after: the nodes right after one.
    """
    queue = list(start)
    seen = set(queue)
    while queue:
        current = queue.pop()
        yield current
        fresh = [n for n in dict.fromkeys(after(current)) if n not in seen]
        seen.update(fresh)
        queue.extend(fresh)


@dataclass
class Graph:
    """Nodes are numbers; the lists are indexed by them."""

    avals: list[Any] = field(default_factory=list)
    made_by: list[Step | None] = field(default_factory=list)
    feeds: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """A node passed on unchanged: into a body, out of it, to the next iteration."""
    entered: dict[int, tuple[Step, int | None]] = field(default_factory=dict)
    """For each input of a body: the equation it belongs to, the operand it was."""
    steps: list[Step] = field(default_factory=list)
    literals: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Literals passed on to a node; None where the value is not known."""
    marks: list[Step] = field(default_factory=list)
    """Equations that name an array and are not among the steps."""
    inputs: list[int] = field(default_factory=list)
    outputs: list[int | None] = field(default_factory=list)

    def node(self, aval: Any) -> int:
        """A new node."""
        self.avals.append(aval)
        self.made_by.append(None)
        return len(self.avals) - 1

    def literal(self, step: Step, operand: int) -> Any:
        """The value of an operand that has no node; None where it is not known."""
        atom = step.equation.raw.invars[operand]
        return ir.literal_value(atom) if isinstance(atom, ir.Literal) else None

    def pass_literal(self, atom: Any, target: int) -> None:
        """Note that a literal, which has no node of its own, is passed on."""
        value = ir.literal_value(atom) if isinstance(atom, ir.Literal) else None
        self.literals[target].append(value)

    @cached_property
    def fed_by(self) -> dict[int, list[int]]:
        """For each node, the nodes passed on to it."""
        back: dict[int, list[int]] = defaultdict(list)
        for source, targets in self.feeds.items():
            for target in targets:
                back[target].append(source)
        return back

    @cached_property
    def readers(self) -> dict[int, list[Step]]:
        """For each node, the equations at its own level that read it."""
        readers: dict[int, list[Step]] = defaultdict(list)
        for step in self.steps:
            for node in step.operands:
                if node is not None:
                    readers[node].append(step)
        return readers

    def onward(self, node: int) -> Iterator[int]:
        """The node and every node it is passed on to, each once."""
        return reached([node], lambda n: self.feeds.get(n, ()))

    def origins(self, node: int) -> Iterator[int]:
        """The node and every node that is passed on to it, each once."""
        return reached([node], lambda n: self.fed_by.get(n, ()))

    def step_at(self, address: Address) -> Step:
        """The equation at an address."""
        return self._by_address[address]

    @cached_property
    def _by_address(self) -> dict[Address, Step]:
        return {step.address: step for step in (*self.steps, *self.marks)}

    def before(self, *nodes: int) -> Iterator[int]:
        """Every node that some nodes depend on, themselves included."""

        def earlier(current: int) -> list[int]:
            step = self.made_by[current]
            nodes = [*self.fed_by.get(current, ())]
            if step is not None and not step.opened:
                nodes += [n for n in step.operands if n is not None]
            return nodes

        return reached(nodes, earlier)

    def with_steps(self, changed: Mapping[Step, Step]) -> Graph:
        """The graph with others in the place of some steps; itself if of none."""
        if not changed:
            return self
        return replace(
            self,
            made_by=[s if s is None else changed.get(s, s) for s in self.made_by],
            entered={
                node: (changed.get(step, step), operand)
                for node, (step, operand) in self.entered.items()
            },
            steps=[changed.get(step, step) for step in self.steps],
        )

    def steps_after(self, node: int) -> Iterator[Step]:
        """Every equation whose operands depend on a node."""
        seen, queue = {node}, [node]
        passed: set[int] = set()
        while queue:
            current = queue.pop()
            onward = list(self.feeds.get(current, ()))
            for step in self.readers.get(current, ()):
                if id(step) not in passed:
                    passed.add(id(step))
                    yield step
                if not step.opened:
                    onward += step.results
            for later in onward:
                if later not in seen:
                    seen.add(later)
                    queue.append(later)


def build_graph(jaxpr: ir.ClosedJaxpr, rules: RuleTable = DEFAULT_RULES) -> Graph:
    """Follow every value of a program, into the bodies that have a rule."""
    graph = Graph()
    graph.inputs = [graph.node(var.aval) for var in jaxpr.jaxpr.invars]
    graph.outputs = _add_level(graph, jaxpr, graph.inputs, TOP, rules)
    taken_out = {step: replace(step, differentiated=True) for step in _taken_out(graph)}
    return graph.with_steps(taken_out)


def _taken_out(graph: Graph) -> Iterator[Step]:
    """Equations of a differentiated loop that JAX computes once, before it.

    They lose the name of the derivative and stand beside the loop. But JAX traces
    a body with tracebacks that begin at the body's function.
    """
    loops = {
        step.address: step
        for step in graph.steps
        if step.differentiated and step.equation.primitive == "scan"
    }
    functions: dict[Address, set[Any]] = defaultdict(set)
    for step in graph.steps:
        loop = loops.get(step.address[:-2])
        if loop is not None:
            level = loop.address[:-1]
            functions[level] |= _outermost(step.equation) - _outermost(loop.equation)
    if not functions:
        return
    for step in graph.steps:
        around = (*step.equation.enclosing, step.equation)
        if not step.differentiated and any(
            _outermost(each) & functions.get(each.address[:-1], set())
            for each in around
        ):
            yield step


def _outermost(equation: Equation) -> set[tuple[object, ...]]:
    """File and name of the function in which the traceback begins, if it has one."""
    return {frame[:2] for frame in call_chain(equation.raw)[:1]}


def _add_level(
    graph: Graph,
    jaxpr: ir.ClosedJaxpr,
    inputs: Sequence[int],
    level: Level,
    rules: RuleTable,
) -> list[int | None]:
    nodes: dict[Any, int | None] = dict(zip(jaxpr.jaxpr.invars, inputs, strict=True))
    for var in jaxpr.jaxpr.constvars:
        nodes[var] = graph.node(var.aval)

    def read(atom: Any) -> int | None:
        return None if isinstance(atom, ir.Literal) else nodes[atom]

    for index, raw in enumerate(jaxpr.jaxpr.eqns):
        equation = level.equation(index, raw)
        rule = rules.get(equation.primitive)
        is_mark = mark_of(raw) is not None
        operands = tuple(map(read, raw.invars))
        results = (
            tuple(node for node in operands if node is not None)
            if is_mark
            else tuple(graph.node(var.aval) for var in raw.outvars)
        )
        step = Step(
            equation,
            path_of(equation.stack),
            direction_of(equation.stack),
            operands,
            results,
            any(scope.transform and scope.name == "jvp" for scope in equation.stack),
            rule is not None,
            path_of(level.enclosing[-1].stack) if level.enclosing else (),
        )
        if is_mark:
            # The array stays what it was: whoever follows it sees no mark.
            graph.marks.append(step)
            nodes[raw.outvars[0]] = operands[0]
            continue
        graph.steps.append(step)
        for node, var in zip(results, raw.outvars, strict=True):
            graph.made_by[node] = step
            nodes[var] = node
        if rule is not None:
            _add_bodies(graph, step, rules)
    return [read(atom) for atom in jaxpr.jaxpr.outvars]


def _add_bodies(graph: Graph, step: Step, rules: RuleTable) -> None:
    for index, body in enumerate(rules[step.equation.primitive].bodies(step.equation)):
        inputs = [graph.node(var.aval) for var in body.jaxpr.jaxpr.invars]
        for operand, node in zip(body.operands, inputs, strict=True):
            source = step.operands[operand]
            graph.entered[node] = (step, source)
            if source is not None:
                graph.feeds[source].append(node)
            else:
                graph.pass_literal(step.equation.raw.invars[operand], node)
        level = step.equation.inside(index)
        outputs = _add_level(graph, body.jaxpr, inputs, level, rules)
        pairs = zip(body.results, outputs, strict=True)
        for position, (result, node) in enumerate(pairs):
            if result is not None and node is not None:
                graph.feeds[node].append(step.results[result])
            elif result is not None:
                atom = body.jaxpr.jaxpr.outvars[position]
                graph.pass_literal(atom, step.results[result])
        for output, target in body.feedback:
            source = outputs[output]
            if source is not None:
                graph.feeds[source].append(inputs[target])
