"""A bundle comes back bit by bit, or is refused with the leaf that was changed."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from jaxdebug.training.arrays import DTYPES, dtype_named
from jaxdebug.training.bundle import KeyBits, new_bundle, read_bundle, write_bundle
from jaxdebug.training.bundle import write as writing
from jaxdebug.training.errors import BundleError
from tests.training.processes import run

HOSTILE = ("../../x", "/etc/passwd", "a\0b", "\udc80", "kernel[/]", "", "x" * 10_000)


def leaves() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {
        "w": draw.normal(size=(3, 4)).astype(np.float32),
        "b": np.array([1.5, np.nan], ml_dtypes.bfloat16),
        "step": np.int32(7),
        "empty": np.zeros((0, 2)),
        "big-endian": np.arange(3, dtype=">i4"),
        "fortran": np.asfortranarray(draw.normal(size=(3, 4))),
        "key": KeyBits(np.array([[1, 2]], np.uint32), "threefry2x32"),
        **{path: np.array(index) for index, path in enumerate(HOSTILE)},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "a" / "b", leaves(), {"step": 7, "loss": np.nan})


def test_everything_comes_back(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.manifest == {"step": 7, "loss": "NaN"}
    assert list(bundle.leaves) == list(leaves())
    for path, leaf in leaves().items():
        found = bundle.leaves[path]
        if isinstance(leaf, KeyBits):
            assert isinstance(found, KeyBits)
            assert found.implementation == leaf.implementation
            found, leaf = found.bits, leaf.bits
        assert isinstance(found, np.ndarray)
        assert found.shape == leaf.shape
        assert found.dtype.name == leaf.dtype.name
        assert found.tolist() == leaf.tolist() or found.tobytes() == leaf.tobytes()
        with pytest.raises(ValueError, match="read-only"):
            found[...] = 0


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back_with_its_bits(tmp_path: Path, name: str) -> None:
    dtype = dtype_named(name)
    bits = np.arange(6 * dtype.itemsize, dtype=np.uint8)
    array = (bits % 2).view(bool) if name == "bool" else bits.view(dtype)
    write_bundle(tmp_path / "a", {"x": array.reshape(2, 3), "0d": array[1]}, {})
    found = read_bundle(tmp_path / "a").leaves
    assert found["x"].dtype == found["0d"].dtype == dtype  # type: ignore[union-attr]
    assert found["x"].tobytes() == array.tobytes()  # type: ignore[union-attr]
    assert found["0d"].tobytes() == array[1].tobytes()  # type: ignore[union-attr]


def test_only_the_owner_may_read_it_and_names_are_numbers(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {"manifest.json", "arrays.npz"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    with zipfile.ZipFile(files["arrays.npz"]) as archive:
        names = archive.namelist()
    assert names == [f"{index}.npy" for index in range(len(leaves()))]
    with np.load(files["arrays.npz"], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["0"], leaves()["w"])


def test_reading_and_writing_need_no_jax(folder: Path) -> None:
    script = (
        "import sys\n"
        "from jaxdebug.training.bundle import read_bundle, write_bundle\n"
        "read = read_bundle(sys.argv[1])\n"
        "write_bundle(sys.argv[1] + '2', read.leaves, read.manifest)\n"
        "assert 'jax' not in sys.modules\n"
    )
    run(script, folder)
    again = folder.with_name("b2")
    assert (again / "manifest.json").read_text() == (
        folder / "manifest.json"
    ).read_text()


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def rewrite(folder: Path, member: str, content: bytes, **settings: Any) -> None:
    """Put another content into a member of the archive, with a checksum of its own."""
    path = folder / "arrays.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = content
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_a_flipped_bit_names_the_leaf(folder: Path) -> None:
    path = folder / "arrays.npz"
    place = path.read_bytes().index(leaves()["w"].tobytes())
    flip(path, place)
    with pytest.raises(BundleError, match=r"leaf w in .*arrays\.npz was cut off or"):
        read_bundle(folder)


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (saved(np.zeros((3, 4), np.float32)), "its checksum is another one"),
        (saved(np.zeros((4, 3), np.float32)), r"expected float32\[3, 4\]"),
        (saved(np.zeros((3, 4), np.float64)), r"expected float32\[3, 4\]"),
        (saved(np.array([Bomb()])), r"expected float32\[3, 4\]"),
        (saved(np.zeros((3, 4), np.float32))[:-4], "expected 48 bytes"),
        (saved(np.zeros((3, 4), np.float32)) + b"more", "expected 48 bytes"),
        (pickle.dumps(Bomb()), "leaf w"),
        (b"", "leaf w"),
    ],
)
def test_another_array_names_the_leaf_and_is_not_executed(
    folder: Path, content: bytes, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    rewrite(folder, "0.npy", content)
    with pytest.raises(BundleError, match=match) as refused:
        read_bundle(folder)
    assert "leaf w in" in str(refused.value)
    assert not Path("exploded").exists()


def test_a_compressed_member_is_refused(folder: Path) -> None:
    content = saved(leaves()["w"])
    rewrite(folder, "0.npy", content)
    read_bundle(folder)
    rewrite(folder, "0.npy", content, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BundleError, match=r"leaf w in .*compressed"):
        read_bundle(folder)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("name", ["manifest.json", "arrays.npz"])
def test_a_file_that_was_cut_off_is_refused(
    folder: Path, name: str, share: float
) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleError, match=f"{name} was cut off or changed"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda body: body["content"].update(step=8), "it is not as it was written"),
        (lambda body: body["leaves"].pop(), "it is not as it was written"),
        (lambda body: body.pop("sha256"), "cut off or changed"),
        (lambda body: body.update(schema="jaxdebug.bundle/2"), "a bundle of schema"),
        (lambda body: body.pop("schema"), "no JSON of a bundle"),
    ],
)
def test_a_changed_manifest_is_refused(folder: Path, change: Any, match: str) -> None:
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(BundleError, match=match):
        read_bundle(folder)


@pytest.mark.parametrize("missing", ["manifest.json", "arrays.npz", ""])
def test_a_folder_that_is_no_bundle_is_refused(folder: Path, missing: str) -> None:
    if missing:
        (folder / missing).unlink()
    path = folder if missing else folder / "elsewhere"
    with pytest.raises(BundleError, match="expected the folder of a crash bundle"):
        read_bundle(path)


def test_what_cannot_be_stored_is_refused_with_its_leaf(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="leaf opt/fn: expected a dtype of bool"):
        write_bundle(tmp_path / "a", {"opt/fn": np.array([object()])}, {})
    with pytest.raises(TypeError, match="found object"):
        write_bundle(tmp_path / "a", {}, {"a": object()})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(folder: Path) -> None:
    before = read_bundle(folder).leaves.keys()
    with pytest.raises(FileExistsError, match="expected a new folder"):
        write_bundle(folder, {}, {})
    assert read_bundle(folder).leaves.keys() == before


def test_nothing_is_left_of_a_bundle_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_to_disk", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(tmp_path / "a", leaves(), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("keep", "steps"), [(1, [5]), (2, [0, 5]), (3, [0, 4, 5]), (9, [0, 1, 2, 3, 4, 5])]
)
def test_the_first_and_the_latest_bundles_are_kept(
    tmp_path: Path, keep: int, steps: list[int]
) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "mine").mkdir()
    for step in range(6):
        path = new_bundle(tmp_path, step, {"x": np.ones(1)}, {}, keep=keep)
        assert read_bundle(path).manifest == {"step": step}
    names = sorted(path.name for path in (tmp_path / "bundles").iterdir())
    assert names == [*(f"{step + 1:06d}-step-{step}" for step in steps), "mine"]
    with pytest.raises(ValueError, match="expected keep of at least 1"):
        new_bundle(tmp_path, 6, {}, {}, keep=0)
