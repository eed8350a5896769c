"""Compiler, disk cache and manifests."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from runtime.programs import ARRAY_AND_SIZE, scaled
from wengert.backend.c import emit
from wengert.errors import CompilerNotFound
from wengert.runtime import cache
from wengert.runtime import compile as compiling
from wengert.runtime.call import Kernel


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory, in use."""
    path = tmp_path / "cache"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(path))
    return path


def refuse(*_: object) -> None:
    raise AssertionError("the compiler runs")


def test_a_program_is_compiled_once(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiling.build(emit(scaled()))
    assert path.parent == private and path.with_suffix(".c").read_text() == emit(scaled())
    monkeypatch.setattr(compiling.Compiler, "run", refuse)
    assert compiling.build(emit(scaled())) == path
    with pytest.raises(AssertionError):
        compiling.build(emit(scaled(4.5)))


def test_the_cache_is_private_and_holds_no_leftovers(private: Path) -> None:
    compiling.build(emit(scaled()))
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    header = {".h", ".gch"} if compiling._known(compiling.find_compiler()).is_gcc else set()
    assert {p.suffix for p in private.iterdir() if p.is_file()} == {".c", ".so", ".o"} | header
    assert [p.name for p in private.iterdir() if p.is_dir()] == ["compilers"]


def test_a_directory_open_to_others_is_closed(private: Path) -> None:
    private.mkdir(mode=0o777)
    private.chmod(0o777)
    assert cache.directory() == private
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_flags_are_part_of_the_key(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiling.build(emit(scaled()))
    monkeypatch.setattr(compiling, "NECESSARY", (*compiling.NECESSARY, "-DWG_OTHER"))
    compiling._asked.cache_clear()
    try:
        assert compiling.build(emit(scaled())) != first
    finally:
        compiling._asked.cache_clear()


def test_a_directory_that_cannot_be_used_is_replaced_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.warns(RuntimeWarning, match="WENGERT_CACHE_DIR"):
        first = cache.directory()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.directory() == first and first.is_dir()
    assert Kernel(scaled(), ARRAY_AND_SIZE)((np.ones(2),))[0].tolist() == [2, 2]


def test_a_damaged_library_is_built_again(private: Path) -> None:
    source = emit(scaled(5.25), ARRAY_AND_SIZE)
    path = compiling.build(source)
    path.write_bytes(b"not a library")
    assert Kernel(scaled(5.25), ARRAY_AND_SIZE)((np.ones(2),))[0].tolist() == [5.25, 5.25]


def test_processes_that_build_at_once_all_succeed(private: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "import numpy as np\n"
        "from runtime.programs import ARRAY_AND_SIZE, scaled\n"
        "from wengert.runtime.call import Kernel\n"
        "print(Kernel(scaled(6.5), ARRAY_AND_SIZE)((np.ones(1),))[0].tolist())\n"
    )
    paths = [p for p in sys.path if p]
    command = [sys.executable, "-W", "error", "-c", code, *paths]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [child.communicate(timeout=120)[0] for child in children] == ["[6.5]\n"] * 4
    assert len(list(private.glob("*.so"))) == 1
    assert not list(private.glob("build-*"))


def test_a_library_serves_without_its_program(private: Path) -> None:
    path = Kernel(scaled(7.5), ARRAY_AND_SIZE).path
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "import numpy as np\n"
        "from wengert.runtime.call import Kernel\n"
        "print(Kernel.from_library(sys.argv[1])((np.ones(1),))[0].tolist())\n"
    )
    command = [sys.executable, "-c", code, str(path), *[p for p in sys.path if p]]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[7.5]\n"
    with pytest.raises(OSError):
        Kernel.from_library(private / "missing.so")


# -- compilers


def test_no_compiler_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    compiling._find_compiler.cache_clear()
    with pytest.raises(CompilerNotFound, match="gcc or clang.*ziglang.*CC"):
        compiling.find_compiler()
    compiling._find_compiler.cache_clear()


def test_cc_names_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compiling.find_compiler().command[0]
    monkeypatch.setenv("CC", f"{found} -DWG_SOME")
    assert compiling.find_compiler().command == (found, "-DWG_SOME")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(CompilerNotFound, match="no-such-compiler"):
        compiling.find_compiler()


def test_flags_that_a_compiler_lacks_are_left_out(
    private: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = compiling.find_compiler().command[0]
    picky = tmp_path / "picky-cc"
    picky.write_text(f'#!/bin/sh\ncase "$*" in *fortran-rules*) exit 1;; esac\nexec {real} "$@"\n')
    picky.chmod(0o755)
    monkeypatch.setenv("CC", str(picky))
    chosen = compiling.flags(compiling.find_compiler())
    assert "-fcx-fortran-rules" not in chosen and "-O2" in chosen and "-fwrapv" in chosen
    assert Kernel(scaled(8.5), ARRAY_AND_SIZE)((np.ones(1),))[0].tolist() == [8.5]


def test_long_programs_are_compiled_in_brief_by_gcc_alone(
    private: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long, run, text = compiling.LONG, compiling.Compiler.run, emit(scaled(6.5))
    commands: list[str] = []
    monkeypatch.setattr(compiling.Compiler, "run", lambda self, given: (commands.append(str(given)), run(self, given)))
    monkeypatch.setenv("WENGERT_CFLAGS", "-DWG_USERS")
    compiling.build(text)
    assert "'-O1'" not in commands[-1] and "'-O2'" in commands[-1]
    compiling.build(text + " " * long)
    gcc = "'-O1'" in commands[-1]
    assert gcc == (compiling.flags(compiling.find_compiler(), long)[-len(compiling.BRIEF) - 1 : -1] == compiling.BRIEF)
    assert commands[-1].index("-DWG_USERS") > commands[-1].index("-O1" if gcc else "-O2")
    other = tmp_path / "other-cc"
    other.write_text(f'#!/bin/sh\nexec {compiling.find_compiler().command[0]} -U__GNUC__ "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("CC", str(other))
    assert "-O1" not in compiling.flags(compiling.find_compiler(), long)


def test_gcc_reads_the_header_compiled_once(private: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = emit(scaled(9.5))
    monkeypatch.setenv("WENGERT_CFLAGS", "-H")
    said: list[str] = []
    run = compiling.subprocess.run
    monkeypatch.setattr(compiling.subprocess, "run", lambda *a, **k: said.append((d := run(*a, **k)).stderr) or d)
    compiling.build(text)
    compiling.build(text + "\n")
    gcc = compiling._known(compiling.find_compiler()).is_gcc
    assert len(list(private.glob("wengert-*.h.gch"))) == (1 if gcc else 0)
    if gcc:
        assert said[-1].startswith("! ") and "math.h" not in said[-1]
        for lost in private.glob("wengert-*.h.gch"):
            lost.unlink()
        compiling.build(text + "\n\n")
        assert said[-1].startswith("! ")
    other = tmp_path / "other-cc"
    other.write_text(
        f'#!/bin/sh\nexec {compiling.find_compiler().command[0]} -U__GNUC__ -D__GNUC__=12 -D__clang__ "$@"\n'
    )
    other.chmod(0o755)
    monkeypatch.setenv("CC", str(other))
    compiling.build(text)
    assert not said[-1].startswith("! ")


def test_rejected_programs_show_what_the_compiler_said(private: Path) -> None:
    with pytest.raises(compiling.CompilationFailed, match="no_such_type"):
        compiling.build("no_such_type x;\n")
    assert not list(private.glob("build-*"))


# -- manifests


def test_manifests_store_and_forget(private: Path) -> None:
    manifest = cache.Manifest()
    assert manifest.lookup("a key") is None
    manifest.store("a key", {"x": [1, 2.5, None], "é": "ü"})
    manifest.store("other", {})
    assert manifest.lookup("a key") == {"x": [1, 2.5, None], "é": "ü"}
    manifest.store("a key", {"x": 2})
    assert manifest.lookup("a key") == {"x": 2} and manifest.lookup("other") == {}
    assert cache.Manifest("elsewhere").lookup("a key") is None


DAMAGES = [b"", b"{", b"[]", b'{"key": "other", "value": {}}', b'{"key": "k", "value": 3}', b"\xff"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_manifests_are_ignored(private: Path, damage: bytes) -> None:
    manifest = cache.Manifest()
    manifest.store("k", {"x": 1})
    (file,) = (private / "manifest").iterdir()
    file.write_bytes(damage)
    assert manifest.lookup("k") is None
    manifest.store("k", {"x": 2})
    assert manifest.lookup("k") == {"x": 2}


def test_pruning_removes_what_was_not_used_for_longest(private: Path) -> None:
    directory = cache.directory()
    for k in range(10):
        (directory / f"{k}.so").write_bytes(bytes(1000))
        os.utime(directory / f"{k}.so", (k, k))
    left = directory / f"{cache.BUILD}killed"
    left.mkdir()
    (left / "program.c").write_bytes(b"")
    os.utime(left / "program.c", (0, 0))
    cache.prune(10_000)
    assert len(list(directory.glob("*.so"))) == 10 and not left.exists()
    cache.mark_used(directory / "0.so")
    cache.prune(8000)
    assert sorted(p.name for p in directory.glob("*.so")) == ["0.so", "5.so", "6.so", "7.so", "8.so", "9.so"]


def test_writing_is_atomic(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = cache.directory() / "file"
    cache.write_atomically(target, b"old")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(cache.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        cache.write_atomically(target, b"new")
    cache.Manifest().store("k", {})
    assert target.read_bytes() == b"old"
    assert os.listdir(private) == ["file", "manifest"] or sorted(os.listdir(private)) == ["file", "manifest"]
    assert os.listdir(private / "manifest") == []


def test_the_headers_agree_with_the_dtypes() -> None:
    """The library sees dtypes in the order of `DType`."""
    from wengert.ir.types import DType

    text = (compiling.NATIVE / "wengert.h").read_text()
    assert "enum { " + ", ".join(f"WG_{d.name}" for d in DType) + " };" in text
    assert ctypes.sizeof(ctypes.c_void_p) == 8


def test_long_programs_leave_vector_registers_clean_for_the_library(tmp_path: Path) -> None:
    """On some processors a call with their upper halves in use takes 100 ns."""
    source, made = tmp_path / "calls.c", tmp_path / "calls.s"
    source.write_text("""
        double exp(double);
        void f(double *a, const double *b, long n) {
            for (long j = 0; j < 9; j++) {
                #pragma omp simd
                for (long i = 0; i < n; i++) a[i] = a[i] * b[i] + j;
                a[j] = exp(a[j]);
            }
        }
    """)
    compiler = compiling.find_compiler()
    compiler.run([*compiling.flags(compiler, compiling.LONG), "-S", source, "-o", made])
    text = made.read_text()
    assert "vzeroupper" in text or "%ymm" not in text
