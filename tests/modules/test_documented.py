"""The Equinox page and the NNX example do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_code_of_the_equinox_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "equinox.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, Any] = {"__name__": "equinox_page"}
    exec(compile(code, "equinox.md", "exec"), names)
    assert names["report"].ok
    paths = {leaf.path for leaf in names["report"].leaves}
    assert {"norm/weight", "mlp/layers/0/bias"} <= paths
    assert capsys.readouterr().out.startswith("PASS")
    fresh = names["Classifier"](jax.random.key(0))
    assert eqx.tree_equal(names["model"], fresh)


@pytest.mark.slow
def test_the_nnx_example() -> None:
    pytest.importorskip("sklearn")
    from flax import nnx

    from examples import digits_nnx
    from jaxdebug.checks.audits.audit import audit_workload

    workload = digits_nnx.make_workload()
    state = jax.tree.leaves(nnx.state(workload.params, nnx.BatchStat))
    report = audit_workload(workload)
    assert report.ok, str(report)
    after = jax.tree.leaves(nnx.state(workload.params, nnx.BatchStat))
    for old, new in zip(state, after, strict=True):
        np.testing.assert_array_equal(old, new)
    optimizer = nnx.Optimizer(workload.params, workload.optimizer, wrt=nnx.Param)
    losses = [
        float(digits_nnx.train_step(workload.params, optimizer, batch))
        for batch in workload.train
    ]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
def test_the_example_of_a_wrong_rule(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    from examples import wrong_rule

    wrong_rule.main()
    printed = capsys.readouterr().out
    heads = [line for line in printed.splitlines() if line[:4] in ("FAIL", "PASS")]
    assert [head.partition("  ")[0] for head in heads] == ["FAIL", "PASS", "FAIL"]
    line = wrong_rule._forgetful_bwd.__code__.co_firstlineno
    assert f"wrong_rule.py:{line}" in printed.replace("\n", "")
