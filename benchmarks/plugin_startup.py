"""What the pytest plugin costs where no test uses it: in fresh processes."""

import os
import statistics
import subprocess
import sys

from benchmarks.result import ROOT, Row

BAR = 0.020
"""Seconds that the plugin may add to the start of a run."""

RUNS = 21
IMPORT = """
import sys, time
import hypothesis, pytest
begun = time.perf_counter()
{import_}
print(time.perf_counter() - begun, "jax" in sys.modules)
"""
WHOLE = """
import sys, time
import hypothesis, pytest
begun = time.perf_counter()
pytest.main(["-q", "--co", "-p", "no:cacheprovider", "-p", {plugin!r}, {empty!r}])
print()
print(time.perf_counter() - begun, "jax" in sys.modules)
"""


def measure() -> list[Row]:
    """Return rows of the import, and of a whole run with and without the plugin."""
    codes = {
        "import jaxdebug.pytest_plugin": IMPORT.format(
            import_="import jaxdebug.pytest_plugin"
        ),
        "register the Hypothesis profile": IMPORT.format(
            import_="from jaxdebug.hypothesis_plugin import register_profile\n"
            "register_profile()"
        ),
    }
    rows = [
        _row(name, [_run(code) for _ in range(RUNS)]) for name, code in codes.items()
    ]
    return [*rows, _whole()]


def _whole() -> Row:
    """A run that collects nothing, with the plugin against without, in turns."""
    empty = str(ROOT / "benchmarks" / "results")
    with_it, without = (
        WHOLE.format(plugin=plugin, empty=empty)
        for plugin in ("jaxdebug.pytest_plugin", "no:jaxdebug")
    )
    pairs = [(_run(without), _run(with_it)) for _ in range(RUNS)]
    base, own = (statistics.median(p[i][0] for p in pairs) for i in (0, 1))
    added = statistics.median(p[1][0] - p[0][0] for p in pairs)
    imports_jax = any(jax for pair in pairs for _, jax in pair)
    return Row(
        "pytest with the plugin, of an empty folder",
        base,
        own,
        bar=BAR * 1e3,
        held=added <= BAR and not imports_jax,
        note=f"adds {added * 1e3:.1f} ms (median of {RUNS} pairs)",
    )


def _row(what: str, runs: list[tuple[float, bool]]) -> Row:
    seconds = statistics.median(one for one, _ in runs)
    imports_jax = any(jax for _, jax in runs)
    note = f"median of {RUNS}; JAX {'is' if imports_jax else 'not'} imported"
    held = seconds <= BAR and not imports_jax
    return Row(what, seconds=seconds, bar=BAR * 1e3, held=held, note=note)


def _run(code: str) -> tuple[float, bool]:
    """Seconds that a fresh process says, and whether it has imported JAX."""
    # Other plugins of the environment are not what is measured.
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_NO_PLUGINS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seconds, imported = run.stdout.splitlines()[-1].split()
    return float(seconds), imported == "True"
