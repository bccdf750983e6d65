"""A sink that writes one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from jaxdebug.reports import json_value


class JsonLines:
    """Appends to a file: `{"step": 3, "scalars": {"loss": 0.1}}` and the like.

    Each line also may hold `histogram` with `name`, `edges` and `counts`, or `event`
    with `kind` and `content`. Numbers that are not finite are the strings `"NaN"`,
    `"Infinity"` and `"-Infinity"`.

    Args:
        path: of the file; its folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append a line of scalars."""
        self._append(step, "scalars", dict(scalars))

    def write_histogram(
        self, step: int, name: str, edges: np.ndarray, counts: np.ndarray
    ) -> None:
        """Append a line with a histogram."""
        histogram = {"name": name, "edges": edges, "counts": counts}
        self._append(step, "histogram", histogram)

    def write_event(self, step: int, event: Mapping[str, Any]) -> None:
        """Append a line with an event."""
        self._append(step, "event", dict(event))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _append(self, step: int, key: str, value: Any) -> None:
        if self._file is None:
            self._file = self.path.open("a", encoding="ascii")
        line = json.dumps(json_value({"step": step, key: value}), allow_nan=False)
        self._file.write(line + "\n")
        self._file.flush()
