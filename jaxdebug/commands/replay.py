"""``jaxdebug replay BUNDLE FILE[:NAME]``."""

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
)
from jaxdebug.reports import show_name

_REPLAY = """\
Run the step that made a value which is not finite again, and say which operation
made it.

BUNDLE is a folder in the folder bundles of a watched run. FILE is a Python file, NAME a
jaxdebug.Workload in it or a function that returns one (default: workload); its
train_step runs, and its state and batches say how the values in BUNDLE belong together.
"""


def add_replay_command(commands: Any) -> None:
    """Add the command to those of a parser."""
    summary = "say which operation of a recorded step made NaN"
    replay = add_command(commands, "replay", summary, _REPLAY)
    replay.add_argument("bundle", metavar="BUNDLE", help="the folder of a crash bundle")
    replay.add_argument("target", metavar="FILE[:NAME]", help="where the workload is")
    add_output_arguments(replay)
    replay.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.target import load_target, own_folder_on_path, split_target
    from jaxdebug.checks.workload import first_batch
    from jaxdebug.training.crash import replay

    problem = missing_folder(arguments.output)
    if problem is not None:
        return refuse(problem)
    try:
        path, _ = split_target(arguments.target)
        # What the target prints must not end up inside the report.
        with contextlib.redirect_stdout(sys.stderr), own_folder_on_path(path):
            workload = load_target(arguments.target)
            if workload.train_step is None:
                name = show_name(workload.name)
                return refuse(f"could not run: give train_step and state of {name}.")
            step = replay(arguments.bundle, workload.train_step)
            report = step(workload.state, first_batch(workload))
    except (Exception, SystemExit) as error:
        return failed(error, arguments.target, "the step")
    return give(report, arguments)
