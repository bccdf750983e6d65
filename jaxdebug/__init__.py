"""Finds out why a JAX model does not train, from outside, in compiled code.

Every public name is loaded on first use, so that ``import jaxdebug`` imports no JAX
and the command line can print its help at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxdebug import figures, testing, tuning
    from jaxdebug.checks.audits.audit import audit
    from jaxdebug.checks.audits.report import AuditReport
    from jaxdebug.checks.data.check_data import check_data
    from jaxdebug.checks.gradients.check_gradients import check_gradients
    from jaxdebug.checks.gradients.report import GradientReport
    from jaxdebug.checks.gradients.reports import GradientReports
    from jaxdebug.checks.lint.lint import lint
    from jaxdebug.checks.nonfinite.locate_nonfinite import locate_nonfinite
    from jaxdebug.checks.nonfinite.report import NonfiniteReport
    from jaxdebug.checks.outcome_report import OutcomeReport
    from jaxdebug.checks.precision.check_precision import check_precision
    from jaxdebug.checks.precision.report import PrecisionReport
    from jaxdebug.checks.workload import Workload
    from jaxdebug.preflight.checkup import checkup
    from jaxdebug.programs.shadow import shadow
    from jaxdebug.programs.strip import strip
    from jaxdebug.statistics.probe import probe
    from jaxdebug.statistics.statistic import Statistic
    from jaxdebug.training.crash import replay
    from jaxdebug.training.errors import RecordingWarning, RunError
    from jaxdebug.training.recorder.incident import Incident, NonFiniteError
    from jaxdebug.training.recorder.report import WatchReport
    from jaxdebug.training.runs.compare import RunComparison, compare_runs
    from jaxdebug.training.runs.load import load_run
    from jaxdebug.training.runs.run import Run
    from jaxdebug.training.watch import watch

    __version__: str

__all__ = [
    "AuditReport",
    "GradientReport",
    "GradientReports",
    "Incident",
    "NonFiniteError",
    "NonfiniteReport",
    "OutcomeReport",
    "PrecisionReport",
    "RecordingWarning",
    "Run",
    "RunComparison",
    "RunError",
    "Statistic",
    "WatchReport",
    "Workload",
    "__version__",
    "audit",
    "check_data",
    "check_gradients",
    "check_precision",
    "checkup",
    "compare_runs",
    "figures",
    "lint",
    "load_run",
    "locate_nonfinite",
    "probe",
    "replay",
    "shadow",
    "strip",
    "testing",
    "tuning",
    "watch",
]

_PARTS = ("figures", "testing", "tuning")

_MODULES = {
    "AuditReport": "jaxdebug.checks.audits.report",
    "GradientReport": "jaxdebug.checks.gradients.report",
    "GradientReports": "jaxdebug.checks.gradients.reports",
    "Incident": "jaxdebug.training.recorder.incident",
    "NonFiniteError": "jaxdebug.training.recorder.incident",
    "NonfiniteReport": "jaxdebug.checks.nonfinite.report",
    "OutcomeReport": "jaxdebug.checks.outcome_report",
    "PrecisionReport": "jaxdebug.checks.precision.report",
    "RecordingWarning": "jaxdebug.training.errors",
    "Run": "jaxdebug.training.runs.run",
    "RunComparison": "jaxdebug.training.runs.compare",
    "RunError": "jaxdebug.training.errors",
    "Statistic": "jaxdebug.statistics.statistic",
    "WatchReport": "jaxdebug.training.recorder.report",
    "Workload": "jaxdebug.checks.workload",
    "audit": "jaxdebug.checks.audits.audit",
    "check_data": "jaxdebug.checks.data.check_data",
    "check_gradients": "jaxdebug.checks.gradients.check_gradients",
    "check_precision": "jaxdebug.checks.precision.check_precision",
    "checkup": "jaxdebug.preflight.checkup",
    "compare_runs": "jaxdebug.training.runs.compare",
    "lint": "jaxdebug.checks.lint.lint",
    "load_run": "jaxdebug.training.runs.load",
    "locate_nonfinite": "jaxdebug.checks.nonfinite.locate_nonfinite",
    "probe": "jaxdebug.statistics.probe",
    "replay": "jaxdebug.training.crash",
    "shadow": "jaxdebug.programs.shadow",
    "strip": "jaxdebug.programs.strip",
    "watch": "jaxdebug.training.watch",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("jaxdebug")
        except PackageNotFoundError:  # a source tree on the path, never installed
            return "0+unknown"
    if name in _PARTS:
        from importlib import import_module

        return import_module(f"jaxdebug.{name}")
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'jaxdebug' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
