"""A folder of programs, one a file: `PRESETS`, `initialize(**sizes)` -> arguments, and a function named as the file."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, cast

from wengert.cli.bench.programs import Loader, SuiteError, Variant, chosen, load_double, load_module, written


@dataclass(frozen=True, slots=True)
class FieldProgram:
    """One file. `counterparts`: a file of JAX programs with the same names and arguments."""

    path: Path
    presets: Mapping[str, Mapping[str, Any]]
    inputs: tuple[str, ...]
    counterparts: Path | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    def load(self, double: bool = False) -> Variant:
        """The program; with `double`, the same text with double for single precision."""
        return getattr(load_double(self.path) if double else load_module(self.path), self.name)

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call; a file's seed is fixed."""
        return load_module(self.path).initialize(**parameters)

    def numba(self, threads: int) -> dict[str, Loader]:
        """The same text, every function of it compiled by `njit`."""
        return {"njit": lambda: _jitted(self.path, self.name)}

    def jax(self) -> dict[str, Loader]:
        """The function of that name among the counterparts."""
        path = self.counterparts
        if path is None or not written(path, self.name):
            return {}
        return {"ours": lambda: getattr(load_module(path), self.name)}

    def dace(self) -> dict[str, Loader]:
        """None: nobody has written them."""
        return {}


def _jitted(path: Path, name: str) -> Variant:
    numba: Any = importlib.import_module("numba")
    module = load_module(path)
    for key, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            setattr(module, key, numba.njit(value))
    return getattr(module, name)


def field_programs(folder: Path, only: Sequence[str] = (), counterparts: Path | None = None) -> list[FieldProgram]:
    """The programs of a folder by name, all or those named."""
    paths = sorted(folder.glob("*.py"))
    if not paths:
        raise SuiteError(f"there are no programs in {folder}")
    return [_read(path, counterparts) for path in chosen({path.stem: path for path in paths}, only)]


def _read(path: Path, counterparts: Path | None) -> FieldProgram:
    module = load_module(path)
    presets, function = getattr(module, "PRESETS", None), getattr(module, path.stem, None)
    if presets is None or function is None or not hasattr(module, "initialize"):
        raise SuiteError(f"{path} does not define PRESETS, initialize and {path.stem}")
    inputs = tuple(inspect.signature(cast("Variant", function)).parameters)
    return FieldProgram(path, presets, inputs, counterparts)
