"""What the default check of one layer takes, with compilation, in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.result import ROOT, Row

PLAIN, LONG = 10.0, 30.0
"""Seconds that a check may take: of what has no sequences, of what has."""

LAYERS = {
    "Dense": ("nn.Dense(3)", "(4,)", PLAIN),
    "Conv": ("nn.Conv(3, (3, 3))", "(5, 5, 2)", PLAIN),
    "LayerNorm": ("nn.LayerNorm()", "(4,)", PLAIN),
    "BatchNorm": ("nn.BatchNorm()", "(4,)", PLAIN),
    "MultiHeadDotProductAttention": (
        "nn.MultiHeadDotProductAttention(2)",
        "(5, 4)",
        LONG,
    ),
    "GRUCell in RNN": ("nn.RNN(nn.GRUCell(3))", "(5, 4)", LONG),
    "LSTMCell in RNN": ("nn.RNN(nn.LSTMCell(3))", "(5, 4)", LONG),
}
"""How each is made, the shape of an example, and its bar."""

CODE = """
import json, time
import flax.linen as nn
from jaxdebug import testing
layer, inputs = {layer}, testing.batches({shape})
wall, processor = time.perf_counter(), time.process_time()
report = testing.check_layer(layer, inputs)
print(json.dumps({{
    "wall": time.perf_counter() - wall,
    "processor": time.process_time() - processor,
    "tried": len(report.properties),
    "fail": [one.name for one in report.properties if one.verdict == "fail"],
}}))
"""


def measure() -> list[Row]:
    """Return a row a layer."""
    return [_row(name, *of) for name, of in LAYERS.items()]


def _row(name: str, layer: str, shape: str, bar: float) -> Row:
    found = _run(CODE.format(layer=layer, shape=shape))
    fail = ", ".join(found["fail"]) or "none"
    return Row(
        name,
        seconds=found["wall"],
        bar=bar * 1e3,
        held=found["wall"] <= bar,
        note=f"{found['processor']:.1f} s of processors; "
        f"{found['tried']} properties, broken: {fail}",
    )


def _run(code: str) -> dict[str, Any]:
    """What a fresh process says; XLA compiles there as for anybody."""
    env = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])
