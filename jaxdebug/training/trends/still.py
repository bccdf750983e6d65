"""Parameters that never change, although the step trains them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from jaxdebug.findings import Finding, Severity, found
from jaxdebug.findings.parts import listed, parts_of_tree
from jaxdebug.programs.parameters.leaves import NO_GRADIENT, UNCHANGED
from jaxdebug.training.trends.changes import Changes
from jaxdebug.training.trends.facts import Facts, Path
from jaxdebug.training.trends.numbers import Sizes

_HALF = ("bfloat16", "float16")


class Still:
    """Tells once of each parameter that never changed.

    Args:
        declared: whether a parameter is declared frozen.
        listed: whether any is: then others are meant to move.
    """

    def __init__(self, declared: Callable[[Path], bool], listed: bool) -> None:
        self._declared, self._listed = declared, listed
        self._told = set[Path]()

    def findings(
        self, facts: Facts, changes: Changes, sizes: Sizes
    ) -> Iterator[Finding]:
        """What is to be said at one sample.

        Args:
            facts: what the program says of the parameters.
            changes: which arguments changed until now.
            sizes: of their gradients and updates.
        """
        if not changes.is_long:
            return
        parameters = facts.parameters
        moved = [path for path in parameters if path in changes.moved]
        still = [p for p in changes.still(parameters) if p not in self._told]
        if not still:
            return
        span = changes.span
        if not moved:
            if _trains(facts, still, sizes):
                self._told.update(still)
                yield _nothing_moves(still, sizes, span)
            return
        waiting = any(parameters[path].waits for path in moved)
        still = [p for p in still if waiting or not parameters[p].waits]
        self._told.update(still)
        silent = {path for path in still if self._declared(path)}
        reasons: dict[Reason, list[Path]] = defaultdict(list)
        for path in still:
            if path not in silent:
                why, severity = _why(path, facts, sizes)
                if self._listed and facts.parameters[path].frozen:
                    why += "; of what is declared frozen it is no part"
                    severity = Severity.WARNING
                reasons[why, severity].append(path)
        for reason, paths in reasons.items():
            others = [path for path in parameters if path not in paths]
            for part in parts_of_tree(paths, others):
                inside = [paths[index] for index in part.leaves]
                yield _finding(part.paths, inside, reason, span)


Reason = tuple[str, Severity]

_CUT = (
    "by the program no gradient leads to its new value: the optimiser sets its update "
    "to zero (a mask, a label), or it is behind stop_gradient, or the loss does not "
    "use it"
)
_HANDED_ON = "the step returns it as it is: nothing is added to it"
_ZERO_GRADIENT = "no gradient reaches it: its gradient was zero in every sample"
_NOT_UPDATED = (
    "a gradient reaches it, but the optimiser makes no update: look at its masks and "
    "labels, and at a learning rate of 0"
)
_ROUNDED = "its update is lost to rounding in {dtype}: p + update == p"
_NEVER_FINITE = (
    "gradients held NaN or infinity in every sample, and the step passes over such "
    "ones: begin with a smaller loss scale, or look with jaxdebug.locate_nonfinite"
)
_UNAPPLIED = "its update is not zero, but it is not applied to what the step is given"
_UNTOLD = "its update was zero in every sample; its gradient was not identified"


def _why(path: Path, facts: Facts, sizes: Sizes) -> Reason:
    """Why a parameter stands still while others move, and how bad that is."""
    parameter, dtype = facts.parameters[path], sizes.dtypes.get(path, "")
    if sizes.lost(path):
        rounded = _ROUNDED.format(dtype=dtype)
        return rounded, Severity.WARNING if dtype in _HALF else Severity.INFO
    if sizes.updated(path):
        return _UNAPPLIED, Severity.WARNING
    if parameter.frozen:
        handed_on = parameter.reason == UNCHANGED
        # What is frozen on purpose is frozen so.
        return _HANDED_ON if handed_on else _CUT, Severity.INFO
    if parameter.reason:
        cut = parameter.reason.startswith(NO_GRADIENT)
        return _CUT if cut else _UNTOLD, Severity.INFO
    if sizes.gradient_is_zero(path):
        return _ZERO_GRADIENT, Severity.WARNING
    # A schedule may hold a part still for a while.
    return _NOT_UPDATED, Severity.INFO


def _trains(facts: Facts, still: Sequence[Path], sizes: Sizes) -> bool:
    """Whether a step of which no parameter moves was meant to train them."""
    return (
        facts.derives
        and not any(facts.parameters[path].waits for path in still)
        and any(
            sizes.has_gradient(path) or facts.parameters[path].reason == UNCHANGED
            for path in still
        )
    )


def _finding(
    where: Sequence[Path], paths: Sequence[Path], reason: Reason, span: str
) -> Finding:
    why, severity = reason
    names = ["/".join(path) for path in paths]
    count = f"{len(names)} leaves have" if len(names) > 1 else "it has"
    return found(
        "unchanged-parameter",
        listed("/".join(path) for path in where),
        f"{count} not changed {span}, while others have: {why}",
        severity=severity,
        evidence={"parameters": names, "why": why},
    )


def _nothing_moves(paths: Sequence[Path], sizes: Sizes, span: str) -> Finding:
    if any(map(sizes.updated, paths)):
        why = _UNAPPLIED
    elif any(map(sizes.lost, paths)):
        dtypes = {sizes.dtypes[path] for path in paths if sizes.lost(path)}
        why = _ROUNDED.format(dtype=listed(sorted(dtypes)))
    elif any(map(sizes.gradient_is_never_finite, paths)):
        why = _NEVER_FINITE
    elif any(map(sizes.has_gradient, paths)):
        why = _NOT_UPDATED
    else:
        why = (
            "gradients are computed, but the step returns the parameters as they are: "
            "apply the updates, and return what optax.apply_updates gives; of NNX, "
            "call optimizer.update(model, gradients)"
        )
    return found(
        "unchanged-parameter",
        "all parameters",
        f"none of {len(paths)} leaves has changed {span}: {why}",
        evidence={"parameters": ["/".join(path) for path in paths], "why": why},
    )
