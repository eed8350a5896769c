"""`wengert doctor`: what wengert needs, one line each, and a tiny gradient through the whole path."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Item:
    """One thing examined."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.name:<10} {self.detail}"


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("wengert", "numpy", "scipy"))
    return f"{packages}, Python {platform.python_version()}, {sys.platform} {platform.machine()}"


def _compiler() -> str:
    from wengert.runtime.compile import find_compiler

    command = find_compiler().command
    lines = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
    return f"{' '.join(command)}: {lines[0] if lines else 'no version'}"


def _cache() -> str:
    from wengert.runtime.cache import contents, directory

    folder = directory()
    with tempfile.TemporaryFile(dir=folder):
        pass
    files, size = contents()
    free = shutil.disk_usage(folder).free / 2**30
    return f"{folder}: {files} files, {size / 2**20:.1f} MiB, writable, {free:.0f} GiB free on its disk"


def _blas() -> str:
    import scipy  # pyright: ignore[reportMissingTypeStubs]

    build: dict[str, Any] = cast(Any, scipy).show_config(mode="dicts") or {}
    blas: dict[str, str] = build["Build Dependencies"]["blas"] if build else {}
    return f"SciPy's {blas.get('name', 'BLAS')} {blas.get('version', '')}, {os.cpu_count()} processors".strip()


def _threads() -> str:
    from wengert.codes import Code
    from wengert.errors import WengertError
    from wengert.runtime.compile import THREADS, threads, wanted_threads

    wanted = wanted_threads()
    if wanted != threads():
        raise WengertError(
            f"{THREADS} is {wanted}, but the compiler has no OpenMP: loops run on one thread", Code.SETTING
        )
    return f"loops run on {wanted} thread{'s' if wanted > 1 else ''} ({THREADS})"


def _machine() -> str:
    from wengert.calibration import measured

    found = measured()
    if found is None:
        return "not measured (wengert calibrate does, for predictions of time; nothing that is compiled depends on it)"
    peak = found.library["matmul"].peak / 1e9
    memory = 1e-9 / found.levels[-1].read
    return f"measured: {peak:.0f} GFLOP/s in products, {memory:.0f} GB/s from memory, on one thread"


def _gradient() -> str:
    import numpy as np

    import wengert as wg
    from wengert.cli.doctor_program import speed

    x = np.linspace(0.5, 1.5, 10)
    start = time.perf_counter()
    found = wg.grad(speed)(x)
    seconds = time.perf_counter() - start
    error = float(np.max(np.abs(found - 2 * np.cumprod(np.full(10, 0.5))[::-1] * x)))
    if not error < 1e-14:
        raise ArithmeticError(f"the gradient of a tiny program is wrong by {error:.1e}")
    return f"right to {error:.0e}, first call after {seconds:.2f} s"


def examine() -> list[Item]:
    """Every part; an exception in one is that part's failure."""
    parts: list[tuple[str, Callable[[], str]]] = [
        ("versions", _versions),
        ("compiler", _compiler),
        ("cache", _cache),
        ("blas", _blas),
        ("threads", _threads),
        ("machine", _machine),
        ("gradient", _gradient),
    ]
    items: list[Item] = []
    for name, part in parts:
        try:
            items.append(Item(name, True, part()))
        except Exception as error:  # the doctor reports whatever is wrong
            text = " ".join(str(error).split()) or type(error).__name__
            items.append(Item(name, False, text))
    return items
