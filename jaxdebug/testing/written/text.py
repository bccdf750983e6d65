"""The text of a file of property tests."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxdebug.testing.written.found import Found, Part
from jaxdebug.testing.written.guess import Guess, guess

WIDTH = 88
GUESSED = "Sizes and inputs are guesses that run: make them those that you use."


def file_text(part: Part) -> str:
    """A file with one test for each layer and rule of a module.

    Args:
        part: the module, and what it defines.
    """
    guesses = [guess(found) for found in part.found]
    tests = [_test(*pair) for pair in zip(part.found, guesses, strict=True)]
    body = "\n\n".join(tests)
    head = [f'"""Properties of what {part.module} defines.', "", GUESSED, '"""', ""]
    names = sorted({found.name for found in part.found}, key=_in_order)
    imports = [
        line
        for line, used in (
            ("import jax", r"\bjax\."),
            ("import jax.numpy as jnp", r"\bjnp\."),
            ("import pytest", r"\bpytest\."),
            ("from flax import nnx", r"\bnnx\."),
        )
        if re.search(used, body)
    ]
    own = [*_import(part.module, names), ""]
    blocks = [*imports, "from jaxdebug import testing", "", *own]
    return "\n".join([*head, *blocks, "", body])


def _in_order(name: str) -> tuple[int, str]:
    """As sorters of imports have it: constants, classes, functions."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name


def _import(module: str, names: Sequence[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _test(found: Found, guessed: Guess) -> str:
    lines = []
    if guessed.unknown:
        reason = _literal(f"fill in {guessed.unknown}")
        lines += _call("@pytest.mark.skip", [f"reason={reason}"], 0)
    lines.append(f"def test_{_snake(found.name)}() -> None:")
    if found.kind == "rule":
        check, made = "check_custom_rule", found.name
    else:
        check, made = "check_layer", "layer"
        lines += _made(guessed.made)
    lines += _call(f"report = testing.{check}", [made, guessed.inputs], 4)
    lines += ["    report.raise_if_failed()", ""]
    return "\n".join(lines)


def _made(made: str) -> list[str]:
    line = f"    layer = {made}"
    if len(line) <= WIDTH:
        return [line]
    name, _, arguments = made.partition("(")
    return _call(f"layer = {name}", _split(arguments[:-1]), 4)


def _split(arguments: str) -> list[str]:
    """Arguments one by one; commas inside brackets do not count."""
    return re.split(r", (?=\w+=)", arguments)


def _call(called: str, arguments: Sequence[str], indent: int) -> list[str]:
    """A call as a formatter breaks it."""
    space = " " * indent
    one = f"{space}{called}({', '.join(arguments)})"
    if len(one) <= WIDTH:
        return [one]
    inner = f"{space}    {', '.join(arguments)}"
    if len(inner) <= WIDTH and len(arguments) > 1:
        return [f"{space}{called}(", inner, f"{space})"]
    each = [f"{space}    {argument}," for argument in arguments]
    if len(arguments) == 1:
        each = [f"{space}    {arguments[0]}"]
    return [f"{space}{called}(", *each, f"{space})"]


def _literal(text: str) -> str:
    """A string of one short line, with double quotes where they can be."""
    room = WIDTH - 4 - len("reason=") - 2
    text = text if len(text) <= room else text[: room - 1] + "…"
    text = re.sub(r"[^\x20-\x7e…]", "?", text).replace("\\", "/").replace('"', "'")
    return f'"{text}"'


def _snake(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower()
