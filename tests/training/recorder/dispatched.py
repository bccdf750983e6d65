"""What JAX does while a function runs, counted from its profiler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

EXECUTED = "CommonPjRtLoadedExecutable::ExecuteHelperOnSingleDevice"
"""One run of a compiled program, as the CPU's client names it."""

SENT = "ArrayImpl.copy_to_host_async"


def events(function: Callable[[], Any]) -> Counter[str]:
    """How often each event happened on the host's threads.

    Collections of garbage and waits of JAX for its own buffers, which come as they
    like, are left out.
    """
    options: Any = jax.profiler.ProfileOptions()
    options.python_tracer_level, options.host_tracer_level = 0, 3
    with TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            function()
        (file,) = Path(folder).rglob("*.xplane.pb")
        planes: Any = jax.profiler.ProfileData.from_file(str(file)).planes
        return Counter(
            event.name
            for plane in planes
            for line in plane.lines
            for event in line.events
            if not event.name.startswith(("PythonRefManager", "Wait for"))
        )
