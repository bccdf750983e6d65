"""Whether the user's train step moves the parameters as the optimiser would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.state_copy import state_copy
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.frameworks import modules
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.random_keys import is_key
from jaxdebug.reports import format_number

NAME = "step-agrees"

STEPS, LATER = 8, 8
"""At most, until something moves; and then, to see whether both go on alike."""

ALIKE = 0.98
"""Cosine from which on two moves have one direction."""

APART = 0.1
"""By which one may be larger than the other."""

SAME, PARTED = 0.05, 0.3
"""Relative distance of first moves that are the same, and of later ones that are not.
Elements whose gradient is all rounding may go another way each time."""


def step_agrees(subject: Subject) -> Outcome:
    """Compare steps of `train_step` with those of `optimizer` on `loss_fn`.

    Args:
        subject: with `train_step`, `state` and `optimizer`, the parameters of which
            stand in the state.
    """
    if subject.workload.train_step is None:
        raise CannotRun("give `train_step` and `state`")
    moves = _moves(subject)
    count, (own, meant) = 1, next(moves)
    while count < STEPS and not own.any() and not meant.any():
        count, (own, meant) = count + 1, next(moves)
    sizes = [float(np.linalg.norm(move)) for move in (own, meant)]
    said = (
        f"after {count} steps parameters moved by {format_number(sizes[0])}, by "
        f"`optimizer` on `loss_fn` by {format_number(sizes[1])}"
    )
    if not all(map(np.isfinite, sizes)) or not sizes[1]:
        return undecided(NAME, f"{said}: nothing to compare")
    along = float(own @ meant) / sizes[1]
    ratio, cosine = along / sizes[1], along / (sizes[0] or 1.0)
    numbers = {"ratio": ratio, "cosine": cosine}
    if sizes[0] and cosine < -ALIKE:
        words = f"{said}, in the opposite direction"
        finding = found("opposite-step", "train_step", words, evidence=numbers)
        return judged(NAME, words, [finding], numbers)
    if sizes[0] and cosine < ALIKE:
        why = "in another direction: random keys, other terms, another optimizer"
        return undecided(NAME, f"{said}, {why}", numbers)
    if _distance(own, meant) <= SAME and not _is_random(subject):
        return _later(moves, said, numbers)
    if abs(ratio - 1) <= APART:
        return judged(NAME, said, (), numbers)
    words = f"{said}, in the same direction: {format_number(ratio)} times as far"
    finding = found("other-step-size", "train_step", words, evidence=numbers)
    return judged(NAME, said, [finding], numbers)


def _later(
    moves: Iterator[tuple[np.ndarray, np.ndarray]], said: str, numbers: dict[str, Any]
) -> Outcome:
    """Whether steps that begin the same go on so: what they keep may differ."""
    for _ in range(LATER):
        own, meant = next(moves)
    apart = _distance(own, meant)
    numbers = {**numbers, "later": apart}
    if not np.isfinite(apart) or apart <= PARTED:
        return judged(NAME, said, (), numbers)
    words = (
        f"{said}, the same; {LATER} steps later both are apart by "
        f"{format_number(apart)} of how far `optimizer` went"
    )
    finding = found("steps-part", "train_step", words, evidence=numbers)
    return judged(NAME, words, [finding], numbers)


def _is_random(subject: Subject) -> bool:
    """Whether the loss may draw random numbers: later steps have keys of their own."""
    extra = jax.tree.leaves(modules.split(subject.workload.extra))
    return any(is_key(x) or getattr(x, "dtype", None) == np.uint32 for x in extra)


def _distance(own: np.ndarray, meant: np.ndarray) -> float:
    """Of two moves, beside the second."""
    return float(np.linalg.norm(own - meant)) / (float(np.linalg.norm(meant)) or 1.0)


def _moves(subject: Subject) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """How far the parameters have come, by the user's step and by the optimiser."""
    workload, pure = subject.workload, subject.pure
    assert workload.train_step is not None
    start = [np.asarray(leaf, np.float64) for leaf in pure.trained(pure.start)]
    places = _places(workload.state, pure.split.paths, pure.trained(pure.start))
    training, state = subject.begin(), state_copy(workload.state)
    for batch in cycle(subject.train):
        state, _ = workload.train_step(state, batch)
        training, _ = subject.train_on(training, [batch])
        leaves = jax.tree.leaves(modules.split(state))
        if len(leaves) != len(jax.tree.leaves(modules.split(workload.state))):
            raise CannotRun(
                "expected train_step to return (state, metrics), the state first and "
                "of the structure of `state`; found another one"
            )
        moves = [_move(start, [leaves[at] for at in group]) for group in places]
        # A copy, such as an average of the parameters, moves less.
        own = max(moves, key=lambda move: float(np.linalg.norm(move)))
        yield own, _move(start, pure.trained(training.arrays))


def _places(
    state: Any, names: Sequence[tuple[str, ...]], leaves: Sequence[Any]
) -> list[list[int]]:
    """Where in a state the parameters stand, and copies of them.

    Returns:
        For each part of the state that holds all of them with their values, the
        places of its leaves.
    """
    taken = modules.split(state)
    paths, found = path_names(taken), jax.tree.leaves(taken)
    groups: dict[tuple[str, ...], dict[int, int]] = defaultdict(dict)
    for place, (path, leaf) in enumerate(zip(paths, found, strict=True)):
        for number, (name, old) in enumerate(zip(names, leaves, strict=True)):
            if path[len(path) - len(name) :] == name and _same(leaf, old):
                groups[path[: len(path) - len(name)]][number] = place
    whole = [group for group in groups.values() if len(group) == len(names)]
    if not whole:
        raise CannotRun(
            "expected the parameters in `state`, under their own names and with the "
            "values of `params`; found them nowhere"
        )
    return [[group[number] for number in range(len(names))] for group in whole]


def _same(leaf: Any, old: Any) -> bool:
    return (
        getattr(leaf, "shape", None) == old.shape
        and getattr(leaf, "dtype", None) == old.dtype
        and bool(np.array_equal(np.asarray(leaf), np.asarray(old)))
    )


def _move(start: Sequence[Any], leaves: Sequence[Any]) -> np.ndarray:
    pairs = zip(start, leaves, strict=True)
    return np.concatenate([(np.asarray(n, np.float64) - o).ravel() for o, n in pairs])
