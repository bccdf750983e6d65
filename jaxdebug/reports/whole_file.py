"""Write a file whole or not at all."""

import os
import secrets
from pathlib import Path


def write_whole(target: Path, content: bytes) -> None:
    """Write a temporary file beside the target, then put it in the target's place.

    Args:
        target: A path in a folder that exists; a file there is replaced.
        content: Of the file.

    Raises:
        OSError: The file could not be written; an existing one is unchanged and
            nothing is left behind.
    """
    # A random name of its own: the target's name may already be as long as a file
    # system allows. Opened by hand so that the user's umask decides who may read it.
    temporary = target.with_name(f".jaxdebug-{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
