"""Where tapes may lie that are larger than memory: a directory on a disk, and how much of it."""

from __future__ import annotations

import errno
import functools
import os
import sys
import tempfile
import time
from dataclasses import dataclass

from wengert.codes import Code
from wengert.errors import WengertError
from wengert.plan_time import PLAIN, Rates

ANY = 2**62
"""Bytes that a disk may have if nobody says."""


class DiskError(WengertError, OSError):
    """Tapes cannot lie on disk: the directory is none, or cannot be written, or has too little room. `needed` and
    `free` are bytes, None where they are not known."""

    code = Code.DISK

    def __init__(self, message: str, needed: int | None = None, free: int | None = None) -> None:
        super().__init__(message)
        self.needed, self.free = needed, free


class DiskFailed(Exception):
    """What compiled code raises: the bytes of a tape, and the number of the system's error."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A directory, and the bytes that tapes may have there at any time of a call."""

    directory: str
    limit: int = ANY

    def free(self) -> int:
        """Bytes that are free in the directory; raises DiskError if no files can be made there."""
        if not sys.platform.startswith("linux"):
            raise DiskError("tapes on disk need Linux\n  way out: call it without `disk`")
        try:
            with tempfile.TemporaryFile(dir=self.directory):
                pass
            found = os.statvfs(self.directory)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise DiskError(
                f"no tapes can be written to disk={self.directory!r}: {reason}\n"
                "  way out: name a directory that exists and can be written, or leave `disk` out"
            ) from None
        return found.f_bavail * found.f_frsize

    def rates(self) -> Rates:
        """How fast the disk is, measured once per process by a file of a few megabytes."""
        return _measured(self.directory)

    def full(self, needed: int, free: int) -> DiskError:
        """The error for a call that needs more than there is."""
        return DiskError(
            f"the tapes need {needed} bytes in disk={self.directory!r}, where {free} bytes are free\n"
            "  way out: free some, name another directory, raise memory_limit, or let less lie there by disk_limit",
            needed,
            free,
        )

    def failed(self, error: DiskFailed) -> DiskError:
        """The error for what compiled code found."""
        needed, number = map(int, str(error).split())
        try:
            free = self.free()
        except DiskError as other:
            return other
        if number in (errno.ENOSPC, errno.EDQUOT):
            return self.full(needed, free)
        return DiskError(
            f"a tape of {needed} bytes in disk={self.directory!r} failed: {os.strerror(number)}\n"
            "  way out: name another directory, or leave `disk` out",
            needed,
            free,
        )


PROBE, BLOCK = 16 << 20, 1 << 20
"""Bytes of the file that measures a disk, and of its parts."""
FASTEST = 1 / 20e9


@functools.lru_cache(maxsize=64)
def _measured(directory: str) -> Rates:
    data = os.urandom(BLOCK)
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            start = time.perf_counter()
            for _ in range(PROBE // BLOCK):
                file.write(data)
            os.fdatasync(file.fileno())
            written = time.perf_counter() - start
            os.posix_fadvise(file.fileno(), 0, PROBE, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            start = time.perf_counter()
            while file.read(BLOCK):
                pass
            read = time.perf_counter() - start
    except OSError:
        return PLAIN
    return Rates(max(written / PROBE, FASTEST), max(read / PROBE, FASTEST))
