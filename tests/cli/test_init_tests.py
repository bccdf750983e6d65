"""`jaxdebug init-tests` writes tests that can be read and run, and overwrites none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdebug.cli import main

ROOT = Path(__file__).resolve().parents[2]

LAYERS = """
from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import Dense

from pkg.layers.others import Attention


class Mlp(nn.Module):
    features: Sequence[int]
    act: Callable

    @nn.compact
    def __call__(self, x, train):
        for size in self.features:
            x = self.act(Dense(size)(x))
        return nn.Dropout(0.5, deterministic=not train)(x)


class Table(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        return nn.Embed(5, 4)(tokens)


class Normed(nn.Module):
    features: "int"
    norm: object

    @nn.compact
    def __call__(self, x):
        return self.norm(Dense(self.features)(x))


class Centred(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x - x.mean(0)


class Product(nn.Module):
    @nn.compact
    def __call__(self, x, y):
        return x * y


class Blurred(nn.Module):
    dout: ...

    @nn.compact
    def __call__(self, image):
        return nn.Conv(self.dout, (3, 3))(image)


class Base(nn.Module):
    pass


@jax.custom_jvp
def double(x):
    return 2.0 * x


double.defjvp(lambda p, t: (2.0 * p[0], 2.0 * t[0]))


@partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def steep(depth: int, x, slope: float):
    return slope * x


steep.defvjp(
    lambda depth, x, slope: (slope * x, None), lambda depth, slope, _, g: (-g,)
)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def scaled(x, table):
    return x


scaled.defvjp(lambda x, table: (x, None), lambda table, _, g: (g,))
"""

OTHERS = """
import equinox as eqx
import jax
from flax import nnx


class Attention(nnx.Module):
    def __init__(self, in_features: int, num_heads: int, *, rngs: nnx.Rngs):
        self.inner = nnx.MultiHeadAttention(
            num_heads, in_features, decode=False, rngs=rngs
        )

    def __call__(self, x):
        return self.inner(x)


class Line(eqx.Module):
    linear: eqx.nn.Linear

    def __init__(self, in_size, out_size, *, key):
        self.linear = eqx.nn.Linear(in_size, out_size, key=key)

    def __call__(self, x):
        return jax.nn.tanh(self.linear(x))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    layers = tmp_path / "pkg" / "layers"
    layers.mkdir(parents=True)
    (layers.parent / "__init__.py").write_text("")
    (layers / "__init__.py").write_text(LAYERS)
    (layers / "others.py").write_text(OTHERS)
    (layers / "empty.py").write_text("X = 1\n")
    (layers / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_what_is_written_can_be_read_and_run(package: Path) -> None:
    made = run(package, "jaxdebug", "init-tests", "pkg.layers")
    assert made.returncode == 0, made.stderr
    assert "tests/test_layers_properties.py: 9 tests, 2 to fill in" in made.stdout
    assert "tests/test_layers_others_properties.py: 2 tests\n" in made.stdout
    assert "not imported: pkg.layers.broken: ModuleNotFoundError" in made.stderr

    files = sorted((package / "tests").iterdir())
    assert [file.name for file in files] == [
        "test_layers_others_properties.py",
        "test_layers_properties.py",
    ]
    text = files[1].read_text("utf-8")
    assert '@pytest.mark.skip(reason="fill in norm of Normed")' in text
    assert "layer = Mlp(features=(4, 4), act=jnp.tanh)" in text
    assert "layer, (testing.batches((5, 4), sizes=[3])," in " ".join(text.split())
    assert "check_layer(layer, testing.batches((8, 8, 4)))" in text
    assert "testing.check_custom_rule(double, testing.batches((5, 4)))" in text
    assert "check_custom_rule(steep, (2, testing.batches((5, 4)), 0.5))" in text
    assert '@pytest.mark.skip(reason="fill in table of scaled")' in text
    assert "Base" not in text
    assert "Attention" not in text

    for check in (["check", "--select=E,F,I,UP,B,PT,RUF,SIM"], ["format", "--check"]):
        found = run(package, "ruff", *check, "--isolated", "tests")
        assert not found.returncode, found.stdout + found.stderr

    options = (
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-k",
        "table or norm or centred or steep",
    )
    tests = run(package, "pytest", *options, "tests")
    # The one that mixes its batch fails, by the property that says so.
    assert "2 failed, 1 passed, 1 skipped, 7 deselected" in tests.stdout, tests.stdout
    assert "fail: rows-independent" in tests.stdout
    assert "_ test_centred _" in tests.stdout

    files[0].write_text("mine")
    again = run(package, "jaxdebug", "init-tests", "pkg.layers")
    assert again.returncode == 2
    assert "nothing was written. Give --force." in again.stderr
    assert files[0].read_text() == "mine"
    forced = run(package, "jaxdebug", "init-tests", "pkg.layers", "--force")
    assert forced.returncode == 0
    assert files[0].read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["pkg/layers.py"], 2, "expected a dotted name"),
        (["no_package_of_this_name"], 3, "ModuleNotFoundError"),
        (["pkg.layers.empty"], 3, "defines no layer"),
        (["pkg.layers.broken"], 3, "nothing_of_this_name"),
        (["pkg.layers", "--output", "pkg/__init__.py"], 2, "expected a folder"),
    ],
)
def test_what_cannot_be_written_is_refused(
    package: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    # Packages of this name are imported anew for each test.
    for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["init-tests", *arguments]) == status
    assert message in capsys.readouterr().err
    assert not (package / "tests").exists()
    for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
        del sys.modules[name]
