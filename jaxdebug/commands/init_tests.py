"""``jaxdebug init-tests MODULE``: a property test for each layer that it finds."""

import argparse
import contextlib
import re
import sys
from pathlib import Path
from typing import Any

from jaxdebug.commands.failure import failed
from jaxdebug.commands.output import CLEAN, TARGET, add_command, refuse, say
from jaxdebug.reports import show_name

_INIT = """\
Write a property test for each Linen, NNX and Equinox layer and each function with a
custom derivative rule that a Python module or package defines.

MODULE is a dotted name, such as pkg.layers, that can be imported from the current
folder. Each Python module gets a file, tests/test_layers_properties.py for pkg.layers.
Nothing is overwritten without --force. Where it cannot be guessed what a layer is made
with, its test is skipped and says what to fill in.
"""


def add_init_tests_command(commands: Any) -> None:
    """Add the command to those of a parser."""
    summary = "write property tests for the layers of a package"
    command = add_command(commands, "init-tests", summary, _INIT)
    command.add_argument("module", metavar="MODULE", help="such as pkg.layers")
    command.add_argument(
        "--output",
        type=Path,
        default=Path("tests"),
        metavar="FOLDER",
        help="where to write; made if it is not there (default: tests)",
    )
    command.add_argument(
        "--force", action="store_true", help="overwrite files that are there"
    )
    command.set_defaults(run=_init_tests)


def _init_tests(arguments: argparse.Namespace) -> int:
    from jaxdebug.checks.target import own_folder_on_path

    name, folder = arguments.module, arguments.output
    if not all(part.isidentifier() for part in name.split(".")):
        return refuse(
            "MODULE: expected a dotted name such as pkg.layers; found "
            f"{show_name(name)}"
        )
    if folder.exists() and not folder.is_dir():
        return refuse(f"--output: expected a folder; found {show_name(str(folder))}")
    try:
        # As `python -m` does: what is in the current folder can be imported.
        with (
            contextlib.redirect_stdout(sys.stderr),
            own_folder_on_path(Path.cwd() / "module"),
        ):
            from jaxdebug.testing.written.found import find
            from jaxdebug.testing.written.text import file_text

            parts, unread = find(name)
            texts = {part.module: file_text(part) for part in parts}
    except (Exception, SystemExit) as error:
        return failed(error, name, "the module")
    for problem in unread:
        say(f"jaxdebug: not imported: {show_name(problem)}", sys.stderr)
    files = {folder / _file_name(name, module): text for module, text in texts.items()}
    if len(files) < len(texts):
        return refuse(
            f"{show_name(name)}: two modules would be tested in one file; give each "
            "of them alone."
        )
    if not files:
        say(
            f"jaxdebug: {show_name(name)} defines no layer and no derivative rule",
            sys.stderr,
        )
        return TARGET
    there = [path for path in files if path.exists()]
    if there and not arguments.force:
        shown = ", ".join(show_name(str(path)) for path in there)
        return refuse(f"{shown}: there already; nothing was written. Give --force.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, "utf-8")
        skipped = text.count("@pytest.mark.skip")
        count = len(re.findall("^def test_", text, re.MULTILINE))
        more = f", {skipped} to fill in" if skipped else ""
        say(f"{show_name(str(path))}: {count} tests{more}", sys.stdout)
    return CLEAN


def _file_name(name: str, module: str) -> str:
    """Of the last part of what was asked for, and what is below it."""
    below = module.removeprefix(name.rpartition(".")[0]).lstrip(".")
    return f"test_{below.replace('.', '_')}_properties.py"
