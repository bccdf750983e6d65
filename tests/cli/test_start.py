"""What the command line does before any target: help, version, refusals, the doctor."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jaxdebug.checks import doctor
from jaxdebug.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["audit", "--help"],
        ["report", "--help"],
        ["compare", "--help"],
        ["explain", "--help"],
        ["init-tests", "--help"],
    ],
)
def test_help_and_version_import_no_jax(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom jaxdebug.cli import main\n"
        f"try:\n    main({arguments!r})\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "jaxdebug" in run.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["audit"],
        ["audit", "f.py", "--fail-on", "sometimes"],
        ["audit", "f.py", "--seed", "-1"],
        ["audit", "f.py", "--seed", "x"],
        ["audit", "f.py", "--js"],
        ["doctor", "f.py"],
        ["report"],
        ["compare", "a"],
        ["compare", "a", "b", "--rtol", "nan"],
        ["compare", "a", "b", "--rtol", "x"],
    ],
)
def test_arguments_that_cannot_be_parsed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().out == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m jaxdebug explain | true"
    run = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stderr == ""


def test_a_stream_that_cannot_spell_a_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import sys\nfrom jaxdebug.commands.output import say\n"
        "say('\\xb1 \\udc80', sys.stdout)"
    )
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == "\\xb1 \\udc80\n"


def test_doctor_text_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAX_SOMETHING", "a\x1bb")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "JAX_SOMETHING" in text
    assert "a\\x1bb" in text
    assert text.count("cpu cpu") == 8

    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "jaxdebug.doctor/1"
    assert set(found["versions"]) == set(doctor.DISTRIBUTIONS)
    assert found["flags"]["jax_enable_x64"] == "False"
    assert found["variables"]["JAX_SOMETHING"] == "a\x1bb"
    assert found["problems"] == []


def test_doctor_reports_a_broken_jax(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    assert main(["doctor"]) == 0
    assert "importing jax" in capsys.readouterr().out


def test_doctor_knows_the_extras_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        name: tuple(need.partition(">=")[0] for need in needs)
        for name, needs in project["optional-dependencies"].items()
        if name not in ("dev", "docs")
    }
    assert extras == doctor.EXTRAS
