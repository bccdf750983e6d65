"""Observing leaves nothing behind: no class, no object and no cache of the user."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.sites import layer_sites
from jaxdebug.programs.program import trace
from tests.frameworks.nnx_grid import ROWS, SEQUENCES, Nested, Shared, loss
from tests.frameworks.recorded import recorded
from tests.slow import quick_cases


def paths(function: Any, *args: Any) -> list[tuple[str, str]]:
    program = trace_observed(observed(function), *args).program
    sites = layer_sites(build_graph(program.jaxpr)).sites
    return [(site.name, site.kind) for site in sites]


class Told(nnx.Module):
    """A class that counts its subclasses, as registries of models do."""

    subclasses = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Told.subclasses += 1

    def __init__(self, rngs: nnx.Rngs):
        self.inner = Shared(rngs)

    def __call__(self, x):
        assert type(self).__name__ == "Told"
        return self.inner(x)


def test_no_class_and_no_object_of_the_user_changes() -> None:
    model = Told(nnx.Rngs(0))
    before = [(path, type(node)) for path, node in nnx.iter_graph(model)]
    attributes = {cls: dict(vars(cls)) for _, cls in before if hasattr(cls, "mro")}
    found = paths(loss, model, ROWS)
    assert [name for name, _ in found] == [
        "Told/inner/first",
        "Told/inner/first[1]",
        "Told/inner",
        "Told",
    ]
    assert [(path, type(node)) for path, node in nnx.iter_graph(model)] == before
    assert {cls: dict(vars(cls)) for cls in attributes} == attributes
    assert Told.subclasses == 0


@pytest.mark.slow
def test_results_are_of_the_users_classes() -> None:
    model = Nested(nnx.Rngs(0))

    def step(model: Any) -> Any:
        return model, nnx.split(model), nnx.graphdef(model.head)

    program = trace(observed(step), model)
    leaves, _ = jax.tree.flatten(model)
    same, (definition, _), head = jax.tree.unflatten(program.out_tree, [*leaves] * 2)
    assert type(same) is Nested
    assert type(same.head) is nnx.Linear
    assert definition == nnx.graphdef(model)
    assert head == nnx.graphdef(model.head)


def test_the_users_caches_hold_no_marks() -> None:
    """Neither inner functions that JAX traced before nor those it traced here."""
    model = linen.Dense(3)
    variables = model.init(jax.random.key(0), ROWS)
    inner = jax.jit(model.apply)

    def function(variables: Any, x: Any) -> Any:
        return jnp.sin(inner(variables, x))

    for _ in range(2):
        assert ("Dense", "output") in paths(function, variables, ROWS)
        assert "mark" not in str(jax.make_jaxpr(function)(variables, ROWS))
        assert "mark" not in str(trace(function, variables, ROWS).jaxpr)


def test_a_function_jitted_once_and_called_twice() -> None:
    model = linen.Dense(8)
    variables = model.init(jax.random.key(0), ROWS)
    inner = jax.jit(model.apply)

    def function(variables: Any, x: Any) -> Any:
        return jnp.sum(jnp.sin(inner(variables, jnp.tanh(inner(variables, x)))))

    found = recorded(jax.value_and_grad(function), variables, ROWS)
    _, sites = jax.jit(found.run)(variables, ROWS)
    arrays = {(site.name, site.kind): array for site, array in sites.items()}
    first: Any = model.apply(variables, ROWS)
    second: Any = model.apply(variables, jnp.tanh(first))
    np.testing.assert_allclose(arrays["Dense", "output"], first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        arrays["Dense[1]", "output"], second, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        arrays["Dense[1]", "cotangent"], jnp.cos(second), rtol=1e-5, atol=1e-6
    )
    assert ("Dense", "cotangent") in arrays


def test_two_models_of_one_class_have_two_names() -> None:
    models = {"critic": Shared(nnx.Rngs(0)), "generator": Shared(nnx.Rngs(1))}

    def function(models: Any, x: Any) -> Any:
        return models["critic"](models["generator"](x))

    names = {name for name, _ in paths(function, models, ROWS)}
    assert {"Shared_critic", "Shared_generator/first[1]"} < names


def test_a_profiler_at_work_is_left_alone() -> None:
    definition, state = nnx.split(Shared(nnx.Rngs(0)))

    def function(state: Any, x: Any) -> Any:
        return nnx.merge(definition, state)(x)

    assert ("Shared", "output") in paths(function, state, ROWS)
    assert sys.getprofile() is None

    def profile(*_: Any) -> None:
        return None

    sys.setprofile(profile)
    try:
        found = paths(function, state, ROWS)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)
    assert found == []


@pytest.mark.slow
def test_modules_made_inside_have_marks() -> None:
    """Merged from a pure dictionary, or built; under the names of the outermost."""
    model = Nested(nnx.Rngs(0))
    definition, state = nnx.split(model)
    pure = nnx.to_pure_dict(state)
    wanted = paths(loss, model, SEQUENCES)

    def merged(pure: Any, x: Any) -> Any:
        return loss(nnx.merge(definition, pure), x)

    def built(pure: Any, x: Any) -> Any:
        model = Nested(nnx.Rngs(0))
        nnx.update(model, pure)
        return loss(model, x)

    for function in (merged, built):
        assert paths(function, pure, SEQUENCES) == wanted
        assert sys.getprofile() is None
        assert trace_observed(observed(function), pure, SEQUENCES).unmarked == ""


def test_modules_made_inside_keep_no_class_of_ours() -> None:
    kept = []

    def function(x: Any) -> Any:
        kept.append(Shared(nnx.Rngs(0)))
        return kept[-1](x)

    assert ("Shared/first", "output") in paths(function, ROWS)
    assert {type(module) for module in kept} == {Shared}


def test_modules_without_marks_are_said() -> None:
    """What a function closes over is the user's object, and gets no class of ours."""
    shared = Shared(nnx.Rngs(0))
    program, unmarked = trace_observed(observed(lambda x: shared(x)), ROWS)
    assert "Shared, Linear. Hand the module to the function" in unmarked
    assert "mark" not in str(program.jaxpr)
    assert type(shared) is Shared

    def both(model: Any, x: Any) -> Any:
        return shared(model(x))

    assert "Shared, Linear" in trace_observed(observed(both), shared, ROWS).unmarked


class Child(Shared):
    def __call__(self, x):
        return super().__call__(x) + 1


def test_a_parents_method_is_part_of_the_call() -> None:
    found = trace_observed(observed(loss), Child(nnx.Rngs(0)), ROWS)
    assert found.unmarked == ""


@pytest.mark.parametrize("built", quick_cases([False, True], []))
def test_two_threads_at_once(built: bool) -> None:
    """Each finds its own model's layers, whatever the other traces meanwhile."""
    definitions = {width: nnx.split(Nested(nnx.Rngs(width))) for width in (0, 1)}
    found: dict[int, Any] = {}
    barrier = threading.Barrier(2)

    def work(index: int) -> None:
        definition, state = definitions[index]

        def function(state: Any, x: Any) -> Any:
            model = nnx.merge(definition, state)
            if built:
                model = Nested(nnx.Rngs(0))
                nnx.update(model, state)
            return loss(model, x)

        state = nnx.to_pure_dict(state) if built else state
        barrier.wait()
        found[index] = [paths(function, state, SEQUENCES) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert all(one == found[0][0] for one in found[0])
    assert ("Nested/blocks/1/attention/query", "output") in found[0][0]


@pytest.mark.slow
def test_no_framework_is_imported() -> None:
    code = (
        "import sys, jax.numpy as jnp\n"
        "from jaxdebug.frameworks.observed import observed\n"
        "from jaxdebug.programs.program import trace\n"
        "trace(observed(jnp.sin), jnp.ones(3))\n"
        "assert not {'flax.linen', 'flax.nnx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.slow
def test_a_function_that_marks_would_break_is_traced_without() -> None:
    """Layers stacked as pytrees must be of one class; the reason is told."""
    model = Nested(nnx.Rngs(0))

    def stacked(model: Any, x: Any) -> Any:
        blocks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *model.blocks)
        return jax.lax.scan(lambda x, block: (block(x), None), x, blocks)[0]

    program, reason = trace_observed(observed(stacked), model, SEQUENCES)
    assert "pytree" in reason
    assert "mark" not in str(program.jaxpr)
    assert trace_observed(observed(loss), model, SEQUENCES).unmarked == ""
    with pytest.raises(ZeroDivisionError):
        trace_observed(observed(lambda x: x / (1 // 0)), ROWS)
