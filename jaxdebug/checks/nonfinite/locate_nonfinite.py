"""`locate_nonfinite`: which equation made the first NaN that reaches an output."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.arguments import field_name
from jaxdebug.checks.nonfinite.frames import Frame, whole_program
from jaxdebug.checks.nonfinite.gradients import gradients_of, holds_nonfinite
from jaxdebug.checks.nonfinite.origin import Sites, sites_of
from jaxdebug.checks.nonfinite.report import NonfiniteOutput, NonfiniteReport
from jaxdebug.checks.nonfinite.result import (
    finite_report,
    found_report,
    unknown_report,
)
from jaxdebug.checks.nonfinite.search import Start, outputs_of, search
from jaxdebug.checks.settings import undisturbed
from jaxdebug.checks.untraced import why_untraced
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static, require_constants
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.observed import Observed, observed, trace_observed
from jaxdebug.frameworks.step_flow import step_flow
from jaxdebug.frameworks.until_concrete import until_concrete
from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.concrete import MADE_CONCRETE
from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.programs.coverage import unseen
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.parameter_paths import (
    find_parameters,
    with_parameter_paths,
)
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules

CHANGED_BY_COMPILATION = (
    "run operation by operation, as it is written, the function is finite: XLA's "
    "fusion or order of operations makes the difference"
)

TOO_LARGE = (
    "there is not enough memory to keep every intermediate value; give fewer examples"
)
READ_FROM_A_REFERENCE = (
    "it was read from a mutable reference (jax.new_ref), which is not followed"
)

Paths = Collection[tuple[str, ...]]


def locate_nonfinite(fn: Callable[..., Any]) -> Callable[..., NonfiniteReport]:
    """Which equation made the first NaN or infinity that reaches an output, and why.

    The function is compiled and run once. If every output is finite, that is all. If
    not, it is run again and every value is kept. From an element of an output that is
    NaN, operands are followed back, at the elements that bring it, to the equation
    that made NaN of operands without: that is what failed. If its operands held
    infinities that did it, these are followed to the equation that made them of
    finite values: that is the cause. Constants and masks are no causes. Infinities
    are reported by themselves only where no output is NaN. Where only a gradient of a
    train step is not finite, because the step passes over it as
    `optax.apply_if_finite` does, that is followed, and found a warning.

    Args:
        fn: a function of pytrees of arrays, such as a loss, its gradient, or a train
            step; it may be jitted already. What else is among its arguments is held
            fixed. NNX and Equinox modules are accepted; they stay as they are.

    Returns:
        A function with the arguments of `fn` that returns a `NonfiniteReport`.

    Raises:
        TypeError: if `fn` is no function; when called, if it is given an iterator, or
            is called inside a trace.

    Cost:
        While all is finite one compilation of `fn` and one run, of which one bit
        for each output comes back. Otherwise a second compilation, memory for every
        intermediate value at once, and each equation on the way back is run a few
        times more. Loops are run again one iteration at a time.

    Limits:
        Kernels and callbacks are not seen into, and are named where they made it. A
        callback is called again, several times; `io_callback` twice. Of each output
        three elements are followed that are NaN, or 32 that are infinite. On the
        second run operations round one by one: where only the compiled function is
        not finite, nothing is identified, and that is said. Of a function that asks
        for the value of an array, as `float(loss)` does, what comes before is looked
        at; if nothing is found there, JAX's error is raised.

    Example:
        >>> import jax.numpy as jnp
        >>> report = locate_nonfinite(lambda x: jnp.log(x - 1).sum())(jnp.arange(3.0))
        >>> report.failed.primitive, report.failed.index, report.failed.reason
        ('log', (0,), 'log of -1, which is negative')
    """
    require_function("locate_nonfinite", fn)
    return locate_beside(fn, ())


def locate_beside(
    fn: Callable[..., Any], known: Paths
) -> Callable[..., NonfiniteReport]:
    """The same, of outputs other than those that are known to be not finite.

    Args:
        fn: the function.
        known: paths of the outputs to look past.
    """
    locate = _locator(fn, known)
    locate_beginning = _locator(until_concrete(fn), known)

    @wraps(fn, updated=())
    def located(*args: Any, **kwargs: Any) -> NonfiniteReport:
        # What these settings raise is what is looked for.
        with undisturbed((args, kwargs)), jax.disable_jit(False):
            try:
                return locate(*args, **kwargs)
            except MADE_CONCRETE as error:
                with suppress(Exception):
                    report = locate_beginning(*args, **kwargs)
                    if report.findings:
                        note = (
                            f"what comes later is not seen into: {why_untraced(error)}"
                        )
                        return replace(report, notes=(*report.notes, note))
                raise

    return located


def _locator(fn: Callable[..., Any], known: Paths) -> Callable[..., NonfiniteReport]:
    take = hold_leaf(fn)
    name = getattr(fn, "__name__", "function")

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Plan:
        require_rules("locate_nonfinite")
        function = returning_changes(observed(fn))
        return Plan(trace_observed(function, *args, **kwargs), (args, kwargs), known)

    def locate(*args: Any, **kwargs: Any) -> NonfiniteReport:
        started = time.perf_counter()
        arguments = hold_static(fn, args, kwargs)
        (args, kwargs), _ = modules.take_apart(arguments, other=take)
        paths = map(field_name, path_names((args, kwargs)))
        _require_arrays(zip(paths, jax.tree.leaves((args, kwargs)), strict=True))
        require_constants("locate_nonfinite", (args, kwargs))
        made = plan(*args, **kwargs)
        _require_arrays((f"what {name} closes over", each) for each in made.constants)
        # Explicit, so that it is allowed under any transfer guard.
        leaves = jax.device_put(jax.tree.leaves((args, kwargs)))
        return made.report(leaves, name, started)

    return locate


def _require_arrays(named: Iterable[tuple[str, Any]]) -> None:
    for name, leaf in named:
        if ir.is_traced(leaf):
            raise TypeError(
                "locate_nonfinite expects to be called with arrays, outside of jit, "
                "grad and scan, since it looks at values; found a tracer, "
                f"{leaf.aval.str_short()}, in {name}. Call locate_nonfinite(step)(...) "
                "where step, the jitted function, is called; inside of it, use probe."
            )


class Plan:
    """A traced function, and the programs that look at it."""

    def __init__(self, traced: Observed, arguments: Any, known: Paths) -> None:
        self.traced, self.known = traced, known
        self.program = traced.program
        self.arguments = jax.tree.map(jax.typeof, arguments)
        self.inexact = [is_inexact(aval) for aval in self.program.jaxpr.out_avals]
        self.flow = step_flow(self.program, self.arguments)
        self.gradients = gradients_of(self.program, self.flow)
        self.run = jax.jit(self._run)
        self.run_whole = whole_program(self.program.jaxpr)

    @property
    def constants(self) -> list[Any]:
        """Arrays that the trace captured."""
        return list(self.program.jaxpr.consts)

    def _run(self, leaves: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        results, flags = self.gradients.run(self.program.jaxpr, leaves)
        pairs = zip(results, self.inexact, strict=True)
        flags += [holds_nonfinite(result) for result, inexact in pairs if inexact]
        return results, jnp.stack(flags) if flags else jnp.zeros((0,), bool)

    @cached_property
    def sites(self) -> Sites:
        """Names of every equation, worked out only when one is to be named."""
        graph, inputs, outputs, trained = self.flow[:4]
        parameters = find_parameters(graph, inputs, outputs, trained)
        graph = build_graph(self.program.jaxpr)
        named = with_parameter_paths(graph, parameters, modules.shared_scopes())
        return sites_of(named.graph, [leaf.output for leaf in self.flow.leaves])

    def report(
        self, leaves: Sequence[Any], name: str, started: float
    ) -> NonfiniteReport:
        """Run it, and look for the origin of what is not finite."""
        results, flags = self.run(leaves)
        if not np.any(jax.device_get(flags)):
            return finite_report(name, (), started)
        with jax.transfer_guard("allow"):
            return self._located(leaves, results, name, started)

    def _located(
        self, leaves: Sequence[Any], results: Sequence[Any], name: str, started: float
    ) -> NonfiniteReport:
        names = path_names(
            jax.tree.unflatten(self.program.out_tree, range(len(results)))
        )
        kept = [
            result if inexact and name not in self.known else None
            for result, inexact, name in zip(results, self.inexact, names, strict=True)
        ]
        outputs = tuple(
            output
            for result, path in zip(kept, names, strict=True)
            if result is not None and (output := _output(result, path)) is not None
        )
        try:
            frame = self.run_whole(leaves)
        except jax.errors.JaxRuntimeError as error:
            if not ran_out(error):
                raise
            return unknown_report(name, outputs, TOO_LARGE, started)
        starts, passed_over = outputs_of(frame, kept), not outputs
        if passed_over:
            starts, outputs = self._gradients(frame)
        found = search(starts, self.sites)
        if found is None:
            return unknown_report(name, outputs, CHANGED_BY_COMPILATION, started)
        if found.failed is not None and found.failed.reads_reference:
            return unknown_report(name, outputs, READ_FROM_A_REFERENCE, started)
        if found.benign:
            return finite_report(name, outputs, started)
        paths = path_names(self.arguments)
        inputs = [*zip(map(field_name, paths), leaves, strict=True)]
        notes = [f"not seen into: {part}" for part in unseen(self.sites.graph)]
        if self.traced.unmarked:
            notes.append(f"modules: {self.traced.unmarked}")
        return found_report(
            name,
            found,
            outputs,
            self.sites,
            inputs,
            tuple(notes),
            started,
            passed_over=passed_over,
        )

    def _gradients(
        self, frame: Frame
    ) -> tuple[list[Start], tuple[NonfiniteOutput, ...]]:
        """Gradients that are not finite in a step that passes over them."""
        starts, outputs = [], []
        for name, inner, atom in self.gradients.in_frame(frame):
            held = inner.value(atom)
            output = _output(held, (name,))
            if output is not None:
                starts.append(Start(inner, atom, held))
                outputs.append(output)
        return starts, tuple(outputs)


def _output(result: Any, path: tuple[str, ...]) -> NonfiniteOutput | None:
    array = np.asarray(result)
    nan, infinite = np.isnan(array), np.isinf(array)
    if not (nan.any() or infinite.any()):
        return None
    first = nan if nan.any() else infinite
    return NonfiniteOutput(
        "/".join(path) or "output",
        tuple(array.shape),
        str(array.dtype),
        int(nan.sum()),
        int(infinite.sum()),
        tuple(map(int, np.unravel_index(int(first.argmax()), array.shape))),
    )
