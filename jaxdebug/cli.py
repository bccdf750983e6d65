"""The command line: ``jaxdebug audit FILE[:NAME]``, ``explain CODE`` and ``doctor``.

Exit status: 0 clean, 1 findings at or above ``--fail-on``, 2 usage or configuration,
3 the target could not be imported or run, 4 inconclusive, 130 interrupted. Reports go
to standard output; progress, errors and what the target prints go to standard error.
"""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from jaxdebug.reports import Verdict, show_name

CLEAN, FINDINGS, USAGE, TARGET, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 130

SEVERITIES = ("error", "warning", "info")

_AUDIT = """\
Audit one batch: compare the gradients with finite differences, leaf by leaf, and
measure every layer.

FILE is a Python file, NAME a jaxdebug.Workload in it or a function that returns one
(default: workload).
"""

_STATUS = """\
exit status:
  0  clean
  1  findings at or above --fail-on
  2  usage or configuration
  3  the target could not be imported or run
  4  inconclusive
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
        _say("jaxdebug: interrupted", sys.stderr)
        return INTERRUPTED


def exit_status(report: Any, fail_on: str) -> int:
    """Return the exit status that a report asks for.

    Args:
        report: a report, with ``verdict`` and ``findings``.
        fail_on: the lowest severity that counts as a failure, or ``"never"``. A
            failed verdict is as severe as an error.

    Returns:
        0, 1 or 4. Findings come before an inconclusive verdict.
    """
    counted = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on != "never" else ()
    verdict = report.verdict
    if counted and (
        verdict is Verdict.FAIL
        or any(finding.severity in counted for finding in report.findings)
    ):
        return FINDINGS
    return INCONCLUSIVE if verdict is Verdict.INCONCLUSIVE else CLEAN


def _audit(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.target import (
        TargetError,
        load_target,
        own_folder_on_path,
        split_target,
    )
    from jaxdebug.checks.user_traceback import escape_lines, user_traceback
    from jaxdebug.checks.workload import WorkloadError
    from jaxdebug.findings.settings import SettingsError, read_settings

    output: Path | None = arguments.output
    if output is not None and not output.absolute().parent.is_dir():
        folder = show_name(str(output.parent))
        return _refuse(f"--output: expected an existing folder; found no {folder}.")
    progress = None if arguments.quiet else sys.stderr
    try:
        path, _ = split_target(arguments.target)
        settings = read_settings(path.parent)
        # What the target prints must not end up inside the report.
        with contextlib.redirect_stdout(sys.stderr), own_folder_on_path(path):
            _say(f"jaxdebug: importing {show_name(str(path))}", progress)
            workload = load_target(arguments.target)
            from jaxdebug.checks.audits.audit import audit_workload

            _say(f"jaxdebug: auditing {show_name(workload.name)}", progress)
            report = audit_workload(
                workload, seed=arguments.seed, silence=settings.silence
            )
    except SettingsError as error:
        return _refuse(escape_lines(str(error)))
    except (TargetError, WorkloadError) as error:
        _say(f"jaxdebug: {escape_lines(str(error))}", sys.stderr)
        return TARGET
    except (Exception, SystemExit) as error:
        _say(
            f"jaxdebug: {show_name(arguments.target)}: running the workload raised "
            f"{type(error).__name__}.\n\n{user_traceback(error)}",
            sys.stderr,
        )
        return TARGET

    if not arguments.quiet:
        _say(report.to_json() if arguments.json else _text(report), sys.stdout)
    if output is not None:
        try:
            report.save(output)
        except (OSError, ValueError) as error:
            return _refuse(f"--output: {escape_lines(str(error))}")
        _say(f"jaxdebug: wrote {show_name(str(output))}", progress)
    return exit_status(report, arguments.fail_on)


def _doctor(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.doctor import examine

    found = examine()
    _say(found.to_json() if arguments.json else found.text(), sys.stdout)
    return CLEAN


def _explain(arguments: argparse.Namespace) -> int:
    from jaxdebug.findings.codes import PAGES, unknown
    from jaxdebug.findings.page_text import listing, page_text

    if arguments.code is None:
        _say(listing(), sys.stdout)
        return CLEAN
    if arguments.code not in PAGES:
        return _refuse(unknown(arguments.code))
    width = shutil.get_terminal_size().columns
    _say(page_text(PAGES[arguments.code], width), sys.stdout)
    return CLEAN


def _refuse(message: str) -> int:
    _say(f"jaxdebug: {message}", sys.stderr)
    return USAGE


def _text(report: Any) -> str:
    if not sys.stdout.isatty():
        return report.text()
    width = shutil.get_terminal_size().columns
    return report.text(width=width, color="NO_COLOR" not in os.environ)


def _say(text: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    # A stream that cannot spell a character must not cost the user the report.
    encoding = stream.encoding or "utf-8"
    safe = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(safe, file=stream, flush=True)
    except BrokenPipeError:
        # The reader has gone, as in `| head`. Python would complain once more when it
        # flushes the stream at exit, so the stream is pointed at nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from jaxdebug import __version__

        _say(f"jaxdebug {__version__}", sys.stdout)
        parser.exit()


def _seed(text: str) -> int:
    seed = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to 2**32 - 1; found {text!r}"
        )
    return seed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxdebug",
        description="Find out why a JAX model does not train.",
        epilog=_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    audit = commands.add_parser(
        "audit",
        help="check the gradients and measure every layer on one batch",
        description=_AUDIT,
        epilog=_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    audit.add_argument("target", metavar="FILE[:NAME]", help="where the workload is")
    audit.add_argument("--json", action="store_true", help="print JSON, not text")
    audit.add_argument(
        "--output", type=Path, metavar="FILE", help="save the report to FILE as well"
    )
    audit.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="error",
        help="lowest severity that makes the exit status 1 (default: error)",
    )
    audit.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="random seed (default: 0)"
    )
    audit.add_argument("--quiet", action="store_true", help="print nothing but errors")
    audit.set_defaults(run=_audit)

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
