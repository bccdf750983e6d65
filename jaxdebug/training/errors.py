"""What can be wrong with what is kept of a run, and with recording it."""

import sys
import warnings


class RunError(ValueError):
    """A path that is no run, a run that cannot be read, or a folder that is taken."""


class BundleError(ValueError):
    """A crash bundle that cannot be written, read, or put into a tree."""


class RecordingWarning(UserWarning):
    """Something of a run is not recorded; the training goes on."""


def warn(message: str, stacklevel: int = 3) -> None:
    """Warn about recording, and never raise.

    Filters that make errors of warnings would let the recorder stop the training that
    it watches; the message then goes to standard error.
    """
    try:
        warnings.warn(message, RecordingWarning, stacklevel=stacklevel)
    except RecordingWarning:
        print(f"RecordingWarning: {message}", file=sys.stderr)


WATCHED_INSIDE = (
    "expected a watched step to be called with arrays; found tracers. Watch the "
    "outermost function, which is called once for each step, not one that is called "
    "inside jit, grad or scan."
)


class NoCallError(TypeError):
    """A watched step was called inside a trace; the message is complete."""
