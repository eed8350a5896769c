"""The first level of the disk cache: a call seen in an earlier process runs again without being staged.

An entry is found by the root function's code, the transform and the kinds of the arguments; it holds everything the
compilation read (guards, functions staged with a hash of their code) and the libraries it made. It is used only if
every function still has the code it was staged from and every guard holds, so an edited callee, global or closure is
never served stale. Programs that depend on things that cannot be named in another process (a lambda in a global, say)
are not stored here; their C code is still found by content.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import io
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.frontend.python.python_values import class_of, is_dict, is_list, is_ndarray, is_sequence
from wengert.pipeline import skipped
from wengert.runtime import cache as disk
from wengert.runtime.call import Kernel
from wengert.runtime.compile import processor, users_flags, wanted_threads
from wengert.runtime.hashing import code_hash

if TYPE_CHECKING:
    from wengert.programs import Variant

LIMIT = 16  # entries kept under one key


def signature(value: Any, depth: int = 4) -> Any:
    """The kind of an argument, coarsely: what a key is made of."""
    if is_ndarray(value):
        return ("a", value.dtype.str, tuple(min(n, 9) for n in value.shape))
    if is_sequence(value) and depth:
        return (class_of(value).__qualname__, tuple(signature(v, depth - 1) for v in value))
    if is_dict(value) and depth:
        return ("d", tuple((str(k), signature(v, depth - 1)) for k, v in value.items()))
    if isinstance(value, (bool, str)) or value is None:
        return repr(value)
    if type(value) is int:
        return ("i", (value > 0) - (value < 0))
    return class_of(value).__qualname__


@functools.cache
def own_version() -> str:
    """Changes whenever wengert itself does."""
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(__file__).parent.rglob("*") if p.suffix in (".py", ".c", ".h")):
        status = path.stat()
        digest.update(f"{path.name}:{status.st_size}:{status.st_mtime_ns};".encode())
    return digest.hexdigest()


def _root(fn: Callable[..., Any]) -> types.FunctionType | None:
    inner = getattr(fn, "__func__", fn)
    return inner if isinstance(inner, types.FunctionType) else None


def key_of(fn: Callable[..., Any], kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    root = _root(fn)
    if root is None:
        return None
    parts = (
        code_hash(root.__code__), root.__module__, root.__qualname__, kind, tuple(signature(a) for a in args),
        tuple((k, signature(v)) for k, v in kwargs.items()), sys.version, np.__version__, processor(), users_flags(),
        wanted_threads(), sorted(skipped()), own_version(),
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()


PARTS = ("__wrapped__", "__func__", "fget", "fset", "fdel", "func")
"""Where the function is in what a decorator made of it (property, staticmethod, functools.wraps ...)."""


def _decorated(module: str, qualname: str) -> Any:
    """What stands under a function's own name; raises AttributeError, KeyError or ImportError if nothing does."""
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = inspect.getattr_static(found, name)
    return found


def _way(function: types.FunctionType) -> tuple[str, ...] | None:
    """The attributes that lead from what stands under a function's name to the function; None if none do."""
    try:
        paths: list[tuple[tuple[str, ...], Any]] = [((), _decorated(function.__module__, function.__qualname__))]
    except (AttributeError, ImportError):
        return None
    while paths:
        way, found = paths.pop()
        if found is function:
            return way
        if len(way) < 4:
            paths += [((*way, part), inner) for part in PARTS if (inner := getattr(found, part, None)) is not None]
    return None


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, fn: Callable[..., Any]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.root = _root(fn)

    def persistent_id(self, obj: Any) -> Any:
        if obj is self.root:
            return ("root",)
        if isinstance(obj, types.ModuleType):
            return ("module", obj.__name__)
        if isinstance(obj, Kernel):
            return ("kernel", str(obj.path))
        if is_dict(obj) and class_of(obj) is dict and "__name__" in obj and "__builtins__" in obj:
            if self.root is not None and obj is self.root.__globals__:
                return ("globals",)
            module = sys.modules.get(obj["__name__"])
            if module is None or vars(module) is not obj:
                raise pickle.PicklingError("a namespace that is no module")
            return ("namespace", obj["__name__"])
        if isinstance(obj, types.FunctionType) and (obj.__module__ == "__main__" or "<locals>" in obj.__qualname__):
            if self.root is not None and self.root.__globals__.get(obj.__name__) is obj:
                return ("global", obj.__name__)
            raise pickle.PicklingError("a function that has no name elsewhere")
        if isinstance(obj, types.FunctionType):
            way = _way(obj)
            if way:
                return ("decorated", obj.__module__, obj.__qualname__, way)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, fn: Callable[..., Any]) -> None:
        super().__init__(file)
        self.root = _root(fn)

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("root",):
                return self.root
            case ("module", name):
                __import__(name)
                return sys.modules[name]
            case ("kernel", path):
                return Kernel.from_library(path)
            case ("globals",):
                assert self.root is not None
                return self.root.__globals__
            case ("global", name):
                assert self.root is not None
                return self.root.__globals__[name]
            case ("decorated", module, qualname, way):
                return functools.reduce(getattr, way, _decorated(module, qualname))
            case ("namespace", name):
                __import__(name)
                return vars(sys.modules[name])
            case _:
                raise pickle.UnpicklingError(f"unknown reference {pid!r}")


def _path(key: str) -> Path:
    return disk.directory() / "calls" / f"{key}.pickle"


def save(fn: Callable[..., Any], kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], variant: Variant) -> None:
    """Store a new compilation, if everything it depends on can be named in another process."""
    key = key_of(fn, kind, args, kwargs)
    if key is None:
        return
    file = io.BytesIO()
    try:
        _Pickler(file, fn).dump((variant.staged.portable(), variant.kernel, variant.plan))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError):
        return
    entries = [e for e in _entries(key) if e != file.getvalue()][: LIMIT - 1]
    with contextlib.suppress(OSError):
        disk.write_atomically(_path(key), pickle.dumps([file.getvalue(), *entries]))


def _entries(key: str) -> list[bytes]:
    try:
        found = pickle.loads(_path(key).read_bytes())
    except (OSError, pickle.UnpicklingError, EOFError, ValueError):
        return []
    return found if is_list(found) else []


def load(
    fn: Callable[..., Any], kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[Any, Any, Any]]:
    """What earlier processes stored for such a call and is still fresh: (staged, kernel, plan), guards not checked."""
    key = key_of(fn, kind, args, kwargs)
    if key is None:
        return []
    found: list[tuple[Any, Any, Any]] = []
    for entry in _entries(key):
        try:
            staged, kernel, plan = _Unpickler(io.BytesIO(entry), fn).load()
        except Exception:  # a function or module that is no longer there, a library that is gone: staged anew
            continue
        if all(code_hash(function.__code__) == known for function, known in staged.sources):
            found.append((staged, kernel, plan))
    return found
