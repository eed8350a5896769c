"""The programs of an NPBench checkout: what `bench_info/*.json` says, loaded as they are."""

from __future__ import annotations

import importlib.util
import json
import linecache
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from wengert import differences as fd
from wengert.errors import WengertError

SMALLEST = 6
SINGLE_TO_DOUBLE = {"float32": "float64", "complex64": "complex128"}


class CheckoutError(WengertError, ValueError):
    """The folder is not an NPBench checkout, or lacks what was asked for."""


@dataclass(frozen=True, slots=True)
class Program:
    """One benchmark: where its files are, how its data is made and how it is called."""

    name: str
    folder: Path
    module: str
    function: str
    initializer: Mapping[str, Any] | None
    inputs: tuple[str, ...]
    presets: Mapping[str, Mapping[str, Any]]

    def parameters(self, preset: str) -> dict[str, Any]:
        """Sizes and constants of a preset."""
        if preset not in self.presets:
            raise CheckoutError(f"{self.name} has no preset {preset!r}; it has {', '.join(self.presets)}")
        return dict(self.presets[preset])

    def load(self, double: bool = False) -> Callable[..., Any]:
        """The NumPy version of the program; with `double`, the same text with double for single precision."""
        path = self.folder / f"{self.module}_numpy.py"
        module = _double(path) if double else load_module(path)
        return getattr(module, self.function)

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, from the benchmark's own initialisation."""
        data = dict(parameters)
        if self.initializer:
            module = load_module(self.folder / f"{self.module}.py")
            made = getattr(module, self.initializer["func_name"])(*(data[k] for k in self.initializer["input_args"]))
            names = self.initializer["output_args"]
            data.update(zip(names, made if len(names) > 1 else (made,), strict=True))
        return tuple(data[name] for name in self.inputs)

    def scaled(self, preset: str, seconds: float, floats: int, factor: float = 1.0) -> dict[str, Any]:
        """The preset's parameters, shrunk until one plain run takes at most `seconds` and has at most `floats` inputs.

        Integers above `SMALLEST` are sizes and step counts; all of them shrink by one common factor, by 0.7 at a
        time and not below `SMALLEST`. Smaller integers and floats are constants. The last parameters that the program
        still runs with are taken where smaller ones fail or an input becomes empty (an image smaller than its
        convolutions, for instance). `factor` is where the shrinking starts.
        """
        full = self.parameters(preset)
        chosen = full
        f = self.load()
        while True:
            trial = {k: _shrunk(v, factor) for k, v in full.items()}
            try:
                args = self.arguments(trial)
                start = time.perf_counter()
                fd.run(f, args)
                elapsed = time.perf_counter() - start
            except Exception:  # whatever an initialiser raises at a size it was not made for
                return chosen
            if any(leaf.size == 0 for leaf in fd.floats(args)):
                return chosen
            smallest = trial == chosen and factor < 1.0
            chosen = trial
            if smallest or (elapsed <= seconds and sum(x.size for x in fd.floats(args)) <= floats):
                return chosen
            factor *= 0.7


def _shrunk(value: Any, factor: float) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value > SMALLEST:
        return max(SMALLEST, round(value * factor))
    return value


def programs(checkout: Path, only: tuple[str, ...] = ()) -> list[Program]:
    """The benchmarks of a checkout by name, all or those named."""
    folder = checkout / "bench_info"
    if not folder.is_dir():
        raise CheckoutError(
            f"{checkout} is not an NPBench checkout: it has no bench_info folder "
            "(git clone https://github.com/spcl/npbench, then name that folder)"
        )
    found = {path.stem: _read(path, checkout) for path in sorted(folder.glob("*.json"))}
    unknown = [name for name in only if name not in found]
    if unknown:
        raise CheckoutError(f"no program {', '.join(unknown)}; there are {', '.join(found)}")
    return [found[name] for name in only] if only else list(found.values())


def _read(path: Path, checkout: Path) -> Program:
    info = json.loads(path.read_text())["benchmark"]
    return Program(
        name=path.stem,
        folder=checkout / "npbench" / "benchmarks" / info["relative_path"],
        module=info["module_name"],
        function=info["func_name"],
        initializer=info.get("init"),
        inputs=tuple(info["input_args"]),
        presets=info["parameters"],
    )


def load_module(path: Path) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise CheckoutError(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _double(path: Path) -> ModuleType:
    text = path.read_text()
    for single, double in SINGLE_TO_DOUBLE.items():
        text = text.replace(single, double)
    module, name = ModuleType(path.stem + "_double"), f"<{path.name} in double precision>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # so that it can be compiled
    exec(compile(text, name, "exec"), module.__dict__)
    return module
