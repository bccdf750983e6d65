"""Targets: the ``FILE[:NAME]`` that names a workload on the command line."""

import contextlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxdebug.checks.user_traceback import user_traceback
from jaxdebug.checks.workload import Workload
from jaxdebug.checks.workload_fields import required_arguments
from jaxdebug.reports import show_name

DEFAULT_NAME = "workload"


class TargetError(Exception):
    """A target that could not be imported or run; the message is complete."""


def load_target(target: str) -> Workload:
    """Import a file and return the workload it defines.

    The file is imported as a module of its own, under a private name that stays in
    ``sys.modules``, so that its classes can be pickled and its annotations resolved.
    While it is imported, and while its function runs, its own folder stands first on
    ``sys.path``.

    Args:
        target: ``FILE`` or ``FILE:NAME``; ``NAME`` is a `Workload`, or a function
            without required arguments that returns one, and is ``workload`` if left
            out.

    Returns:
        The workload.

    Raises:
        TargetError: if the file is missing, is not Python or does not import, if it
            has no such name, or if the name does not give a workload.

    Limits:
        Modules the file imports from its own folder stay in ``sys.modules`` as well;
        two files that each import their own ``model.py`` need two processes.
    """
    path, name = split_target(target)
    with own_folder_on_path(path):
        return _as_workload(_import_file(path), path, name)


def split_target(target: str) -> tuple[Path, str]:
    """Return the file and the name of a target.

    The last colon divides the two, unless the whole text is a file that exists.

    Args:
        target: ``FILE`` or ``FILE:NAME``.

    Returns:
        The path as given, and the name.

    Raises:
        TargetError: if what follows the last colon cannot be a name.

    Example:
        >>> split_target("nets/a:b.py:make")[1]
        'make'
    """
    head, colon, name = target.rpartition(":")
    if not colon or _is_file(Path(target)):
        return Path(target), DEFAULT_NAME
    if name.isidentifier():
        return Path(head), name
    if not _is_file(Path(head)):
        return Path(target), DEFAULT_NAME
    raise TargetError(
        f"{show_name(head)}: expected the name of a workload after the colon; found "
        f"{name!r}. Write FILE:NAME, or FILE alone for the name {DEFAULT_NAME!r}."
    )


@contextlib.contextmanager
def own_folder_on_path(path: Path) -> Iterator[None]:
    """Put the folder of a file first on ``sys.path`` for the length of a block.

    Args:
        path: the file.

    Yields:
        Nothing. What else the block changed on ``sys.path`` stays changed.
    """
    folder = str(path.absolute().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        # The block may itself have removed the folder.
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character
        return False


def _import_file(path: Path) -> ModuleType:
    shown = show_name(str(path))
    if not _is_file(path):
        found = "a folder" if _is_folder(path) else "no such file"
        raise TargetError(
            f"{shown}: expected a Python file that defines a workload; found {found}. "
            "Give the path of a .py file, relative to the current folder or absolute."
        )
    if path.suffix != ".py":
        raise TargetError(
            f"{shown}: expected a Python file; found the suffix {path.suffix!r}. Put "
            "the workload into a .py file."
        )
    private = _private_name(path)
    spec = importlib.util.spec_from_file_location(private, path.absolute())
    if spec is None or spec.loader is None:
        raise TargetError(f"{shown}: Python has no importer for this file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[private]
        raise TargetError(
            f"{shown}: importing the file raised {type(error).__name__}. Make "
            f"`python {shown}` run without it first.\n\n{user_traceback(error)}"
        ) from error
    except BaseException:
        del sys.modules[private]
        raise
    return module


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _private_name(path: Path) -> str:
    stem = re.sub(r"\W", "_", path.stem)[:40]
    number = 0
    while f"_jaxdebug_target_{stem}_{number}" in sys.modules:
        number += 1
    return f"_jaxdebug_target_{stem}_{number}"


def _as_workload(module: ModuleType, path: Path, name: str) -> Workload:
    shown = f"{show_name(str(path))}:{name}"
    if name not in vars(module):
        raise TargetError(
            f"{shown}: expected a Workload of this name, or a function that returns "
            f"one; found no {name!r} in the file. {_what_there_is(module, path)}"
        )
    value = vars(module)[name]
    if isinstance(value, Workload):
        return value
    if not callable(value):
        raise TargetError(
            f"{shown}: expected a Workload, or a function that returns one; found "
            f"{name}=<{type(value).__qualname__}>. {_what_there_is(module, path)}"
        )
    needed = required_arguments(value)
    if needed:
        raise TargetError(
            f"{shown}: expected a function that can be called without arguments; "
            f"found that it needs {', '.join(needed)}. Give them defaults, or write a "
            "function that binds them."
        )
    try:
        result = value()
    except (Exception, SystemExit) as error:
        raise TargetError(
            f"{shown}: calling {name}() raised {type(error).__name__}.\n\n"
            f"{user_traceback(error)}"
        ) from error
    if not isinstance(result, Workload):
        raise TargetError(
            f"{shown}: expected {name}() to return a Workload; found "
            f"<{type(result).__qualname__}>. Return jaxdebug.Workload(...)."
        )
    return result


def _what_there_is(module: ModuleType, path: Path) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, Workload) or _says_workload(value, module)
    ]
    if not names:
        return (
            "The file defines no workload at all; add "
            f"{DEFAULT_NAME} = jaxdebug.Workload(loss_fn=..., params=..., train=...)."
        )
    listed = ", ".join(f"{show_name(str(path))}:{name}" for name in names)
    return f"The file defines {listed}."


def _says_workload(value: Any, module: ModuleType) -> bool:
    if getattr(value, "__module__", None) != module.__name__:
        return False
    returned = getattr(value, "__annotations__", {}).get("return")
    return returned is Workload or (
        isinstance(returned, str) and returned.rpartition(".")[2] == "Workload"
    )
