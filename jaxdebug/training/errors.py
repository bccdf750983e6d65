"""What can be wrong with a run's folder, and with recording into it."""

import sys
import warnings


class RunError(ValueError):
    """A path that is no run, a run that cannot be read, or a folder that is taken."""


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
