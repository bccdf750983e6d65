"""Every code that a finding can have, with its page."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages import (
    activations,
    data,
    data_splits,
    depth,
    gradients,
    learning,
    lint,
    objectives,
    parameters,
    precision,
    program,
    properties,
    rules,
    sanity,
    transforms,
    trends,
    values,
    workload,
)

FAMILIES: Mapping[str, tuple[Page, ...]] = MappingProxyType(
    {
        "Values that are not finite": values.PAGES,
        "Gradients compared with finite differences": gradients.PAGES,
        "Custom rules and precision": rules.PAGES,
        "Digits lost in the working precision": precision.PAGES,
        "Scale over depth": depth.PAGES,
        "Activations": activations.PAGES,
        "Parameters and updates": parameters.PAGES,
        "The program": program.PAGES,
        "Said of the program without running it": lint.PAGES,
        "Over the steps of a training": trends.PAGES,
        "Properties of layers": properties.PAGES,
        "Functions and splits of a workload": workload.PAGES,
        "Models and losses before a training": (*sanity.PAGES, *objectives.PAGES),
        "Short trainings": learning.PAGES,
        "Splits of a data set": data_splits.PAGES,
        "Columns, labels and batches of a data set": data.PAGES,
        "Transformations of batches": transforms.PAGES,
    }
)
"""Pages in the order in which they are listed."""

PAGES: Mapping[str, Page] = MappingProxyType(
    {page.code: page for pages in FAMILIES.values() for page in pages}
)


def page_of(code: str) -> Page:
    """The page of a code.

    Raises:
        ValueError: if there is none; names the nearest codes.

    Example:
        >>> page_of("dead-units").severity.value
        'warning'
    """
    if code not in PAGES:
        raise ValueError(unknown(code))
    return PAGES[code]


def unknown(code: str) -> str:
    """What to say to somebody who asked for a code that does not exist."""
    near = nearest(code)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    return (
        f"expected the code of a finding; found {code!r}: {hint}"
        "`jaxdebug explain` lists all codes."
    )


def nearest(code: str) -> list[str]:
    """Codes spelled like this one, or that share a word with it; nearest first."""
    spelled = difflib.get_close_matches(code.lower(), PAGES, n=3, cutoff=0.6)
    words = {word for word in code.lower().replace("_", "-").split("-") if word}
    sharing = [known for known in PAGES if words & set(known.split("-"))]
    return list(dict.fromkeys([*spelled, *sharing]))[:5]
