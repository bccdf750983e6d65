"""One row of a benchmark, the table, and the JSON file with the machine."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.table import Table

from benchmarks.timing import Paired

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


class Row(NamedTuple):
    """A ratio with the two times behind it, or a check that held or did not."""

    what: str
    base_seconds: float | None = None
    seconds: float | None = None
    ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    bar: float | None = None
    held: bool | None = None
    note: str = ""

    @classmethod
    def from_pair(
        cls, what: str, pair: Mapping[str, Paired], bar: float | None
    ) -> "Row":
        """Make a row of a comparison of two, the base first."""
        base, other = pair.values()
        return cls(
            what=what,
            base_seconds=base.seconds,
            seconds=other.seconds,
            ratio=other.ratio,
            quartiles=(other.low, other.high),
            bar=bar,
            held=None if bar is None else other.ratio <= bar,
        )


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _cells(row: Row) -> dict[str, str]:
    """Return the texts of one row by column."""
    base, own = (None if s is None else s * 1e3 for s in row[1:3])
    spread = "" if row.quartiles is None else "{:.2f}-{:.2f}".format(*row.quartiles)
    return {
        "what": row.what,
        "base ms": _text(base, ".2f"),
        "ms": _text(own, ".2f"),
        "ratio": _text(row.ratio, ".2f"),
        "quartiles": spread,
        "bar": _text(row.bar, ".2f"),
        "held": "" if row.held is None else ("yes" if row.held else "NO"),
        "note": row.note,
    }


def print_table(title: str, rows: list[Row]) -> None:
    """Print the rows of one benchmark, without the columns that are empty."""
    cells = [_cells(row) for row in rows]
    columns = [name for name in cells[0] if any(row[name] for row in cells)]
    table = Table(title=title, title_justify="left")
    for name in columns:
        text = name in ("what", "note")
        table.add_column(name, justify="left" if text else "right")
    for row in cells:
        table.add_row(*(row[name] for name in columns))
    Console().print(table)


def _cpu_model() -> str | None:
    """Return the processor's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else None


def _git_commit() -> str | None:
    """Return the commit checked out, or None outside a repository."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge the figures."""
    return {
        "cpu_count": os.cpu_count(),
        "cpu_model": _cpu_model(),
        "platform": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        "jax": version("jax"),
        "jaxlib": version("jaxlib"),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
    }


def write_json(results: Mapping[str, list[Row]]) -> Path:
    """Write all rows beside the machine's description; return the file."""
    about = machine()
    stamp = about["date"][:19].replace(":", "")
    label = "-".join(results)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{stamp}-{label}.json"
    document = {
        "machine": about,
        "results": {
            name: [r._asdict() for r in rows] for name, rows in results.items()
        },
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
