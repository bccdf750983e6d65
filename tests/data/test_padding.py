"""Padding is told from tokens that are only rare."""

from __future__ import annotations

import numpy as np
import pytest

import jaxdebug as jd


@pytest.mark.parametrize(("padded", "codes"), [(False, []), (True, ["13"])])
def test_a_token_that_is_rare_everywhere_is_no_padding(
    padded: bool, codes: list[str]
) -> None:
    random = np.random.default_rng(2)
    tokens = random.integers(1, 60, (560, 16)).astype(np.int32)
    # It begins more rows than any other, and some of them twice.
    tokens[:20, 0] = tokens[:3, 1] = 13
    if padded:
        tokens[np.arange(16) < random.integers(0, 6, 560)[:, None]] = 13
    found = [
        one
        for one in jd.check_data(tokens, only=["padding"]).findings
        if one.code == "padded-sequences"
    ]
    assert ["13" for one in found if "hold 13 at the start" in one.message] == codes
    assert len(found) == len(codes)
