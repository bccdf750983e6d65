"""The command ``checkup``."""

import argparse
from collections.abc import Sequence
from typing import Any

from jaxdebug.commands.examine import Progress, examine_target
from jaxdebug.commands.output import add_command, add_output_arguments, refuse
from jaxdebug.commands.seed import add_seed_argument

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
    command.add_argument(
        "--figures",
        metavar="DIR",
        help='draw figures into this folder; needs pip install "jaxdebug[plot]"',
    )
    command.set_defaults(run=_checkup)


def _checkup(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.user_traceback import escape_lines
    from jaxdebug.figures.folder import require_folder
    from jaxdebug.preflight.all_checks import chosen

    try:
        chosen(arguments.only, arguments.skip)
        if arguments.figures is not None:
            require_folder("--figures", arguments.figures)
    except (ValueError, OSError, ImportError) as error:
        return refuse(escape_lines(str(error)))

    def examine(workload: Any, silence: Sequence[str], progress: Progress) -> Any:
        from jaxdebug.preflight.checkup import checkup

        return checkup(
            workload,
            only=arguments.only,
            skip=arguments.skip,
            silence=silence,
            seed=arguments.seed,
            figures=arguments.figures,
            progress=progress,
        )

    return examine_target(arguments, examine)
