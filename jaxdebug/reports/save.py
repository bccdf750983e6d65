"""Write a report to a file, whole or not at all."""

import os
from pathlib import Path

from jaxdebug.reports.whole_file import write_whole

SUFFIXES = (".txt", ".json")


def save_report(path: str | os.PathLike[str], *, text: str, json: str) -> Path:
    """Save a report in the format that the path's suffix names.

    The report is written to a temporary file in the same folder, which then takes the
    place of the old one in one step: whatever goes wrong before, an existing file
    keeps its content and nothing is left behind. A link keeps pointing where it did.

    Args:
        path: A file that ends in `.txt` or `.json`, in a folder that exists.
        text: The report as text.
        json: The report as JSON.

    Returns:
        The path that was written.

    Raises:
        ValueError: Another suffix.
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        OSError: The file could not be written; an existing one is unchanged.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"a report is saved as {' or '.join(SUFFIXES)}; found suffix="
            f"{path.suffix!r} in {str(path)!r}; HTML and Markdown are not built yet: "
            f"save {path.stem + '.txt'!r} to read it or {path.stem + '.json'!r} to "
            "process it"
        )
    # Replacing a link itself would leave the file it points to out of date.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"the folder {str(target.parent)!r} does not exist, so "
            f"{str(path)!r} cannot be saved; make the folder first"
        )
    if target.is_dir():
        raise IsADirectoryError(
            f"{str(path)!r} is a folder; give the path of a file inside it"
        )
    content = text if suffix == ".txt" else json
    write_whole(target, content.encode("utf-8", "backslashreplace"))
    return path
