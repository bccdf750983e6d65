"""The tools run unchanged on programs that were not written for them.

Quick: every train step is traced under the probe. Slow: every step runs under
it and gives the numbers it gives without, and every loss is audited.
"""

import jax
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.reports import Verdict
from tests.slow import quick_cases
from tests.zoo import PROGRAMS


# Every twelfth one keeps the quick tests quick; the others are slow or rarer.
@pytest.mark.parametrize("name", quick_cases(PROGRAMS, [*PROGRAMS][::24], slice_of=12))
def test_probe_traces_every_step_and_finds_its_parameters(name):
    """Same outputs, and each trained parameter has a gradient or a reason."""
    program = PROGRAMS[name]()
    plain = jax.eval_shape(program.train_step, program.state, program.batch)
    probed, statistics = jax.eval_shape(
        jd.probe(program.train_step), program.state, program.batch
    )
    assert jax.tree.map(_type, plain) == jax.tree.map(_type, probed)
    kinds = [site.kind for site in statistics.sites]
    assert kinds.count("parameter") >= 1
    unnamed = kinds.count("parameter") - kinds.count("gradient")
    layout = statistics.layout
    assert unnamed <= len(layout.unidentified) + len(layout.frozen)


@pytest.mark.parametrize("name", quick_cases(PROGRAMS, [], slice_of=18))
def test_probe_does_not_change_a_step(name):
    """The probed step gives the plain step's results, to rounding."""
    program = PROGRAMS[name]()
    probed = jax.jit(jd.probe(program.train_step))
    # A step may donate its state, so the probed one goes first, on a copy.
    copy = jax.tree.map(
        lambda leaf: leaf.copy() if hasattr(leaf, "copy") else leaf,
        (program.state, program.batch),
    )
    found, _ = probed(*copy)
    expected = program.train_step(program.state, program.batch)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for got, wanted in pairs:
        if jax.dtypes.issubdtype(wanted.dtype, np.inexact):
            loose = 4e-2 if wanted.dtype.itemsize < 4 else 2e-3
            got, wanted = np.asarray(got, np.complex64), np.asarray(wanted)
            np.testing.assert_allclose(
                got, wanted.astype(np.complex64), rtol=loose, atol=loose / 10
            )


@pytest.mark.parametrize("name", quick_cases([*PROGRAMS][::-1], [], slice_of=18))
def test_audit_does_not_fail_a_healthy_program(name):
    """No audit raises, and none calls a right gradient wrong."""
    program = PROGRAMS[name]()
    audited = jd.audit(program.loss_fn, has_aux=program.has_aux)
    report = audited(program.params, program.batch, *program.extra)
    wrong = [finding for finding in report.findings if finding.severity == "error"]
    assert report.verdict is not Verdict.FAIL or name in DELIBERATE, wrong


DELIBERATE = {
    "adversarial": "the generator's loss stops at the discriminator",
}
"""Programs whose gradient deviates from the loss's on purpose, and how."""


def _type(leaf):
    return leaf.shape, leaf.dtype
