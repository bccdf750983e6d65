"""`FILE[:NAME]`: what loads, and what is said about each target that does not."""

import pickle
import sys
from pathlib import Path

import pytest

from jaxdebug.checks.target import TargetError, load_target, split_target

HEAD = "import jaxdebug as jd\n"
MAKE = "jd.Workload(loss_fn=len, params=1.0, train=[2.0], name={!r})\n"


def write(path: Path, text: str) -> Path:
    path.write_text(HEAD + text)
    return path


def refusal(target: str) -> str:
    with pytest.raises(TargetError) as refused:
        load_target(target)
    return str(refused.value)


def test_default_name_other_name_and_function(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        f"workload = {MAKE.format('a')}other = {MAKE.format('b')}"
        f"def make(size=3):\n    return {MAKE.format('c')}",
    )
    assert load_target(str(path)).name == "a"
    assert load_target(f"{path}:other").name == "b"
    assert load_target(f"{path}:make").name == "c"


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "net.py", f"workload = {MAKE.format('a')}")
    monkeypatch.chdir(tmp_path)
    assert load_target("net.py").name == "a"


def test_the_own_folder_is_importable_and_the_path_restored(tmp_path: Path) -> None:
    (tmp_path / "sibling_of_net.py").write_text("name = 'from a sibling'")
    (tmp_path / "late_sibling.py").write_text("name = 'imported late'")
    path = write(
        tmp_path / "net.py",
        "import sibling_of_net\n"
        "def workload():\n    import late_sibling\n    "
        f"return {MAKE.format('x').replace(repr('x'), 'late_sibling.name')}",
    )
    before = list(sys.path)
    assert load_target(str(path)).name == "imported late"
    assert sys.path == before


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "net.py", f"workload = {MAKE.format(folder)}")
    assert load_target(str(tmp_path / "one" / "net.py")).name == "one"
    assert load_target(str(tmp_path / "two" / "net.py")).name == "two"
    assert "net" not in sys.modules


def test_classes_of_the_file_can_be_pickled(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        "class State: pass\n"
        "workload = jd.Workload(loss_fn=len, params=State(), train=[1])\n",
    )
    assert pickle.loads(pickle.dumps(load_target(str(path)).params))


@pytest.mark.parametrize(
    ("target", "path", "name"),
    [
        ("a.py", "a.py", "workload"),
        ("a.py:make", "a.py", "make"),
        ("a:b.py:make", "a:b.py", "make"),
        ("a:b.py", "a:b.py", "workload"),
        ("x/a:b/c.py", "x/a:b/c.py", "workload"),
    ],
)
def test_the_last_colon_divides(target: str, path: str, name: str) -> None:
    assert split_target(target) == (Path(path), name)


def test_a_file_that_exists_is_never_divided(tmp_path: Path) -> None:
    path = write(tmp_path / "a:b.py", f"workload = {MAKE.format('a')}")
    assert load_target(str(path)).name == "a"
    odd = tmp_path / "a.py:name"
    odd.write_text("")
    assert split_target(str(odd)) == (odd, "workload")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    message = refusal(str(tmp_path / "nope.py"))
    assert message.startswith(f"{tmp_path / 'nope.py'}: expected a Python file")
    assert "found no such file" in message
    assert "found a folder" in refusal(str(tmp_path))


@pytest.mark.parametrize("name", ["\x1b[2J.py", "x" * 10_000 + ".py", "a\0b.py", ""])
def test_hostile_names_are_shown_literally(name: str) -> None:
    message = refusal(name)
    assert "expected a Python file" in message
    assert "\x1b" not in message
    assert "\0" not in message


def test_not_python(tmp_path: Path) -> None:
    (tmp_path / "net.ipynb").write_text("{}")
    assert "found the suffix '.ipynb'" in refusal(str(tmp_path / "net.ipynb"))


def test_not_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "")
    assert "expected the name of a workload" in refusal(f"{path}:")
    assert "found 'a-b'" in refusal(f"{path}:a-b")


def test_an_import_that_raises_keeps_the_users_traceback(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        "def broken():\n    return {}['weights']  # here\nbroken()\n",
    )
    modules = set(sys.modules)
    message = refusal(str(path))
    assert f'File "{path}", line 4, in <module>' in message
    assert f'File "{path}", line 3, in broken' in message
    assert "# here" in message
    assert "KeyError: 'weights'" in message
    assert "importlib" not in message
    assert "checks/audits/target.py" not in message
    assert not any(
        "_jaxdebug_target_net" in name for name in set(sys.modules) - modules
    )


def test_causes_keep_their_frames_without_ours(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        "try:\n    jd.Workload(loss_fn=3, params=1, train=[])\n"
        "except TypeError as error:\n    raise RuntimeError('mine') from error\n",
    )
    message = refusal(str(path))
    assert "loss_fn must be a function" in message
    assert "RuntimeError: mine" in message
    assert "checks/workload.py" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(:\n", "SyntaxError"),
        ("import no_such_module_at_all\n", "ModuleNotFoundError"),
        ("raise SystemExit(3)\n", "SystemExit"),
    ],
)
def test_other_ways_an_import_fails(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path / "net.py", text)
    message = refusal(str(path))
    assert f"importing the file raised {expected}" in message
    assert f'File "{path}", line 2' in message


def test_an_interrupt_is_not_a_target_error(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_target(str(path))


def test_a_missing_name_lists_what_there_is(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        f"big = {MAKE.format('b')}"
        "def make() -> jd.Workload: ...\n"
        "def later() -> 'jd.Workload': ...\n"
        "def unrelated() -> int: ...\n"
        "from jaxdebug import Workload\n",
    )
    message = refusal(str(path))
    assert "found no 'workload' in the file" in message
    assert f"The file defines {path}:big, {path}:make, {path}:later." in message


def test_a_file_without_a_workload(tmp_path: Path) -> None:
    message = refusal(str(write(tmp_path / "net.py", "x = 1\n")))
    assert "The file defines no workload at all" in message
    assert "jaxdebug.Workload(" in message


def test_wrong_types(tmp_path: Path) -> None:
    path = write(
        tmp_path / "net.py",
        "workload = {'loss_fn': len}\n"
        "def make(): return 3\n"
        "def needs(size): ...\n"
        "def breaks():\n    raise OSError('no data')\n",
    )
    assert "found workload=<dict>" in refusal(str(path))
    assert "to return a Workload; found <int>" in refusal(f"{path}:make")
    assert "it needs size" in refusal(f"{path}:needs")
    message = refusal(f"{path}:breaks")
    assert "OSError: no data" in message
    assert "calling breaks() raised OSError" in message
    assert "checks/audits/target.py" not in message
