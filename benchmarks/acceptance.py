"""Audits of the examples over 20 seeds, and of three planted faults."""

import io
import json
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from benchmarks.result import ROOT, Row
from jaxdebug.cli import main

SEEDS = 20
EXAMPLES = ("digits_cnn", "digits_nnx", "char_transformer")
# What an error in the report of each planted fault must name.
PLANTED = {
    "wrong_custom_vjp": "soft_clip",
    "cut_off_leaf": "encoder",
    "nan_in_data": "image",
}


class _Audit(NamedTuple):
    """What one `jaxdebug audit --json` gave."""

    status: int
    report: str
    messages: str
    seconds: float


def _audit(target: str) -> _Audit:
    """Run the command line in this process, so that JAX is imported once."""
    out, err = io.StringIO(), io.StringIO()
    start = time.perf_counter()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["audit", "--json", target])
    seconds = time.perf_counter() - start
    return _Audit(status, out.getvalue(), err.getvalue(), seconds)


def _errors(report: str) -> list[str]:
    """Return the findings of severity error, each as one text."""
    findings = json.loads(report)["findings"] if report.strip() else []
    return [json.dumps(f) for f in findings if f["severity"] == "error"]


def _seeded(example: str, folder: Path) -> Row:
    """Audit one example at every seed; each must exit 0."""
    statuses, total = [], 0.0
    for seed in range(SEEDS):
        target = folder / f"{example}_{seed}.py"
        target.write_text(
            f"from examples.{example} import make_workload\n\n"
            f"workload = make_workload(seed={seed})\n"
        )
        audit = _audit(str(target))
        statuses.append(audit.status)
        total += audit.seconds
        if audit.status:
            print(f"{example} seed {seed}: exit {audit.status}\n{audit.messages}")
            print(*_errors(audit.report), sep="\n")
    clean = statuses.count(0)
    return Row(
        what=f"{example} clean",
        seconds=total / SEEDS,
        held=clean == SEEDS,
        note=f"{clean} of {SEEDS} seeds exit 0",
    )


def _planted(fault: str, name: str) -> Row:
    """Audit one planted fault; it must exit 1 with an error that names it."""
    audit = _audit(f"{ROOT / 'benchmarks' / 'planted.py'}:{fault}")
    errors = _errors(audit.report)
    named = any(name in error for error in errors)
    if audit.status != 1 or not named:
        print(f"{fault}: exit {audit.status}\n{audit.messages}")
        print(*errors, sep="\n")
    return Row(
        what=fault,
        seconds=audit.seconds,
        held=audit.status == 1 and named,
        note=f"exit {audit.status}, {name!r} " + ("named" if named else "not named"),
    )


def measure() -> list[Row]:
    """Return one row an example and one a planted fault."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [_seeded(example, Path(folder)) for example in EXAMPLES]
    return rows + [_planted(fault, name) for fault, name in PLANTED.items()]
