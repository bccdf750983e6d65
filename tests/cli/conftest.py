"""A stand-in for the audit, so that these tests compile nothing."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jaxdebug.reports import Verdict

WORKLOAD = """
import jaxdebug as jd

def loss_fn(params, batch):
    return (params * batch).sum()

workload = jd.Workload(loss_fn=loss_fn, params=1.0, train=[2.0], name="line")
"""


class Report:
    """What the command line needs of a report."""

    def __init__(self, verdict: str, severities: tuple[str, ...]) -> None:
        self.verdict = Verdict(verdict)
        self.findings = tuple(SimpleNamespace(severity=s) for s in severities)

    def text(self, width: int | None = None, color: bool = False) -> str:
        return f"text of {self.verdict.value} ±"

    def to_json(self) -> str:
        return json.dumps({"verdict": self.verdict.value})

    def save(self, path: Path) -> None:
        if path.suffix != ".json":
            raise ValueError(f"no {path.suffix} yet")
        path.write_text(self.to_json())


@pytest.fixture
def replace_audit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put a function in the place of ``audit_workload``."""

    def replace(audit_workload: Any) -> None:
        module = ModuleType("jaxdebug.checks.audits.audit")
        vars(module)["audit_workload"] = audit_workload
        monkeypatch.setitem(sys.modules, "jaxdebug.checks.audits.audit", module)

    return replace


@pytest.fixture
def audit_gives(replace_audit: Callable[[Any], None]) -> Callable[..., None]:
    """Make the audit return a report of this verdict and these severities."""

    def give(verdict: str = "pass", severities: tuple[str, ...] = ()) -> None:
        replace_audit(lambda workload, seed=0, silence=(): Report(verdict, severities))

    return give


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with a workload."""
    path = tmp_path / "net.py"
    path.write_text(WORKLOAD)
    return path
