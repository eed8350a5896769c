"""What a benchmark program is, wherever it comes from: `Program`, and what all suites do with one."""

from __future__ import annotations

import importlib.util
import linecache
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from wengert import differences as fd
from wengert.codes import Code
from wengert.errors import WengertError

SMALLEST = 6
SINGLE_TO_DOUBLE = {"float32": "float64", "complex64": "complex128"}
Variant = Callable[..., Any]
Loader = Callable[[], Variant]


class SuiteError(WengertError, ValueError):
    """There is no such suite, program or preset; the message says what there is."""

    code = Code.SUITE


class Program(Protocol):
    """A NumPy program with data of several sizes, and what others made of it.

    `inputs`: the names of the arguments. `numba` and `jax` name the competitors' programs; nothing of them is imported
    before a loader is called.
    """

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """Sizes and constants, by preset."""
        ...

    def load(self, double: bool = False) -> Variant:
        """The NumPy program; with `double`, the same text with double for single precision."""
        ...

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call at these sizes: the same ones every time."""
        ...

    def numba(self, threads: int) -> Mapping[str, Loader]:
        """Numba programs that take and change the same arguments, by name."""
        ...

    def jax(self) -> Mapping[str, Loader]:
        """JAX programs of the same arguments, by where they come from; without a jit around them."""
        ...

    def dace(self) -> Mapping[str, Loader]:
        """DaCe programs that take and change arguments of the same names, by how they are optimised."""
        ...


T = TypeVar("T")


def parameters(program: Program, preset: str) -> dict[str, Any]:
    """Sizes and constants of a preset."""
    if preset not in program.presets:
        raise SuiteError(f"{program.name} has no preset {preset!r}; it has {', '.join(program.presets)}")
    return dict(program.presets[preset])


def chosen(found: Mapping[str, T], only: Sequence[str]) -> list[T]:
    """All, or the programs named."""
    unknown = [name for name in only if name not in found]
    if unknown:
        raise SuiteError(f"no program {', '.join(unknown)}; there are {', '.join(found)}")
    return [found[name] for name in only] if only else list(found.values())


def scaled(program: Program, preset: str, seconds: float, floats: int, factor: float = 1.0) -> dict[str, Any]:
    """The preset's parameters, shrunk until one plain run takes at most `seconds` and has at most `floats` inputs.

    Integers above `SMALLEST` are sizes and step counts; all of them shrink by one common factor, by 0.7 at a
    time and not below `SMALLEST`. Smaller integers and floats are constants. The last parameters that the program
    still runs with are taken where smaller ones fail or an input becomes empty (an image smaller than its
    convolutions, for instance). `factor` is where the shrinking starts.
    """
    full = parameters(program, preset)
    last = full
    f = program.load()
    while True:
        trial = {k: _shrunk(v, factor) for k, v in full.items()}
        try:
            args = program.arguments(trial)
            start = time.perf_counter()
            fd.run(f, args)
            elapsed = time.perf_counter() - start
        except Exception:  # whatever an initialiser raises at a size it was not made for
            return last
        if any(leaf.size == 0 for leaf in fd.floats(args)):
            return last
        smallest = trial == last and factor < 1.0
        last = trial
        if smallest or (elapsed <= seconds and sum(x.size for x in fd.floats(args)) <= floats):
            return last
        factor *= 0.7


def _shrunk(value: Any, factor: float) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value > SMALLEST:
        return max(SMALLEST, round(value * factor))
    return value


def load_module(path: Path, names: Mapping[str, Any] | None = None) -> ModuleType:
    """The module in a file; `names` are there before it runs."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise SuiteError(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    vars(module).update(names or {})
    spec.loader.exec_module(module)
    return module


def load_double(path: Path) -> ModuleType:
    """The module in a file, with double for single precision."""
    text = path.read_text()
    for single, double in SINGLE_TO_DOUBLE.items():
        text = text.replace(single, double)
    module, name = ModuleType(path.stem + "_double"), f"<{path.name} in double precision>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # so that it can be compiled
    exec(compile(text, name, "exec"), module.__dict__)
    return module


def written(path: Path, name: str) -> bool:
    """Whether a file defines a function of that name, by its text: the file is not run."""
    return path.exists() and any(
        line.startswith((f"def {name}(", f"{name} = ")) for line in path.read_text().splitlines()
    )
