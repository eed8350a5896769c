"""The world around a call: no compiler, no cache, interrupts, threads, forks, other processes, deep recursion."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import pipeline


def steps(x, n):
    for _ in range(n):
        x = x + 1e-9 * np.sin(x)
    return np.sum(x)


def cubic(x):
    y = x.copy()
    y *= x
    return np.sum(y * x)


def python(source: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program file in a process of its own."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(source))
    variables = {**os.environ, **environment}
    return subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=variables, check=False)


SMALL = """
    import numpy as np
    import wengert as wg

    def f(x):
        return np.sum(x**2)

    try:
        print(wg.grad(f)(np.array([3.0])).tolist())
    except wg.WengertError as error:
        print(type(error).__name__, error)
"""


def test_no_compiler(tmp_path: Path) -> None:
    done = python(SMALL, tmp_path, PATH=str(tmp_path), CC="", WENGERT_CACHE_DIR=str(tmp_path / "cache"))
    if "[6.0]" in done.stdout:  # the package ziglang is installed and serves
        return
    assert done.stdout.startswith("CompilerNotFound"), done.stdout + done.stderr
    assert "CC" in done.stdout
    done = python(SMALL, tmp_path, CC="no-such-compiler", WENGERT_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.startswith("CompilerNotFound"), done.stdout + done.stderr
    assert "no-such-compiler" in done.stdout


def test_unwritable_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = python(SMALL, tmp_path, WENGERT_CACHE_DIR=str(blocked / "cache"))
    assert "[6.0]" in done.stdout, done.stdout + done.stderr
    assert "WENGERT_CACHE_DIR" in done.stderr


def test_the_cache_is_private(cache: Any) -> None:
    wg.grad(cubic)(np.ones(3))
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_damaged_cache_entries_are_replaced(cache: Any, tmp_path: Path) -> None:
    assert "[6.0]" in python(SMALL, tmp_path).stdout
    for library in cache.folder.rglob("*.so"):
        library.write_bytes(b"damaged")
    done = python(SMALL, tmp_path)
    assert "[6.0]" in done.stdout, done.stderr


def test_interrupts_arrive() -> None:
    gradient = wg.grad(steps)
    native = wg.compile(steps)
    gradient(np.ones(10), 3)
    native(np.ones(10), 3)
    main = threading.get_ident()
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        native(np.ones(10), 2_000_000_000)
    assert time.perf_counter() - start < 5
    np.testing.assert_allclose(gradient(np.ones(10), 0), np.ones(10))


def test_threads_agree() -> None:
    gradient = wg.grad(cubic)
    inputs = [np.linspace(k, k + 1, 50 + k) for k in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(gradient, inputs))
    for x, g in zip(inputs, found, strict=True):
        np.testing.assert_allclose(g, 3 * x**2, rtol=1e-14)


def test_threads_compile_together(cache: Any) -> None:
    def f(x):
        return np.sum(np.tanh(x) * x[::-1])

    gradient = wg.grad(f)
    x = np.linspace(0, 1, 12)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: gradient(x), range(8)))
    for g in found[1:]:
        np.testing.assert_array_equal(g, found[0])


def test_other_threads_run_meanwhile() -> None:
    """A native call does not hold the interpreter."""
    native = wg.compile(steps)
    native(np.ones(10), 1)
    ticks = 0
    done = threading.Event()

    def work() -> None:
        native(np.ones(100), 5_000_000)
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    worker.join()
    assert ticks > 3


def _in_child(queue: Any) -> None:
    x = np.linspace(0, 1, 33)
    old = wg.grad(cubic)(x)
    new = wg.grad(lambda x: np.sum(np.cos(x)))(x)
    queue.put(bool(np.allclose(old, 3 * x**2) and np.allclose(new, -np.sin(x))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_compute() -> None:
    wg.grad(cubic)(np.ones(9))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        children = [context.Process(target=_in_child, args=(queue,)) for _ in range(2)]
        for child in children:
            child.start()
    assert [queue.get(timeout=120) for _ in children] == [True, True]
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    np.testing.assert_allclose(wg.grad(cubic)(np.ones(9)), np.full(9, 3.0))


def _limited_in_child(gradient: Any, queue: Any) -> None:
    queue.put(gradient(np.ones(9)).tolist())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("limit", [None, "1 MB"])
def test_a_child_forked_while_another_thread_compiles(monkeypatch: pytest.MonkeyPatch, limit: str | None) -> None:
    """No thread of the child will ever let go of what that thread held."""
    inside, done = threading.Event(), threading.Event()
    prepare = pipeline.finish

    def slow(*args: Any) -> Any:
        if threading.current_thread() is not threading.main_thread() and not inside.is_set():
            inside.set()
            done.wait(60)
        return prepare(*args)

    monkeypatch.setattr(pipeline, "finish", slow)
    gradient = wg.grad(lambda x: np.sum(x**3 * x[0]), memory_limit=limit)
    worker = threading.Thread(target=gradient, args=(np.ones(9),))
    worker.start()
    assert inside.wait(60)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_limited_in_child, args=(gradient, queue))
        child.start()
    try:
        assert queue.get(timeout=60) == [12.0] + [3.0] * 8
    finally:
        done.set()
        child.kill()
        worker.join()


PARALLEL = """
    import multiprocessing, os, signal, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import wengert as wg

    def waves(x, n):
        for _ in range(n):
            x[1:-1] = 0.3 * (x[:-2] + x[1:-1] + x[2:])
        return np.sum(x * np.sin(x))

    def other(x):
        return np.sum(np.cos(x) * x)

    x = np.linspace(0, 1, 200_000).reshape(400, 500)
    native, gradient, slope = wg.compile(waves), wg.grad(waves), wg.grad(other)
    assert wg.runtime.compile.threads() == int(os.environ["WENGERT_NUM_THREADS"]), "no OpenMP"

    def close(found, x):
        return np.allclose(found, np.cos(x) - np.sin(x) * x, rtol=1e-12)

    def threads():
        return len(os.listdir("/proc/self/task"))
"""


def parallel(source: str, folder: Path) -> str:
    """What a program prints that runs loops on two threads."""
    text = textwrap.dedent(PARALLEL) + textwrap.dedent(source)
    path = folder / "parallel.py"
    path.write_text(text)
    variables = {**os.environ, "WENGERT_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=variables, timeout=300)
    if "no OpenMP" in done.stderr:
        pytest.skip("this compiler has no OpenMP")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_programs_for_other_threads_are_other_programs(cache: Any, tmp_path: Path) -> None:
    """What one process stored is not served to one that asks for another number of threads."""
    source = """
        import numpy as np
        import wengert as wg
        from wengert.programs import program_of

        def f(x):
            return np.sum(np.sin(x))

        native = wg.compile(f)
        native(np.ones(100))
        (variants,) = program_of(f).variants.values()
        print(int("_work, 3);" in variants[0].kernel.path.with_suffix(".c").read_text()))
    """
    found = [python(source, tmp_path, WENGERT_NUM_THREADS=n) for n in ("1", "3", "1", "3")]
    assert [done.stdout.strip() for done in found] == ["0", "1", "0", "1"], found[1].stderr
    assert cache.programs == 2


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="this system does not list threads")


@needs_proc
def test_loops_run_on_threads(tmp_path: Path) -> None:
    source = """
        little = x[:20, :20].copy()
        assert close(slope(little), little)
        print(threads(), end=" ")
        assert close(slope(x), x)
        print(threads())
    """
    before, after = map(int, parallel(source, tmp_path).split())
    assert after == before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_compute_after_threads(tmp_path: Path) -> None:
    """OpenMP would wait in the child for threads that are not there, in old programs and in new ones."""
    source = """
        def child(queue):
            fresh = wg.grad(lambda x: np.sum(np.exp(x) * 2.0))
            queue.put(close(slope(x), x) and np.allclose(fresh(x), 2 * np.exp(x)) and bool(np.all(gradient(x, 2) != 0)))

        assert close(slope(x), x)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        children = [context.Process(target=child, args=(queue,)) for _ in range(2)]
        for one in children:
            one.start()
        print([queue.get(timeout=120) for _ in children], close(slope(x), x))
    """
    assert parallel(source, tmp_path) == "[True, True] True"


def test_threads_call_what_runs_on_threads(tmp_path: Path) -> None:
    source = """
        inputs = [np.linspace(k, k + 1, 100_000 + k) for k in range(24)]
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(slope, inputs))
        print(all(close(g, x) for x, g in zip(inputs, found)))
    """
    assert parallel(source, tmp_path) == "True"


def test_interrupts_arrive_in_threads(tmp_path: Path) -> None:
    """Between loops, and within one that takes long."""
    source = """
        def long(x, n):
            for _ in range(n):
                x += 1e-9 * np.sin(x)

        def interrupted(call):
            timer = threading.Timer(0.5, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
            timer.start()
            start = time.perf_counter()
            try:
                call()
            except KeyboardInterrupt:
                return time.perf_counter() - start < 10
            return False

        nested = wg.compile(long)
        native(x.copy(), 2), nested(x.copy(), 3)
        print(interrupted(lambda: native(x.copy(), 10**9)), interrupted(lambda: nested(x.copy(), 10**9)))
        print(close(slope(x), x))
    """
    assert parallel(source, tmp_path) == "True True\nTrue"


def test_processes_share_a_cache(cache: Any, tmp_path: Path) -> None:
    path = tmp_path / "together.py"
    path.write_text(textwrap.dedent(SMALL))
    children = [subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [child.communicate(timeout=120)[0].strip() for child in children] == ["[6.0]"] * 3
    assert cache.programs >= 1


def test_endless_recursion_is_an_error() -> None:
    def down(x, n):
        if n < 0:
            return x
        return down(x * 0.999, n + 1) + 1.0

    with pytest.raises((RecursionError, wg.WengertError)):
        wg.compile(down)(1.0, 1)


def test_import_is_light() -> None:
    source = "import sys, wengert; print(any(m in sys.modules for m in ('numpy', 'scipy', 'typer', 'rich')))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_public_names() -> None:
    names = "grad value_and_grad vjp jvp jacobian hessian hvp compile check"
    for name in names.split():
        assert callable(getattr(wg, name)), name
        assert name in dir(wg)
