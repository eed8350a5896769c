"""The programs of an NPBench checkout: what `bench_info/*.json` says, loaded as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wengert.cli.bench.programs import Loader, SuiteError, Variant, chosen, load_double, load_module, written


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: where its files are, how its data is made and how it is called. `rewrites`: our JAX programs."""

    name: str
    folder: Path
    module: str
    function: str
    initializer: Mapping[str, Any] | None
    inputs: tuple[str, ...]
    presets: Mapping[str, Mapping[str, Any]]
    rewrites: Path | None = None

    def load(self, double: bool = False) -> Variant:
        """The NumPy version of the program; with `double`, the same text with double for single precision."""
        path = self.folder / f"{self.module}_numpy.py"
        module = load_double(path) if double else load_module(path)
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

    def numba(self, threads: int) -> dict[str, Loader]:
        """NPBench's own, parallel ones only for several threads."""
        found: dict[str, Loader] = {}
        for path in sorted(self.folder.glob(f"{self.module}_numba*.py")):
            kind = path.stem.removeprefix(f"{self.module}_numba").strip("_")
            if threads > 1 or "p" not in kind:
                found[kind] = lambda path=path: getattr(load_module(path), self.function)
        return found

    def jax(self) -> dict[str, Loader]:
        """NPBench's own without its outer jit, so that integers are static and loops can be reversed; and ours."""
        found: dict[str, Loader] = {}
        path = self.folder / f"{self.module}_jax.py"
        if path.exists():
            found["npbench"] = lambda: _unjitted(getattr(load_module(path), self.function))
        rewrites = self.rewrites
        if rewrites is not None and written(rewrites, self.name):
            found["ours"] = lambda: getattr(load_module(rewrites), self.name)
        return found

    def dace(self) -> dict[str, Loader]:
        """NPBench's own, as it is and with DaCe's automatic optimisation; the module is loaded by `dace_rival`."""
        path = self.folder / f"{self.module}_dace.py"
        if not path.exists():
            return {}
        return {kind: lambda: getattr(load_module(path), self.function) for kind in ("simplified", "auto-optimised")}


def _unjitted(f: Variant) -> Variant:
    return getattr(f, "__wrapped__", f)


def benchmarks(checkout: Path, only: Sequence[str] = (), rewrites: Path | None = None) -> list[Benchmark]:
    """The benchmarks of a checkout by name, all or those named."""
    folder = checkout / "bench_info"
    if not folder.is_dir():
        raise SuiteError(
            f"{checkout} is not an NPBench checkout: it has no bench_info folder "
            "(git clone https://github.com/spcl/npbench, then name that folder)"
        )
    paths = chosen({path.stem: path for path in sorted(folder.glob("*.json"))}, only)
    return [_read(path, checkout, rewrites) for path in paths]


def _read(path: Path, checkout: Path, rewrites: Path | None) -> Benchmark:
    info = json.loads(path.read_text())["benchmark"]
    return Benchmark(
        name=path.stem,
        folder=checkout / "npbench" / "benchmarks" / info["relative_path"],
        module=info["module_name"],
        function=info["func_name"],
        initializer=info.get("init"),
        inputs=tuple(info["input_args"]),
        presets=info["parameters"],
        rewrites=rewrites,
    )
