"""Imports inside the package go downward only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "jaxdebug"

# From the bottom up; what stands in one row must not import its neighbours.
LAYERS = (
    {"reports"},
    {"programs"},
    {"frameworks"},
    {"statistics"},
    {"findings"},
    {"gradients"},
    {"checks"},
    {"training", "tuning", "testing"},
    {"figures"},
    {"preflight"},
    {"commands"},
    {"cli", "hypothesis_plugin", "pytest_plugin"},
    {"__main__"},
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# The public face of the package belongs to users; the command line may ask it for the
# version.
FACE_ALLOWED = {"cli": {"__version__"}}


def part_of(module: str) -> str | None:
    """Return the part of the package a dotted name lies in; None for the face."""
    names = module.split(".")
    return names[1] if len(names) > 1 and names[1] in RANKS else None


def imported(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Give line and dotted name of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: 1 - node.level or None]
                base = ".".join([*up, *([base] if base else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def upward_imports(root: Path) -> list[str]:
    """Return every import under ``root``, a ``jaxdebug`` folder, that does not go down.

    A part may import from itself and from lower rows, at any place in the file: inside
    functions and under ``TYPE_CHECKING`` as well.
    """
    wrong = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative == Path("__init__.py"):
            continue
        part = relative.parts[0].removesuffix(".py")
        if part not in RANKS:
            wrong.append(f"{relative}: {part!r} stands in no layer")
            continue
        package = ".".join([root.name, *relative.parts[:-1]])
        for line, name in imported(ast.parse(path.read_text("utf-8")), package):
            if name.split(".")[0] != root.name:
                continue
            other = part_of(name)
            if other is None:
                if name.rpartition(".")[2] not in FACE_ALLOWED.get(part, set()):
                    wrong.append(f"{relative}:{line}: {name} is the public face")
            elif other != part and RANKS[other] >= RANKS[part]:
                wrong.append(f"{relative}:{line}: {part} imports {name}")
    return wrong


def test_imports_go_downward() -> None:
    assert not upward_imports(PACKAGE)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("programs/loop.py", "from jaxdebug.checks.audits.audit import audit"),
        ("programs/loop.py", "import jaxdebug.statistics.probe"),
        ("programs/loop.py", "from jaxdebug import checks"),
        ("programs/loop.py", "def f():\n    from jaxdebug.findings import codes"),
        ("reports/text.py", "from ..programs import loop"),
        ("programs/_jax/ir.py", "from ...checks import audit"),
        ("programs/loop.py", "if TYPE_CHECKING:\n    from jaxdebug.cli import main"),
        ("tuning/sweep.py", "from jaxdebug.training.watch import watch"),
        ("checks/audits/audit.py", "from jaxdebug import probe"),
        ("checks/audits/audit.py", "import jaxdebug as jd"),
        ("extra/thing.py", ""),
    ],
)
def test_an_import_that_does_not_go_down_is_found(
    tmp_path: Path, file: str, source: str
) -> None:
    path = tmp_path / "jaxdebug" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert len(upward_imports(tmp_path / "jaxdebug")) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("checks/audits/audit.py", "from jaxdebug.programs.shadow import shadow"),
        ("checks/audits/audit.py", "from jaxdebug.checks.workload import Workload"),
        ("checks/audits/audit.py", "from . import workload"),
        ("checks/audits/audit.py", "from ..programs import shadow"),
        ("programs/_jax/ir.py", "from .. import loop\nimport jax"),
        ("cli.py", "from jaxdebug import __version__"),
        ("__init__.py", "from jaxdebug.checks.audits.audit import audit"),
    ],
)
def test_an_import_that_goes_down_is_let_pass(
    tmp_path: Path, file: str, source: str
) -> None:
    path = tmp_path / "jaxdebug" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert not upward_imports(tmp_path / "jaxdebug")
