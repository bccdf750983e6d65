"""Gaps that are rounding jump from point to point; those of a wrong rule do not."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdebug.gradients.cancelled import DISPLACEMENTS, is_noise

AT = np.asarray(DISPLACEMENTS) / DISPLACEMENTS[0]


@pytest.mark.parametrize("seed", range(20))
def test_rounding_is_noise_and_a_mistake_is_not(seed: int) -> None:
    rounding = np.random.default_rng(seed).normal(size=len(AT))
    assert is_noise(rounding)
    assert is_noise(np.abs(rounding) + 1)  # the worst of some coordinates
    assert not is_noise(1 + 1e-3 * rounding)


def test_what_bends_or_jumps_once_is_no_noise() -> None:
    for gap in (np.ones(len(AT)), AT, AT**3, np.exp(AT), np.sin(3 * AT), 1 / AT**2):
        assert not is_noise(gap)
    for place in range(1, len(AT)):
        kink = np.where(np.arange(len(AT)) < place, 1.0, 1.5)
        assert not is_noise(kink)
        assert not is_noise(kink * AT)


def test_what_is_not_finite_is_no_noise() -> None:
    assert not is_noise(np.where(AT > 1.5, np.nan, 1.0))
