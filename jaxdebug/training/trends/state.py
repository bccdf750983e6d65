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
        constant: list[str | None] = [n.line for n in facts.draws if not n.roots]
        if changes.is_long:
            yield from self._unwritten(facts, changes)
            for roots, line in facts.draws:
                if roots and len(changes.still(roots)) == len(roots):
                    yield from self._repeated(roots, [line], changes)
        if constant:
            yield from self._repeated((), constant, changes)

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
        self, roots: Sequence[Path], lines: Sequence[str | None], changes: Changes
    ) -> Iterator[Finding]:
        fresh = [line for line in dict.fromkeys(lines) if line not in self._drawn]
        self._drawn.update(fresh)
        names = ["/".join(path) for path in roots]
        for line in fresh:
            why = "their key is made inside of the step and depends on no argument"
            if names:
                have = "have" if len(names) > 1 else "has"
                why = (
                    f"their key depends on {listed(names)} alone, which {have} not "
                    f"changed {changes.span}"
                )
            yield found(
                "repeated-randomness",
                listed(names) if names else "step",
                f"the random numbers at {line or 'an unknown line'} are the same at "
                f"every step: {why}",
                line=line,
                evidence={"roots": names},
            )
