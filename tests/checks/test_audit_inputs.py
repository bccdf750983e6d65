"""What cannot be audited is refused before anything runs, and says what to do."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.arguments import AuditInputError

W, X = np.ones(3, np.float32), np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda w, x: x @ w, r"float32\[2\].*\.mean\(\)"),
        (lambda w, x: (x @ w).sum()[None], r"float32\[1\]"),
        (lambda w, x: jnp.argmax(w), r"int32\[\]"),
        (lambda w, x: (x @ w).sum() > 0, r"bool\[\]"),
        (lambda w, x: (x @ w).sum() * 1j, r"complex64\[\]"),
        (lambda w, x: {"loss": (x @ w).sum()}, "dict"),
        (lambda w, x: None, "NoneType"),
        (lambda w, x: "0.1", "str"),
        (lambda w, x: ((x @ w).sum(), x), r"has_aux=True"),
        (lambda w, x: [(x @ w).sum(), x], "list"),
    ],
)
def test_a_loss_that_is_no_real_scalar(loss: Any, found: str) -> None:
    with pytest.raises(AuditInputError, match=f"expected a scalar loss.*{found}"):
        jd.audit(loss)(W, X)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (lambda y: y, r"float32\[\]"),
        (lambda y: (y, y, y), r"\(float32\[\], float32\[\], float32\[\]\)"),
        (lambda y: [y, y], "list"),
    ],
)
def test_has_aux_without_a_pair(result: Any, found: str) -> None:
    with pytest.raises(AuditInputError, match=f"has_aux=True; found {found}"):
        jd.audit(lambda w, x: result((x @ w).sum()), has_aux=True)(W, X)


def test_has_aux_with_a_pair_that_starts_with_no_scalar() -> None:
    with pytest.raises(AuditInputError, match=r"scalar loss.*float32\[2\]"):
        jd.audit(lambda w, x: (x @ w, x), has_aux=True)(W, X)


@pytest.mark.parametrize("argnums", [2, -3, (0, 2), ()])
def test_argnums_out_of_range(argnums: Any) -> None:
    with pytest.raises(AuditInputError, match=r"argnums.*2 positional arguments"):
        jd.audit(lambda w, x: (x @ w).sum(), argnums=argnums)(W, X)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2)])
def test_argnums_that_repeat(argnums: Any) -> None:
    with pytest.raises(AuditInputError, match="argnums"):
        jd.audit(lambda w, x: (x @ w).sum(), argnums=argnums)(W, X)


@pytest.mark.parametrize("argnums", ["0", 0.0, None, (0, "x")])
def test_argnums_that_are_no_integers(argnums: Any) -> None:
    with pytest.raises(TypeError, match="argnums"):
        jd.audit(lambda w, x: (x @ w).sum(), argnums=argnums)(W, X)


def test_an_optimizer_needs_one_argument_of_parameters() -> None:
    optax = pytest.importorskip("optax")
    audited = jd.audit(
        lambda w, x: (x @ w).sum(), argnums=(0, 1), optimizer=optax.sgd(1.0)
    )
    with pytest.raises(AuditInputError, match=r"optimizer.*argnums=0, 1"):
        audited(W, X)


@pytest.mark.parametrize("params", [np.arange(3), {}, {"n": 3}, jax.random.key(0)])
def test_nothing_to_differentiate_by(params: Any) -> None:
    with pytest.raises(AuditInputError, match=r"floating-point arrays in argument 0"):
        jd.audit(lambda w, x: x.sum())(params, X)


def test_an_exception_in_the_loss_passes_through() -> None:
    """Parameters that do not match the model: the user's own error, unchanged."""

    class Mine(Exception):
        pass

    def loss(params: Any, x: jax.Array) -> jax.Array:
        if "kernel" not in params:
            raise Mine("no kernel")
        return (x @ params["kernel"]).sum()

    with pytest.raises(Mine) as info:
        jd.audit(loss)({"w": W}, X)
    assert info.value.args == ("no kernel",)
    with pytest.raises(TypeError, match="dot_general"):
        jd.audit(loss)({"kernel": np.ones(4, np.float32)}, X)
    assert jd.audit(loss)({"kernel": W}, X).ok


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [("relu", "str"), (object(), "object"), (np.array(["a"]), "ndarray")],
)
def test_an_object_leaf_is_refused_with_its_place(leaf: Any, kind: str) -> None:
    with pytest.raises(
        TypeError, match=f"argument 0, field activation a leaf of type {kind}"
    ):
        jd.audit(lambda p, x: (x @ p["w"]).sum())({"w": W, "activation": leaf}, X)


def test_an_object_in_the_batch_is_refused_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"argument 1, field id/0.*type str"):
        jd.audit(lambda p, b: (b["x"] @ p).sum())(W, {"x": X, "id": ["a"]})
    with pytest.raises(TypeError, match="at mode a leaf of type str"):
        jd.audit(lambda p, x, *, mode: (x @ p).sum())(W, X, mode="train")
