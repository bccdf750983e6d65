"""Gradients that are identically zero while others are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.parts import Path, parts_of_tree, unnumbered
from jaxdebug.findings.rules.reading import Measured, is_zero, of_kind, parameters

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

BIASES = re.compile(r"bias|beta|offset|^b\d*$", re.IGNORECASE)
"""What is only added: that it is zero cuts off no gradient."""


def zero_gradient_findings(measured: Measured) -> list[Finding]:
    """Findings on parameters that get no gradient, and on those stuck at zero."""
    gradients = dict(of_kind(measured, "gradient"))
    zero = [site for site, numbers in gradients.items() if is_zero(numbers)]
    alive = {site.path for site in gradients} - {site.path for site in zero}
    severed = {site: how for site in zero if (how := gradients[site].get("severed"))}
    return [
        *_by_module(list(severed), alive, partial(_severed, severed)),
        *_zero([site for site in zero if site not in severed], alive, measured),
    ]


def _zero(zero: Sequence[Site], alive: set[Path], measured: Measured) -> list[Finding]:
    """Findings on gradients that are zero for this batch, as far as we know."""
    if not alive:
        return []
    values = {site.path: is_zero(numbers) for site, numbers in parameters(measured)}
    reasons = [
        path for path in alive if values.get(path) and not BIASES.search(path[-1])
    ]
    if reasons:
        return _explained(zero, min(reasons)) if zero else []
    stuck = [
        site
        for site in zero
        if values.get(site.path)
        and sum(length > 1 for length in site.shape) > 1
        and not _has_living_twin(site.path, alive)
    ]
    rest = [site for site in zero if site not in stuck]
    return [*map(_stuck, stuck), *_by_module(rest, alive, _without)]


def _stuck(site: Site) -> Finding:
    return found(
        "stuck-at-zero",
        site.name,
        f"all {_elements(site)} elements are zero, and so is the whole gradient, "
        "while other parameters have one",
        evidence={"shape": site.shape, "max": 0.0, "gradient_max": 0.0},
    )


def _explained(zero: Sequence[Site], reason: Path) -> list[Finding]:
    name = "/".join(reason)
    return [
        found(
            "zero-gradient",
            name,
            f"{len(zero)} parameters have a gradient of exactly zero, as they do "
            f"behind {name}, which is zero itself and has a gradient: the next step "
            "may free them",
            remedies=("Look again after a few steps.",),
            evidence={"parameters": [site.name for site in zero], "behind": name},
        )
    ]


def _by_module(
    zero: Sequence[Site],
    alive: set[Path],
    make: Callable[[Sequence[Path], Sequence[Site]], Finding],
) -> list[Finding]:
    """One finding for each largest part of the tree without any gradient."""
    return [
        make(part.paths, [zero[index] for index in part.leaves])
        for part in parts_of_tree([site.path for site in zero], alive)
    ]


def _without(paths: Sequence[Path], sites: Sequence[Site]) -> Finding:
    return found(
        "zero-gradient",
        _name(paths, sites),
        f"{_who(paths, sites)} a gradient of exactly zero, while other parameters "
        "have one",
        evidence=_evidence(paths, sites),
    )


def _severed(
    severed: Mapping[Site, str], paths: Sequence[Path], sites: Sequence[Site]
) -> Finding:
    unused = all(severed[site] == "unused" for site in sites)
    them = "it" if len(sites) == 1 else "them"
    why = (
        f"the loss never reads {them}"
        if unused
        else f"the loss reads {them}, but no derivative leads back"
    )
    return found(
        "severed-parameter",
        _name(paths, sites),
        f"{_who(paths, sites)} a gradient that is zero whatever the batch: in the "
        f"traced program {why}",
        evidence=_evidence(paths, sites)
        | {"unused": [site.name for site in sites if severed[site] == "unused"]},
    )


def _name(paths: Sequence[Path], sites: Sequence[Site]) -> str:
    return sites[0].name if len(sites) == 1 else "/".join(paths[0])


def _who(paths: Sequence[Path], sites: Sequence[Site]) -> str:
    others = f" and in {len(paths) - 1} more like it" if len(paths) > 1 else ""
    many = len(sites) > 1
    return f"all {len(sites)} parameters in it{others} have" if many else "it has"


def _evidence(paths: Sequence[Path], sites: Sequence[Site]) -> dict[str, object]:
    return {
        "parts": ["/".join(path) for path in paths],
        "parameters": [site.name for site in sites],
    }


def _has_living_twin(path: Path, alive: set[Path]) -> bool:
    """Whether a leaf that differs in numbers only has a gradient."""
    return any(unnumbered(path) == unnumbered(other) for other in alive)


def _elements(site: Site) -> int:
    elements = 1
    for length in site.shape:
        elements *= length
    return elements
