"""Rows that splits share: leaks, copies, natural coincidences, near ones, conflicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdebug as jd
from jaxdebug.checks.data.groups import Shared
from jaxdebug.checks.data.near_duplicates import Near, near_groups, near_rows
from jaxdebug.checks.data.row_store import PARTS, RowStore, sorted_parts
from jaxdebug.checks.data.scan import scan
from tests.data.made_sets import table

ROWS = 6000


def store_of(hashes: np.ndarray) -> RowStore:
    store = RowStore()
    for part in np.array_split(hashes, 3):
        store.add(part, part >> np.uint64(16), part)
    return store


def test_parts_hold_every_row_once_in_order() -> None:
    random = np.random.default_rng(0)
    stores = [
        store_of(random.integers(0, 2**64, size, np.uint64)) for size in (ROWS, 500)
    ]
    for rotation in (None, 0, 12, 36):
        parts = [*sorted_parts(stores, rotation)]
        assert len(parts) == PARTS
        keys = np.concatenate([part.keys for part in parts])
        assert (keys[1:] >= keys[:-1]).all()
        places = {
            (int(split), int(row))
            for part in parts
            for split, row in zip(part.splits, part.rows, strict=True)
        }
        assert len(places) == len(keys) == ROWS + 500


@given(st.integers(0, 2**16), st.floats(0.1, 0.9))
def test_as_many_groups_are_shared_as_a_random_split_gives(
    seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(2, 5, 400)
    one = random.binomial(sizes, share)
    shared = Shared()
    both = shared.add(one, sizes - one, share)
    assert shared.both == both.sum()
    assert abs(shared.both - shared.expected) < 5 * np.sqrt(400 / 4)
    assert shared.chance > 1e-4


@pytest.mark.parametrize("leaked", [1, 10])
def test_leaked_rows_are_named_on_both_sides(leaked: int) -> None:
    x, y = table(np.random.default_rng(0), 1000)
    x[800 : 800 + leaked] = x[40 : 40 + leaked]
    report = jd.check_data((x[:800], y[:800]), (x[800:], y[800:]))
    (finding,) = (one for one in report.findings if one.code == "leaked-rows")
    assert finding.severity == "error"
    assert f"{leaked} of 200 rows of eval" in finding.message
    assert "train[40] and eval[0]" in finding.message


def test_no_row_shared_is_no_finding() -> None:
    x, y = table(np.random.default_rng(0), 1000)
    report = jd.check_data((x[:800], y[:800]), (x[800:], y[800:]))
    assert report["leakage"].word == report["near-duplicates"].word == "pass"
    assert report["leakage"].said == "0 rows of eval in train"


def test_rows_of_categories_leak_only_beyond_chance() -> None:
    random = np.random.default_rng(0)
    x = np.eye(40, dtype=np.float32)[random.integers(0, 40, 300)]
    only = ["leakage"]
    natural = jd.check_data(x[:200], x[200:], only=only)
    (finding,) = (one for one in natural.findings if one.code == "leaked-rows")
    assert finding.severity == "info"
    ids = random.permutation(4000)[:, None]
    apart = jd.check_data(ids[:3000], ids[3000:], only=only)
    assert apart["leakage"].word == "pass"
    again = jd.check_data(ids[:3000], np.r_[ids[3000:], ids[:20]], only=only)
    assert again["leakage"].word == "fail"


def test_blank_rows_are_no_copies() -> None:
    x = np.random.default_rng(0).random((500, 30))
    x[::50] = 0
    report = jd.check_data(x[:400], x[400:])
    assert report["leakage"].word == "pass"


def test_targets_are_not_part_of_a_row() -> None:
    x, y = table(np.random.default_rng(0), 1000)
    report = jd.check_data((x[:800], y[:800]), (x[:200], 3 - y[:200]))
    assert "200 rows of eval in train" in report["leakage"].said
    conflicts = report["conflicting-labels"]
    assert conflicts.word == "warning"
    assert "train[0]" in conflicts.findings[0].message


@pytest.mark.parametrize(("noise", "least"), [(0.001, 0.97), (0.01, 0.95), (0.1, 0.6)])
def test_most_noisy_copies_are_near(noise: float, least: float) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((ROWS, 50))
    near = x[:200] + noise * random.standard_normal((200, 50))
    given = {"inputs": None, "targets": None, "most": None, "seed": 0}
    one, planes = scan("train", x, planes=None, **given)
    other, _ = scan("eval", near, planes=planes, **given)
    made = near_rows([one.store, other.store])
    assert made is not None
    (first, second), (row, copy) = made.rows[made.pairs].transpose(2, 1, 0)
    right = (first == 0) & (second == 1) & (row == copy)
    assert right.sum() >= least * 200
    assert (~right).sum() <= 2


def test_chains_of_near_rows_are_one_group() -> None:
    rows = np.array([[0, 5], [1, 2], [0, 7], [0, 9], [0, 1], [1, 1]])
    pairs = np.array([[0, 1], [1, 2], [2, 3], [4, 5]])
    assert near_groups(Near(rows, pairs)).tolist() == [0, 0, 0, 0, 1, 1]


def test_rows_near_everywhere_decide_nothing() -> None:
    x = np.random.default_rng(0).random((60_000, 1))
    report = jd.check_data(x[:50_000], x[50_000:], only=["near-duplicates"])
    assert report["near-duplicates"].word in ("not run", "pass")
    assert not report.findings
