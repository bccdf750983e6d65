"""Wrong elements of an array are found by what boxes of it make wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from jaxdebug.gradients.blocks import Block
from jaxdebug.gradients.localisation import Gap, Probe, locate

BUDGET = 140


def probe_of(errors: np.ndarray, noise: float = 1e-9) -> tuple[Probe, list[Block]]:
    """Probes of an array of errors, along random signs and sizes, with noise."""
    random = np.random.default_rng(0)
    signs = random.choice([-1.0, 1.0], errors.shape)
    parts = errors * signs * random.uniform(0.5, 1.5, errors.shape)
    asked: list[Block] = []

    def probe(box: Block) -> Gap:
        asked.append(box)
        inside = tuple(map(slice, box.start, box.stop))
        total = float(parts[inside].sum())
        return Gap(total + random.uniform(-noise, noise), noise)

    return probe, asked


def wrong_at(shape: tuple[int, ...], *places: object) -> np.ndarray:
    errors = np.zeros(shape)
    for place in places:
        errors[place] = 1.0  # pyright: ignore[reportArgumentType, reportCallIssue]
    return errors


S = slice
PLANTED: dict[str, tuple[np.ndarray, list[str]]] = {
    "an element of a vector": (wrong_at((10**6,), 123_457), ["w[123457]"]),
    "the first element": (wrong_at((1000, 1000), (0, 0)), ["w[0, 0]"]),
    "the last element": (wrong_at((100, 100, 100), (99, 99, 99)), ["w[99, 99, 99]"]),
    "a block": (wrong_at((512, 512), (S(3, 80), S(0, 16))), ["w[3:80, 0:16]"]),
    "columns": (wrong_at((512, 512), (S(None), S(16, 32))), ["w[:, 16:32]"]),
    "a row": (wrong_at((512, 512), 7), ["w[7, :]"]),
    "everything": (wrong_at((64, 64), S(None)), ["w"]),
    "two elements": (
        wrong_at((1000, 1000), (3, 5), (700, 999)),
        ["w[3, 5]", "w[700, 999]"],
    ),
    "two rows": (wrong_at((64, 512), 3, 40), ["w[3, :]", "w[40, :]"]),
    "a scalar": (wrong_at((), ()), ["w"]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_wrong_is_found_exactly(name: str) -> None:
    errors, expected = PLANTED[name]
    probe, asked = probe_of(errors)
    found = locate(probe, errors.shape, BUDGET)
    assert [b.named("w", errors.shape) for b in found] == expected
    assert all(block.exact for block in found)
    assert len(asked) <= BUDGET


def test_one_element_takes_twice_the_logarithm_of_probes() -> None:
    probe, asked = probe_of(wrong_at((1000, 1000), (123, 456)))
    locate(probe, (1000, 1000), BUDGET)
    assert len(asked) <= 2 * np.log2(10**6) + 4


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    probe, asked = probe_of(np.zeros((64, 64)))
    assert locate(probe, (64, 64), BUDGET) == ()
    assert len(asked) == 1


def noisy(small: float) -> Callable[[Block], Gap]:
    """Boxes of at most 100 elements are too noisy to tell."""
    exact, _ = probe_of(wrong_at((1000,), 421))
    return lambda box: exact(box) if box.size > 100 else Gap(small, np.inf)


def test_noise_leaves_the_smallest_block_that_is_sure() -> None:
    (block,) = locate(noisy(0.0), (1000,), BUDGET)
    assert not block.exact
    assert block.start[0] <= 421 < block.stop[0]
    assert block.size < 1000
    assert block.named("w", (1000,)).startswith("within w[")


def test_a_part_that_noise_may_hide_is_not_left_out() -> None:
    """The bar is wide: a tenth of the error would not be seen in a part."""
    probe, _ = probe_of(wrong_at((1000,), S(0, 500)), noise=3.0)
    for block in locate(probe, (1000,), BUDGET):
        assert block.start[0] == 0
        assert block.stop[0] >= 500


def test_a_budget_that_is_used_up_leaves_boxes_that_hold_them_all() -> None:
    places = (3, 400_000, 400_900, 999_000)
    probe, asked = probe_of(wrong_at((10**6,), *places))
    found = locate(probe, (10**6,), 60)
    assert len(asked) <= 60
    assert all(any(b.start[0] <= p < b.stop[0] for b in found) for p in places)
