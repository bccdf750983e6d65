"""State that must go on from step to step, and does not: averages, counters, keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from jaxdebug.findings import Finding, found
from jaxdebug.findings.parts import listed, parts_of_tree
from jaxdebug.programs.parameters.dropped import AVERAGE
from jaxdebug.training.trends.changes import Changes
from jaxdebug.training.trends.facts import Facts, Path, Unwritten

_SAID = {
    AVERAGE: "a moving average of it is computed",
    "counter": "it is counted on",
}


class State:
    """Tells once of each part of the state that stands still and must not."""

    def __init__(self) -> None:
        self._told = set[Path]()
        self._drawn = set[str | None]()

    def findings(self, facts: Facts, changes: Changes) -> Iterator[Finding]:
        """What is to be said at one sample.

        Args:
            facts: what the program says of the arguments.
            changes: which of them changed until now.
        """
        if changes.is_long:
            yield from self._unwritten(facts, changes)
        layers: dict[tuple[tuple[Path, ...], str | None], list[str]] = defaultdict(list)
        for roots, line, layer in facts.draws:
            layers[roots, line].append(layer)
        for (roots, line), drawing in layers.items():
            still = changes.is_long and len(changes.still(roots)) == len(roots)
            if line not in self._drawn and (still or not roots):
                self._drawn.add(line)
                yield _repeated(roots, line, [*filter(None, drawing)], changes.span)

    def _unwritten(self, facts: Facts, changes: Changes) -> Iterator[Finding]:
        still = set(changes.still(one.path for one in facts.dropped)) - self._told
        self._told |= still
        forms: dict[str, list[Unwritten]] = defaultdict(list)
        for one in facts.dropped:
            if one.path in still:
                forms[one.form].append(one)
        for form, leaves in forms.items():
            others = [p for p in facts.paths.values() if p not in still]
            for part in parts_of_tree([one.path for one in leaves], others):
                inside = [leaves[index] for index in part.leaves]
                names = ["/".join(one.path) for one in inside]
                count = f"{len(names)} leaves have" if len(names) > 1 else "it has"
                yield found(
                    "unwritten-state",
                    listed("/".join(path) for path in part.paths),
                    f"{count} not changed {changes.span}: {_SAID[form]} in the step, "
                    "but the new value is dropped",
                    line=inside[0].line,
                    evidence={"leaves": names, "form": form},
                )


def _repeated(
    roots: Sequence[Path], line: str | None, layers: Sequence[str], span: str
) -> Finding:
    why = "their key is made inside of the step and depends on no argument"
    names = ["/".join(path) for path in roots]
    if names:
        have = "have" if len(names) > 1 else "has"
        why = f"their key depends on {listed(names)} alone, which {have} not changed"
        why += f" {span}"
    whose = f" of {listed(layers)}" if layers else ""
    return found(
        "repeated-randomness",
        listed(names or layers or ["step"]),
        f"the random numbers{whose} at {line or 'an unknown line'} are the same at "
        f"every step: {why}",
        line=line,
        evidence={"roots": names, "layers": layers},
    )
