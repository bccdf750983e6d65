"""Whose lines the sites of layers have: the user's, another's, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax

import jaxdebug as jd
from jaxdebug.programs.places import Site
from tests.zoo import PROGRAMS

HERE = str(Path(__file__).parent)
LAYERS = {"output", "cotangent", "activation", "softmax"}
SHARE = 0.95
# Flax makes these cells in its own recurrences: their class is not the user's.
LIBRARY_MADE = "OptimizedLSTMCell_0"


class Lines(NamedTuple):
    """How many sites have a line of the user's, one of another file, or none."""

    own: int
    other: int
    none: int

    @property
    def share(self) -> float:
        return self.own / max(sum(self), 1)


def layers(sites: Iterable[Site]) -> list[Site]:
    """The sites of layers among them."""
    return [site for site in sites if site.kind in LAYERS]


def whose(site: Site, own: str) -> str:
    """Whether its line is of a file that begins like `own`: a field of `Lines`."""
    if site.line is None:
        return "none"
    return "own" if site.line.file.startswith(own) else "other"


def count(sites: Iterable[Site], own: str) -> Lines:
    """Whose lines the sites have."""
    counted = Counter(whose(site, own) for site in sites)
    return Lines(*(counted[kind] for kind in Lines._fields))


@cache
def zoo_lines(name: str) -> tuple[Lines, Lines]:
    """Of the layers of one program whose class is the user's, and of the others."""
    program = PROGRAMS[name]()
    probed = jd.probe(program.train_step, statistics=("units",))
    _, statistics = jax.eval_shape(probed, program.state, program.batch)
    sites = layers(statistics.sites)
    theirs = [site for site in sites if LIBRARY_MADE in site.path]
    users = [site for site in sites if LIBRARY_MADE not in site.path]
    return count(users, HERE), count(theirs, HERE)


def total(lines: Iterable[Lines]) -> Lines:
    """Those of several programs."""
    return Lines(*map(sum, zip(*lines, strict=True)))
