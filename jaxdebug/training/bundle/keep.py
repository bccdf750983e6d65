"""Bundles of a run: the first and the last ones."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdebug.training.bundle.leaf import Leaf
from jaxdebug.training.bundle.write import write_bundle

FOLDER = "bundles"
_NAME = re.compile(r"(\d{6,})-step-(-?\d+)")


def new_bundle(
    run_dir: str | os.PathLike[str],
    step: int,
    leaves: Mapping[str, Leaf],
    manifest: Mapping[str, Any],
    *,
    keep: int = 3,
) -> Path:
    """Write a bundle of a run, and delete those that are too many.

    The first bundle is kept, since it is nearest to the cause, and the latest.

    Args:
        run_dir: of the run.
        step: that is bundled.
        leaves: as of `write_bundle`.
        manifest: as of `write_bundle`; `step` is added.
        keep: how many bundles there may be.

    Returns:
        The bundle's folder.

    Raises:
        ValueError: if `keep` is less than 1.
        BundleError, TypeError, OSError: as `write_bundle`.
    """
    if keep < 1:
        raise ValueError(f"expected keep of at least 1; found {keep}")
    folder = Path(run_dir) / FOLDER
    last = max((number for number, _ in bundles_in(folder)), default=0)
    name = f"{last + 1:06d}-step-{step}"
    path = write_bundle(folder / name, leaves, {"step": step, **manifest})
    first, *others = [path for _, path in bundles_in(folder)]
    excess = max(0, 1 + len(others) - keep)
    # With room for one only, the latest would be the one that a user looks for.
    surplus = others[:excess] if keep > 1 else [first, *others[:-1]][:excess]
    for old in surplus:
        shutil.rmtree(old, ignore_errors=True)
    return path


def bundles_in(folder: Path) -> list[tuple[int, Path]]:
    """Number and folder of each bundle, in the order they were written."""
    if not folder.is_dir():
        return []
    found = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := _NAME.fullmatch(path.name)) and not path.is_symlink()
    ]
    return sorted(found)
