"""Silencing: by code, by place, from pyproject.toml; a wrong entry is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.cli import main
from jaxdebug.findings import found
from jaxdebug.findings.codes import PAGES
from jaxdebug.findings.settings import Settings, SettingsError, read_settings
from jaxdebug.findings.silence import silenced

FINDINGS = [
    found("dead-units", "encoder/relu", "a"),
    found("dead-units", "encoder/deep/relu", "b"),
    found("dead-units", "decoder/relu[1]", "c"),
    found("flat-gradient", "decoder/kernel", "d"),
]


@pytest.mark.parametrize(
    ("patterns", "quiet"),
    [
        ([], ""),
        (["dead-units"], "abc"),
        (["dead-units:encoder/*"], "ab"),
        (["dead-units:encoder/relu"], "a"),
        (["dead-units:encoder"], ""),
        (["dead-units:decoder/relu[1]"], "c"),
        (["*-units:*relu"], "ab"),
        (["flat-gradient", "dead-units:decoder/*"], "cd"),
        (["flat-gradient:"], ""),
        (["*"], "abcd"),
        (("lost-gradient",), ""),
    ],
)
def test_patterns(patterns: Any, quiet: str) -> None:
    kept, silent = silenced(FINDINGS, patterns)
    assert "".join(finding.message for finding in silent) == quiet
    assert [*kept, *silent] == sorted(FINDINGS, key=lambda f: f.message in quiet)


def test_an_entry_without_a_known_code_is_refused() -> None:
    with pytest.raises(ValueError, match="'dead-unit:encoder'") as info:
        silenced(FINDINGS, ["dead-unit:encoder"])
    assert "Did you mean dead-units" in str(info.value)
    assert all(code in str(info.value) for code in PAGES)
    with pytest.raises(ValueError, match="''"):
        silenced([], [""])


@pytest.mark.parametrize("wrong", ["dead-units", 3, None, ["dead-units", 3], [None]])
def test_what_is_no_list_of_patterns_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected silence to be a list of codes"):
        silenced(FINDINGS, wrong)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pyproject.toml"
    file.write_text(text, "utf-8")
    return file


def test_settings_of_the_folder_or_a_parent(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert read_settings(deep).silence == ()
    file = write(tmp_path, '[tool.jaxdebug]\nsilence = ["dead-units"]\n')
    assert read_settings(deep) == Settings(("dead-units",), file)
    # A file without the table is passed over, the nearest with one counts.
    write(tmp_path / "a", "[project]\nname = 'a'\n")
    assert read_settings(deep).file == file
    nearest = write(deep, "[tool.jaxdebug]\n")
    assert read_settings(deep) == Settings((), nearest)


def test_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[tool.jaxdebug]\nsilence = ["no-effect:a/*"]\n')
    monkeypatch.chdir(tmp_path)
    assert read_settings(Path()).silence == ("no-effect:a/*",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[tool.jaxdebug", "readable TOML"),
        ("tool.jaxdebug = 3", "to be a table"),
        ("[tool.jaxdebug]\nquiet = []", "found 'quiet'"),
        ("[tool.jaxdebug]\nsilence = 'dead-units'", "a list of codes"),
        ("[tool.jaxdebug]\nsilence = ['dead']", "names no code"),
        ("[tool.jaxdebug]\nsilence = [1]", "found the entry 1"),
    ],
)
def test_settings_that_cannot_be_used_name_the_file(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError, match=problem) as info:
        read_settings(tmp_path)
    assert str(info.value).startswith(str(file))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UnicodeDecodeError"):
        read_settings(tmp_path)


def test_a_tool_that_is_no_table_is_somebody_elses(tmp_path: Path) -> None:
    write(tmp_path, "tool = 3")
    assert read_settings(tmp_path).silence == ()


def partly_stopped(params: Any, x: jax.Array) -> jax.Array:
    stopped = jax.lax.stop_gradient(params["stopped"])
    return ((x * stopped * params["free"]) ** 2).mean()


PARAMS = {"stopped": np.full(3, 0.5, np.float32), "free": np.ones(3, np.float32)}
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.slow
def test_an_audit_lists_what_is_silenced_and_does_not_count_it() -> None:
    loud = jd.audit(partly_stopped)(PARAMS, X)
    assert (loud.ok, loud.silenced) == (False, ())
    quiet = jd.audit(partly_stopped, silence=["lost-gradient:stopped"])(PARAMS, X)
    assert quiet.ok
    assert quiet.silenced == loud.findings
    assert quiet.findings == ()
    assert "Silenced" in quiet.text()
    assert "lost-gradient: stopped" in quiet.text(width=200)
    assert '"silenced"' in quiet.to_json()
    with pytest.raises(ValueError, match="names no code"):
        jd.audit(partly_stopped, silence=["lost"])


WORKLOAD = """
import jax, jaxdebug as jd, numpy as np
def loss_fn(params, x):
    return ((x * jax.lax.stop_gradient(params["w"]) * params["v"]) ** 2).mean()
params = {"w": np.full(3, 0.5, np.float32), "v": np.ones(3, np.float32)}
workload = jd.Workload(loss_fn=loss_fn, params=params, train=[np.ones((2, 3))])
"""


@pytest.mark.parametrize(
    ("silence", "status"), [("lost-gradient:w", 0), ("lost-gradient:v", 1), ("lost", 2)]
)
def test_the_command_line_reads_the_project_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], silence: str, status: int
) -> None:
    write(tmp_path, f'[tool.jaxdebug]\nsilence = ["{silence}"]\n')
    target = tmp_path / "nets" / "net.py"
    target.parent.mkdir()
    target.write_text(WORKLOAD)
    assert main(["audit", str(target)]) == status
    out, err = capsys.readouterr()
    assert ("Silenced" in out) is (status == 0)
    assert ("names no code" in err) is (status == 2)
