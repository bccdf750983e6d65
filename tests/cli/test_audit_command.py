"""`jaxdebug audit`: exit status, what goes where, and what is said when it cannot run.

Files are imported for real; the audit itself is a stand-in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from jaxdebug.checks.workload import Workload, WorkloadError
from jaxdebug.cli import main


@pytest.mark.parametrize(
    ("verdict", "severities", "fail_on", "status"),
    [
        ("pass", (), "error", 0),
        ("pass", ("warning", "info"), "error", 0),
        ("pass", ("warning", "info"), "warning", 1),
        ("pass", ("info",), "warning", 0),
        ("pass", ("info",), "info", 1),
        ("pass", ("error",), "error", 1),
        ("pass", ("error",), "never", 0),
        ("fail", (), "error", 1),
        ("fail", (), "info", 1),
        ("fail", ("error",), "never", 0),
        ("inconclusive", (), "error", 4),
        ("inconclusive", (), "never", 4),
        ("inconclusive", ("error",), "error", 1),
        ("inconclusive", ("warning",), "error", 4),
    ],
)
def test_exit_status(
    audit_gives: Callable[..., None],
    target: Path,
    verdict: str,
    severities: tuple[str, ...],
    fail_on: str,
    status: int,
) -> None:
    audit_gives(verdict, severities)
    assert main(["audit", str(target), "--fail-on", fail_on]) == status


def test_findings_count_as_errors_by_default(
    audit_gives: Callable[..., None], target: Path
) -> None:
    audit_gives("pass", ("error",))
    assert main(["audit", str(target)]) == 1


def test_report_and_progress_go_to_different_streams(
    audit_gives: Callable[..., None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit_gives("pass")
    with target.open("a") as file:
        file.write("\nprint('loading my data')\n")
    assert main(["audit", str(target), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"verdict": "pass"}
    assert "loading my data" in err
    assert "jaxdebug: auditing line" in err


def test_quiet_prints_nothing(
    audit_gives: Callable[..., None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit_gives("fail")
    assert main(["audit", str(target), "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")


def test_output_saves_the_report_as_well(
    audit_gives: Callable[..., None],
    target: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit_gives("pass")
    saved = tmp_path / "report.json"
    assert main(["audit", str(target), "--output", str(saved)]) == 0
    assert json.loads(saved.read_text()) == {"verdict": "pass"}
    assert "text of pass" in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_a_usage_error(
    audit_gives: Callable[..., None],
    target: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit_gives("pass")
    nowhere = tmp_path / "no" / "report.json"
    assert main(["audit", str(target), "--output", str(nowhere)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "expected an existing folder" in err

    unknown = tmp_path / "report.xyz"
    assert main(["audit", str(target), "--output", str(unknown)]) == 2
    out, err = capsys.readouterr()
    assert "text of pass" in out, "the report must not be lost with the file"
    assert "no .xyz yet" in err


def test_seed_and_workload_reach_the_audit(
    replace_audit: Callable[[Any], None], target: Path
) -> None:
    seen = []

    def audit_workload(workload: Workload, seed: int = 0, **_: Any) -> Any:
        seen.append((workload.name, seed))
        raise WorkloadError("stop")

    replace_audit(audit_workload)
    main(["audit", str(target)])
    main(["audit", f"{target}:workload", "--seed", "7"])
    assert seen == [("line", 0), ("line", 7)]


def test_a_workload_error_is_printed_without_a_traceback(
    replace_audit: Callable[[Any], None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def audit_workload(workload: Workload, seed: int = 0, **_: Any) -> Any:
        raise WorkloadError("the loss must be a scalar; found f32[2]\x1b[2J")

    replace_audit(audit_workload)
    assert main(["audit", str(target), "--quiet"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "jaxdebug: the loss must be a scalar; found f32[2]\\x1b[2J\n"


def test_an_exception_of_the_users_is_shown_with_the_users_frames_only(
    replace_audit: Callable[[Any], None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target.write_text(
        "import jax, jaxdebug as jd\nimport jax.numpy as jnp\n"
        "@jax.jit\n"
        "def loss_fn(params, batch):\n"
        "    return jnp.dot(params, batch)  # this line\n"
        "workload = jd.Workload(\n"
        "    loss_fn=loss_fn, params=jnp.ones(3), train=[jnp.ones(2)]\n"
        ")\n"
    )

    def audit_workload(workload: Workload, seed: int = 0, **_: Any) -> Any:
        return workload.loss_fn(workload.params, jnp.ones(2))

    replace_audit(audit_workload)
    assert main(["audit", str(target), "--quiet"]) == 3
    err = capsys.readouterr().err
    assert f'"{target}", line 5, in loss_fn' in err
    assert "# this line" in err
    assert "TypeError" in err
    assert "/site-packages/jax/" not in err
    assert "jaxdebug/cli.py" not in err


def test_an_exception_without_a_frame_of_the_users_is_shown_whole(
    replace_audit: Callable[[Any], None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replace_audit(json.loads)  # refuses its arguments, in the standard library
    assert main(["audit", str(target), "--quiet"]) == 3
    assert "jaxdebug/cli.py" in capsys.readouterr().err


def test_a_target_that_cannot_be_loaded(
    audit_gives: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    audit_gives("pass")
    assert main(["audit", str(tmp_path / "nope.py")]) == 3
    assert "no such file" in capsys.readouterr().err


def test_an_interrupt(
    replace_audit: Callable[[Any], None],
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def audit_workload(workload: Workload, seed: int = 0, **_: Any) -> Any:
        raise KeyboardInterrupt

    replace_audit(audit_workload)
    assert main(["audit", str(target)]) == 130
    assert capsys.readouterr().err.endswith("jaxdebug: interrupted\n")
