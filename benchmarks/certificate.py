"""A certificate of ten million bfloat16 parameters, against the loss in float64."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd
from benchmarks.models import Transformer
from benchmarks.result import Row
from benchmarks.timing import compare_runs
from jaxdebug.checks.arguments import place_arguments
from jaxdebug.checks.gradients.plan import make_gradient_plan
from jaxdebug.checks.gradients.problem import split_problem
from jaxdebug.checks.gradients.programs import STILL
from jaxdebug.gradients.moves import GIVEN

VALUES = 20
"""Values of the loss in float64 that a certificate may cost, beside one gradient."""


def model() -> tuple[Callable[..., jax.Array], tuple[Any, ...]]:
    """Six blocks of width 376, 8 rows of 128 tokens, bfloat16 parameters."""
    network = Transformer(width=376, layers=6)
    rng = np.random.default_rng(0)
    tokens = rng.integers(network.vocabulary, size=(8, 129), dtype=np.int32)
    inputs, labels = tokens[:, :-1], tokens[:, 1:]
    params = jax.jit(network.init)(jax.random.key(0), inputs)["params"]

    def loss(params: Any, inputs: Any, labels: Any) -> jax.Array:
        logits: Any = network.apply({"params": params}, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    return loss, (half, inputs, labels)


def measure() -> list[Row]:
    """Return time, compilation, memory and the bound that was reached."""
    loss, args = model()
    check = jd.check_gradients(loss, budget="certificate")
    first = _seconds(lambda: check(*args))
    with jax.enable_x64(True):
        wide = jax.device_put(jax.tree.map(_widened, args))
        plain = jax.jit(jd.shadow(loss, like=args))
        gradient = jax.jit(jd.shadow(jax.grad(loss), like=args))

        def in_float64(fn: Callable[..., Any]) -> Callable[[], Any]:
            def run() -> Any:
                with jax.enable_x64(True):
                    return fn(*wide)

            return run

        runs = {"loss": in_float64(plain), "gradient": in_float64(gradient)}
    # In turn, so that whatever else the machine does hits all of them.
    native = jax.jit(jax.grad(loss))
    runs |= {"checked": lambda: native(*args), "check": lambda: check(*args)}
    times = compare_runs(runs, (), repetitions=7)
    base = VALUES * times["loss"].seconds + times["gradient"].seconds
    whole = times["check"].seconds
    warm = whole - times["checked"].seconds
    report = check(*args)
    held = report.ok and report.certificate.error <= 1e-5
    count = sum(leaf.size for leaf in jax.tree.leaves(args[0]))
    return [
        Row(
            f"{count / 1e6:.1f} M parameters, bfloat16, 1024 tokens",
            base,
            warm,
            warm / base,
            bar=1.0,
            held=warm <= base,
            note=f"base: {VALUES} losses and one gradient in float64",
        ),
        Row(
            "the same with the bfloat16 gradient that is checked",
            base,
            whole,
            whole / base,
        ),
        Row("compilation and the first run", seconds=first, held=first - whole <= 60),
        Row(
            "bound on the error of the whole gradient",
            held=held,
            note=f"{report.certificate.error:.1e} at "
            f"{report.certificate.confidence:.1%}, {report.cost['values']} values, "
            f"{report.cost['gradients']} gradients",
        ),
        *_memory(loss, args),
    ]


def _memory(loss: Callable[..., Any], args: tuple[Any, ...]) -> list[Row]:
    """Bytes that the programs of a certificate need, over those of one gradient."""
    (args, kwargs), leaves = place_arguments(args, {}), jax.tree.leaves(args)
    problem = split_problem(loss, 0, False, None, args, kwargs)
    plan = make_gradient_plan(problem, leaves, (), 4)
    asked = plan.at(leaves, 0, (GIVEN,))
    with jax.enable_x64(True):
        most = _bytes(plan.programs.either, *asked.given, 0.0, *STILL)
        shadow = _bytes(
            jax.jit(lambda each: plan.witnesses.gradient.apply(each)),
            [*asked.given[0], *asked.given[1]],
        )
    native = _bytes(plan.programs.native, leaves, problem.cotangents(plan.outputs, 0))
    return [
        Row(
            f"memory over {name}",
            ratio=most / base,
            bar=bar,
            held=None if bar is None else most <= bar * base,
            note=f"{most / 1e6:.0f} MB over {base / 1e6:.0f} MB",
        )
        for name, base, bar in (
            ("one float64 gradient", shadow, 3.0),
            ("one bfloat16 gradient", native, None),
        )
    ]


def _bytes(fn: Any, *args: Any) -> int:
    """Arguments, results and what is in between."""
    found = fn.lower(*args).compile().memory_analysis()
    sizes = found.argument_size_in_bytes, found.output_size_in_bytes
    return sum(sizes) + found.temp_size_in_bytes


def _widened(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype == jnp.bfloat16 else array


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
