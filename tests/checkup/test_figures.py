"""The figures of a check-up: which are drawn, which not and why, the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import jaxdebug as jd
from jaxdebug.checks.subject import Subject
from jaxdebug.cli import main
from jaxdebug.figures import weight_histograms
from jaxdebug.preflight import figures
from jaxdebug.preflight.studied import Studied
from tests.checks.small_workloads import classifier, loss_fn

PNG = b"\x89PNG\r\n\x1a\n"


def written(folder: Path) -> set[str]:
    """Names of the pictures that are in the folder, and nothing else is there."""
    files = [*folder.iterdir()]
    assert all(file.read_bytes().startswith(PNG) for file in files)
    return {file.name for file in files}


def test_what_was_asked_for_is_drawn_and_it_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "figures"
    started: list[str] = []
    only = ["loss-falls", "overfit-one-batch"]
    report = jd.checkup(
        classifier(), only=only, figures=folder, progress=started.append
    )
    names = ["learning-curves", "by-heart", "weight-histograms"]
    assert written(folder) == {f"{name}.png" for name in names}
    assert [*report.said] == [
        f"Figure: {folder}/learning-curves.png",
        f"Figure: {folder}/by-heart.png",
        "No figure step-sizes: it needs step-size, left out here.",
        "No figure range-test: it needs step-size, left out here.",
        f"Figure: {folder}/weight-histograms.png",
        "No figure gradient-flow: it needs gradients-and-layers, left out here.",
        "No figure activation-maps: it needs gradients-and-layers, left out here.",
    ]
    assert started[-3:] == [f"figures: {name}" for name in names]
    assert f"{folder}/by-heart.png" in report.text(width=300)
    bare = jd.checkup(classifier(), only=only)
    assert [one.word for one in bare.outcomes] == [one.word for one in report.outcomes]


@pytest.mark.slow
def test_the_curves_are_those_of_the_training(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def kept(curves: Any, **_: Any) -> Any:
        seen.update(curves)
        raise ValueError("seen")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "learning_curves", kept)
        report = jd.checkup(classifier(), only=["loss-falls"], figures=tmp_path)
    assert "No figure learning-curves: ValueError: seen." in report.said
    steps, losses = seen["training batches"]
    at, evaluated = seen["evaluation batches"]
    assert steps.tolist() == [*range(100)]
    assert at.tolist() == [*range(0, 101, 10)]
    workload = classifier()
    first = float(loss_fn(workload.params, workload.train[0]))
    assert losses[0] == pytest.approx(first, rel=1e-5)
    numbers = report["loss-falls"].numbers
    assert evaluated[0] == pytest.approx(
        np.mean([loss_fn(workload.params, batch) for batch in workload.eval]), rel=1e-5
    )
    # It is the training of the check that is drawn.
    assert losses[-24:].mean() == pytest.approx(numbers["after"], rel=0.2)
    assert evaluated[-1] < evaluated[0]


def test_what_cannot_be_drawn_fails_nothing(tmp_path: Path) -> None:
    workload = classifier(optimizer=None)
    report = jd.checkup(workload, only=["repeats", "loss-falls"], figures=tmp_path)
    assert "No figure learning-curves: give `optimizer`." in report.said
    assert written(tmp_path) == {"weight-histograms.png"}
    assert report.verdict == jd.checkup(workload, only=["repeats"]).verdict


def test_a_disk_that_is_full_fails_nothing(monkeypatch: Any, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figures, "save_figure", full)
    report = jd.checkup(classifier(), only=["overfit-one-batch"], figures=tmp_path)
    assert any(
        line.startswith("No figure by-heart: OSError: [Errno 28] No space left")
        for line in report.said
    )
    assert not written(tmp_path)


def test_an_interruption_keeps_the_report_and_what_was_drawn(tmp_path: Path) -> None:
    def progress(line: str) -> None:
        if line == "figures: weight-histograms":
            raise KeyboardInterrupt

    report = jd.checkup(
        classifier(), only=["loss-falls"], figures=tmp_path, progress=progress
    )
    assert report["loss-falls"].verdict is not None
    assert report.said[-1] == "Interrupted; not run: figures."
    assert written(tmp_path) == {"learning-curves.png"}


def test_a_folder_that_is_a_file_is_refused_before_anything_runs(
    tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "train.py"
    file.write_text("raise RuntimeError('imported')")
    with pytest.raises(FileExistsError, match="checkup expects a folder"):
        jd.checkup(classifier(), figures=file, progress=pytest.fail)
    assert main(["checkup", str(file), f"--figures={file}"]) == 2
    shown = capsys.readouterr().err
    assert "--figures expects a folder that can be written into; found a file" in shown
    assert "imported" not in shown


def test_the_command_writes_figures(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "from tests.checks.small_workloads import classifier\nworkload = classifier()\n"
    )
    folder = tmp_path / "figures"
    asked = ["--only=overfit-one-batch", f"--figures={folder}"]
    assert main(["checkup", str(file), *asked]) == 0
    assert written(folder) == {"by-heart.png"}
    assert "by-heart.png" in capsys.readouterr().out


def test_running_averages_of_a_module_are_no_parameters() -> None:
    norm = nnx.BatchNorm(2, rngs=nnx.Rngs(0))
    workload = jd.Workload(
        loss_fn=lambda norm, batch: (norm(batch) ** 2).mean(),
        params=norm,
        train=[np.ones((3, 2), np.float32)],
    )
    start = Studied(Subject(workload), ()).start
    (axes,) = weight_histograms(start, start).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["bias", "scale"]


class Net(nn.Module):
    """A convolution, then a head."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(3, (3, 3), name="conv")(x))
        return nn.Dense(2, name="head")(x.reshape(x.shape[0], -1))


@pytest.mark.slow
def test_all_figures_of_a_convolutional_network_are_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.normal(size=(20, 8, 6, 5, 1)).astype(np.float32)
    labels = (images.mean((2, 3, 4)) > 0).astype(np.int32)
    net = Net()

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = net.apply({"params": params}, batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    workload = jd.Workload(
        loss_fn=loss,
        params=net.init(jax.random.key(0), jnp.asarray(images[0]))["params"],
        train=[*zip(images, labels, strict=True)],
        optimizer=optax.adam(1e-2),
        name="../../$net$",
    )
    only = [name for drawing in figures.DRAWINGS for name in drawing.checks]
    report = jd.checkup(workload, only=only, figures=tmp_path)
    assert all(line.startswith("Figure: ") for line in report.said), report.said
    assert written(tmp_path) == {f"{one.name}.png" for one in figures.DRAWINGS}
