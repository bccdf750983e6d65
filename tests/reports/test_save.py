"""A report is saved whole or not at all, and never costs an existing file."""

import os
from pathlib import Path

import pytest

from jaxdebug.reports import save_report


def save(path: str | os.PathLike[str]) -> Path:
    return save_report(path, text="text \udc80 é\n", json='{"a": 1}\n')


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["r.txt", "R.TXT", "a.json.txt"])
def test_text_is_saved(tmp_path: Path, name: str) -> None:
    assert save(tmp_path / name) == tmp_path / name
    assert (tmp_path / name).read_bytes() == b"text \\udc80 \xc3\xa9\n"
    assert names(tmp_path) == [name]


def test_json_is_saved_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("a much longer file than the report that replaces it")
    save(str(path))
    assert path.read_text() == '{"a": 1}\n'
    assert names(tmp_path) == ["r.json"]


def test_the_working_folder_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save("r.txt")
    assert names(tmp_path) == ["r.txt"]


@pytest.mark.parametrize("name", ["r.html", "r.md", "r", "r.json.gz", ".txt"])
def test_another_suffix_is_refused_and_the_file_untouched(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(ValueError, match=r"saved as \.txt or \.json.*not built yet"):
        save(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == [name]


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no/such' does not exist"):
        save(tmp_path / "no" / "such" / "r.txt")
    assert names(tmp_path) == []


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.txt").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save(tmp_path / "r.txt")
    assert names(tmp_path) == ["r.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "r.txt"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        save(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["r.txt"]


def test_the_new_content_appears_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.txt"
    path.write_text("old")
    replace = os.replace
    seen = []

    def watched(source: Path, target: Path) -> None:
        seen.append((path.read_text(), Path(source).parent, Path(source).read_bytes()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    save(path)
    assert seen == [("old", tmp_path, path.read_bytes())]


def test_the_longest_possible_name_is_saved(tmp_path: Path) -> None:
    path = tmp_path / ("k" * 251 + ".txt")
    save(path)
    assert path.exists()


@pytest.mark.skipif(os.name == "nt", reason="links and modes are those of POSIX")
def test_a_link_stays_a_link_and_the_umask_decides(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    save(link)
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"text")
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode
