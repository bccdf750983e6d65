"""The command ``checkup``."""

import argparse
import contextlib
import sys
from typing import Any

from jaxdebug.commands.failure import failed
from jaxdebug.commands.output import (
    add_command,
    add_output_arguments,
    give,
    missing_folder,
    refuse,
    say,
)
from jaxdebug.commands.seed import add_seed_argument
from jaxdebug.reports import show_name

_CHECKUP = """\
Examine data, model, loss, optimiser and a short training before a long run.

FILE is a Python file, NAME a jaxdebug.Workload in it or a function that returns one
(default: workload).
"""


def add_checkup_command(commands: Any) -> None:
    """Add ``checkup``."""
    summary = "examine everything worth knowing before a long run"
    command = add_command(commands, "checkup", summary, _CHECKUP)
    command.add_argument("target", metavar="FILE[:NAME]", help="where the workload is")
    add_output_arguments(command)
    add_seed_argument(command)
    for name, what in (("only", "run this check"), ("skip", "leave this check out")):
        command.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="CHECK",
            help=f"{what}; may be given several times",
        )
    command.set_defaults(run=_checkup)


def _checkup(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.target import load_target, own_folder_on_path, split_target
    from jaxdebug.checks.user_traceback import escape_lines
    from jaxdebug.findings.settings import SettingsError, read_settings
    from jaxdebug.preflight.all_checks import chosen

    problem = missing_folder(arguments.output)
    if problem is not None:
        return refuse(problem)
    try:
        chosen(arguments.only, arguments.skip)
    except ValueError as error:
        return refuse(escape_lines(str(error)))
    progress = None if arguments.quiet else sys.stderr
    try:
        path, _ = split_target(arguments.target)
        settings = read_settings(path.parent)
        # What the target prints must not end up inside the report.
        with contextlib.redirect_stdout(sys.stderr), own_folder_on_path(path):
            say(f"jaxdebug: importing {show_name(str(path))}", progress)
            workload = load_target(arguments.target)
            from jaxdebug.preflight.checkup import checkup

            report = checkup(
                workload,
                only=arguments.only,
                skip=arguments.skip,
                silence=settings.silence,
                seed=arguments.seed,
                progress=lambda line: say(f"jaxdebug: {line}", progress),
            )
    except SettingsError as error:
        return refuse(escape_lines(str(error)))
    except (Exception, SystemExit) as error:
        return failed(error, arguments.target, "the workload")
    return give(report, arguments)
