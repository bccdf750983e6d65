"""Scripts in processes of their own, which import no JAX and so start fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def begin(code: str, *arguments: Any, **settings: Any) -> subprocess.Popen[str]:
    """Start a script; its standard output can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=settings.pop("cwd", ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
    """Wait for a script; returns what it wrote to both streams."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return out, err


def run(code: str, *arguments: Any, **settings: Any) -> tuple[str, str]:
    """Run a script that ends well."""
    return finish(begin(code, *arguments, **settings))
