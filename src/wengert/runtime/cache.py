"""The private cache on disk: its directory, atomic files, and manifests (small JSON records by key).

The directory is `WENGERT_CACHE_DIR`, else `$XDG_CACHE_HOME/wengert`, else `~/.cache/wengert`. It belongs to the user
alone (mode 0700), since code is loaded from it. If it cannot be used, a warning says so once and a temporary one
serves.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..ir.locks import ForkedLock

LIMIT = 1 << 30
"""Bytes that the cache may hold before the oldest entries go."""
DAY = 86400.0
BUILD = "build-"

_lock = ForkedLock()
_chosen: dict[str, Path] = {}


def directory() -> Path:
    """The cache directory, made if necessary; the same until the environment names another."""
    wanted = _wanted()
    with _lock:
        found = _chosen.get(wanted)
        if found is None or not found.is_dir():
            found = _chosen[wanted] = _usable(Path(wanted)) or _temporary(wanted)
        return found


def _wanted() -> str:
    named = os.environ.get("WENGERT_CACHE_DIR")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME")
    return os.path.join(base or os.path.join(os.path.expanduser("~"), ".cache"), "wengert")


def _usable(path: Path) -> Path | None:
    """`path` as a private, writable directory, or None."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            return None
        if status.st_mode & 0o077:
            path.chmod(0o700)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError:
        return None


def _temporary(wanted: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="wengert-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    warnings.warn(
        f"the cache directory {wanted} cannot be used (it must be writable and yours); compiling into {path} for this "
        "process only. Set WENGERT_CACHE_DIR to a directory of your own.",
        RuntimeWarning,
        stacklevel=3,
    )
    return path


@contextmanager
def workspace() -> Generator[Path]:
    """A fresh directory on the cache's file system, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix=BUILD, dir=directory()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Other processes see the whole file or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def mark_used(path: Path) -> None:
    """Tell `prune` that a file was of use."""
    with contextlib.suppress(OSError):
        os.utime(path)


def prune(limit: int = LIMIT) -> None:
    """If the cache holds more than `limit` bytes, remove what was not used for longest; and what killed builds left."""
    found = list(_files())
    for when, _, path in found:
        folder = os.path.dirname(path)
        if BUILD in folder and when < time.time() - DAY:
            shutil.rmtree(folder, ignore_errors=True)
    total = sum(size for _, size, _ in found)
    if total <= limit:
        return
    for _, size, path in sorted(found):
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
        if total <= limit * 3 // 4:
            return


def contents() -> tuple[int, int]:
    """How many files the cache holds, and their bytes."""
    sizes = [size for _, size, _ in _files()]
    return len(sizes), sum(sizes)


def _files() -> Iterator[tuple[float, int, str]]:
    """When each file was last of use, its bytes and its path; other processes may remove some meanwhile."""
    for folder, _, names in os.walk(directory()):
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                status = os.stat(path)
                yield status.st_mtime, status.st_size, path


class Manifest:
    """JSON records by key, one file each, in a subdirectory of the cache."""

    def __init__(self, name: str = "manifest") -> None:
        self._name = name

    def lookup(self, key: str) -> dict[str, Any] | None:
        """What was stored under `key`; None if there is nothing or the file is damaged."""
        try:
            record = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.get("key") != key:  # pyright: ignore[reportUnknownMemberType]
            return None
        value = record.get("value")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]

    def store(self, key: str, value: dict[str, Any]) -> None:
        """Replace what is stored under `key`. A full or vanished disk is no error: the cache then forgets."""
        data = json.dumps({"key": key, "value": value}).encode()
        with contextlib.suppress(OSError):
            write_atomically(self._path(key), data)

    def _path(self, key: str) -> Path:
        return directory() / self._name / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
