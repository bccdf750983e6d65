"""`jaxdebug report` and `jaxdebug compare`: exit status, streams, refusals."""

import json
from pathlib import Path

import pytest

from jaxdebug.cli import main
from jaxdebug.findings.finding import found
from jaxdebug.training.store import open_run


def record(folder: Path, losses: list[float], *codes: str, begin: int = 0) -> str:
    with open_run(folder) as writer:
        for step, loss in enumerate(losses, begin):
            writer.write_scalars(step, {"loss": loss})
        for code in codes:
            writer.write_finding(0, found(code, "dense/kernel", "planted"))
    return str(folder)


@pytest.mark.parametrize(
    ("codes", "fail_on", "status"),
    [
        ((), "info", 0),
        (("nonfinite-gradient",), "error", 1),
        (("nonfinite-gradient",), "never", 0),
        (("vanishing-gradient",), "error", 0),
        (("vanishing-gradient",), "warning", 1),
    ],
)
def test_findings_of_a_run_count(
    tmp_path: Path, codes: tuple[str, ...], fail_on: str, status: int
) -> None:
    run = record(tmp_path, [1.0], *codes)
    assert main(["report", run, "--fail-on", fail_on]) == status


def test_an_empty_run_is_inconclusive(tmp_path: Path) -> None:
    assert main(["report", record(tmp_path, [])]) == 4


@pytest.mark.parametrize(
    ("losses", "begin", "arguments", "status"),
    [
        ([1.0, 0.5], 0, [], 0),
        ([1.0, 0.5001], 0, [], 1),
        ([1.0, 0.5001], 0, ["--rtol", "0.01"], 0),
        ([1.0, 0.5001], 0, ["--fail-on", "never"], 0),
        ([1.0, 0.5], 7, [], 4),
    ],
)
def test_runs_that_part(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    losses: list[float],
    begin: int,
    arguments: list[str],
    status: int,
) -> None:
    left = record(tmp_path / "a", [1.0, 0.5])
    right = record(tmp_path / "b", losses, begin=begin)
    assert main(["compare", left, right, *arguments]) == status
    out, err = capsys.readouterr()
    apart = losses[1] != 0.5 and "--rtol" not in arguments
    assert ("the runs part at step 1: scalar loss" in out) == apart
    assert err == ""


def test_json_output_and_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, saved = record(tmp_path / "a", [1.0]), tmp_path / "a.json"
    assert main(["report", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "jaxdebug.run/1"
    assert main(["compare", run, run, "--quiet", "--output", str(saved)]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads(saved.read_text())["schema"] == "jaxdebug.comparison/1"
    assert main(["report", run, "--output", str(tmp_path / "x" / "a.txt")]) == 2
    assert main(["report", run, "--output", str(tmp_path / "a.html")]) == 2


def test_what_is_no_run_cannot_be_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = tmp_path / "\x1b[31m"
    assert main(["report", str(hostile)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jaxdebug: expected the folder or the file of a run")
    assert "\x1b" not in err
    run = record(tmp_path / "a", [1.0])
    assert main(["compare", run, str(tmp_path)]) == 3
