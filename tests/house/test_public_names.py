"""The public face: its names, their documentation, and what importing it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdebug

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for name in jaxdebug.__all__ if name != "__version__"]


def test_names_are_sorted_and_listed() -> None:
    assert jaxdebug.__all__ == sorted(jaxdebug.__all__)
    assert set(jaxdebug.__all__) <= set(dir(jaxdebug))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(jaxdebug, name)
    # A dataclass without a docstring is given its own signature as one.
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")


def test_a_type_checker_sees_the_same_names() -> None:
    tree = ast.parse((ROOT / "jaxdebug" / "__init__.py").read_text("utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and f"{node.module}.".startswith("jaxdebug.")
        for alias in node.names
    }
    parts = dict.fromkeys(jaxdebug._PARTS, "jaxdebug")
    assert seen == jaxdebug._MODULES | parts
    assert sorted(seen) == NAMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'x'"):
        jaxdebug.x  # noqa: B018
    assert not hasattr(jaxdebug, "audits")


def test_the_version_is_a_version() -> None:
    assert jaxdebug.__version__[0].isdigit()


@pytest.mark.parametrize(
    "statement",
    [
        "import jaxdebug; jaxdebug.__version__; dir(jaxdebug)",
        "from jaxdebug import Workload",
        "import jaxdebug.cli",
        "import jaxdebug.checks.target",
        "import jaxdebug.pytest_plugin",
        "import jaxdebug.hypothesis_plugin as p; p.register_profile()",
    ],
)
def test_an_import_that_needs_no_jax_imports_none(statement: str) -> None:
    code = f"{statement}\nimport sys\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
