"""From C source to a shared library in the cache: finds the compiler, its flags, and what was compiled before."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import CompilerNotFound, WengertError
from . import cache

NATIVE = Path(__file__).parent.parent / "backend" / "c" / "native"
"""The run-time library: headers that programs include, and sources that are compiled once and linked with them."""
PARTS = ("linear_algebra", "sort")
"""Its parts, beside `runtime`, that are linked with programs that include their headers."""

NECESSARY = ("-std=c99", "-fPIC", "-fwrapv", "-ffp-contract=off", "-fvisibility=hidden")
"""Flags without which results would be wrong."""
WANTED = (
    "-O2", "-fno-math-errno", "-fno-trapping-math", "-fcx-fortran-rules", "-fopenmp-simd", "-march=native", "-w",
    "-pipe", "--param=vect-epilogues-nomask=0", "-fno-tree-loop-distribute-patterns", "-fpeel-loops",
)  # fmt: skip
"""Flags used where the compiler knows them. Nobody looks at floating-point exception flags: without traps a division
may run on both sides of a choice, as vector lanes need. -O3 gains nothing where it was measured; vectorised epilogues
cost a quarter of the compile time of loops. Without -fpeel-loops gcc keeps in memory what inner loops of few turns add
to, and the lanes that reductions begin with: a convolution took four times as long. gcc 12 distributes a loop that
copies what it then clears, `t[i] = x[i]; x[i] = 0` for several arrays, into calls of memcpy and memset in the wrong
order: it must not."""
BRIEF = (
    "-O1", "-fstrict-aliasing", "-ftree-vectorize", "-fvect-cost-model=very-cheap", "-ftree-pre", "-fcode-hoisting",
    "-fgcse", "-fschedule-insns2", "-fexpensive-optimizations",
)  # fmt: skip
"""Flags for long programs, after those, if the compiler is gcc: what of -O2 their loops need. They take 0.6 to 0.8 of
the time to compile. Of 13 gradients of NPBench and benchmarks/fields, interleaved on a busy machine (without the last
two flags), ten ran within 3 % of their time or faster, particle_in_cell 5 to 7 % longer, a convolution of small
matrices, which is not long, 7 to 20 %. Without the last one gcc leaves the upper halves of vector registers in use when
it calls the C library: on some processors each call of `exp` then took 100 ns (gaussian_mixture 15 times as long)."""
LONG = 24_000
"""Characters of a long program."""
LINK = ("-fuse-ld=gold",)
"""Flags to link with gcc, where that linker is: it takes half the time of the other one."""


PARALLEL = "-fopenmp"
"""The flag for programs with loops on several threads."""
THREADS = "WENGERT_NUM_THREADS"
MOST_THREADS = 1024


class CompilationFailed(WengertError, RuntimeError):
    """The C compiler rejected a program: a fault of wengert or of the compiler."""

    code = Code.COMPILATION


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: the command, and what tells this one from any other."""

    command: tuple[str, ...]
    identity: str

    def run(self, arguments: Sequence[str | Path]) -> None:
        """Raises CompilationFailed with what the compiler said."""
        command = [*self.command, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        if done.returncode:
            raise CompilationFailed(f"{shlex.join(command)} failed:\n{done.stderr[:4000]}")


def find_compiler() -> Compiler:
    """`$CC`, else cc, gcc or clang of the path, else the one of the package `ziglang`; raises CompilerNotFound."""
    return _find_compiler(os.environ.get("CC", ""), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _find_compiler(named: str, path: str) -> Compiler:
    if named:
        command = shlex.split(named)
        found = shutil.which(command[0], path=path)
        if found is None:
            raise CompilerNotFound(f"the C compiler that CC names, {command[0]}, was not found: correct or unset CC")
        return _compiler([found, *command[1:]])
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name, path=path)
        if found is not None:
            return _compiler([found])
    package = importlib.util.find_spec("ziglang")
    if package is not None and package.origin is not None:
        return _compiler([sys.executable, "-m", "ziglang", "cc"], package.origin)
    raise CompilerNotFound(
        "no C compiler was found: install gcc or clang, or `pip install ziglang`, or name one by the environment "
        "variable CC"
    )


def _compiler(command: list[str], program: str | None = None) -> Compiler:
    """`program` is the file that stands for the compiler, if it is not the command."""
    real = os.path.realpath(program or command[0])
    status = os.stat(real)
    return Compiler(tuple(command), f"{command} {real} {status.st_size} {status.st_mtime_ns}")


# -- keys --------------------------------------------------------------------------------------------------------


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


@functools.cache
def _native_digest() -> str:
    files = sorted(NATIVE.iterdir())
    return _digest(*(part for f in files for part in (f.name, f.read_text("utf-8"))))


@functools.cache
def processor() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = [platform.processor()]
    kept = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
    return platform.machine() + "\n".join(line for line in lines if line.startswith(kept))


def flags(compiler: Compiler, length: int = 0) -> tuple[str, ...]:
    """The flags that this compiler knows (it is asked once, and the answer kept on disk) for a program of so many
    characters, then the user's."""
    known = _known(compiler)
    return known.flags + (known.brief if length >= LONG else ()) + users_flags()


def users_flags() -> tuple[str, ...]:
    """Further flags, from the environment variable WENGERT_CFLAGS."""
    return tuple(shlex.split(os.environ.get("WENGERT_CFLAGS", "")))


@dataclass(frozen=True, slots=True)
class Known:
    """What a compiler accepts: flags for all programs, more for long ones, those to link with; and whether it is gcc,
    whose precompiled headers are named as it is done here."""

    flags: tuple[str, ...]
    brief: tuple[str, ...]
    link: tuple[str, ...]
    is_gcc: bool


def _known(compiler: Compiler) -> Known:
    return _asked(compiler, str(cache.directory()), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _asked(compiler: Compiler, _directory: str, path: str) -> Known:
    linker = shutil.which("ld.gold", path=path) or ""
    manifest = cache.Manifest("compilers")
    key = "\n".join([compiler.identity, linker, *NECESSARY, *WANTED, *BRIEF, *LINK])
    record: dict[str, Any] | None = manifest.lookup(key)
    if record is None:
        linker_works = linker != "" and _accepts(compiler, (*LINK, "-shared"))
        is_gcc = _accepts(compiler, (), "#if defined(__clang__) || !defined(__GNUC__)\n#error\n#endif\n")
        record = {
            "flags": [*NECESSARY, *_accepted(compiler, WANTED)],
            "brief": _accepted(compiler, BRIEF) if is_gcc else [],
            "link": [*LINK] if is_gcc and linker_works else [],
            "is_gcc": is_gcc,
        }
        manifest.store(key, record)
    flags, brief, link = (tuple(record[k]) for k in ("flags", "brief", "link"))
    return Known(flags, brief, link, bool(record["is_gcc"]))


# -- threads -------------------------------------------------------------------------------------------------------


def wanted_threads() -> int:
    """On how many threads loops may run: the environment variable WENGERT_NUM_THREADS, else 1; raises WengertError."""
    text = os.environ.get(THREADS) or "1"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_THREADS:
        raise WengertError(f"{THREADS} is {text!r}: it must be an integer from 1 to {MOST_THREADS}", Code.SETTING)
    return int(text)


def threads() -> int:
    """As many as are wanted if the compiler knows OpenMP, else 1."""
    wanted = wanted_threads()
    return wanted if wanted == 1 or _has_openmp(find_compiler(), str(cache.directory())) else 1


@functools.lru_cache(maxsize=8)
def _has_openmp(compiler: Compiler, _directory: str) -> bool:
    manifest = cache.Manifest("compilers")
    key = "\n".join([compiler.identity, PARALLEL])
    known = manifest.lookup(key)
    if known is None:
        with cache.workspace() as place:
            source = place / "parallel.c"
            source.write_text(
                "void wg_fill(int *x) {\n#pragma omp parallel for\nfor (int k = 0; k < 9; k++) x[k] = k;\n}\n", "utf-8"
            )
            try:
                compiler.run([*NECESSARY, PARALLEL, "-shared", source, "-o", place / "parallel.so"])
                known = {"openmp": True}
            except CompilationFailed:
                known = {"openmp": False}
        manifest.store(key, known)
    return known["openmp"]


def _accepted(compiler: Compiler, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those flags that the compiler knows."""
    if _accepts(compiler, wanted):
        return tuple(wanted)
    return tuple(flag for flag in wanted if _accepts(compiler, [flag]))


def _accepts(compiler: Compiler, options: Sequence[str], text: str = "") -> bool:
    """Whether it compiles a C text with these flags, or links it where they say so."""
    with cache.workspace() as place:
        source, target = place / "empty.c", place / "empty.o"
        source.write_text(f"{text}int wg_empty;\n", "utf-8")
        try:
            compiler.run([*NECESSARY, *options, *([] if "-shared" in options else ["-c"]), source, "-o", target])
        except CompilationFailed:
            return False
        return True


# -- building ------------------------------------------------------------------------------------------------------


def build(source: str) -> Path:
    """The shared library of a C program that `backend.c.emit` wrote, compiled unless the cache has it.

    Raises CompilerNotFound or CompilationFailed. Safe with concurrent processes and threads.
    """
    compiler = find_compiler()
    options = flags(compiler, len(source))
    more = (PARALLEL,) if "#pragma omp parallel" in source else ()
    common = (_native_digest(), processor(), sys.platform)
    library = cache.directory() / f"{_digest(source, *more, compiler.identity, *options, *common)}.so"
    if library.exists():
        cache.mark_used(library)
        return library
    parts = [part for part in PARTS if f'#include "{part}.h"' in source]
    objects = [_object(compiler, part, common) for part in ("runtime", *parts)]
    read = _header(compiler, (*options, *more), common)
    with cache.workspace() as place:
        written, target = place / "program.c", place / "program.so"
        written.write_text(source, "utf-8")
        how = (*options, *more, *read, "-I", NATIVE, *_known(compiler).link)
        undefined = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()
        compiler.run([*how, "-shared", written, *objects, *undefined, "-lm", "-o", target])
        os.replace(written, library.with_suffix(".c"))
        os.replace(target, library)
    _prune_once()
    return library


@functools.cache
def _prune_once() -> None:
    cache.prune()


def _header(compiler: Compiler, options: Sequence[str], common: Sequence[str]) -> tuple[str | Path, ...]:
    """Flags by which gcc reads the header of all programs as it was once compiled with the same options: a quarter of
    the time of short programs."""
    if not _known(compiler).is_gcc:
        return ()
    target = cache.directory() / f"wengert-{_digest(compiler.identity, *options, *common)}.h"
    compiled = target.with_suffix(".h.gch")
    if not (target.exists() and compiled.exists()):
        with cache.workspace() as place:
            written, made = place / target.name, place / compiled.name
            written.write_text('#include "wengert.h"\n', "utf-8")
            compiler.run([*options, "-I", NATIVE, "-x", "c-header", written, "-o", made])
            os.replace(written, target)
            os.replace(made, compiled)
    cache.mark_used(target)
    cache.mark_used(compiled)
    return "-include", target


def _object(compiler: Compiler, part: str, common: Sequence[str]) -> Path:
    """The object file of a part of the run-time library."""
    options = flags(compiler)
    target = cache.directory() / f"{part}-{_digest(compiler.identity, *options, *common)}.o"
    if not target.exists():
        with cache.workspace() as place:
            made = place / target.name
            compiler.run([*options, "-I", NATIVE, "-c", NATIVE / f"{part}.c", "-o", made])
            os.replace(made, target)
    cache.mark_used(target)
    return target


def discard(library: Path) -> None:
    """Forget a library that turned out to be damaged."""
    library.unlink(missing_ok=True)
