"""``jaxdebug report RUN`` and ``jaxdebug compare RUN RUN``."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from jaxdebug.commands.output import (
    TARGET,
    add_command,
    add_output_arguments,
    give,
    missing_folder,
    refuse,
    say,
)

_REPORT = """\
Say what a run recorded: findings, scalars, samples, events and settings.

RUN is the run_dir of a watched training, or the file in it.
"""

_COMPARE = """\
Say at which step, and at which leaf, layer or scalar, two runs part first, and which
of their settings differ. The exit status is 1 if they part, 4 if they have nothing in
common.

RUN is the run_dir of a watched training, or the file in it.
"""


def add_run_commands(commands: Any) -> None:
    """Add the commands to those of a parser."""
    report = _command(commands, "report", "say what a run recorded", _REPORT)
    report.add_argument("run_dir", metavar="RUN", help="a run's folder or file")
    report.set_defaults(run=_report)

    compare = _command(
        commands, "compare", "say at which step two runs part first", _COMPARE
    )
    compare.add_argument("left", metavar="RUN", help="a run's folder or file")
    compare.add_argument("right", metavar="RUN", help="another one")
    compare.add_argument(
        "--rtol",
        type=_tolerance,
        default=0.0,
        metavar="X",
        help="relative difference that counts as equal (default: 0)",
    )
    compare.set_defaults(run=_compare)


def _command(
    commands: Any, name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    command = add_command(commands, name, summary, description)
    add_output_arguments(command)
    return command


def _report(arguments: argparse.Namespace) -> int:
    from jaxdebug.training.runs.load import load_run

    return _given(lambda: load_run(arguments.run_dir), arguments)


def _compare(arguments: argparse.Namespace) -> int:
    from jaxdebug.training.runs.compare import compare_runs

    def compared() -> Any:
        return compare_runs(arguments.left, arguments.right, rtol=arguments.rtol)

    return _given(compared, arguments)


def _given(make: Callable[[], Any], arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.user_traceback import escape_lines
    from jaxdebug.training.errors import RunError

    problem = missing_folder(arguments.output)
    if problem is not None:
        return refuse(problem)
    try:
        report = make()
    except RunError as error:
        say(f"jaxdebug: {escape_lines(str(error))}", sys.stderr)
        return TARGET
    return give(report, arguments)


def _tolerance(text: str) -> float:
    try:
        tolerance = float(text)
    except ValueError:
        tolerance = -1.0
    if not 0 <= tolerance <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1; found {text}")
    return tolerance
