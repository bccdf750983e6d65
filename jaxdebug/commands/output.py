"""Exit statuses, and what goes to which stream."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any, TextIO

from jaxdebug.reports import Verdict, show_name

CLEAN, FINDINGS, USAGE, TARGET, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 130

STATUS = """\
exit status:
  0  clean
  1  findings at or above --fail-on
  2  usage or configuration
  3  the target could not be imported or run
  4  inconclusive
"""

SEVERITIES = ("error", "warning", "info")


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


def add_command(
    commands: Any, name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    """Add a command that ends with one of the exit statuses."""
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments that every command with a report has."""
    command.add_argument("--json", action="store_true", help="print JSON, not text")
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="save the report to FILE as well"
    )
    command.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="error",
        help="lowest severity that makes the exit status 1 (default: error)",
    )
    command.add_argument(
        "--quiet", action="store_true", help="print nothing but errors"
    )


def missing_folder(output: Path | None) -> str | None:
    """What is wrong with ``--output``, before anything was computed."""
    if output is None or output.absolute().parent.is_dir():
        return None
    folder = show_name(str(output.parent))
    return f"--output: expected an existing folder; found no {folder}."


def give(report: Any, arguments: argparse.Namespace) -> int:
    """Print and save a report as asked; returns the exit status."""
    from jaxdebug.checks.user_traceback import escape_lines

    if not arguments.quiet:
        say(report.to_json() if arguments.json else _text(report), sys.stdout)
    output: Path | None = arguments.output
    if output is not None:
        try:
            report.save(output)
        except (OSError, ValueError) as error:
            return refuse(f"--output: {escape_lines(str(error))}")
        progress = None if arguments.quiet else sys.stderr
        say(f"jaxdebug: wrote {show_name(str(output))}", progress)
    return exit_status(report, arguments.fail_on)


def refuse(message: str) -> int:
    """Say what is wrong with the arguments; returns the exit status."""
    say(f"jaxdebug: {message}", sys.stderr)
    return USAGE


def say(text: str, stream: TextIO | None) -> None:
    """Print a text whatever the stream can spell; nothing if there is no stream."""
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


def _text(report: Any) -> str:
    if not sys.stdout.isatty():
        return report.text()
    width = shutil.get_terminal_size().columns
    return report.text(width=width, color="NO_COLOR" not in os.environ)
