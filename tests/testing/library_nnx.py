"""Every module of Flax NNX."""

from __future__ import annotations

from typing import Any

from flax import nnx

from tests.testing.library_layers import (
    CARRIES,
    CAUSAL,
    CIRCULAR,
    HEADS,
    HIDDEN,
    IMAGES,
    SEQUENCES,
    STEP,
    TOKENS,
    UNORDERED,
    Case,
    modules_of,
)

BASES = {"Module", "RNNCellBase", "Dict", "List"}
"""Others are derived from them, or they hold others; they compute nothing."""

FOUND = modules_of(nnx, nnx.Module) - BASES

FLOAT32 = ("dtype",)
"""A module keeps the dtype that it was made with, and so do the carries it makes."""

STATIC: dict[str, Any] = {"call": {"update_stats": False}}


def _rngs() -> nnx.Rngs:
    return nnx.Rngs(0)


def _rnn(cell: Any) -> Any:
    return nnx.RNN(cell(4, 3, rngs=_rngs()), rngs=_rngs())


def _sequential() -> Any:
    return nnx.Sequential(
        nnx.Linear(4, 6, rngs=_rngs()),
        nnx.BatchNorm(6, rngs=_rngs()),
        nnx.relu,
        nnx.Dropout(0.5, rngs=_rngs()),
        nnx.Linear(6, 2, rngs=_rngs()),
    )


def _attention(**settings: Any) -> Any:
    return nnx.MultiHeadAttention(2, 4, decode=False, rngs=_rngs(), **settings)


NNX: dict[str, Case] = {
    "BatchNorm": Case(lambda: nnx.BatchNorm(4, rngs=_rngs())),
    "Bidirectional": Case(
        lambda: nnx.Bidirectional(
            _rnn(nnx.GRUCell), _rnn(nnx.SimpleCell), rngs=_rngs()
        ),
        SEQUENCES,
        breaks=FLOAT32,
    ),
    "Conv": Case(
        lambda: nnx.Conv(4, 3, (3,), padding="CIRCULAR", rngs=_rngs()),
        SEQUENCES,
        CIRCULAR,
    ),
    "ConvTranspose": Case(
        lambda: nnx.ConvTranspose(2, 3, (3, 3), strides=(2, 2), rngs=_rngs()), IMAGES
    ),
    "Dropout": Case(lambda: nnx.Dropout(0.5, rngs=_rngs())),
    "Einsum": Case(
        lambda: nnx.Einsum("bti,ijk->btjk", (4, 2, 3), (2, 3), rngs=_rngs()), SEQUENCES
    ),
    "Embed": Case(lambda: nnx.Embed(7, 3, rngs=_rngs()), TOKENS, breaks=FLOAT32),
    "GRUCell": Case(lambda: nnx.GRUCell(4, 3, rngs=_rngs()), (HIDDEN, STEP)),
    "GroupNorm": Case(lambda: nnx.GroupNorm(4, num_groups=2, rngs=_rngs()), SEQUENCES),
    "InstanceNorm": Case(lambda: nnx.InstanceNorm(4, rngs=_rngs()), SEQUENCES),
    "LSTMCell": Case(lambda: nnx.LSTMCell(4, 3, rngs=_rngs()), (CARRIES, STEP)),
    "LayerNorm": Case(lambda: nnx.LayerNorm(4, rngs=_rngs())),
    "Linear": Case(lambda: nnx.Linear(4, 3, rngs=_rngs())),
    "LinearGeneral": Case(
        lambda: nnx.LinearGeneral((5, 4), (2, 3), axis=(-2, -1), rngs=_rngs()),
        SEQUENCES,
    ),
    "LoRA": Case(lambda: nnx.LoRA(4, 2, 3, rngs=_rngs())),
    "LoRALinear": Case(lambda: nnx.LoRALinear(4, 3, lora_rank=2, rngs=_rngs())),
    "MultiHeadAttention": Case(
        lambda: _attention(dropout_rate=0.2), SEQUENCES, UNORDERED
    ),
    "OptimizedLSTMCell": Case(
        lambda: nnx.OptimizedLSTMCell(4, 3, rngs=_rngs()), (CARRIES, STEP)
    ),
    "PReLU": Case(nnx.PReLU),
    "RMSNorm": Case(lambda: nnx.RMSNorm(4, rngs=_rngs())),
    "RNN": Case(lambda: _rnn(nnx.LSTMCell), SEQUENCES, CAUSAL, FLOAT32),
    "Sequential": Case(_sequential),
    # Of later releases.
    "RoPE": Case(
        lambda: getattr(nnx, "RoPE")(embedding_size=4, max_seq_len=8),  # noqa: B009
        HEADS,
    ),
    "SimpleCell": Case(
        lambda: nnx.SimpleCell(4, 3, rngs=_rngs()), (HIDDEN, STEP), breaks=FLOAT32
    ),
    "SpectralNorm": Case(
        lambda: nnx.SpectralNorm(nnx.Linear(4, 3, rngs=_rngs()), rngs=_rngs()),
        None,
        STATIC,
    ),
    "WeightNorm": Case(
        lambda: nnx.WeightNorm(nnx.Linear(4, 3, rngs=_rngs()), rngs=_rngs())
    ),
}
"""What is tried, and the properties that are known not to hold."""
