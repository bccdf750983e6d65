"""What `check_data` takes for a million rows, what it finds, how often it is wrong."""

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

import jaxdebug as jd
from benchmarks.result import ROOT, Row
from jaxdebug.checks.data.near_duplicates import near_rows
from jaxdebug.checks.data.scan import scan
from tests.data.controls import CONTROLS
from tests.data.made_sets import digits, table
from tests.data.planted import FAULTS, alarms, found_in
from tests.data.random_sets import random_set

ROWS, WIDTH, BATCH = 1_000_000, 100, 10_000
EVAL_ROWS, LEAKED = 100_000, 100
SECONDS, ROW_BYTES, ROOM = 20.0, 16, 128 << 20
"""Beside 16 bytes a row, a chunk, the samples and what sorting needs take this room."""

SEEDS, RESPLITS, RANDOM_SETS = 20, 100, 500
RESPLIT = ("digits", "diabetes", "breast cancer", "wine", "a table", "three splits")
NOISE = (0.001, 0.01, 0.03, 0.1)
PLANTED = 200


def stream(rows: int, seed: int, leaked: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
    """Batches of normal numbers, the first rows of which are those of seed 0."""
    random = np.random.default_rng(seed)
    for start in range(0, rows, BATCH):
        x = random.standard_normal((BATCH, WIDTH), np.float32)
        y = random.integers(0, 10, BATCH)
        if leaked and not start:
            x[:leaked] = next(stream(BATCH, 0))[0][:leaked]
        yield x, y


def large(traced: bool) -> dict[str, Any]:
    """Check a million rows and say what it took; to be run in a process of its own.

    Args:
        traced: measure the memory, which takes time; otherwise the time.
    """
    jd.check_data(lambda: stream(BATCH, 0), lambda: stream(BATCH, 1))
    start = time.process_time()
    for _ in stream(ROWS + EVAL_ROWS, 0):
        pass
    making = time.process_time() - start
    if traced:
        tracemalloc.start()
    start, began = time.process_time(), time.perf_counter()
    report = jd.check_data(
        lambda: stream(ROWS, 0), lambda: stream(EVAL_ROWS, 1, LEAKED)
    )
    return {
        "seconds": time.process_time() - start - making,
        "wall": time.perf_counter() - began,
        "bytes": tracemalloc.get_traced_memory()[1],
        "said": report["leakage"].said,
        "found": report["leakage"].word == "fail",
    }


def apart(traced: bool) -> dict[str, Any]:
    """The same, in a process of its own."""
    command = (
        "import json; from benchmarks.data_checks import large; "
        f"print(json.dumps(large({traced})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def recall(x: np.ndarray, noise: float, random: np.random.Generator) -> float:
    """The share of noisy copies whose sketch is found near that of the row."""
    copies = x[:PLANTED] + noise * x.std(0) * random.standard_normal(
        (PLANTED, x.shape[1])
    )
    one, planes = scan(
        "train", x, inputs=None, targets=None, most=None, planes=None, seed=0
    )
    other, _ = scan(
        "eval", copies, inputs=None, targets=None, most=None, planes=planes, seed=0
    )
    near = near_rows([one.store, other.store])
    if near is None:
        return float("nan")
    (first, second), (row, copy) = near.rows[near.pairs].transpose(2, 1, 0)
    found = (first == 0) & (second == 1) & (row == copy)
    return float(found.sum() / PLANTED)


def measure() -> list[Row]:
    """Return what was measured beside what is asked."""
    timed, traced = apart(False), apart(True)
    rows, room = ROWS + EVAL_ROWS, traced["bytes"]
    results = [
        Row(
            f"{rows:,} rows of {WIDTH} columns",
            seconds=timed["seconds"],
            held=timed["seconds"] <= SECONDS,
            note=f"of the processor, {SECONDS:g} s are asked; {timed['wall']:.1f} s on "
            "the clock with making the rows",
        ),
        Row(
            "the most memory at a time",
            held=room <= ROW_BYTES * rows + ROOM,
            note=f"{room / 2**20:.0f} MiB, of which {ROW_BYTES} bytes a row are "
            f"{ROW_BYTES * rows / 2**20:.0f}",
        ),
        Row("0.1 % leaked", held=timed["found"], note=timed["said"]),
    ]
    random = np.random.default_rng(0)
    sets = {
        "100 normal columns": random.standard_normal((100_000, 100)),
        "12 correlated columns": table(random, 10_000)[0].astype(np.float64),
        "digits": digits(random)[0].astype(np.float64),
    }
    for name, x in sets.items():
        shares = [recall(x, noise, random) for noise in NOISE]
        pairs = zip(NOISE, shares, strict=True)
        note = ", ".join(f"{share:.1%} at noise {noise:g}" for noise, share in pairs)
        results.append(Row(f"near duplicates found: {name}", note=note))
    for name in RESPLIT:
        wrong = sum(
            bool(alarms(CONTROLS[name](np.random.default_rng(seed))))
            for seed in range(RESPLITS)
        )
        results.append(
            Row(
                f"resplits of {name}",
                held=wrong <= RESPLITS // 100,
                note=f"{wrong} of {RESPLITS} with an alarm",
            )
        )
    wrong = sum(
        bool(alarms(random_set(np.random.default_rng(seed))))
        for seed in range(RANDOM_SETS)
    )
    results.append(
        Row(
            "sets drawn at random",
            held=wrong <= RANDOM_SETS // 100,
            note=f"{wrong} of {RANDOM_SETS} with an alarm",
        )
    )
    found = {
        name: sum(found_in(fault, seed) for seed in range(SEEDS))
        for name, fault in FAULTS.items()
    }
    for name, count in found.items():
        results.append(
            Row(name, held=count >= 0.95 * SEEDS, note=f"{count} of {SEEDS}")
        )
    for name, make in CONTROLS.items():
        wrong = sum(
            bool(alarms(make(np.random.default_rng(seed)))) for seed in range(SEEDS)
        )
        results.append(
            Row(f"healthy: {name}", held=not wrong, note=f"{wrong} of {SEEDS}")
        )
    return results
