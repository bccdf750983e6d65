"""A signal brings the run to the disk, and then does what it always did."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxdebug as jd
from tests.training.processes import begin, finish


@jax.jit
def step(w: Any) -> Any:
    return w * 0.9, w.sum()


def _kinds(run: Path) -> list[str]:
    return [event.kind for event in jd.load_run(run).events]


def test_it_is_chained_and_taken_back(tmp_path: Path) -> None:
    heard: list[int] = []

    def mine(number: int, _: Any) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGUSR1, mine)
    try:
        watched = jd.watch(
            step, run_dir=tmp_path / "a", handle_signals=[signal.SIGUSR1]
        )
        w, _ = watched(jnp.ones(2))
        watched(w)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert heard == [signal.SIGUSR1]
        assert _kinds(tmp_path / "a") == ["signal"]
        watched.close()
        assert signal.getsignal(signal.SIGUSR1) is mine
        os.kill(os.getpid(), signal.SIGUSR1)
        assert len(heard) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_by_default_none_is_handled(tmp_path: Path) -> None:
    before = [signal.getsignal(one) for one in signal.valid_signals()]
    with jd.watch(step, run_dir=tmp_path / "a"):
        after = [signal.getsignal(one) for one in signal.valid_signals()]
    assert before == after


@pytest.mark.slow
def test_a_process_that_is_ended_ends_as_it_would(tmp_path: Path) -> None:
    code = f"""
import os, signal, jax.numpy as jnp, jaxdebug as jd
watched = jd.watch(
    lambda w: (w, w.sum()), run_dir={str(tmp_path / "a")!r},
    handle_signals=[signal.SIGTERM],
)
watched(watched(jnp.ones(2))[0])
os.kill(os.getpid(), signal.SIGTERM)
print("alive")
"""
    out, _ = finish(begin(code), -signal.SIGTERM)
    assert "alive" not in out
    run = jd.load_run(tmp_path / "a")
    assert [event.kind for event in run.events] == ["signal"]


def test_what_cannot_be_handled_is_refused() -> None:
    for wrong in ([signal.SIGKILL], [12345], 15):
        with pytest.raises(ValueError, match="signals that can be handled"):
            jd.watch(step, handle_signals=wrong)  # type: ignore[arg-type]
    said: list[str] = []

    def elsewhere() -> None:
        try:
            jd.watch(step, handle_signals=[signal.SIGTERM])
        except ValueError as error:
            said.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in said[0]
