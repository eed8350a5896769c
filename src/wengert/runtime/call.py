"""Compiled programs as Python callables."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np

from ..backend.c import emit
from ..codes import Code
from ..errors import WengertError, exception_class
from ..ir.locks import ForkedLock
from ..ir.nodes import Module, Span
from ..ir.types import DType
from . import compile as compiling
from . import recycling
from .abi import Bind

NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stats:
    """Bytes of arrays that a kernel's calls allocated (results included, arguments not), as counted by its arena."""

    last_peak: int
    peak: int
    cached: int
    calls: int


class Kernel:
    """A compiled module: `kernel(leaves)` takes the flat tuple of Python leaves and returns the tuple of results.

    Arrays among the leaves must be C-contiguous, aligned, native and of the declared dtype and extents (TypeError or
    ValueError otherwise); those of `inout` parameters are written in place. A result of rank 0 is a NumPy scalar, any
    other a new array, except that one that names an array parameter is that very leaf. Errors of the program are raised
    with its exception, an attribute `span` and a note that shows the user's line. Calls may run at the same time in
    several threads. `on_disk`: arrays that may lie on disk in calls that have a directory for it (see `limited`);
    `counted`: variables of loops of the root with conditions whose turns are counted.
    """

    def __init__(
        self,
        module: Module,
        binds: Sequence[Bind] | None = None,
        on_disk: Collection[str] = (),
        counted: Sequence[str] = (),
    ) -> None:
        source = emit(module, binds, compiling.threads(), on_disk, counted)
        path = compiling.build(source)
        try:
            self._library = _load(path)
        except OSError:  # damaged by others than us: once more
            compiling.discard(path)
            self._library = _load(compiling.build(source))
        self.call: Callable[[tuple[Any, ...]], tuple[Any, ...]] = self._library.function

    @classmethod
    def from_library(cls, path: str | Path) -> Kernel:
        """The kernel of a library that was built before; raises OSError if it cannot be loaded."""
        kernel = cls.__new__(cls)
        kernel._library = _load(Path(path))
        kernel.call = kernel._library.function
        return kernel

    def __call__(self, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
        return self.call(leaves)

    @property
    def path(self) -> Path:
        """The shared library; its C source lies beside it."""
        return self._library.path

    def stats(self) -> Stats:
        """Counts over all calls so far of programs with this code."""
        out = (ctypes.c_int64 * 4)()
        self._library.handle.wg_stats(out)
        return Stats(*out)

    def limited(
        self, leaves: tuple[Any, ...], limit: int, directory: str | None = None, disk: int = 0
    ) -> tuple[tuple[Any, ...], int]:
        """The results of a call that fails with MemoryError rather than allocate more than `limit` bytes at a time, and
        the most that it had allocated at any time. With a directory, at most `disk` bytes of tapes lie there; raises
        DiskFailed if that was not possible."""
        handle = self._library.handle
        recycling.release()
        name = None if directory is None else os.fsencode(directory)  # alive until the call ends
        handle.wg_limit_next(limit)
        handle.wg_disk_next(name, disk)
        results = self.call(leaves)
        return results, handle.wg_own_peak()

    def turns(self, loop: int) -> int:
        """The turns of a counted loop, by its number, in the latest call in this thread."""
        return self._library.handle.wg_own_turns(loop)

    def on_disk(self) -> int:
        """The most bytes of tapes that the latest call in this thread had on disk."""
        return self._library.handle.wg_own_disk()

    def limit_memory(self, limit: int | None) -> None:
        """Let calls fail with MemoryError rather than allocate more than `limit` bytes at a time (None: no limit)."""
        self._library.memory_limit = NO_LIMIT if limit is None else limit
        self._library.configure()


@dataclass(slots=True)
class _Library:
    path: Path
    handle: ctypes.PyDLL
    function: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    memory_limit: int = NO_LIMIT

    def configure(self) -> None:
        main = threading.main_thread().ident or 0
        self.handle.wg_configure(self.memory_limit, sys.getrecursionlimit(), main, _forked)


_libraries: dict[str, _Library] = {}
_loading = ForkedLock()
_forked = False


def _load(path: Path) -> _Library:
    """Load a library once per process. It stays loaded."""
    with _loading:
        found = _libraries.get(str(path))
        if found is None:
            found = _libraries[str(path)] = _load_new(path)
        return found


def _load_new(path: Path) -> _Library:
    with _patient_threads():
        handle = ctypes.PyDLL(str(path))
    handle.wg_install.argtypes = [ctypes.py_object]
    handle.wg_configure.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_ulong, ctypes.c_int]
    handle.wg_configure.restype = None
    handle.wg_limit_next.argtypes = [ctypes.c_int64]
    handle.wg_limit_next.restype = None
    handle.wg_disk_next.argtypes = [ctypes.c_char_p, ctypes.c_int64]
    handle.wg_disk_next.restype = None
    handle.wg_own_turns.argtypes = [ctypes.c_int]
    handle.wg_own_turns.restype = ctypes.c_int64
    handle.wg_own_disk.argtypes = []
    handle.wg_own_disk.restype = ctypes.c_int64
    handle.wg_own_peak.argtypes = []
    handle.wg_own_peak.restype = ctypes.c_int64
    handle.wg_stats.argtypes = [ctypes.POINTER(ctypes.c_int64)]
    handle.wg_stats.restype = None
    handle.wg_function.argtypes = []
    handle.wg_function.restype = ctypes.py_object
    handle.wg_wanted_routines.argtypes = []
    handle.wg_wanted_routines.restype = ctypes.c_char_p
    handle.wg_set_routine.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handle.wg_set_routine.restype = None
    handle.wg_wanted_specials.argtypes = []
    handle.wg_wanted_specials.restype = ctypes.c_char_p
    handle.wg_set_special.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handle.wg_set_special.restype = None
    handle.wg_install(_HOOKS)
    for index, name in enumerate((handle.wg_wanted_routines() or b"").decode().split()):
        handle.wg_set_routine(index, _routine(name))
    for index, name in enumerate((handle.wg_wanted_specials() or b"").decode().split()):
        handle.wg_set_special(index, _special(*name.split(":")))
    library = _Library(path, handle, handle.wg_function())
    library.configure()
    return library


_WAITING, _SPINS = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
_TURNS = 2000
"""How often an idle thread looks for work before it sleeps: up to 0.1 ms. One that sleeps is woken in 10 to 100 us,
longer than the loops of many time steps take; one that spins for long takes the time that others need."""


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _patient_threads() -> Generator[None]:
    """While the first library with threads is loaded: have OpenMP's idle threads wait as said, unless the user chose.

    With more threads than processors they sleep at once: measured, spinning took up to twenty times as long then.
    OpenMP's library reads the variables only when it is loaded.
    """
    wanted = compiling.wanted_threads()
    if wanted == 1 or _WAITING in os.environ or _SPINS in os.environ:
        yield
        return
    name, value = (_SPINS, str(_TURNS)) if wanted <= _processors() else (_WAITING, "passive")
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _after_fork() -> None:
    """The thread that forked is the main thread of the child, and alone: OpenMP would wait for those that are gone."""
    global _forked
    _forked = True
    for library in _libraries.values():
        library.configure()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

# -- what the native code calls ------------------------------------------------------------------------------------


def _raise(exception: str, message: str, shown: tuple[Any, ...], where: tuple[Any, ...]) -> NoReturn:
    """Raise the exception that a program recorded."""
    first, *rest = message.split("{}")
    text = first + "".join(f"{a}{part}" for a, part in zip(shown, rest, strict=False))
    error: Exception = RuntimeError(f"{exception}: {text}")
    kind = exception_class(exception)
    if kind is not None:
        try:
            error = kind(text)
        except TypeError:  # a constructor that takes something else than a message
            error = kind.__new__(kind, text)
    if where and where[1]:
        span = Span(*where)
        error.span = span  # pyright: ignore[reportAttributeAccessIssue]
        note = f"  at {span}" + (f", in {span.function}" if span.function else "")
        error.add_note(note + (f": {span.text}" if span.text else ""))
    raise error


def _fft(memory: memoryview, dtype: np.dtype[Any], inverse: bool) -> None:
    """Transform the first half of a buffer into the second."""
    data = np.frombuffer(memory, dtype)
    n = data.size // 2
    if n:
        data[n:] = np.fft.ifft(data[:n]) if inverse else np.fft.fft(data[:n])


_DTYPES = tuple(dtype.numpy for dtype in DType)
_MAKERS = (np.empty, np.zeros, recycling.array)
_HOOKS = (_raise, *_MAKERS, _fft, complex, _DTYPES, tuple(dtype.type for dtype in _DTYPES))

# -- functions of SciPy --------------------------------------------------------------------------------------------


def _routine(name: str) -> int:
    """The address of a BLAS or LAPACK routine of SciPy; raises WengertError if its integers are not of 32 bits."""
    modules: list[Any] = [importlib.import_module(f"scipy.linalg.cython_{m}") for m in ("blas", "lapack")]
    capsules: dict[str, object] = {**modules[0].__pyx_capi__, **modules[1].__pyx_capi__}
    signature, address = _unpacked(capsules[name])
    if "int *" not in signature:
        raise WengertError(f"SciPy's {name} takes other integers than of 32 bits: {signature}", Code.SETTING)
    return address


def _special(name: str, operands: str) -> int:
    """The address of a function of scipy.special over doubles; raises WengertError if there is none."""
    module: Any = importlib.import_module("scipy.special.cython_special")
    capsules: dict[str, object] = module.__pyx_capi__
    wanted = f"double ({'double, ' * int(operands)}int __pyx_skip_dispatch)"
    for key, capsule in capsules.items():
        if re.fullmatch(rf"(__pyx_fuse_\d+)?{name}", key):
            signature, address = _unpacked(capsule)
            if signature == wanted:
                return address
    raise WengertError(f"this version of SciPy has no scipy.special.cython_special.{name} over doubles", Code.SETTING)


def _unpacked(capsule: object) -> tuple[str, int]:
    """What a capsule of Cython says it holds, and the address of it."""
    held, api = ctypes.py_object(capsule), ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = cast(bytes, api.PyCapsule_GetName(held))
    return name.decode(), cast(int, api.PyCapsule_GetPointer(held, name))
