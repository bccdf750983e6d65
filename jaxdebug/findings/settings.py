"""What a project says about jaxdebug in its pyproject.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from jaxdebug.findings.silence import require_patterns

FILE = "pyproject.toml"
KNOWN = ("silence",)


class SettingsError(ValueError):
    """A pyproject.toml that cannot be read, or a setting that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The table `[tool.jaxdebug]`.

    Attributes:
        silence: patterns of findings that do not count.
        file: where they stand, or None.
    """

    silence: tuple[str, ...] = ()
    file: Path | None = None


def read_settings(folder: Path) -> Settings:
    """The settings that hold for files in a folder.

    Args:
        folder: where to begin; the nearest pyproject.toml, there or above, that
            has a table `[tool.jaxdebug]` counts.

    Raises:
        SettingsError: if a file on the way cannot be read, or a setting cannot be
            used; names the file.
    """
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        file = place / FILE
        if file.is_file():
            table = _table(file)
            if table is not None:
                return _settings(file, table)
    return Settings()


def _table(file: Path) -> object:
    try:
        project = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{file}: expected a readable TOML file, because [tool.jaxdebug] may "
            f"stand in it; found {type(error).__name__}: {error}."
        ) from error
    tool = project.get("tool", {})
    return tool.get("jaxdebug") if isinstance(tool, dict) else None


def _settings(file: Path, table: object) -> Settings:
    if not isinstance(table, dict):
        raise SettingsError(
            f"{file}: expected tool.jaxdebug to be a table; found {table!r}."
        )
    unknown = [key for key in table if key not in KNOWN]
    if unknown:
        raise SettingsError(
            f"{file}: expected the settings {', '.join(KNOWN)} in [tool.jaxdebug]; "
            f"found {', '.join(map(repr, unknown))}."
        )
    try:
        silence = require_patterns("silence", table.get("silence", []))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{file}: [tool.jaxdebug]: {error}") from error
    return Settings(silence, file)
