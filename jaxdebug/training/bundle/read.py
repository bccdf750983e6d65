"""Reading a bundle: every leaf is checked, nothing is executed."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np

from jaxdebug.reports import show_name
from jaxdebug.training.arrays import dtype_named, from_raw
from jaxdebug.training.bundle.keep import FOLDER, bundles_in
from jaxdebug.training.bundle.leaf import (
    ARRAYS,
    MANIFEST,
    SCHEMA,
    Entry,
    KeyBits,
    Leaf,
    digest,
    stored_dtype,
)
from jaxdebug.training.errors import BundleError
from jaxdebug.training.paths import require_path
from jaxdebug.training.store.schema import FILE

_DAMAGE = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError),
    *(EOFError, OverflowError, NotImplementedError, zipfile.BadZipFile),
)


@dataclass(frozen=True, eq=False)
class Bundle:
    """The values of one step.

    Attributes:
        path: the folder.
        leaves: arrays, or `KeyBits`, by path; they cannot be changed.
        manifest: what else was kept.
    """

    path: Path
    leaves: Mapping[str, Leaf]
    manifest: Mapping[str, Any]

    def restore(self, like: Any, *, under: str = "") -> Any:
        """Put the leaves into a tree.

        Args:
            like: a tree of the same structure: of arrays or of what `jax.eval_shape`
                gives. Leaves that are no arrays and no numbers, such as functions, are
                taken from it.
            under: only leaves whose paths begin with this and a slash; without them.

        Returns:
            The tree. An array is put where `like` has it: on its devices, or on the
            host.

        Raises:
            BundleError: lists leaves that are missing, unexpected, or of another shape
                or dtype.
        """
        from jaxdebug.training.bundle.tree import restored

        if not under:
            return restored(self.leaves, like)
        begin = under + "/"
        inner = {
            path.removeprefix(begin) if path != under else "": leaf
            for path, leaf in self.leaves.items()
            if path.startswith(begin) or path == under
        }
        return restored(inner, like)


def read_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Read a bundle.

    Args:
        folder: that `write_bundle` made.

    Returns:
        The bundle.

    Raises:
        BundleError: if it is none, is of a newer jaxdebug, or was cut off or changed;
            names the leaf.
        TypeError: if `folder` is no path.
    """
    folder = require_path("read_bundle", "folder", folder, "the folder of a bundle")
    try:
        text = (folder / MANIFEST).read_text("ascii")
        file = (folder / ARRAYS).open("rb")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"expected the folder of a crash bundle, with {MANIFEST} and {ARRAYS}; "
            f"found {show_name(str(folder))}: {error}.{_hint(folder)}"
        ) from None
    with file:
        entries, content = _manifest(text, folder)
        leaves = _leaves(file, entries, folder)
    return Bundle(folder, MappingProxyType(leaves), MappingProxyType(content))


def _hint(folder: Path) -> str:
    """Where bundles are, if a run was given in their stead."""
    near = folder if folder.is_dir() else folder.parent
    found = bundles_in(near / FOLDER) or bundles_in(near)
    if found:
        names = ", ".join(show_name(str(path)) for _, path in found)
        return f" Give a bundle of the run: {names}."
    if near.joinpath(FILE).is_file():
        return " It is the folder of a run in which no step was bundled."
    return f" Give one of the folders in {FOLDER}, in the run_dir of a training."


def _manifest(text: str, folder: Path) -> tuple[list[Entry], dict[str, Any]]:
    damaged = f"{show_name(str(folder / MANIFEST))} was cut off or changed"
    try:
        body = json.loads(text)
        schema = body["schema"]
    except _DAMAGE:
        raise BundleError(f"{damaged}: it is no JSON of a bundle") from None
    if schema != SCHEMA:
        raise BundleError(
            f"expected a bundle of schema {SCHEMA}; found {show_name(str(schema))} in "
            f"{show_name(str(folder))}. Read it with the jaxdebug that wrote it, or a "
            "newer one."
        )
    try:
        seal = body.pop("sha256")
        if hashlib.sha256(json.dumps(body).encode()).hexdigest() != seal:
            raise ValueError("it is not as it was written")
        entries = [
            Entry(**{**entry, "shape": tuple(entry["shape"])})
            for entry in body["leaves"]
        ]
        paths = [entry.path for entry in entries]
        if len(set(paths)) < len(paths) or not all(isinstance(p, str) for p in paths):
            raise ValueError("its paths are not each there once")
        return entries, dict(body["content"])
    except _DAMAGE as error:
        raise BundleError(f"{damaged}: {error}") from None


def _leaves(file: IO[bytes], entries: list[Entry], folder: Path) -> dict[str, Leaf]:
    shown = show_name(str(folder / ARRAYS))
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise BundleError(f"{shown} was cut off or changed: {error}") from None
    leaves: dict[str, Leaf] = {}
    with archive:
        for index, entry in enumerate(entries):
            try:
                array = _array(archive, f"{index}.npy", entry)
            except (*_DAMAGE, OSError) as error:
                raise BundleError(
                    f"leaf {show_name(entry.path)} in {shown} was cut off or changed: "
                    f"{error}"
                ) from None
            leaves[entry.path] = (
                array if entry.key is None else KeyBits(array, entry.key)
            )
    return leaves


def _array(archive: zipfile.ZipFile, name: str, entry: Entry) -> np.ndarray:
    dtype = dtype_named(entry.dtype)
    kept = stored_dtype(dtype)
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed, which no bundle is")
    with archive.open(info) as member:
        found = _header(member)
        if found != (entry.shape, False, kept):
            raise ValueError(f"expected {kept}{list(entry.shape)}; found {found}")
        # The shape may be a lie: what is read is what is there.
        array = from_raw(entry.dtype, entry.shape, member.read())
    if digest(array) != entry.sha256:
        raise ValueError("its checksum is another one")
    return array


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if np.lib.format.read_magic(member) == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)
