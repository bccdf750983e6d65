"""What `watch` and what reads its runs are given is looked at when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.training.sinks import JsonLines


def step(w: Any) -> Any:
    return w


WRONG: dict[str, tuple[dict[str, Any], type, str]] = {
    "every 0": ({"every": 0}, ValueError, "every to be a number of steps"),
    "every 2.0": ({"every": 2.0}, TypeError, "every to be a number of steps"),
    "every True": ({"every": True}, TypeError, "found True of type bool"),
    "histograms": ({"histograms": -1}, ValueError, "number of samples"),
    "on_nonfinite": ({"on_nonfinite": "rais"}, ValueError, "'raise' or a function"),
    "statistics": ({"statistics": "sprad"}, ValueError, "Did you mean 'spread'"),
    "a statistic": ({"statistics": ["units", 3]}, TypeError, "found 3"),
    "no statistics": ({"statistics": 3}, TypeError, "found 3"),
    "keep": ({"keep": "1GB"}, TypeError, "found '1GB'.*keep=2"),
    "keep -1": ({"keep": -1}, ValueError, "from 0 on; found -1"),
    "memory": ({"memory": "x"}, TypeError, "memory to be a number of bytes"),
    "progress": ({"progress": "yes"}, TypeError, "progress to be True or False"),
    "bundle": ({"bundle": "x"}, TypeError, "Write bundle=True"),
    "resume": ({"resume": 1, "run_dir": "a"}, TypeError, "resume to be True"),
    "sinks": ({"sinks": ["x"]}, TypeError, "'x' of type str, which lacks write_"),
    "a text": ({"sinks": "x"}, TypeError, "found 'x' of type str"),
    "a class": ({"sinks": [JsonLines]}, TypeError, "a class that is not called"),
    "a sink": ({"sinks": JsonLines("x")}, TypeError, "to be a sequence of objects"),
    "run_dir": ({"run_dir": 3}, TypeError, "found 3 of type int. Give a folder"),
    "no run_dir": ({"resume": True}, ValueError, "run_dir with resume=True"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_refused_at_the_call(name: str) -> None:
    settings, kind, text = WRONG[name]
    with pytest.raises(kind, match=f"watch expects .*{text}"):
        jd.watch(step, **settings)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="watch expects a function"):
        jd.watch(3)  # type: ignore[arg-type]


def test_numbers_of_numpy_and_all_that_is_allowed_are_taken(tmp_path: Path) -> None:
    with jd.watch(
        step,
        every=np.int64(5),  # type: ignore[arg-type]
        histograms=np.int32(0),  # type: ignore[arg-type]
        statistics=[],
        keep=0,
        memory=0,
        progress=print,
        run_dir=tmp_path,
        sinks=(JsonLines(tmp_path / "lines"),),
    ):
        pass
    assert jd.load_run(tmp_path).manifest["every"] == 5


def test_what_is_no_path_is_refused() -> None:
    for call in (jd.load_run, lambda path: jd.replay(path, step)):
        for path in (None, 3, b"run"):
            with pytest.raises(TypeError, match=r"to be a path.*found"):
                call(path)  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"found 'a'\. Write rtol="):
        jd.compare_runs("a", "b", rtol="a")  # type: ignore[arg-type]
