"""What is said, and returned, where a target could not be imported or run."""

import sys

from jaxdebug.commands.output import TARGET, say
from jaxdebug.reports import show_name


def failed(error: BaseException, target: str, part: str) -> int:
    """Say why a target gave no report; returns the exit status.

    Args:
        error: what was raised.
        target: as the user wrote it.
        part: of the target that ran, in words.
    """
    from jaxdebug.checks.target import TargetError
    from jaxdebug.checks.user_traceback import escape_lines, user_traceback
    from jaxdebug.checks.workload import WorkloadError
    from jaxdebug.training.errors import BundleError

    if isinstance(error, TargetError | WorkloadError | BundleError):
        message = escape_lines(str(error))
    else:
        raised = f"{show_name(target)}: running {part} raised {type(error).__name__}."
        message = f"{raised}\n\n{user_traceback(error)}"
    say(f"jaxdebug: {message}", sys.stderr)
    return TARGET
