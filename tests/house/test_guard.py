"""The guard of tests/conftest.py notices a test that changes a JAX setting."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import jax

def test_careless():
    jax.config.update("jax_numpy_rank_promotion", "raise")

def test_next_finds_the_old_value():
    assert jax.config.jax_numpy_rank_promotion == "allow"
    assert len(jax.devices()) == 8

def test_tidy():
    with jax.numpy_rank_promotion("raise"):
        pass
"""


@pytest.mark.slow
def test_a_changed_setting_fails_the_test_that_changed_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_inner.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "3 passed, 1 error" in run.stdout
    assert "the test left JAX settings changed" in run.stdout
    assert "ERROR test_inner.py::test_careless" in run.stdout
