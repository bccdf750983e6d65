"""What a file may hold: its length, its imports of JAX, and what an __init__ is for."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 300
SOURCES = ("jaxdebug", "examples", "benchmarks", "tests")

# Pure tables may be longer. There are none today.
TABLES: frozenset[str] = frozenset()

INTERNALS = ("jax._src", "jax.extend", "jax.core", "jax.__version__", "jaxlib")


def long_files(root: Path) -> list[str]:
    """Return the files of more than 300 lines."""
    lengths = {
        str(path.relative_to(root)): len(path.read_text("utf-8").splitlines())
        for source in SOURCES
        for path in sorted((root / source).rglob("*.py"))
    }
    return [
        f"{path}: {length} lines"
        for path, length in lengths.items()
        if length > LONGEST and path not in TABLES
    ]


def dotted(node: ast.AST) -> str | None:
    """Return ``a.b.c`` for an attribute of an attribute of a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return None


def uses_of_internals(source: str) -> list[str]:
    """Return line and name of everything that reaches into private JAX."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [dotted(node) or ""]
        found += [
            f"{node.lineno}: {name}"
            for name in names
            if any(name == bad or name.startswith(bad + ".") for bad in INTERNALS)
        ]
    return found


def does_more_than_hand_names_on(source: str) -> list[int]:
    """Return the lines of an __init__ that are no import, docstring or __all__."""
    wrong = []
    for node in ast.parse(source).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and [
            target.id for target in node.targets if isinstance(target, ast.Name)
        ] == ["__all__"]
        if not (docstring or names or isinstance(node, ast.Import | ast.ImportFrom)):
            wrong.append(node.lineno)
    return wrong


def test_no_file_is_long() -> None:
    assert not long_files(ROOT)


def test_a_long_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "jaxdebug").mkdir()
    (tmp_path / "jaxdebug" / "short.py").write_text("\n" * LONGEST)
    (tmp_path / "jaxdebug" / "long.py").write_text("\n" * (LONGEST + 1))
    assert long_files(tmp_path) == ["jaxdebug/long.py: 301 lines"]


def test_private_jax_is_touched_in_one_place() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{use}"
        for path in sorted((ROOT / "jaxdebug").rglob("*.py"))
        if ROOT / "jaxdebug" / "programs" / "_jax" not in path.parents
        for use in uses_of_internals(path.read_text("utf-8"))
    ]
    assert not wrong


@pytest.mark.parametrize(
    "source",
    [
        "from jax._src import core",
        "from jax import extend",
        "import jax.extend.core",
        "import jax.core",
        "def f():\n    return jax._src",
        "jax.__version__",
        "from jaxlib import xla_client",
    ],
)
def test_private_jax_is_found(source: str) -> None:
    assert uses_of_internals(source)


def test_public_jax_is_let_pass() -> None:
    source = "import jax\nfrom jax import lax\nimport jax.numpy as jnp\njax.jit(f)"
    assert not uses_of_internals(source)


def test_an_init_only_hands_names_on() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "jaxdebug").rglob("*/__init__.py"))
        if path != ROOT / "jaxdebug" / "__init__.py"
        for line in does_more_than_hand_names_on(path.read_text("utf-8"))
    ]
    assert not wrong


def test_an_init_that_does_more_is_found() -> None:
    source = '"""Doc."""\nfrom a import b\n__all__ = ["b"]\nX = 1\ndef f(): ...\n'
    assert does_more_than_hand_names_on(source) == [4, 5]
