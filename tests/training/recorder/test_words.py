"""Packed numbers come back as they were; a checksum sees every bit and its place."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdebug.training.recorder.words import checksum, pack, packing_of

ARRAYS = {
    "float32": np.float32([[1.5, -0.0], [np.nan, np.inf]]),
    "int32": np.int32([-1, 2**31 - 1, 7]),
    "uint32": np.uint32([2**32 - 1]),
    "bfloat16": jnp.array([1.0, -3.0, 0.1], jnp.bfloat16),
    "bool": np.array([True, False, True]),
    "int8": np.int8([-128, 127]),
    "nothing": np.zeros((0, 3), np.float32),
    "scalar": np.float32(2.0),
}


def test_a_pytree_comes_back_bit_by_bit() -> None:
    packed = np.asarray(jax.jit(pack)(ARRAYS))
    found = packing_of(ARRAYS).unpack(packed)
    for name, array in ARRAYS.items():
        assert np.asarray(array).tobytes() == found[name].tobytes()
        assert np.shape(array) == found[name].shape


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "nothing"])
def test_a_checksum_sees_one_bit(name: str) -> None:
    array = np.asarray(ARRAYS[name])
    raw = bytearray(array.tobytes())
    raw[-1] ^= 1
    other = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)
    assert int(checksum(jnp.asarray(array))) != int(checksum(jnp.asarray(other)))


def test_a_checksum_sees_the_order() -> None:
    array = jnp.arange(6.0)
    assert int(checksum(array)) != int(checksum(array[::-1]))
    assert int(checksum(array)) == int(checksum(array.reshape(2, 3)))
