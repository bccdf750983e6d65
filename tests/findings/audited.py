"""Faults that an audit finds in parameters and in the program, and healthy twins."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxdebug as jd
from jaxdebug.findings import Finding

Params = dict[str, Any]
Random = np.random.Generator


class Audited(NamedTuple):
    """A loss, and parameters with and without a fault.

    Attributes:
        loss: of parameters and a matrix of inputs.
        healthy: draws parameters that nothing is to be said of above info.
        faulty: draws parameters with the fault; None if the loss has it.
        twin: the loss without the fault, if it is the loss that has one.
        code: of the finding that the fault must give; empty of a control.
        where: of the finding.
    """

    loss: Callable[..., Any]
    healthy: Callable[[Random], Params]
    code: str = ""
    where: str = ""
    faulty: Callable[[Random], Params] | None = None
    twin: Callable[..., Any] | None = None


def normal(random: Random, *shape: int) -> np.ndarray:
    return (random.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)


def network(params: Params, x: jax.Array) -> jax.Array:
    hidden = jnp.tanh(x @ params["first"])
    return jnp.mean((hidden @ params["second"] - x[:, :3]) ** 2)


def drawn(random: Random) -> Params:
    return {"first": normal(random, 8, 16), "second": normal(random, 16, 3)}


def repeated(random: Random) -> Params:
    """One random column for all hidden units, and one row to read them with."""
    first, second = normal(random, 8, 1), normal(random, 1, 3) / 4
    return {"first": np.tile(first, (1, 16)), "second": np.tile(second, (16, 1))}


def ensemble(params: Params, x: jax.Array) -> jax.Array:
    return jnp.mean(jax.vmap(network, (0, None))(params, x))


def members(random: Random) -> Params:
    every = [drawn(random) for _ in range(4)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *every)


def one_member(random: Random) -> Params:
    """What a vmap over members gives that all use the same key."""
    return jax.tree.map(lambda leaf: np.stack([leaf] * 4), drawn(random))


def two_heads(params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    hidden = jnp.tanh(x @ params["body"]["first"])
    main = hidden @ params["body"]["second"]
    other = hidden @ params["head"]["kernel"] + params["head"]["bias"]
    return jnp.mean((main - x[:, :3]) ** 2), jnp.mean((other - x[:, 3:6]) ** 2)


def both_heads(params: Params, x: jax.Array) -> jax.Array:
    main, other = two_heads(params, x)
    return main + other


def main_head(params: Params, x: jax.Array) -> jax.Array:
    return two_heads(params, x)[0]


def heads(random: Random) -> Params:
    head = {"kernel": normal(random, 16, 3), "bias": np.zeros(3, np.float32)}
    return {"body": drawn(random), "head": head}


def rounded(params: Params, x: jax.Array) -> jax.Array:
    return network({**params, "first": jnp.round(8 * params["first"]) / 8}, x)


def straight_through(params: Params, x: jax.Array) -> jax.Array:
    first = params["first"]
    coarse = first + 1e-3 * jnp.tanh(first)
    return network({**params, "first": coarse}, x)


def state_space(params: Params, x: jax.Array) -> jax.Array:
    """Every channel starts with the same decays, as S4D does."""
    decay = jnp.exp(-jnp.exp(params["log_a"]) / 4)

    def step(state: jax.Array, drive: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = decay * state + drive[:, None]
        return state, jnp.sum(state * params["c"], -1)

    return jnp.mean(lax.scan(step, jnp.zeros((8, 4)), x)[1] ** 2)


def decays(random: Random) -> Params:
    log_a = np.tile(np.log(np.arange(1.0, 5.0, dtype=np.float32)), (8, 1))
    return {"log_a": log_a, "c": normal(random, 8, 4)}


def depthwise(params: Params, x: jax.Array) -> jax.Array:
    """A blur for each channel, to start with."""
    signal = x.reshape(4, -1, 8)
    blurred = lax.conv_general_dilated(
        signal,
        params["blur"],
        (1,),
        "SAME",
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=8,
    )
    return network(params, jnp.tanh(blurred).reshape(-1, 8))


def blurs(random: Random) -> Params:
    blur = np.array([0.25, 0.5, 0.25], np.float32)[:, None, None]
    return {"blur": np.tile(blur, (1, 1, 8)), **drawn(random)}


def experts(params: Params, x: jax.Array) -> jax.Array:
    """Each example goes to one expert; some get none."""
    scores = x @ params["router"]
    chosen = jnp.argmax(scores, -1)
    gate = jnp.take_along_axis(jax.nn.softmax(scores), chosen[:, None], 1)
    made = jnp.einsum("bi,bio->bo", x, params["experts"][chosen])
    idle = lax.cond(
        x[0, 0] > 1e3, lambda w: jnp.mean(x @ w), lambda w: 0.0, params["rare"]
    )
    return jnp.mean((gate * made - x[:, :3]) ** 2) + idle


def copied(random: Random) -> Params:
    """All experts are copies of one network, as in upcycling."""
    one = normal(random, 8, 3)
    router = normal(random, 8, 40)
    return {
        "router": router,
        "experts": np.stack([one] * 40),
        "rare": normal(random, 8, 3),
    }


def embedded(params: Params, x: jax.Array) -> jax.Array:
    """Most rows of the table are not looked up; the units behind are dead."""
    vectors = params["table"][jnp.arange(5) * 7 % 100]
    dead = jax.nn.relu(x[:5] @ params["dead"] - 1e3)
    return network(params, vectors) + jnp.mean(dead)


def table(random: Random) -> Params:
    dead = normal(random, 8, 4)
    return {"table": normal(random, 100, 8), "dead": dead, **drawn(random)}


def looked_up(params: Params, x: jax.Array) -> jax.Array:
    """Rows of a table, those beyond its end clipped."""
    row = jnp.abs(5 * x[:, 0]).astype(jnp.int32)
    return network(params, params["table"].at[row].get(mode="clip"))


def small_table(random: Random) -> Params:
    return {"table": normal(random, 3, 8), **drawn(random)}


def large_table(random: Random) -> Params:
    return {"table": normal(random, 100, 8), **drawn(random)}


CASES = {
    "hidden units that are one": Audited(
        network, drawn, "identical-units", "first", repeated
    ),
    "an ensemble of one key": Audited(
        ensemble, members, "identical-units", "first", one_member
    ),
    "a head that no loss reads": Audited(
        main_head, heads, "severed-parameter", "head", twin=both_heads
    ),
    "weights that are rounded": Audited(
        rounded, drawn, "severed-parameter", "first", twin=straight_through
    ),
    "a table that is too small": Audited(
        looked_up, large_table, "lookup-outside", "table", small_table
    ),
    "states of every channel alike": Audited(state_space, decays),
    "filters of every channel alike": Audited(depthwise, blurs),
    "experts alike, most of them idle": Audited(experts, copied),
    "rows that are not looked up": Audited(embedded, table),
}


@cache
def audit_of(name: str, faulty: bool) -> Callable[..., Any]:
    """One audit of a loss, which compiles it once for all seeds."""
    case = CASES[name]
    return jd.audit(case.loss if faulty or case.twin is None else case.twin)


def findings_of(name: str, seed: int, *, faulty: bool) -> tuple[Finding, ...]:
    """What the audit of one batch finds."""
    case, random = CASES[name], np.random.default_rng(seed)
    draw = case.faulty if faulty and case.faulty is not None else case.healthy
    x = random.standard_normal((32, 8)).astype(np.float32)
    return audit_of(name, faulty)(draw(random), x).findings


def detected(name: str, seed: int) -> bool:
    """Whether the fault is found, above info and at its place."""
    case = CASES[name]
    return any(
        (f.code, f.where) == (case.code, case.where) and f.severity != "info"
        for f in findings_of(name, seed, faulty=True)
    )


def warnings(name: str, seed: int) -> list[Finding]:
    """What is said above info of the case without its fault."""
    every = findings_of(name, seed, faulty=False)
    return [finding for finding in every if finding.severity != "info"]
