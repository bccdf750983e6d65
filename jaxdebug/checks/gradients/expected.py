"""Functions whose derivative is meant to differ, by the names that the user gives."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.programs._jax import calls
from jaxdebug.programs.cuts import stands_in
from jaxdebug.programs.graph import Graph


def is_expected(site: CallSite, names: Sequence[str]) -> bool:
    """Whether a call's function, or one it stands in, has one of those names."""
    name, _ = calls.custom_rule_name(site.equation.raw)
    named = any(fnmatch(name, pattern) for pattern in names)
    return named or stands_in(site.equation, names)


def is_anywhere(name: str, graph: Graph, sites: Sequence[CallSite]) -> bool:
    """Whether a custom rule, or a function that an equation stands in, is called so."""
    if any(is_expected(site, (name,)) for site in sites):
        return True
    return any(stands_in(step.equation, (name,)) for step in graph.steps)
