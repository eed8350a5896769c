"""Kernels as Python callables: conversion of leaves, errors, memory, threads, processes, signals."""

from __future__ import annotations

import _thread
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

from runtime.programs import ARRAY_AND_SIZE, SIZE, N, X, busy, module, scaled
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Scalar, Var
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I32, I64, U8, U64, DType
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel


def identity(dtype: DType) -> Kernel:
    """A kernel that returns its scalar argument."""
    e = Emitter({"v"})
    out = e.cell("out", Var("v", dtype))
    return Kernel(module((Scalar("v", dtype),), e, (out.name,)))


# -- leaves


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (F64, 3, 3.0), (F64, 2.5, 2.5), (F64, np.float32(0.5), 0.5), (F64, True, 1.0), (F64, np.int8(3), 3.0),
        (F32, 0.1, np.float32(0.1)), (I64, np.int32(-4), -4), (I64, True, 1), (I64, -(2**63), -(2**63)),
        (I32, 2**31 - 1, 2**31 - 1), (I8, -128, -128), (U8, 255, 255), (U64, 2**64 - 1, 2**64 - 1),
        (U64, np.uint64(2**64 - 1), 2**64 - 1), (BOOL, np.bool_(True), True), (BOOL, 0, False),
        (C128, 1, 1 + 0j), (C128, np.complex64(1 + 2j), 1 + 2j), (C64, -1.5, -1.5 + 0j), (C128, 3j, 3j),
        (F64, float("nan"), float("nan")), (C128, complex(float("inf"), -0.0), complex(float("inf"), -0.0)),
    ],
)  # fmt: skip
def test_scalars_are_converted(dtype: DType, value: object, expected: object) -> None:
    (got,) = identity(dtype)((value,))
    assert type(got) is dtype.numpy.type
    np.testing.assert_equal(got, dtype.numpy.type(expected))  # pyright: ignore


@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [
        (I64, 2**63, OverflowError), (I64, -(2**63) - 1, OverflowError), (I32, 2**31, OverflowError),
        (U8, 256, OverflowError), (U8, -1, OverflowError), (U64, 2**64, OverflowError), (I8, -129, OverflowError),
        (I64, 1.0, TypeError), (F64, "1", TypeError), (F64, 1j, TypeError), (C128, [], TypeError),
        (F64, None, TypeError),
    ],
)  # fmt: skip
def test_scalars_that_do_not_fit(dtype: DType, value: object, error: type[Exception]) -> None:
    kernel = identity(dtype)
    with pytest.raises(error):
        kernel((value,))
    assert kernel((1,)) == (1,)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.arange(3), TypeError), (np.arange(3.0, dtype="f4"), TypeError), (np.zeros((3, 1)), TypeError),
        (np.arange(6.0)[::2], TypeError), (np.arange(3.0).astype(">f8"), TypeError), (3.0, TypeError),
        (None, TypeError),
        (np.frombuffer(bytes(33), "u1")[1:].view("f8"), TypeError), (np.array(["a"]), TypeError),
        (np.array(1.0), TypeError), (np.zeros(3, "c8"), TypeError),
    ],
)  # fmt: skip
def test_arrays_of_the_wrong_kind(bad: object, error: type[Exception]) -> None:
    kernel = Kernel(scaled(), ARRAY_AND_SIZE)
    with pytest.raises(error):
        kernel((bad,))
    assert kernel((np.ones(1),))[0].tolist() == [2.0]


def test_extents_must_be_as_declared() -> None:
    a = Buffer("a", F64, (N, b.i64(3)), intent="in")
    e = Emitter({"a", "x", "n"})
    kernel = Kernel(module((a, X, SIZE), e), [Bind("array", 0), Bind("array", 1), Bind("extent", 0, 0)])
    assert kernel((np.zeros((2, 3)), np.zeros(2))) == ()
    for shapes in (((2, 4), 2), ((2, 3), 3), ((0, 3), 1)):
        with pytest.raises(ValueError, match="extents"):
            kernel((np.zeros(shapes[0]), np.zeros(shapes[1])))


def test_read_only_arrays_can_be_read_but_not_written() -> None:
    y = Buffer("y", F64, (N,), intent="inout")
    e = Emitter({"x", "y", "n"})
    with e.loop("i", 0, N) as i:
        e.store(y, [i], b.load(X, [i]))
    kernel = Kernel(module((X, y, SIZE), e), [Bind("array", 0), Bind("array", 1), Bind("extent", 1, 0)])
    source, target = np.arange(3.0), np.zeros(3)
    source.flags.writeable = False
    kernel((source, target))
    assert target.tolist() == [0, 1, 2]
    target.flags.writeable = False
    with pytest.raises(TypeError, match="writable"):
        kernel((source, target))


def test_the_number_of_leaves_is_checked() -> None:
    kernel = Kernel(scaled(), ARRAY_AND_SIZE)
    for leaves in ((), (np.ones(1), 1)):
        with pytest.raises(TypeError, match="1 leaves"):
            kernel(leaves)
    with pytest.raises((TypeError, SystemError)):
        kernel([np.ones(1)])  # pyright: ignore


def test_binds_must_fit_the_parameters() -> None:
    for binds in ([], [Bind("scalar", 0), Bind("scalar", 1)], [Bind("array", 0), Bind("array", 0)]):
        with pytest.raises(ValueError):
            Kernel(scaled(), binds)


# -- memory


def test_no_references_or_memory_leak() -> None:
    kernel, x = Kernel(scaled(), ARRAY_AND_SIZE), np.ones(1000)
    numbers = identity(C128)
    failing = Kernel(module((SIZE,), _failing()))

    def use() -> None:
        for _ in range(200):
            kernel((x,))
            numbers((1 + 2j,))
            for bad in (np.arange(3), None):
                with pytest.raises(TypeError):
                    kernel((bad,))
            with pytest.raises(IndexError):
                failing((3,))

    use()
    gc.collect()
    before = [sys.getrefcount(o) for o in (x, np.empty, np.complex128, complex, x.dtype)]
    tracemalloc.start()
    use()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    after = [sys.getrefcount(o) for o in (x, np.empty, np.complex128, complex, x.dtype)]
    assert all(abs(k - n) < 20 for k, n in zip(before, after, strict=True)) and after[0] == before[0]
    assert grown < 20_000


def _failing() -> Emitter:
    e = Emitter({"n"})
    e.alloc("lost", F64, [1000])
    g = e.growable("g", F64)
    e.resize(g, b.i64(1000))
    e.fail("IndexError", "no {}", N)
    return e


def test_counts_of_memory() -> None:
    """Temporaries of a loop are counted once; the result counts; an error gives everything back."""
    e = Emitter({"n"})
    out = e.alloc("out", F64, [N])
    with e.loop("i", 0, 10):
        t = e.alloc("t", F64, [N], zero=True)
        u = e.alloc("u", F64, [N], zero=True)
        e.store(out, [0], b.add(b.load(t, [0]), b.load(u, [0])))
    kernel = Kernel(module((SIZE,), e, ("out",)))
    kernel((1000,))
    assert kernel.stats().last_peak == 3 * 8000
    kernel((10_000,))
    kernel((1,))
    stats = kernel.stats()
    assert stats.last_peak == 3 * 64 and stats.peak == 3 * 80_000 and stats.calls == 3
    failing = Kernel(module((SIZE,), _failing()))
    for _ in range(100):
        with pytest.raises(IndexError):
            failing((1,))
    assert failing.stats().last_peak < 40_000 and failing.stats().cached < 100_000


def test_too_much_memory_is_an_error() -> None:
    kernel = Kernel(module((SIZE,), _allocating(), ("cell",)))
    assert kernel((5,))[0] == 0
    for n in (2**62, 2**59, 2**63 - 1, 2**45):
        with pytest.raises(MemoryError):
            kernel((n,))
    kernel.limit_memory(100_000)
    with pytest.raises(MemoryError, match="limit"):
        kernel((100_000,))
    assert kernel((1000,))[0] == 0
    kernel.limit_memory(None)
    assert kernel((100_000,))[0] == 0


def _allocating() -> Emitter:
    e = Emitter({"n"})
    t = e.alloc("t", F64, [N], zero=True)
    e.cell("cell", b.load(t, [0]))
    return e


def test_an_error_of_the_program_comes_before_one_of_a_result_made_early() -> None:
    e = Emitter({"n"})
    with e.if_(b.gt(N, 1000)):
        e.fail("ValueError", "{} is too many", N)
    e.alloc("out", F64, [N, N], zero=True)
    kernel = Kernel(module((SIZE,), e, ("out",)))
    assert kernel((2,))[0].shape == (2, 2)
    for n in (10**6, 2**40):
        with pytest.raises(ValueError, match=f"{n} is too many"):
            kernel((n,))


def test_memory_of_growing_loops_is_bounded() -> None:
    """Blocks of ever new sizes do not pile up in the free lists."""
    e = Emitter({"n"})
    cell = e.cell("cell", b.const(0.0, F64))
    with e.loop("i", 1, N) as i:
        t = e.alloc("t", F64, [b.mul(i, 1000)], zero=True)
        e.accumulate(cell, [], b.load(t, [0]))
    kernel = Kernel(module((SIZE,), e, ("cell",)))
    kernel((2000,))
    stats = kernel.stats()
    assert stats.last_peak <= 16_100_000
    assert stats.cached <= 3 * stats.last_peak


def test_a_growable_of_many_elements() -> None:
    e = Emitter({"n"})
    g = e.growable("g", F64)
    with e.loop("i", 0, N) as i:
        e.push(g, b.cast(i, F64))
    total = e.cell("total", b.const(0.0, F64))
    with e.loop("j", 0, N):
        e.accumulate(total, [], e.pop("v", g))
    kernel = Kernel(module((SIZE,), e, ("total",)))
    assert kernel((300_000,)) == (sum(range(300_000)),)


# -- concurrency


def test_threads_run_at_the_same_time_in_contexts_of_their_own() -> None:
    kernel = Kernel(scaled(3.0), ARRAY_AND_SIZE)
    slow = Kernel(busy("nest"))
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            x = rng.normal(size=int(rng.integers(0, 2000)))
            (y,) = kernel((x,))
            if not np.array_equal(y, 3 * x):
                wrong.append((x, y))
        if slow((20_000,))[0] != 20_000:
            wrong.append("count")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_the_lock_is_released() -> None:
    """Python code of another thread runs while native code does."""
    slow, ticks, done = Kernel(busy("nest")), [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    before = ticks[0]
    slow((1_000_000,))
    during = ticks[0] - before
    done.set()
    counter.join()
    assert during > 5


def _in_child(kernel: Kernel, queue: multiprocessing.Queue) -> None:
    x = np.arange(5.0)
    queue.put(kernel((x,))[0].tolist())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_another_thread_computes() -> None:
    kernel, slow = Kernel(scaled(), ARRAY_AND_SIZE), Kernel(busy("nest"))
    background = threading.Thread(target=slow, args=((1_500_000,),))
    background.start()
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue = context.Queue()
    children = [context.Process(target=_in_child, args=(kernel, queue)) for _ in range(3)]
    for child in children:
        child.start()
    got = [queue.get(timeout=30) for _ in children]
    for child in children:
        child.join(30)
    background.join()
    assert got == [[0, 2, 4, 6, 8]] * 3


@pytest.mark.parametrize("kind", ["nest", "loop", "while"])
def test_interrupts_come_out_of_long_loops(kind: str) -> None:
    kernel = Kernel(busy(kind))
    kernel((10,))
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        kernel((2**62,))
    assert time.perf_counter() - start < 5
    timer.join()
    assert kernel((10,))[0] == kernel((10,))[0]


def test_the_clock_is_looked_at_rarely() -> None:
    """Only Python's main thread looks for signals: a long loop takes no longer there than on another thread."""
    kernel = Kernel(busy("while"))

    def taken() -> float:
        start = time.thread_time()
        kernel((500_000_000,))
        return time.thread_time() - start

    here, elsewhere = [], []
    for _ in range(3):
        here.append(taken())
        other = threading.Thread(target=lambda: elsewhere.append(taken()))
        other.start()
        other.join()
    assert min(here) < 1.4 * min(elsewhere)


def test_a_signal_from_outside_interrupts(tmp_path) -> None:
    """As Ctrl-C at the terminal."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from runtime.programs import busy\n"
        "from wengert.runtime.call import Kernel\n"
        "kernel = Kernel(busy('nest'))\n"
        "print('ready', flush=True)\n"
        "try:\n    kernel((2**62,))\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
    )
    paths = [p for p in sys.path if p]
    child = subprocess.Popen([sys.executable, "-c", code, *paths], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline() == "interrupted\n"
    assert child.wait(20) == 0
    child.stdout.close()


def test_signal_handlers_may_call_kernels() -> None:
    """A handler runs inside the loop and uses the same kernel: contexts are reentrant."""
    kernel, inner = Kernel(busy("nest")), []

    def handler(*_: object) -> None:
        inner.append(int(kernel((7,))[0]))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert kernel((1_500_000,)) == (1_500_000,)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert inner == [7]


def test_stats_are_of_all_kernels_with_the_same_code() -> None:
    first, second = Kernel(scaled(11.0), ARRAY_AND_SIZE), Kernel(scaled(11.0), ARRAY_AND_SIZE)
    assert first.path == second.path
    first((np.ones(2),))
    assert second.stats().calls == 1


def test_deep_recursion_in_a_small_stack_is_an_error() -> None:
    """The machine stack ends before the recursion limit is reached."""
    code = (
        "import sys, threading; sys.path[:0] = sys.argv[1:]\n"
        "sys.setrecursionlimit(10**6)\n"
        "from runtime.programs import descending\n"
        "from wengert.runtime.call import Kernel\n"
        "kernel = Kernel(descending())\n"
        "def work():\n"
        "    print(int(kernel((50,))[0]))\n"
        "    try:\n        kernel((10**6 - 1,))\n"
        "    except RecursionError as error:\n        print(error)\n"
        "for size in (0, 1 << 18):\n"
        "    threading.stack_size(size)\n"
        "    thread = threading.Thread(target=work)\n"
        "    thread.start()\n    thread.join()\n"
        "work()\n"
    )
    paths = [p for p in sys.path if p]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["50", "maximum recursion depth exceeded"] * 3
