"""A step that made a value that is not finite, on the disk and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import jax

from jaxdebug.checks.nonfinite.locate_nonfinite import locate_nonfinite
from jaxdebug.checks.nonfinite.report import NonfiniteReport
from jaxdebug.programs.program import require_function
from jaxdebug.training.bundle.keep import new_bundle
from jaxdebug.training.bundle.read import read_bundle
from jaxdebug.training.bundle.tree import leaves_by_path
from jaxdebug.training.paths import require_path
from jaxdebug.training.recorder.arguments import Flat, flattening
from jaxdebug.training.recorder.incident import Incident


def bundle_incident(
    run_dir: str | os.PathLike[str], incident: Incident, flat: Flat
) -> Path:
    """Write the arguments of the step that an incident is of.

    Args:
        run_dir: of the run.
        incident: whose step is known.
        flat: the arguments of that step.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
        BundleError: if an array is spread over several processes.
    """
    args, kwargs = flat.apart(flat.leaves)
    leaves = leaves_by_path({"args": args, "kwargs": kwargs})
    manifest = {"message": incident.finding.message, "exact": incident.exact}
    return new_bundle(run_dir, incident.step or 0, leaves, manifest)


def replay(
    bundle: str | os.PathLike[str], step: Callable[..., Any]
) -> Callable[..., NonfiniteReport]:
    """Run a step again on what a crash bundle holds, and say what made NaN.

    Args:
        bundle: its folder, in the folder `bundles` of a run.
        step: the train step, or one that was mended since.

    Returns:
        A function of arguments as the step gets them, which say how the values in the
        bundle belong together; their own values do not count. It returns a
        `NonfiniteReport`.

    Raises:
        TypeError: if `step` is no function, or `bundle` no path.
        BundleError: if the bundle is damaged; when called, if its leaves are not those
            of the arguments; lists which.

    Cost:
        That of `locate_nonfinite`.

    Limits:
        What the step closes over is not part of a bundle.
    """
    require_function("replay", step)
    folder = require_path("replay", "bundle", bundle, "a folder in bundles of a run")
    read = read_bundle(folder)

    @wraps(step, updated=())
    def replayed(*args: Any, **kwargs: Any) -> NonfiniteReport:
        flat = flattening(step).of(args, kwargs)
        args, kwargs = flat.apart(flat.leaves)
        restored = read.restore({"args": args, "kwargs": kwargs})
        leaves = jax.tree.leaves((restored["args"], restored["kwargs"]))
        args, kwargs = flat.call(leaves)
        return locate_nonfinite(step)(*args, **kwargs)

    return replayed
