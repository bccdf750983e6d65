"""A folder that cannot be written is said once; a run in one is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxdebug.training.store import open_run
from tests.training.processes import run

NOBODY = 65534

FROM_NOBODY = f"""
import os, sys
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import open_run
from jaxdebug.training.store.manifest import manifest_text
manifest_text({{}})  # imports what may not be read below
if os.geteuid() == 0:  # who may write everywhere
    os.setegid({NOBODY})
    os.seteuid({NOBODY})
writer = open_run(sys.argv[1], resume=True)
for step in range(1000):
    writer.write_scalars(step, {{"loss": 1.0}})
writer.close()
print(writer.is_recording)
if len(sys.argv) > 2:
    print(load_run(sys.argv[1]).scalars["loss"].values)
"""


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that a process without privileges can reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_a_read_only_folder_is_said_once(unprivileged: Path) -> None:
    locked = unprivileged / "locked"
    locked.mkdir(mode=0o555)
    out, err = run(FROM_NOBODY, locked)
    assert out == "False\n"
    assert err.count("is not recorded: [Errno 13]") == 1
    out, err = run(FROM_NOBODY, locked / "new")
    assert err.count("is not recorded: [Errno 13]") == 1


def test_a_run_in_a_read_only_folder_is_read(unprivileged: Path) -> None:
    locked = unprivileged / "locked"
    with open_run(locked) as writer:
        writer.write_scalars(1, {"loss": 1.0})
    for path in locked.iterdir():
        path.chmod(0o444)
    locked.chmod(0o555)
    out, err = run(FROM_NOBODY, locked, "read")
    assert out == "False\n[1.]\n"
    assert err.count("is not recorded") == 1
    locked.chmod(0o755)
