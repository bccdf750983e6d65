"""A line for each sample, to standard error or to a function; what waits is limited."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.training.recorder import flight as flights
from jaxdebug.training.recorder.status import status_line, to_stderr


@jax.jit
def _step(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(lambda w: jnp.mean((x @ w - 1) ** 2))(w)
    return w - 0.1 * g, {"loss": loss}


def _train(steps: int, **settings: Any) -> Any:
    w, x = jnp.ones(3), np.ones((4, 3), np.float32)
    with jd.watch(_step, **settings) as watched:
        for _ in range(steps):
            w, _ = jax.block_until_ready(watched(w, x))
    return watched


def test_a_line_is_told_for_each_sample() -> None:
    lines: list[str] = []
    _train(7, every=3, progress=lines.append)
    assert [line.partition(",")[0] for line in lines] == ["step 1", "step 4", "step 7"]
    assert "steps/s" not in lines[0]  # all of it was compiled
    assert "steps/s, loss " in lines[1]
    assert all(line.endswith("no findings") for line in lines)


def test_a_line_says_what_there_is_and_no_more() -> None:
    scalars = {
        "loss": 0.123456,
        "bad\x1b[31m": float("nan"),
        **dict.fromkeys("abcde", 1),
    }
    line = status_line(1500, 12.3456, scalars, 1, waiting=2, dropped=3)
    assert line.startswith("step 1500, 12.3 steps/s, loss 0.1235, ")
    assert line.endswith(
        "1 more scalars, 1 finding, 2 samples waiting, 3 samples dropped"
    )
    assert "\x1b" not in line
    assert " nan, a 1, " in line


def test_standard_error_may_be_closed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_stderr("step 1")
    assert capsys.readouterr() == ("", "step 1\n")
    with open("/dev/null", "w") as closed:
        monkeypatch.setattr("sys.stderr", closed)
    to_stderr("step 2")


def test_of_samples_that_never_arrive_the_oldest_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flights, "has_arrived", lambda _: False)
    with pytest.warns(RuntimeWarning, match="more than 16 wait .* that of step 0"):
        watched = _train(19, every=1)
    history = watched.history
    assert [step for step, _ in history.samples] == [*range(3, 19)]
    dropped = [(event.step, event.kind) for event in history.events]
    assert dropped == [(step, "samples-dropped") for step in range(3)]
    assert "samples-dropped" in str(watched.report())
