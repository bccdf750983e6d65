"""The workload of a file examined, as several commands do."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jaxdebug.commands.failure import failed
from jaxdebug.commands.output import give, missing_folder, refuse, say
from jaxdebug.reports import show_name

Progress = Callable[[str], None]


def examine_target(
    arguments: argparse.Namespace,
    examine: Callable[[Any, Sequence[str], Progress], Any],
) -> int:
    """Import the target, report on its workload; returns the exit status.

    Args:
        arguments: with `target` and the arguments of output.
        examine: makes the report of a workload, patterns of what is silenced, and a
            function that is told of the progress.
    """
    from jaxdebug.checks.target import load_target, own_folder_on_path, split_target
    from jaxdebug.checks.user_traceback import escape_lines
    from jaxdebug.findings.settings import SettingsError, read_settings

    problem = missing_folder(arguments.output)
    if problem is not None:
        return refuse(problem)
    stream = None if arguments.quiet else sys.stderr

    def progress(line: str) -> None:
        say(f"jaxdebug: {line}", stream)

    try:
        path, _ = split_target(arguments.target)
        settings = read_settings(path.parent)
        # What the target prints must not end up inside the report.
        with contextlib.redirect_stdout(sys.stderr), own_folder_on_path(path):
            progress(f"importing {show_name(str(path))}")
            workload = load_target(arguments.target)
            report = examine(workload, settings.silence, progress)
    except SettingsError as error:
        return refuse(escape_lines(str(error)))
    except (Exception, SystemExit) as error:
        return failed(error, arguments.target, "the workload")
    return give(report, arguments)
