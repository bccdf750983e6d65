"""Gradients that are identically zero while others are not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.rules.reading import Measured, is_zero, of_kind, parameters

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

Path = tuple[str, ...]

BIASES = re.compile(r"bias|beta|offset|^b\d*$", re.IGNORECASE)
"""What is only added: that it is zero cuts off no gradient."""


def zero_gradient_findings(measured: Measured) -> list[Finding]:
    """Findings on parameters that get no gradient, and on those stuck at zero."""
    gradients = dict(of_kind(measured, "gradient"))
    zero = [site for site, numbers in gradients.items() if is_zero(numbers)]
    alive = {site.path for site in gradients} - {site.path for site in zero}
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
    return [*map(_stuck, stuck), *_by_module(rest, alive)]


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


def _by_module(zero: Sequence[Site], alive: set[Path]) -> list[Finding]:
    """One finding for each largest part of the tree without any gradient."""
    parts: dict[Path, list[Site]] = defaultdict(list)
    for site in zero:
        path = site.path
        length = len(path)
        while length > 1 and not any(
            a[: length - 1] == path[: length - 1] for a in alive
        ):
            length -= 1
        parts[path[:length]].append(site)
    alike: dict[Path, list[Path]] = defaultdict(list)
    for path in parts:
        alike[_unnumbered(path)].append(path)
    return [_without(paths, parts) for paths in alike.values()]


def _without(paths: Sequence[Path], parts: Mapping[Path, Sequence[Site]]) -> Finding:
    """A finding on parts whose names differ in numbers only, such as experts."""
    sites = [site for path in paths for site in parts[path]]
    name = sites[0].name if len(sites) == 1 else "/".join(paths[0])
    others = f" and in {len(paths) - 1} more like it" if len(paths) > 1 else ""
    who = (
        f"all {len(sites)} parameters in it{others} have"
        if len(sites) > 1
        else "it has"
    )
    return found(
        "zero-gradient",
        name,
        f"{who} a gradient of exactly zero, while other parameters have one",
        evidence={
            "parts": ["/".join(path) for path in paths],
            "parameters": [site.name for site in sites],
        },
    )


def _has_living_twin(path: Path, alive: set[Path]) -> bool:
    """Whether a leaf that differs in numbers only has a gradient."""
    return any(_unnumbered(path) == _unnumbered(other) for other in alive)


def _unnumbered(path: Path) -> Path:
    return tuple(re.sub(r"\d+", "", part) for part in path)


def _elements(site: Site) -> int:
    elements = 1
    for length in site.shape:
        elements *= length
    return elements
