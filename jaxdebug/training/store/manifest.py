"""What is kept of the circumstances of a run."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jaxdebug.reports import json_value

DISTRIBUTIONS = ("jaxdebug", "jax", "jaxlib", "flax", "optax", "numpy")


def manifest_text(given: Mapping[str, Any]) -> str:
    """The manifest as JSON: what is given, and versions.

    Raises:
        TypeError: if JSON cannot hold it.
    """
    versions = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    whole = {"versions": versions, "system": platform.platform(), **given}
    return json.dumps(json_value(whole), allow_nan=False)
