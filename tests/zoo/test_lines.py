"""Sites name the user's own line, never one of a library's."""

from pathlib import Path

import jax
import pytest

import jaxdebug as jd
from jaxdebug.programs.places import Site
from tests.zoo import PROGRAMS

HERE = str(Path(__file__).parent)
LAYERS = {"output", "cotangent", "activation", "softmax"}


def _sites(name: str) -> list[Site]:
    program = PROGRAMS[name]()
    probed = jd.probe(program.train_step, statistics=("units",))
    _, statistics = jax.eval_shape(probed, program.state, program.batch)
    return [site for site in statistics.sites if site.kind in LAYERS]


@pytest.mark.slow
def test_nearly_every_site_has_the_users_line() -> None:
    """In at least 95 of 100 sites; the cells of Flax's own recurrences aside, whose
    module class is not the user's."""
    sites = [
        site
        for name in PROGRAMS
        for site in _sites(name)
        if "OptimizedLSTMCell_0" not in site.path
    ]
    lines = [site.line.file for site in sites if site.line is not None]
    assert [file for file in lines if not file.startswith(HERE)] == []
    assert len(sites) > 400
    assert len(lines) >= 0.95 * len(sites)
