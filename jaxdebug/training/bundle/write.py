"""Writing a bundle: whole or not at all, for its owner alone."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxdebug.reports import json_value, show_name
from jaxdebug.training.bundle.leaf import (
    ARRAYS,
    MANIFEST,
    SCHEMA,
    Entry,
    KeyBits,
    Leaf,
    digest,
    stored,
)
from jaxdebug.training.errors import BundleError


def write_bundle(
    folder: str | os.PathLike[str],
    leaves: Mapping[str, Leaf],
    manifest: Mapping[str, Any],
) -> Path:
    """Write the values of a step to a folder of its own.

    The folder is written under another name, brought to the disk, and renamed, so that
    there is no half of one. It may be read by its owner alone.

    Args:
        folder: that does not exist yet; folders above it are made.
        leaves: arrays on the host, or `KeyBits`, by path.
        manifest: what else is kept: anything JSON can hold.

    Returns:
        The folder.

    Raises:
        BundleError: if an array has a dtype that cannot be stored.
        FileExistsError: if the folder exists.
        TypeError: if JSON cannot hold the manifest.
        OSError: if it cannot be written; nothing is left behind.

    Cost:
        Twice the bytes of the largest leaf; a pass over all of them for checksums.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(
            f"expected a new folder; {str(folder)!r} is there already"
        )
    content = json_value(manifest)
    arrays = [_stored(path, leaf) for path, leaf in leaves.items()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".jaxdebug-{secrets.token_hex(8)}.tmp")
    temporary.mkdir(mode=0o700)
    try:
        with _written(temporary / ARRAYS) as file:
            _write_arrays(file, arrays)
        entries = [
            _entry(path, leaf, array)
            for (path, leaf), array in zip(leaves.items(), arrays, strict=True)
        ]
        with _written(temporary / MANIFEST) as file:
            file.write(manifest_text(entries, content).encode("ascii"))
        _to_disk(temporary)
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _to_disk(folder.parent)
    return folder


def manifest_text(entries: list[Entry], content: Any) -> str:
    """The manifest as JSON, with a digest of itself."""
    body = {
        "schema": SCHEMA,
        "leaves": [entry._asdict() for entry in entries],
        "content": content,
    }
    text = json.dumps(body, allow_nan=False)
    sealed = {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return json.dumps(sealed, allow_nan=False, indent=1) + "\n"


def _stored(path: str, leaf: Leaf) -> np.ndarray:
    array = leaf.bits if isinstance(leaf, KeyBits) else leaf
    try:
        return stored(np.asarray(array))
    except ValueError as error:
        raise BundleError(f"leaf {show_name(path)}: {error}") from None


def _entry(path: str, leaf: Leaf, array: np.ndarray) -> Entry:
    key = leaf.implementation if isinstance(leaf, KeyBits) else None
    value = np.asarray(leaf.bits if isinstance(leaf, KeyBits) else leaf)
    return Entry(path, value.dtype.name, value.shape, key, digest(array))


def _write_arrays(file: IO[bytes], arrays: list[np.ndarray]) -> None:
    # Members are numbered: a path of the user's is no name of a file.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for index, array in enumerate(arrays):
            with archive.open(f"{index}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """A new file that its owner alone may read, brought to the disk at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _to_disk(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
