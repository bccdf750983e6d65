"""Leaves go into the tree they came from, and into no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdebug.training.bundle import Bundle, read_bundle, write_bundle
from jaxdebug.training.bundle.tree import leaves_by_path, restored
from jaxdebug.training.errors import BundleError


def bundled(folder: Path, tree: Any) -> Bundle:
    return read_bundle(write_bundle(folder / "bundle", leaves_by_path(tree), {}))


def assert_same(one: Any, other: Any) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert type(left) is type(right)
        if isinstance(left, jax.Array):
            assert left.sharding == right.sharding
            weak = [getattr(array, "weak_type", False) for array in (left, right)]
            assert weak[0] == weak[1]
        if jnp.issubdtype(getattr(left, "dtype", np.float32), jax.dtypes.prng_key):
            left, right = jax.random.key_data(left), jax.random.key_data(right)
        np.testing.assert_array_equal(left, right)


def state() -> Any:
    params = {
        "conv": {"kernel": jnp.ones((2, 3), jnp.bfloat16), "bias": jnp.zeros(3)},
        "a/b": jnp.ones(1),
        "a": {"b": jnp.zeros(1)},
    }
    return {
        "params": params,
        "opt": optax.adam(1e-3).init(params),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(4, impl="rbg"), 2),
        "raw": jax.random.PRNGKey(5),
        "step": 7,
        "lr": 0.1,
        "train": True,
        "weak": jnp.asarray(0.5),
        "host": np.arange(3, dtype=np.float64),
        "scalar": np.float32(2),
        "fn": jnp.tanh,
        "name": "digits",
        "none": None,
    }


def test_a_state_comes_back(tmp_path: Path) -> None:
    tree = state()
    bundle = bundled(tmp_path, tree)
    assert_same(bundle.restore(tree), tree)
    assert {"params/conv/kernel", "params/a/b", "key", "step"} <= set(bundle.leaves)
    assert not {"fn", "name"} & set(bundle.leaves)
    # Under a path, and with the types alone.
    assert_same(bundle.restore(tree["params"], under="params"), tree["params"])
    shapes = jax.eval_shape(lambda: {"key": tree["key"], "keys": tree["keys"]})
    for name, keys in shapes.items():
        assert_same(bundle.restore(keys, under=name), tree[name])


def test_values_are_those_of_the_bundle(tmp_path: Path) -> None:
    bundle = bundled(tmp_path, state())
    other = jax.tree.map(
        lambda leaf: leaf * 0 if isinstance(leaf, jnp.ndarray | float) else leaf,
        {**state(), "key": 0, "keys": 0},
    )
    like = {**other, "key": jax.random.key(9), "keys": state()["keys"]}
    assert_same(bundle.restore(like), state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": None}, "step is unexpected"),
        ({"more": 1.0}, "more is missing"),
        ({"raw": jnp.zeros(3, jnp.uint32)}, "raw: expected uint32[3], found uint32[2]"),
        ({"raw": jnp.zeros(2, jnp.int32)}, "raw: expected int32[2], found uint32[2]"),
        (
            {"key": jax.random.key(0, impl="rbg")},
            "key: expected key<rbg>[], found key<fry>[]",
        ),
        (
            {"key": jnp.zeros(2, jnp.uint32)},
            "key: expected uint32[2], found key<fry>[]",
        ),
        ({"raw": jax.random.key(0)}, "raw: expected key<fry>[], found uint32[2]"),
        ({"step": 7.0}, "step: expected float64[], found int64[]"),
    ],
)
def test_another_tree_is_refused_with_its_leaves(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    bundle = bundled(tmp_path, state())
    with pytest.raises(BundleError) as refused:
        bundle.restore({**state(), **change})
    assert f"found another one: {message}. Give the tree" in str(refused.value)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    bundle = bundled(tmp_path, {str(index): index for index in range(20)})
    with pytest.raises(BundleError, match="; and 12 more"):
        bundle.restore({})


def test_an_nnx_model_comes_back(tmp_path: Path) -> None:
    _, model = nnx.split(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    bundle = bundled(tmp_path, model)
    assert set(bundle.leaves) == {"kernel", "bias"}
    assert_same(bundle.restore(jax.tree.map(jnp.zeros_like, model)), model)


def test_settings_of_the_user_do_not_matter(tmp_path: Path) -> None:
    tree = state()
    with jax.transfer_guard("disallow"), jax.numpy_dtype_promotion("strict"):
        bundle = bundled(tmp_path, tree)
        found = bundle.restore(tree)
    assert_same(found, tree)


def test_wide_numbers_stay_wide_or_are_refused(tmp_path: Path) -> None:
    with jax.enable_x64(True):
        bundle = bundled(tmp_path, {"x": jnp.arange(3.0)})
    with pytest.raises(BundleError, match=r"expected float32\[3\], found float64\[3\]"):
        bundle.restore({"x": jnp.arange(3.0)})
    with jax.enable_x64(True):
        assert bundle.restore({"x": jnp.arange(3.0)})["x"].dtype == jnp.float64


def test_sharded_arrays_are_put_back_where_they_were(tmp_path: Path) -> None:
    mesh = jax.make_mesh((4,), ("data",), devices=jax.devices()[:4])
    spec = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    tree = {"x": jax.device_put(jnp.arange(8.0), spec)}
    assert_same(bundled(tmp_path, tree).restore(tree), tree)


def test_a_counter_that_begins_as_a_number_is_an_array_later(tmp_path: Path) -> None:
    later, first = {"step": jnp.int32(7)}, {"step": 0}
    for kept, like in ((later, first), (first, later)):
        again = restored(leaves_by_path(kept), like)
        assert int(again["step"]) == int(kept["step"])
        assert isinstance(again["step"], type(kept["step"]))
    with pytest.raises(BundleError, match="expected float64"):
        restored(leaves_by_path(later), {"step": 0.0})
