"""Every module of Flax Linen."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from hypothesis import strategies as st

from jaxdebug.testing.strategies.arrays import batches
from tests.testing.library_layers import (
    CARRIES,
    CAUSAL,
    CIRCULAR,
    HIDDEN,
    IMAGES,
    SEQUENCES,
    STEP,
    TOKENS,
    UNORDERED,
    Case,
    modules_of,
)

BASES = {"Module", "RNNCellBase"}
"""Others are derived from them; they compute nothing."""

FOUND = modules_of(nn, nn.Module) - BASES

CELLS = batches((4, 2), sizes=(3,))
STATIC: dict[str, Any] = {"call": {"update_stats": False}}


class Einsum8(nn.Module):
    """`Fp8Einsum` with a parameter."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Of vectors."""
        w = self.param("w", nn.initializers.lecun_normal(), (4, 3))
        return nn.Fp8Einsum()("bi,io->bo", x, w)


EMPTY = ("empty-batch",)
"""Of fp8: the largest of no numbers is asked for."""

OVERWRITES = "gradients", "empty-batch"
"""Of fp8: new scales are handed on in the place of a gradient."""

FNUZ: dict[str, Any] = {"skip": ["finite"]}
"""XLA makes NaN of small negative numbers in these dtypes, as the tests compile."""

FLOAT32 = ("dtype",)
"""The carry that a cell begins with has the dtype of its settings."""


def _dense(op: Any) -> Any:
    return lambda: nn.Dense(3, dot_general_cls=op)


def _rnn(cell: Any) -> Any:
    return nn.RNN(cell(3))


LINEN: dict[str, Case] = {
    "BatchNorm": Case(nn.BatchNorm),
    "Bidirectional": Case(
        lambda: nn.Bidirectional(_rnn(nn.GRUCell), _rnn(nn.SimpleCell)),
        SEQUENCES,
        breaks=FLOAT32,
    ),
    "Conv": Case(lambda: nn.Conv(3, (3,), padding="CIRCULAR"), SEQUENCES, CIRCULAR),
    "ConvLSTMCell": Case(
        lambda: nn.ConvLSTMCell(2, (3,)),
        (st.tuples(CELLS, CELLS), CELLS),
    ),
    "ConvLocal": Case(lambda: nn.ConvLocal(3, (3,)), SEQUENCES),
    "ConvTranspose": Case(lambda: nn.ConvTranspose(3, (3, 3), strides=(2, 2)), IMAGES),
    "Dense": Case(lambda: nn.Dense(3)),
    "DenseGeneral": Case(lambda: nn.DenseGeneral((2, 3), axis=(-2, -1)), SEQUENCES),
    "Dropout": Case(lambda: nn.Dropout(0.5)),
    "Einsum": Case(lambda: nn.Einsum((4, 2, 3), "bti,ijk->btjk"), SEQUENCES),
    "Embed": Case(lambda: nn.Embed(7, 3), TOKENS),
    "Fp8DirectDotGeneralOp": Case(_dense(nn.Fp8DirectDotGeneralOp), breaks=OVERWRITES),
    "Fp8DotGeneral": Case(_dense(nn.Fp8DotGeneral), breaks=OVERWRITES),
    "Fp8DotGeneralOp": Case(_dense(nn.Fp8DotGeneralOp), breaks=EMPTY),
    "Fp8Einsum": Case(Einsum8, breaks=OVERWRITES),
    "GRUCell": Case(lambda: nn.GRUCell(3), (HIDDEN, STEP)),
    "GroupNorm": Case(lambda: nn.GroupNorm(2), SEQUENCES),
    "InstanceNorm": Case(nn.InstanceNorm, SEQUENCES),
    "LSTMCell": Case(lambda: nn.LSTMCell(3), (CARRIES, STEP)),
    "LayerNorm": Case(nn.LayerNorm),
    "MGUCell": Case(lambda: nn.MGUCell(3), (HIDDEN, STEP)),
    "MultiHeadAttention": Case(
        lambda: nn.MultiHeadAttention(2, dropout_rate=0.2), SEQUENCES, UNORDERED
    ),
    "MultiHeadDotProductAttention": Case(
        lambda: nn.MultiHeadDotProductAttention(2, normalize_qk=True),
        SEQUENCES,
        UNORDERED,
    ),
    "NANOOFp8DotGeneralOp": Case(_dense(nn.NANOOFp8DotGeneralOp), None, FNUZ, EMPTY),
    "OptimizedLSTMCell": Case(lambda: nn.OptimizedLSTMCell(3), (CARRIES, STEP)),
    "PReLU": Case(nn.PReLU),
    "RMSNorm": Case(nn.RMSNorm),
    "RNN": Case(lambda: _rnn(nn.LSTMCell), SEQUENCES, CAUSAL, FLOAT32),
    "SelfAttention": Case(lambda: nn.SelfAttention(2), SEQUENCES, UNORDERED),
    "Sequential": Case(
        lambda: nn.Sequential([nn.Dense(3), nn.relu, nn.LayerNorm(), nn.Dense(2)])
    ),
    "SimpleCell": Case(lambda: nn.SimpleCell(3), (HIDDEN, STEP)),
    "SpectralNorm": Case(lambda: nn.SpectralNorm(nn.Dense(3)), None, STATIC),
    "WeightNorm": Case(lambda: nn.WeightNorm(nn.Dense(3))),
}
"""What is tried, and the properties that are known not to hold."""
