"""The layer is cheap to import and knows no JAX."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, jaxdebug.reports\n"
        "loaded = {'jax', 'numpy', 'rich', 'flax'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
