"""One writer for each folder: a lock that dies with its process."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxdebug.reports import show_name
from jaxdebug.training.errors import RunError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

FILE = "run.lock"

# What a file system says that has no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class FolderLock:
    """A folder held for writing.

    The kernel holds the lock for this process and lets it go when the process ends, so
    that a process that was killed, or another that later has its number, is never taken
    for a live one. Where a file system has no locks, the file says who writes.
    """

    descriptor: int

    def release(self) -> None:
        """Let the folder go; the file stays, empty."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)

    def forget(self) -> None:
        """Close a forked child's share, so that it outlives no parent."""
        # Unlocking would let the parent's lock go as well.
        os.close(self.descriptor)


def lock_folder(folder: Path) -> FolderLock:
    """Hold a folder for writing until it is released or the process ends.

    Raises:
        RunError: if another recorder holds it.
        OSError: if the lock's file cannot be written.
    """
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _locked(descriptor, folder):
            # Without locks of the kernel, what the last holder wrote has to do.
            holder = _holder(descriptor)
            if holder and _lives(holder) is not False:
                raise _taken(folder, holder, f" If it has ended, delete {FILE} there.")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_myself()).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return FolderLock(descriptor)


def _locked(descriptor: int, folder: Path) -> bool:
    """Whether the kernel gave the lock; False where it has none to give."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(folder, _holder(descriptor)) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _taken(folder: Path, holder: dict[str, Any], more: str = "") -> RunError:
    who = "another recorder"
    if holder:
        own = _same_process(holder, _myself())
        host = show_name(str(holder.get("host")))
        who = "this process" if own else f"process {holder.get('pid')} on {host}"
    return RunError(
        f"expected run_dir to be free; {who} is recording into "
        f"{show_name(str(folder))}. Close that one first, or give another folder.{more}"
    )


def _holder(descriptor: int) -> dict[str, Any]:
    """What the last holder wrote; empty if it let go, or wrote nothing legible."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, OSError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _myself() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "pid": pid,
        "host": socket.gethostname(),
        "began": process_began(pid),
        "time": time.time(),
    }


def _same_process(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other[key] for key in ("pid", "host", "began"))


def _lives(holder: dict[str, Any]) -> bool | None:
    """Whether the holder's process still runs; None if that cannot be told."""
    pid, began = holder.get("pid"), holder.get("began")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int):
        return None
    now = process_began(pid)
    if now is not None or began is not None:
        return now == began  # another number: a process that was given the same pid
    return None


def process_began(pid: int) -> str | None:
    """When a process began, which tells it from a later one of the same number.

    Returns:
        Something to compare; None if there is no such process, or no way to know.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # The name in brackets may hold anything, brackets too.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return f"{boot}:{fields[19].decode()}"
