"""`FILE.py:FUNC` and its arguments, from the command line or from the file itself."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from wengert.codes import Code
from wengert.errors import WengertError


class TargetError(WengertError, ValueError):
    """The target or its arguments cannot be found; the message says what to write."""

    code = Code.TARGET


class UnknownName(WengertError, ValueError):
    """A name on the command line is none; the message lists the names there are."""

    code = Code.NAME


@dataclass(frozen=True, slots=True)
class Target:
    """A function of a file and the module it lives in."""

    spec: str
    module: ModuleType
    function: Callable[..., Any]

    @property
    def name(self) -> str:
        return self.spec.rpartition(":")[2]

    def arguments(self, expression: str | None) -> tuple[Any, ...]:
        """The arguments: `--args`, else `<func>_args`, else `example_args` of the module (values, or a function)."""
        import numpy as np

        if expression is not None:
            namespace = {"np": np, **vars(self.module)}
            try:
                made = eval(expression, namespace)
            except Exception as error:  # the user's own expression: any exception it raises is theirs to see
                raise TargetError(f"--args {expression!r} raised {type(error).__name__}: {error}") from error
            return cast(tuple[Any, ...], made) if isinstance(made, tuple) else (made,)
        last = self.name.rpartition(".")[2]
        for name in (f"{last}_args", "example_args"):
            if hasattr(self.module, name):
                made = getattr(self.module, name)
                made = made() if callable(made) else made
                return tuple(cast(Sequence[Any], made)) if isinstance(made, (tuple, list)) else (made,)
        raise TargetError(
            f"no arguments to run {self.name} with.\n"
            f"  Give them: --args '(np.linspace(0, 1, 10), 2.0)', evaluated with the names of the file and np;\n"
            f"  or define {last}_args = (...) or example_args = (...) in {Path(self.module.__file__ or '').name}."
        )


def load(spec: str) -> Target:
    """The function that `FILE.py:FUNC` (or `FILE.py:Class.method`) names. Runs the file."""
    file, colon, name = spec.rpartition(":")
    if not colon or not file or not name:
        raise TargetError(f"{spec!r} does not name a function; write FILE.py:FUNC")
    path = Path(file)
    if not path.is_file():
        raise TargetError(f"there is no file {file}")
    module = _import(path)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            functions = [
                k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__
            ]
            raise TargetError(f"{file} has no {name!r}; it defines {', '.join(functions) or 'no functions'}")
        found = getattr(found, part)
    if not callable(found):
        raise TargetError(f"{name} in {file} is not a function but of type {type(found).__name__}")
    return Target(spec, module, found)


def _import(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's file: any exception it raises is theirs to see
        raise TargetError(f"importing {path} raised {type(error).__name__}: {error}") from error
    return module
