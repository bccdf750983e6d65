"""Parameters that the user declared frozen, and that move."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence

from jaxdebug.checks.declarations import FROZEN, matches_path
from jaxdebug.findings import Finding, found
from jaxdebug.findings.parts import listed
from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.trends.facts import Facts, Path
from jaxdebug.training.trends.numbers import Sizes


class Frozen:
    """Looks whether what is declared frozen stands still.

    Args:
        patterns: of the paths of parameters.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = patterns
        self._checked = False
        self._told = set[Path]()

    def covers(self, path: Path) -> bool:
        """Whether a parameter is declared frozen."""
        return any(matches_path(pattern, path) for pattern in self.patterns)

    def findings(
        self, step: int, reading: Reading, moved: Iterable[Path], sizes: Sizes
    ) -> Iterator[Finding]:
        """What is to be said at one sample.

        Args:
            step: of the sample.
            reading: of it.
            moved: arguments that changed for the first time.
            sizes: of gradients and updates until now.
        """
        if not self.patterns:
            return
        facts = reading.facts
        paths = [*facts.paths.values()]
        if not self._checked:
            self._checked = True
            for pattern in dict.fromkeys(self.patterns):
                if not any(matches_path(pattern, path) for path in paths):
                    yield _unmatched(pattern, [*facts.parameters] or paths)
        names = [p for p in moved if p not in self._told and self._names(p, facts)]
        self._told.update(names)
        if names:
            yield _moved(step, names, sizes)

    def _names(self, path: Path, facts: Facts) -> bool:
        """Whether a declaration is of this argument, not of one that is named alike.

        Moments of an optimiser have the names of the parameters that they are of.
        """
        for pattern in self.patterns:
            matching = [p for p in facts.parameters if matches_path(pattern, p)]
            if not matching:
                # A part that the step does not return is no parameter of it.
                others = [p for p in facts.paths.values() if matches_path(pattern, p)]
                shortest = min(map(len, others), default=0)
                matching = [p for p in others if len(p) == shortest]
            if path in matching:
                return True
        return False


def _unmatched(pattern: str, paths: Collection[Path]) -> Finding:
    names = ["/".join(path) for path in paths]
    ends = {path[start:] for path in paths for start in range(len(path))}
    close = difflib.get_close_matches(pattern, ["/".join(e) for e in ends], 3, 0.5)
    hint = (
        f"the nearest are {', '.join(close)}"
        if close
        else f"there are: {listed(names, 5)}"
    )
    return found(
        "unmatched-declaration",
        f"{FROZEN}{pattern}",
        f"the pattern {pattern!r} matches no parameter and no argument; {hint}",
        evidence={"pattern": pattern, "parameters": names[:100]},
    )


def _moved(step: int, paths: Sequence[Path], sizes: Sizes) -> Finding:
    names = ["/".join(path) for path in paths]
    updated = [path for path in paths if sizes.updated(path)]
    why = ""
    if updated:
        why = "; the optimiser gives it an update"
        if not any(map(sizes.has_gradient, updated)):
            why += " although no gradient was seen: weight decay, or momentum"
    return found(
        "frozen-parameter-moved",
        listed(names),
        f"declared frozen, and changed before step {step}{why}",
        evidence={"step": step, "parameters": names},
    )
