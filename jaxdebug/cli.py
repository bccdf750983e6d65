"""The command line: its parser, ``audit``, ``explain`` and ``doctor``.

Exit status: 0 clean, 1 findings at or above ``--fail-on``, 2 usage or configuration,
3 the target could not be imported or run, 4 inconclusive, 130 interrupted. Reports go
to standard output; progress, errors and what the target prints go to standard error.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from jaxdebug.commands.checkup import add_checkup_command
from jaxdebug.commands.examine import Progress, examine_target
from jaxdebug.commands.init_tests import add_init_tests_command
from jaxdebug.commands.output import (
    CLEAN,
    INTERRUPTED,
    STATUS,
    add_command,
    add_output_arguments,
    refuse,
    say,
)
from jaxdebug.commands.replay import add_replay_command
from jaxdebug.commands.runs import add_run_commands
from jaxdebug.commands.seed import add_seed_argument
from jaxdebug.reports import show_name

_AUDIT = """\
Audit one batch: compare the gradients with finite differences, leaf by leaf, and
measure every layer.

FILE is a Python file, NAME a jaxdebug.Workload in it or a function that returns one
(default: workload).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        The exit status.

    Raises:
        SystemExit: for ``--help``, ``--version`` and arguments that cannot be parsed.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        say("jaxdebug: interrupted", sys.stderr)
        return INTERRUPTED


def _audit(arguments: argparse.Namespace) -> int:
    def examine(workload: Any, silence: Sequence[str], progress: Progress) -> Any:
        from jaxdebug.checks.audits.audit import audit_workload

        progress(f"auditing {show_name(workload.name)}")
        return audit_workload(workload, seed=arguments.seed, silence=silence)

    return examine_target(arguments, examine)


def _doctor(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.doctor import examine

    found = examine()
    say(found.to_json() if arguments.json else found.text(), sys.stdout)
    return CLEAN


def _explain(arguments: argparse.Namespace) -> int:
    from jaxdebug.findings.codes import PAGES, unknown
    from jaxdebug.findings.page_text import listing, page_text

    if arguments.code is None:
        say(listing(), sys.stdout)
        return CLEAN
    if arguments.code not in PAGES:
        return refuse(unknown(arguments.code))
    width = shutil.get_terminal_size().columns
    say(page_text(PAGES[arguments.code], width), sys.stdout)
    return CLEAN


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from jaxdebug import __version__

        say(f"jaxdebug {__version__}", sys.stdout)
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxdebug",
        description="Find out why a JAX model does not train.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    summary = "check the gradients and measure every layer on one batch"
    audit = add_command(commands, "audit", summary, _AUDIT)
    audit.add_argument("target", metavar="FILE[:NAME]", help="where the workload is")
    add_output_arguments(audit)
    add_seed_argument(audit)
    audit.set_defaults(run=_audit)

    add_checkup_command(commands)
    add_run_commands(commands)
    add_replay_command(commands)
    add_init_tests_command(commands)

    explain = commands.add_parser(
        "explain",
        help="say what the code of a finding means and what to try",
        description="Say what the code of a finding means, how it is judged and what "
        "to try. Without a code, list all codes.",
        allow_abbrev=False,
    )
    explain.add_argument(
        "code", metavar="CODE", nargs="?", help="such as vanishing-gradient"
    )
    explain.set_defaults(run=_explain)

    doctor = commands.add_parser(
        "doctor",
        help="show versions, devices and settings",
        description="Show versions, extras, devices, JAX settings and variables.",
        allow_abbrev=False,
    )
    doctor.add_argument("--json", action="store_true", help="print JSON, not text")
    doctor.set_defaults(run=_doctor)
    return parser
