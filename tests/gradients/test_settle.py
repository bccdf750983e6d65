"""Several looks at a leaf become one verdict."""

from dataclasses import replace

import pytest

from jaxdebug.gradients.verdict import (
    ATTEMPTS,
    LeafVerdict,
    needs_another_look,
    settle,
)
from jaxdebug.reports import Verdict

AGREES = LeafVerdict("w", Verdict.PASS, "agrees", 1.0, 1.0, 1e-9, 1.0, True, 1e-7)
WRONG = replace(AGREES, verdict=Verdict.FAIL, reason="disagrees", slope=2.0)
LOST = replace(AGREES, verdict=Verdict.FAIL, reason="lost-gradient", slope=0.0)
NOISY = replace(AGREES, verdict=Verdict.INCONCLUSIVE, reason="too-noisy", bar=9.0)
NAN = replace(AGREES, verdict=Verdict.FAIL, reason="not-finite", slope=float("nan"))


def settled(*looks: LeafVerdict) -> tuple[str, str]:
    (leaf,) = settle([[look] for look in looks])
    return leaf.verdict.value, leaf.reason


def final(*looks: LeafVerdict) -> tuple[tuple[str, str], int]:
    """The verdict when looks are taken as long as they are asked for."""
    taken = 1
    while taken < len(looks) and needs_another_look([[x] for x in looks[:taken]]):
        taken += 1
    return settled(*looks[:taken]), taken


@pytest.mark.parametrize("leaf", [AGREES, NAN])
def test_a_pass_and_a_nan_are_settled_at_once(leaf: LeafVerdict) -> None:
    assert not needs_another_look([[leaf]])


@pytest.mark.parametrize("leaf", [WRONG, LOST, NOISY])
def test_anything_else_is_looked_at_again(leaf: LeafVerdict) -> None:
    assert needs_another_look([[leaf]])
    assert needs_another_look([[AGREES, leaf]])


@pytest.mark.parametrize("leaf", [WRONG, LOST])
def test_two_failures_fail(leaf: LeafVerdict) -> None:
    assert final(leaf, leaf, AGREES) == (("fail", leaf.reason), 2)


def test_a_failure_between_passes_is_a_kink_in_the_way() -> None:
    assert final(WRONG, AGREES, AGREES) == (("pass", "agrees"), 3)


def test_looks_that_contradict_each_other_are_inconclusive() -> None:
    assert final(WRONG, AGREES, WRONG) == (("inconclusive", "contradictory"), 3)
    assert final(WRONG, NOISY, AGREES) == (("inconclusive", "contradictory"), 3)


def test_one_failure_among_noise_is_no_failure() -> None:
    assert final(NOISY, WRONG, NOISY)[0][0] == "inconclusive"
    assert final(WRONG, NOISY, NOISY)[0][0] == "inconclusive"


def test_noise_first_and_agreement_later_passes() -> None:
    assert final(NOISY, AGREES) == (("pass", "agrees"), 2)


def test_two_failures_after_noise_fail() -> None:
    assert final(NOISY, WRONG, WRONG) == (("fail", "disagrees"), 3)


def test_a_nan_in_one_look_fails_whatever_the_others_say() -> None:
    assert final(NAN)[0] == ("fail", "not-finite")
    assert settled(AGREES, NAN) == ("fail", "not-finite")
    assert settled(WRONG, NAN) == ("fail", "not-finite")
    assert settled(AGREES, NAN, AGREES) == ("fail", "not-finite")
    assert settled(NOISY, NAN) == ("fail", "not-finite")


def test_a_leaf_that_passed_does_not_fail_for_another_leafs_sake() -> None:
    """A second look is taken for one leaf; a kink in it must not hurt the others."""
    first, second = [AGREES, WRONG], [WRONG, WRONG]
    leaf, other = settle([first, second])
    assert leaf.verdict is not Verdict.FAIL
    assert other.verdict is Verdict.FAIL


def test_looks_end() -> None:
    assert not needs_another_look([[NOISY]] * ATTEMPTS)
    assert not needs_another_look([[WRONG], [AGREES], [WRONG]])
