"""Leaves of train steps whose gradient and update are found, and none that is wrong.

`python -m benchmarks train_steps` measures the steps of this project. Those of others,
which it does not hold, are measured by `python -m benchmarks.train_steps FOLDER`: each
file of the folder has a `STEPS`, a dict of functions that return a `TrainStep`.
"""

import argparse
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.result import Row, print_table
from tests.steps.measured import Measured
from tests.steps.measured import measure as measure_step
from tests.steps.public_steps import PUBLIC_STEPS, SHARE, measured
from tests.zoo.lines import total

Found = tuple[str, Measured]


def measure() -> list[Row]:
    """Return one row a step of this project, and one of them all."""
    return rows((name, measured(name)) for name in PUBLIC_STEPS)


def rows(steps: Iterable[Found]) -> list[Row]:
    """Return one row a step, and one of them all with the share of the bar."""
    found = dict(steps)
    made = [
        Row(what=name, held=_is_right(one), note=_note([one]) + _missed(one))
        for name, one in found.items()
    ]
    every = list(found.values())
    leaves, identified, updates = _counted(every)
    share = min(identified, updates) / max(leaves, 1)
    held = share >= SHARE and all(map(_is_right, every))
    note = f"{_note(every)}; share {share:.3f}"
    return [*made, Row(what=f"all {len(every)}", held=held, note=note)]


def _is_right(found: Measured) -> bool:
    return not found.wrong and not found.wrong_updates


def _counted(found: list[Measured]) -> tuple[int, int, int]:
    return (
        sum(len(one.leaves) for one in found),
        sum(len(one.identified) for one in found),
        sum(len(one.updates) for one in found),
    )


def _note(found: list[Measured]) -> str:
    leaves, identified, updates = _counted(found)
    wrong = sum(len(one.wrong) for one in found)
    moved = sum(len(one.wrong_updates) for one in found)
    lines = total(one.lines for one in found)
    return (
        f"gradients {identified} of {leaves}, {wrong} wrong; "
        f"updates {updates} of {leaves}, {moved} wrong; "
        f"lines {lines.own} own, {lines.other} other, {lines.none} none"
    )


def _missed(found: Measured) -> str:
    """Name what was not found, or found wrongly."""
    missed = [f"{leaf}: {reason}" for leaf, reason in found.missed.items()]
    said = [
        *found.wrong,
        *found.wrong_updates,
        *missed,
        *filter(None, [found.unmarked]),
    ]
    return "".join(f"\n{line}" for line in said)


def _steps_of(file: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"not a Python file: {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "STEPS", {})


def _of_folder(folder: Path) -> Iterable[Found]:
    for file in sorted(folder.glob("*.py")):
        for name, step in _steps_of(file).items():
            yield f"{file.stem}: {name}", measure_step(step(), file)


def main() -> int:
    """Measure the steps of a folder; return 1 if the bar was not held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_steps")
    parser.add_argument("folder", type=Path, help="of files with a dict STEPS")
    found = rows(_of_folder(parser.parse_args().folder))
    print_table("train_steps", found)
    return int(not found[-1].held)


if __name__ == "__main__":
    raise SystemExit(main())
