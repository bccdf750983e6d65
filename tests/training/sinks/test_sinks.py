"""Each sink is given what was recorded; one that fails is switched off, once."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from jaxdebug.training.errors import RecordingWarning
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.sinks import JsonLines, Sink, TensorBoard, WandB
from jaxdebug.training.store import RunWriter, open_run

LAYOUT = Layout(
    (Row("conv", "forward", "output"), Row("conv", "backward", "cotangent")),
    ("mean", "rms"),
)
EDGES = np.array([-np.inf, -1.0, 0.0, 1.0, np.inf])


class Memory:
    """A sink that keeps everything, and fails when it is told to."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.calls: list[tuple] = []

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        self._call("scalars", step, dict(scalars))

    def write_histogram(
        self, step: int, name: str, edges: np.ndarray, counts: np.ndarray
    ) -> None:
        self._call("histogram", step, name, edges.tolist(), counts.tolist())

    def write_event(self, step: int, event: Mapping[str, Any]) -> None:
        self._call("event", step, dict(event))

    def close(self) -> None:
        self._call("close")

    def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name == self.fails:
            raise (SystemExit if name == "event" else RuntimeError)("no network")


def write(writer: RunWriter) -> None:
    writer.write_scalars(1, {"loss": np.float32(0.5), "bad": float("nan")})
    writer.write_sample(1, LAYOUT, np.arange(4.0).reshape(2, 2))
    writer.write_histogram(1, "w", EDGES, [1, 2, 3, 4])
    writer.write_event(1, "note", {"why": "x", "value": float("inf")})


def test_a_sink_is_given_what_was_recorded() -> None:
    sink = Memory()
    taken: Sink = sink
    with open_run(None, sinks=[taken]) as writer:
        assert writer.is_recording
        write(writer)
        assert writer.flush()
        writer.write_scalars(2, {"loss": 0.25})
    names = [call[0] for call in sink.calls]
    assert sorted(names[:4]) == ["event", "histogram", "scalars", "scalars"]
    assert sink.calls[-2:] == [("scalars", 2, {"loss": 0.25}), ("close",)]
    assert ("histogram", 1, "w", EDGES.tolist(), [1, 2, 3, 4]) in sink.calls
    event = {"kind": "note", "content": {"why": "x", "value": "Infinity"}}
    assert ("event", 1, event) in sink.calls
    sampled = {"output/rms/conv": 1.0, "cotangent/rms/conv": 3.0}
    assert ("scalars", 1, sampled) in sink.calls


def test_the_statistics_that_sinks_are_given_can_be_chosen() -> None:
    sink = Memory()
    with open_run(None, sinks=[sink], sink_statistics=()) as writer:
        write(writer)
    assert [call[0] for call in sink.calls].count("scalars") == 1


@pytest.mark.parametrize("fails", ["scalars", "histogram", "event", "close"])
def test_a_sink_that_fails_is_switched_off(tmp_path: Path, fails: str) -> None:
    broken, healthy = Memory(fails), Memory()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with open_run(tmp_path, sinks=[broken, healthy]) as writer:
            for _ in range(3):
                write(writer)
                writer.flush()
    (warning,) = said
    assert issubclass(warning.category, RecordingWarning)
    message = "the sink Memory is switched off: "
    assert str(warning.message).startswith(message)
    assert "no network" in str(warning.message)
    # It is closed all the same, and not asked again.
    assert [call[0] for call in broken.calls].count(fails) == 1 + (fails == "close")
    assert len(healthy.calls) == 3 * 4 + 1
    run = load_run(tmp_path)
    (off,) = [event for event in run.events if event.kind == "sink-off"]
    assert off.content["message"].startswith(message)
    assert run.finished


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_run(None, sinks=[JsonLines(path)]) as writer:
        write(writer)
    lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert {"step": 1, "scalars": {"loss": 0.5, "bad": "NaN"}} in lines
    (histogram,) = [line["histogram"] for line in lines if "histogram" in line]
    assert histogram["edges"] == ["-Infinity", -1, 0, 1, "Infinity"]
    assert histogram["counts"] == [1, 2, 3, 4]
    (event,) = [line["event"] for line in lines if "event" in line]
    assert event["kind"] == "note"


def test_json_lines_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.warns(RecordingWarning, match="JsonLines is switched off: FileNotF"),
        open_run(tmp_path, sinks=[JsonLines(tmp_path / "x" / "a")]) as writer,
    ):
        write(writer)
    assert load_run(tmp_path).scalars["loss"].values.tolist() == [0.5]


def read_events(folder: Path) -> list[Any]:
    """What TensorBoard would read, by the protocol's own parser."""
    import struct

    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    content, place, events = file.read_bytes(), 0, []
    while place < len(content):
        (size,) = struct.unpack("<Q", content[place : place + 8])
        events.append(Event.FromString(content[place + 12 : place + 12 + size]))
        place += size + 16
    return events


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with open_run(None, sinks=[TensorBoard(tmp_path)]) as writer:
        write(writer)
        writer.write_histogram(2, "empty", EDGES, [0, 0, 0, 0])
    values = {
        (event.step, value.tag): value
        for event in read_events(tmp_path)
        for value in event.summary.value
    }
    assert values[1, "loss"].simple_value == 0.5
    assert np.isnan(values[1, "bad"].simple_value)
    assert values[1, "output/rms/conv"].simple_value == 1.0
    histogram = values[1, "w"].histo
    assert histogram.num == 10
    assert sum(histogram.bucket) == 10
    assert np.isfinite([histogram.min, histogram.max, histogram.sum_squares]).all()
    assert np.isfinite(histogram.bucket_limit).all()
    assert values[2, "empty"].histo.num == 0


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What a stand-in for wandb was asked."""
    calls: list[tuple] = []

    class Run:
        def log(self, values: dict, step: int) -> None:
            calls.append(("log", step, values))

        def finish(self) -> None:
            calls.append(("finish",))

    def init(**settings: Any) -> Run:
        calls.append(("init", settings))
        return Run()

    module = ModuleType("wandb")
    vars(module).update(init=init, Histogram=lambda np_histogram: np_histogram)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return calls


def test_wandb(wandb: list[tuple]) -> None:
    with open_run(None, sinks=[WandB(project="digits")]) as writer:
        write(writer)
    assert wandb[0] == ("init", {"project": "digits"})
    assert wandb[-1] == ("finish",)
    logged = {name: value for call in wandb[1:-1] for name, value in call[2].items()}
    assert {call[1] for call in wandb[1:-1]} == {1}
    assert logged["loss"] == 0.5
    assert logged["output/rms/conv"] == 1.0
    counts, edges = logged["w"]
    assert counts.tolist() == [1, 2, 3, 4]
    assert edges.tolist() == EDGES.tolist()
    assert json.loads(logged["events/note"]) == {"why": "x", "value": "Infinity"}


def test_a_run_of_wandb_that_was_given_is_not_finished(wandb: list[tuple]) -> None:
    run = sys.modules["wandb"].init()
    with open_run(None, sinks=[WandB(run)]) as writer:
        write(writer)
    assert ("finish",) not in wandb
    assert [call[0] for call in wandb].count("init") == 1


@pytest.mark.parametrize(
    ("make", "module", "match"),
    [
        (lambda: TensorBoard("x"), "tensorboardX", r"pip install 'jaxdebug\[tb\]'"),
        (lambda: WandB(), "wandb", "pip install wandb"),
    ],
)
def test_what_is_not_installed_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, make: Any, module: str, match: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=match):
        make()
