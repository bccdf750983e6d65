"""`jaxdebug audit` with the real audit: what a user sees of each outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from jaxdebug.cli import main

ROOT = Path(__file__).resolve().parents[2]

HEAD = """\
import jax
import jax.numpy as jnp
import numpy as np
import jaxdebug as jd

PARAMS = {
    "first": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2),
    "second": np.linspace(0.5, 2, 2, dtype=np.float32),
}
X = np.linspace(-2, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.linspace(0, 1, 4, dtype=np.float32)
BATCH = {"x": X, "y": Y}


def predict(params, x):
    return jnp.tanh(x @ params["first"]) @ params["second"]


def loss_fn(params, batch):
    return jnp.mean((predict(params, batch["x"]) - batch["y"]) ** 2)


"""
HEALTHY = """
workload = jd.Workload(loss_fn=loss_fn, params=PARAMS, train=[BATCH], name="line")
"""


def healthy_but(change: str) -> str:
    """The healthy workload after a change to what stands before it."""
    return dedent(change) + HEALTHY


class Said(NamedTuple):
    """What a run of the command line gave."""

    status: int
    out: str
    err: str


class Audit:
    """Writes a file and audits it in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = folder / "net.py", capsys

    def __call__(self, body: str, *options: str) -> Said:
        self.path.write_text(HEAD + dedent(body))
        status = main(["audit", str(self.path), *options])
        said = self.capsys.readouterr()
        return Said(status, str(said.out), str(said.err))

    def findings(self, body: str) -> list[dict[str, str]]:
        """The findings of an audit whose exit status is 1."""
        said = self(body, "--json")
        assert said.status == 1, said
        return json.loads(said.out)["findings"]

    def refusal(self, body: str) -> str:
        """What is said of a target that cannot be audited."""
        said = self(body, "--quiet")
        assert (said.status, said.out) == (3, ""), said
        return said.err


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    return Audit(tmp_path, capsys)


# Audited


def test_a_healthy_workload(audit: Audit) -> None:
    said = audit(HEALTHY, "--fail-on", "warning")
    assert said.status == 0
    assert "line" in said.out
    for leaf in ("first", "second"):
        assert leaf in said.out
    assert said.err.splitlines() == [
        f"jaxdebug: importing {audit.path}",
        "jaxdebug: auditing line",
    ]


def test_json_has_its_schema_and_is_saved_as_well(audit: Audit) -> None:
    saved = audit.path.parent / "report.json"
    said = audit(HEALTHY, "--json", "--output", str(saved))
    report = json.loads(said.out)
    assert json.loads(saved.read_text("utf-8")) == report
    assert said.status == 0
    assert report["schema"] == "jaxdebug.audit/1"
    assert report["verdict"] == "pass"
    assert report["findings"] == []


WRONG_RULE = """
@jax.custom_vjp
def squash(x):
    return jnp.tanh(x)


squash.defvjp(
    lambda x: (jnp.tanh(x), x), lambda x, g: (1.05 * g * (1 - jnp.tanh(x) ** 2),)
)


def loss_fn(params, batch):
    hidden = squash(batch["x"] @ params["first"])
    return jnp.mean((hidden @ params["second"] - batch["y"]) ** 2)
"""


@pytest.mark.slow
def test_a_wrong_rule_is_named_with_the_leaf_behind_it(audit: Audit) -> None:
    (finding,) = audit.findings(WRONG_RULE + HEALTHY)
    assert (finding["code"], finding["severity"]) == ("wrong-rule", "error")
    assert finding["where"] == "squash"
    lines = (HEAD + dedent(WRONG_RULE)).splitlines()
    (rule,) = [number for number, line in enumerate(lines, 1) if "lambda x, g" in line]
    assert finding["line"].endswith(f"net.py:{rule}")
    assert "gradients behind it: first" in finding["message"]


@pytest.mark.slow
def test_a_leaf_that_is_cut_off(audit: Audit) -> None:
    found = audit.findings(
        healthy_but(
            """
            def loss_fn(params, batch):
                first = jax.lax.stop_gradient(params["first"])
                predicted = predict({**params, "first": first}, batch["x"])
                return jnp.mean((predicted - batch["y"]) ** 2)
            """
        )
    )
    assert [(f["code"], f["where"]) for f in found] == [("lost-gradient", "first")]


def test_a_nan_in_the_data_names_the_field(audit: Audit) -> None:
    found = audit.findings(
        healthy_but(
            """
            BATCH["y"] = np.where(np.arange(4) == 2, np.nan, Y).astype(np.float32)
            """
        )
    )
    (data,) = [f for f in found if f["code"] == "nonfinite-data"]
    assert data["where"] == "argument 1, field y"
    assert "index [2]" in data["message"]


@pytest.mark.slow
def test_a_loss_with_aux_and_extra_arguments(audit: Audit) -> None:
    said = audit(
        """
        def with_aux(params, batch, scale):
            loss = scale * loss_fn(params, batch)
            return loss, {"loss": loss}


        workload = jd.Workload(
            loss_fn=with_aux, params=PARAMS, train=lambda: iter([BATCH]),
            has_aux=True, extra=(jnp.float32(2),),
        )
        """
    )
    assert said.status == 0


# Refused


def test_a_loss_that_is_no_scalar(audit: Audit) -> None:
    err = audit.refusal(
        healthy_but(
            """
            def loss_fn(params, batch):
                return (predict(params, batch["x"]) - batch["y"]) ** 2
            """
        )
    )
    assert err == (
        "jaxdebug: workload 'line': expected a scalar loss of a floating dtype; found "
        "float32[4]. Reduce it, for example with .mean().\n"
    )


def test_a_loss_without_the_aux_that_is_announced(audit: Audit) -> None:
    err = audit.refusal(HEALTHY.replace("name=", "has_aux=True, name="))
    assert err == (
        "jaxdebug: workload 'line': expected the loss to return (loss, aux), because "
        "has_aux=True; found float32[]. Return a pair, or give has_aux=False.\n"
    )


def test_a_loss_with_an_aux_that_is_not_announced(audit: Audit) -> None:
    err = audit.refusal(
        """
        def plain(params, batch):
            return loss_fn(params, batch), {"n": 4}


        workload = jd.Workload(loss_fn=plain, params=PARAMS, train=[BATCH])
        """
    )
    assert "If it is (loss, aux), give has_aux=True." in err
    assert "Traceback" not in err


def shows_only_the_user(err: str, path: Path, line: str) -> None:
    """The traceback holds the user's frames alone, and this line of theirs."""
    assert "running the workload raised " in err
    frames = [text for text in err.splitlines() if text.startswith('  File "')]
    assert frames
    assert all(f'"{path}"' in frame for frame in frames), frames
    assert line in err


def test_parameters_that_do_not_fit_the_model(audit: Audit) -> None:
    err = audit.refusal(
        """
        from flax import linen as nn

        model = nn.Dense(2)
        params = {"params": {"kernel": np.ones((3, 5), np.float32)}}


        def flax_loss(params, batch):
            scores = model.apply(params, batch["x"])
            return scores.mean()


        workload = jd.Workload(loss_fn=flax_loss, params=params, train=[BATCH])
        """
    )
    assert "raised ScopeParamShapeError" in err
    shows_only_the_user(err, audit.path, 'scores = model.apply(params, batch["x"])')


def test_a_batch_of_another_shape(audit: Audit) -> None:
    err = audit.refusal("BATCH['x'] = X[:, :2]\n" + HEALTHY)
    assert "raised TypeError" in err
    assert "got (2,) and (3,)" in err
    shows_only_the_user(err, audit.path, 'jnp.tanh(x @ params["first"])')


def test_a_file_without_a_workload(audit: Audit) -> None:
    err = audit.refusal("\n")
    assert "found no 'workload' in the file" in err
    assert "workload = jaxdebug.Workload(loss_fn=..., params=..., train=...)" in err
    assert "Traceback" not in err


# As a program


@pytest.mark.slow
def test_as_a_program(tmp_path: Path) -> None:
    """The one test of a process: streams and exit status are the system's own."""
    (tmp_path / "net.py").write_text(HEAD + WRONG_RULE + HEALTHY + "print('mine')\n")
    run = subprocess.run(
        [sys.executable, "-m", "jaxdebug", "audit", "net.py:workload", "--json"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": os.environ["XLA_FLAGS"],
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert json.loads(run.stdout)["verdict"] == "fail"
    assert "mine" in run.stderr
    assert "Warning" not in run.stderr
