"""Figures change nothing global, need no display, and say what they need."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jaxdebug.figures import learning_curves
from jaxdebug.figures.folder import require_folder, save_figure

ROOT = Path(__file__).resolve().parents[2]

UNTOUCHED = """
import sys
from io import BytesIO
import matplotlib
before = dict(matplotlib.rcParams)
import numpy as np
from jaxdebug import figures
assert "matplotlib.pyplot" not in sys.modules
made = [
    figures.learning_curves({"loss": ([0, 1], [2.0, 1.0])}),
    figures.range_test([0.1, 1.0], [2.0, 1.0], 0.1),
    figures.weight_histograms({"w": np.ones(3)}),
    figures.activation_maps({"conv": np.ones((2, 2, 1))}),
]
for figure in made:
    figure.savefig(BytesIO(), format="png")
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams) == before
"""

WITHOUT = """
import sys
sys.modules["matplotlib"] = None
import jaxdebug.figures as figures
for call in (
    lambda: figures.learning_curves({"loss": ([0, 1], [2.0, 1.0])}),
    lambda: figures.weight_histograms({"w": __import__("numpy").ones(3)}),
):
    try:
        call()
    except ImportError as error:
        assert 'pip install "jaxdebug[plot]"' in str(error), error
    else:
        raise AssertionError("drawn without Matplotlib")
from jaxdebug.cli import main
assert main(["checkup", "none.py", "--figures", "never_made"]) == 2
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_neither_pyplot_nor_its_settings_are_touched(tmp_path: Path) -> None:
    done = run(UNTOUCHED, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path) -> None:
    done = run(WITHOUT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'pip install "jaxdebug[plot]"' in done.stderr
    assert not (tmp_path / "never_made").exists()


def test_matplotlib_that_is_missing_is_named(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "jaxdebug\[plot\]"'):
        learning_curves({"loss": ([0, 1], [2.0, 1.0])})
    with pytest.raises(ImportError, match=r"jaxdebug\[plot\]"):
        require_folder("checkup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_figures_can_be_drawn_in_several_threads(tmp_path: Path) -> None:
    def draw(number: int) -> bytes:
        path = tmp_path / f"{number}.png"
        save_figure(learning_curves({"loss": ([0, 1], [2.0, 1.0])}), path)
        return path.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        drawn = [*pool.map(draw, range(4))]
    assert len({*drawn}) == 1
    assert drawn[0].startswith(b"\x89PNG")


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    made = require_folder("checkup", tmp_path / "a" / "b")
    assert made.is_dir()
    assert not [*made.iterdir()]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("kept")
    for path in (file, file / "below"):
        with pytest.raises(OSError, match=r"checkup expects a folder .*notes\.txt"):
            require_folder("checkup", path)
    assert file.read_text() == "kept"
    with pytest.raises(TypeError, match="to be a path, of type str"):
        require_folder("checkup", 3)


def test_a_folder_that_cannot_be_written_into_is_refused(
    monkeypatch: Any, tmp_path: Path
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("jaxdebug.figures.folder.TemporaryFile", refuse)
    with pytest.raises(PermissionError, match="found Permission denied: "):
        require_folder("checkup", tmp_path)


def test_a_figure_that_cannot_be_written_leaves_the_old_one(
    monkeypatch: Any, tmp_path: Path
) -> None:
    path = tmp_path / "loss.png"
    path.write_bytes(b"old")
    figure = learning_curves({"loss": ([0, 1], [2.0, 1.0])})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_figure(figure, path)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == b"old"
