"""Modules taken apart and rebuilt: paths, what is trained, and nothing changed."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.programs.parameters.leaves import path_names


class Net(nnx.Module):
    """Statistics, random streams, a counter, and one weight at two places."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(2)])
        self.named = nnx.Dict(head=nnx.Linear(3, 3, rngs=rngs))
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.calls = nnx.Variable(jnp.zeros((), jnp.int32))
        self.layers[1].kernel = self.layers[0].kernel

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = nnx.relu(layer(x))
        self.calls[...] += 1
        return self.named["head"](self.dropout(self.norm(x)))


class Mixed(eqx.Module):
    weight: jax.Array
    table: np.ndarray
    order: jax.Array
    bias: jax.Array | None
    activation: Any
    rate: float
    name: str = eqx.field(static=True)


MIXED = Mixed(
    jnp.ones((2, 3)), np.ones(3, np.float32), jnp.arange(3), None, jax.nn.relu, 0.5, "m"
)
X = np.ones((4, 3), np.float32)


def trained(tree: Any) -> dict[str, bool | None]:
    taken = modules.split(tree)
    names = ["/".join(path) for path in path_names(taken)]
    return dict(zip(names, modules.trainable(taken), strict=True))


def bits(module: Any) -> list[tuple[int, bytes]]:
    """Each array's identity and contents."""
    leaves = jax.tree.leaves(nnx.state(module))
    plain = [
        jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a
        for a in leaves
    ]
    return [
        (id(a), np.asarray(b).tobytes()) for a, b in zip(leaves, plain, strict=True)
    ]


def test_nnx_paths_and_what_is_trained() -> None:
    assert trained({"model": Net(nnx.Rngs(0)), "scale": X}) == {
        "model/calls": False,
        "model/dropout/rngs/count": False,
        "model/dropout/rngs/key": False,
        "model/layers/0/bias": True,
        "model/layers/0/kernel": True,
        "model/layers/1/bias": True,
        "model/named/head/bias": True,
        "model/named/head/kernel": True,
        "model/norm/bias": True,
        "model/norm/mean": False,
        "model/norm/scale": True,
        "model/norm/var": False,
        "scale": None,
    }


def test_equinox_paths_and_what_is_trained() -> None:
    assert trained([MIXED, X]) == {
        "0/weight": True,
        "0/table": True,
        "0/order": False,
        "1": None,
    }


def test_plain_nnx_states_are_spelled_alike() -> None:
    """The array of a variable has no name; a key `value` of the user has."""
    net = Net(nnx.Rngs(0))
    assert ("layers", "0", "kernel") in path_names(nnx.split(net)[1])
    assert ("layers", "0", "kernel") in path_names(net)
    assert path_names({"value": {"value": X}}) == [("value", "value")]
    boxed = nn.Partitioned(X, names=("in", "out"))
    assert path_names({"Dense_0": {"kernel": boxed}}) == [("Dense_0", "kernel")]


def test_a_rebuilt_nnx_module_is_a_copy() -> None:
    net = Net(nnx.Rngs(0))
    before = bits(net)
    wanted = Net(nnx.Rngs(0))(X)
    copy = modules.rebuild(modules.split(net))
    np.testing.assert_array_equal(copy(X), wanted)
    assert copy.calls[...] == 1
    assert copy.layers[1].kernel is copy.layers[0].kernel
    assert bits(net) == before
    assert bits(copy) != before


def test_a_rebuilt_equinox_module_is_the_same() -> None:
    copy = modules.rebuild(modules.split(MIXED))
    assert eqx.tree_equal(copy, MIXED)
    assert copy.activation is jax.nn.relu


@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        (Net(nnx.Rngs(0)), Net(nnx.Rngs(1)), True),
        (nnx.Linear(3, 3, rngs=nnx.Rngs(0)), Net(nnx.Rngs(0)), False),
        (MIXED, eqx.tree_at(lambda m: m.weight, MIXED, jnp.zeros((2, 3))), True),
        (MIXED, eqx.tree_at(lambda m: m.activation, MIXED, jax.nn.gelu), False),
        (MIXED, eqx.tree_at(lambda m: m.rate, MIXED, 0.25), False),
    ],
)
def test_modules_of_one_form_have_one_structure(
    first: Any, other: Any, same: bool
) -> None:
    trees = [jax.tree.structure(modules.split(module)) for module in (first, other)]
    assert (trees[0] == trees[1]) is same
    assert (hash(trees[0]) == hash(trees[1])) or not same


def test_numbers_that_are_equal_are_not_one_form() -> None:
    trees = [
        jax.tree.structure(modules.split(eqx.tree_at(lambda m: m.rate, MIXED, rate)))
        for rate in (1, 1.0, True)
    ]
    assert len(set(trees)) == 3


def test_optimisers_see_what_the_framework_shows_them() -> None:
    """The mask of an optimiser is a function of that tree."""
    net, tx = Net(nnx.Rngs(0)), optax.adam(1e-3)
    shown = modules.parameters(modules.split(net))
    wanted = nnx.as_pure(nnx.state(net, nnx.Param))
    assert jax.tree.structure(shown) == jax.tree.structure(wanted)
    assert jax.tree.leaves(tx.init(shown))
    kept = modules.parameters(modules.split(MIXED))
    assert eqx.tree_equal(kept, eqx.filter(MIXED, eqx.is_inexact_array))


def test_a_function_of_modules_becomes_one_of_arrays() -> None:
    def step(model: Mixed, x: Any) -> Any:
        return eqx.tree_at(lambda m: m.weight, model, model.weight + x), x

    taken = modules.split((MIXED, 2.0))
    out = jax.jit(returning_changes(step))(*taken)
    model, x = modules.rebuild(out.result)
    np.testing.assert_array_equal(model.weight, MIXED.weight + 2)
    assert model.activation is jax.nn.relu
    assert x == 2


def test_what_two_modules_share_is_one_array() -> None:
    one, other = Net(nnx.Rngs(0)), Net(nnx.Rngs(1))
    other.named["head"] = one.named["head"]
    taken = modules.split([one, {"other": other, "again": one}])
    names = ["/".join(path) for path in path_names(taken)]
    assert "0/named/head/kernel" in names
    assert not any("again" in name or "1/other/named" in name for name in names)
    copy, more = modules.rebuild(taken)
    assert more["again"] is copy
    assert more["other"].named["head"] is copy.named["head"]
    assert more["other"].norm is not copy.norm


def test_a_form_keeps_no_array() -> None:
    """Programs remember forms; the arrays of old parameters must be free to go."""
    net = Net(nnx.Rngs(0))
    gone = [weakref.ref(leaf) for leaf in jax.tree.leaves(nnx.state(net))]
    form = modules.split(net).form
    del net
    gc.collect()
    assert form.paths
    assert all(reference() is None for reference in gone)


def test_a_linen_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Linen module, Dense.*model\.init"):
        modules.split({"params": nn.Dense(3)})
