"""The example of docs/runs.md runs, and what the page says of the file is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jaxdebug.training.store.schema import TABLES

PAGE = (Path(__file__).parents[3] / "docs/runs.md").read_text("utf-8")


def test_the_example_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "docs/runs.md", "exec"), {})
    assert "last step 99" in capsys.readouterr().out


def test_every_table_is_named() -> None:
    section = PAGE.split("## What is in the file")[1].split("\n## ")[0]
    named = re.findall(
        r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.M))
    )
    assert {*named, "names"} == set(TABLES)
