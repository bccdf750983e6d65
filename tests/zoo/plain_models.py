"""Losses written with plain JAX: arithmetic, numerics and parameter trees."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
import optax

from tests.zoo.program import ZooProgram, trained_plainly


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


X = _normal(0, 6, 4)
Y = _normal(1, 6)
SGD = optax.sgd(1e-2)


def named_scopes() -> ZooProgram:
    """Dense layers told apart by `jax.named_scope` alone."""
    params = {
        "encoder": {"w": jnp.ones((4, 5)) / 4, "b": jnp.zeros(5)},
        "head": {"w": jnp.ones(5) / 5},
    }

    def loss_fn(params, batch):
        x, y = batch
        with jax.named_scope("encoder"):
            hidden = jnp.tanh(x @ params["encoder"]["w"] + params["encoder"]["b"])
        with jax.named_scope("head"):
            predicted = hidden @ params["head"]["w"]
        with jax.named_scope("loss"):
            return jnp.mean((predicted - y) ** 2)

    return trained_plainly("named_scopes", loss_fn, params, (X, Y), SGD)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Affine:
    weight: jax.Array
    bias: jax.Array


def nested_params() -> ZooProgram:
    """Parameters in dictionaries, tuples, a list, None and a dataclass."""
    params = {
        "layers": (Affine(jnp.eye(4), jnp.zeros(4)), [Affine(jnp.eye(4), jnp.ones(4))]),
        "unused": None,
        "scale": jnp.float32(0.5),
    }

    def loss_fn(params, batch):
        x, y = batch
        first, (second,) = params["layers"]
        x = jax.nn.softplus(x @ first.weight + first.bias)
        x = x @ second.weight + second.bias
        return jnp.mean((params["scale"] * x.sum(-1) - y) ** 2)

    return trained_plainly("nested_params", loss_fn, params, (X, Y), SGD)


def empty_leaf() -> ZooProgram:
    """A parameter without elements, as an optional feature table leaves behind."""
    params = {"w": jnp.ones(4), "table": jnp.zeros((0, 4))}

    def loss_fn(params, batch):
        x, y = batch
        predicted = x @ params["w"] + jnp.sum(params["table"] @ x.T, axis=0)
        return jnp.mean((predicted - y) ** 2)

    return trained_plainly("empty_leaf", loss_fn, params, (X, Y), SGD)


def gaussian_process() -> ZooProgram:
    """The marginal likelihood of a Gaussian process through its Cholesky factor."""
    params = {"log_scale": jnp.zeros(4), "log_noise": jnp.float32(-1.0)}

    def loss_fn(params, batch):
        x, y = batch
        x = x * jnp.exp(params["log_scale"])
        squares = jnp.sum((x[:, None] - x[None]) ** 2, -1)
        noise = jnp.exp(params["log_noise"]) + 1e-3
        covariance = jnp.exp(-0.5 * squares) + noise * jnp.eye(len(y))
        factor = jnp.linalg.cholesky(covariance)
        fitted = jsp.linalg.solve_triangular(factor, y, lower=True)
        return 0.5 * fitted @ fitted + jnp.sum(jnp.log(jnp.diag(factor)))

    return trained_plainly("gaussian_process", loss_fn, params, (X, Y), SGD)


def linear_solvers() -> ZooProgram:
    """Ridge regression by `jnp.linalg.solve`, and again by conjugate gradients."""
    params = {"log_ridge": jnp.float32(0.0), "features": jnp.eye(4)}

    def loss_fn(params, batch):
        x, y = batch
        features = x @ params["features"]
        ridge = jnp.exp(params["log_ridge"])
        gram = features.T @ features + ridge * jnp.eye(4)
        direct = jnp.linalg.solve(gram, features.T @ y)
        iterated, _ = jsp.sparse.linalg.cg(lambda v: gram @ v, features.T @ y)
        sign, log_volume = jnp.linalg.slogdet(gram)
        weights = 0.5 * (direct + iterated)
        return jnp.mean((features @ weights - y) ** 2) + 0.01 * sign * log_volume

    return trained_plainly("linear_solvers", loss_fn, params, (X, Y), SGD)


def gamma_regression() -> ZooProgram:
    """A likelihood of `jax.scipy` functions: gammaln, digamma, logsumexp, logcdf."""
    params = {"w": jnp.zeros(4), "log_shape": jnp.float32(0.3)}

    def loss_fn(params, batch):
        x, y = batch
        shape = jnp.exp(params["log_shape"])
        rate = jax.nn.softplus(x @ params["w"])
        likelihood = jsp.stats.gamma.logpdf(jnp.abs(y) + 0.1, shape, scale=1 / rate)
        entropy = jsp.special.gammaln(shape) + (1 - shape) * jsp.special.digamma(shape)
        tail = jsp.stats.norm.logcdf(x @ params["w"])
        return -likelihood.mean() + entropy - jsp.special.logsumexp(tail)

    return trained_plainly("gamma_regression", loss_fn, params, (X, Y), SGD)


def top_k_routing() -> ZooProgram:
    """Two of three experts a row, hard negatives by sorting, a one-hot target."""
    params = {"router": jnp.linspace(-1, 1, 12).reshape(4, 3), "w": jnp.ones((3, 4, 3))}

    def loss_fn(params, batch):
        x, y = batch
        weights, chosen = jax.lax.top_k(jax.nn.softmax(x @ params["router"]), 2)
        outputs = jnp.einsum("bi,bkio->bko", x, params["w"][chosen])
        logits = jnp.einsum("bk,bko->bo", weights, outputs)
        target = jax.nn.one_hot(jnp.argmax(x[:, :3], -1), 3)
        losses = optax.softmax_cross_entropy(logits, target) + 0.1 * y**2
        return jnp.mean(jnp.sort(losses)[-4:])

    return trained_plainly("top_k_routing", loss_fn, params, (X, Y), SGD)


def guarded_math() -> ZooProgram:
    """Distances and logs made safe by `jnp.where` on both sides; one distance is 0."""
    centre = jnp.asarray(X[0])

    def loss_fn(params, batch):
        x, y = batch
        squares = jnp.sum((x - params["centre"]) ** 2, -1)
        positive = squares > 0
        distance = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)
        share = jnp.where(distance > 1, 1 / jnp.where(distance > 1, distance, 1), 1)
        return jnp.mean(share * y**2) + jnp.mean(jnp.log1p(distance))

    return trained_plainly("guarded_math", loss_fn, {"centre": centre}, (X, Y), SGD)


def spectral_loss() -> ZooProgram:
    """A learned filter fitted in the complex frequency domain."""
    signal = _normal(2, 2, 16)
    params = {"taps": jnp.array([0.5, 0.3, 0.1]), "gain": jnp.ones(9)}

    def loss_fn(params, batch):
        filtered = jax.vmap(lambda s: jnp.convolve(s, params["taps"], mode="same"))(
            batch
        )
        spectrum = jnp.fft.rfft(filtered) * params["gain"]
        error = spectrum - jnp.fft.rfft(batch) * jnp.exp(0.2j)
        return jnp.mean(jnp.real(error * jnp.conj(error)))

    return trained_plainly("spectral_loss", loss_fn, params, signal, SGD)


def float16_params() -> ZooProgram:
    """Parameters, activations and loss in float16, scaled by a constant."""
    params = {"w": jnp.ones((4, 3), jnp.float16), "v": jnp.ones(3, jnp.float16)}
    scale = 128.0

    def loss_fn(params, batch):
        x, y = batch
        predicted = jnp.tanh(x.astype(jnp.float16) @ params["w"]) @ params["v"]
        return jnp.mean((predicted - y.astype(jnp.float16)) ** 2)

    @jax.jit
    def train_step(params: Any, batch: Any) -> tuple[Any, Any]:
        grads = jax.grad(lambda p: scale * loss_fn(p, batch))(params)
        params = jax.tree.map(lambda p, g: p - 0.01 * (g / scale), params, grads)
        return params, {"loss": loss_fn(params, batch)}

    return ZooProgram(
        "float16_params", loss_fn, params, (X, Y), (), False, train_step, params
    )


def heat_equation() -> ZooProgram:
    """A physics-informed loss: derivatives by x and t inside the loss."""
    params = {"w": jnp.full((2, 5), 0.3), "v": jnp.full(5, 0.2)}
    points = np.random.default_rng(3).uniform(size=(6, 2)).astype(np.float32)

    def loss_fn(params, batch):
        def u(point):
            return jnp.tanh(point @ params["w"]) @ params["v"]

        def residual(point):
            return jax.grad(u)(point)[1] - jax.hessian(u)(point)[0, 0]

        inside = jax.vmap(residual)(batch)
        start = jax.vmap(u)(batch * jnp.array([1.0, 0.0]))
        return jnp.mean(inside**2) + jnp.mean((start - jnp.sin(batch[:, 0])) ** 2)

    return trained_plainly("heat_equation", loss_fn, params, points, optax.adam(1e-2))


def ctc_speech() -> ZooProgram:
    """Connectionist temporal classification of padded labels."""
    params = {"w": jnp.linspace(-1, 1, 20).reshape(4, 5)}
    frames = _normal(4, 2, 7, 4)
    batch = {"frames": frames, "labels": np.array([[1, 2, 0], [3, 0, 0]])}

    def loss_fn(params, batch):
        logits = batch["frames"] @ params["w"]
        label_padding = (batch["labels"] == 0).astype(jnp.float32)
        frame_padding = jnp.zeros(logits.shape[:2])
        losses = optax.ctc_loss(logits, frame_padding, batch["labels"], label_padding)
        return losses.mean()

    return trained_plainly("ctc_speech", loss_fn, params, batch, SGD)


PLAIN_MODELS = {
    maker.__name__: maker
    for maker in (
        named_scopes,
        nested_params,
        empty_leaf,
        gaussian_process,
        linear_solvers,
        gamma_regression,
        top_k_routing,
        guarded_math,
        spectral_loss,
        float16_params,
        heat_equation,
        ctc_speech,
    )
}
