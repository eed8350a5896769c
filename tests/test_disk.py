"""Tapes on disk: the derivative is the same to the last bit, memory stays below the limit, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.disk
from wengert.analysis.rows import used_by_rows
from wengert.backend.c.footprint import Footprints
from wengert.disk import Disk, DiskError
from wengert.ir.parse import parse
from wengert.memory import Bounds, Limited, settled, sizes_of
from wengert.plan_time import Rates
from wengert.programs import program_of
from wengert.runtime.call import Kernel

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tapes on disk need Linux")
N, TURNS = 20_000, 60


def burgers(u, nu, n):
    for _ in range(n):
        un = u.copy()
        u[1:-1] = un[1:-1] - nu * un[1:-1] * (un[1:-1] - un[:-2]) + 0.1 * (un[2:] - 2 * un[1:-1] + un[:-2])
    return np.sum(u * u)


def three_fields(u, nu, n):
    v, w = 0.5 * u, u * u
    for k in range(n):
        u, v, w = u + nu * np.sin(v * w), v * np.cos(u), np.tanh(w + u) + nu * k
    return np.sum(u * v * w)


def backwards(u, nu, n):
    for k in range(n - 1, -1, -1):
        u = np.cos(u + nu * k) * u
    return np.sum(u * u)


def inner_loops(u, nu, n):
    for _ in range(n // 4):
        v = u * nu
        for _ in range(4):
            v = np.sin(v) + u
        u = v * 0.9
    return np.sum(u * u)


def numbers(u, nu, n):
    """Rows of one number."""
    x, s = u[0], 0.0
    for k in range(n * 5000):
        x = np.sin(x) + nu
        s += x * u[k % u.shape[0]]
    return s


def choices(u, nu, n):
    for k in range(n):
        if k % 3 == 0:
            u = np.sin(u)
        elif k % 3 == 1:
            u = u * u * nu
    return np.sum(u)


def history(u, nu, n):
    """An array of the program's own, of which earlier rows are read."""
    h = np.zeros((n, u.shape[0]))
    h[0] = u
    for k in range(1, n):
        h[k] = np.sin(h[k - 1]) + nu * h[k // 2]
    return np.sum(h[n - 1] * h[n // 2])


PROGRAMS = [burgers, three_fields, backwards, inner_loops, numbers, choices, history]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is worth it."""
    monkeypatch.setattr(wengert.disk, "_measured", lambda directory: Rates(1e-13, 1e-13))
    monkeypatch.setattr("wengert.plan_time.DISK_FAULT", 0.0)


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path: Path) -> Iterator[None]:
    """No test leaves files, open or not, or threads behind."""
    open_before, threads_before = open_files(tmp_path), len(os.listdir("/proc/self/task"))
    yield
    assert os.listdir(tmp_path) == []
    assert open_files(tmp_path) == open_before
    end = time.monotonic() + 5  # a thread that was joined may still be on its way
    while len(os.listdir("/proc/self/task")) > threads_before and time.monotonic() < end:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/task")) <= threads_before


def open_files(directory: Path) -> int:
    """How many open files lie, or lay, in a directory."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{number}").startswith(str(directory))
        except OSError:
            pass
    return count


def arguments(n: int = TURNS) -> tuple[Any, ...]:
    return np.random.default_rng(3).random(N), 0.01, n


def variant(f: Any) -> Limited:
    """The derivative of a program, as limits have it."""
    small = np.random.default_rng(3).random(100), 0.01, 8
    wg.grad(f, memory_limit="1 GB")(*small)
    (found,) = [v for k, vs in program_of(f).variants.items() if k[0] == "grad" for v in vs]
    return found.kernel


# -- code, whatever the planner says


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("again", [False, True])
def test_same_bits_on_disk_and_in_memory(f: Any, again: bool, tmp_path: Path) -> None:
    limited = variant(f)
    loops = [x for x in limited.planner.loops if not x.around]
    choices = tuple(wg.ad.Choice(x.function, x.stmt.var, True) for x in loops) if again else ()
    code = limited.planner.code(choices)
    if code is None:
        pytest.skip("the loop cannot run again")
    made = settled(*code)
    names = list(used_by_rows(made[0].root))
    assert names
    kernel = Kernel(*made, on_disk=names)
    given = (*(7, 9) * len(loops),) if again else ()

    def leaves() -> tuple[Any, ...]:
        u, nu, n = arguments()
        return (u, nu, n, np.ones(()), *given)

    expected, most = kernel.limited(leaves(), 2**40)
    found, peak = kernel.limited(leaves(), 2**40, str(tmp_path), 2**40)
    for a, b in zip(expected, found, strict=True):
        assert np.array_equal(a, b)
    predicted, without = (Footprints(made[0], x).at(sizes_of(*made, leaves())) for x in (names, ()))
    assert kernel.on_disk() == predicted.disk
    assert peak <= predicted.peak
    assert predicted.peak - peak <= without.peak - most
    if not again:
        assert predicted.disk > 2e6
        assert peak < 0.8 * most


RESIDENT = """
import sys, numpy as np, wengert as wg
sys.path.insert(0, {folder!r})
import test_disk as t
from wengert.analysis.rows import used_by_rows
from wengert.memory import settled
from wengert.runtime.call import Kernel

def high():
    return next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM")) * 1024

for f in (t.burgers, t.three_fields, t.numbers, t.history):
    limited = t.variant(f)
    made = settled(*limited.planner.code(()))
    kernel = Kernel(*made, on_disk=list(used_by_rows(made[0].root)))
    u, nu, n = t.arguments({turns})
    kernel.limited((u.copy(), nu, 4, np.ones(())), 2**40)  # what is needed once
    open("/proc/self/clear_refs", "w").write("5")
    before = high()
    _, peak = kernel.limited((u.copy(), nu, n, np.ones(())), 2**40, {directory!r}, 2**40)
    print(f.__name__, high() - before, peak, kernel.on_disk())
"""


def test_resident_memory_is_what_is_counted(tmp_path: Path) -> None:
    script = RESIDENT.format(folder=str(Path(__file__).parent), turns=400, directory=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        name, *numbers = line.split()
        resident, peak, disk = map(int, numbers)
        assert disk > 15e6
        assert peak < disk
        assert resident < peak + 1.5e6, f"{name}: beside libraries and buffers of Python"


# -- plans


@pytest.mark.usefixtures("fast")
def test_limits_are_obeyed_and_nothing_changes(tmp_path: Path) -> None:
    expected = wg.grad(three_fields)(*arguments())
    for limit in (2_000_000, 4_000_000, 8_000_000, 16_000_000, 32_000_000):
        for most in (None, "20 MB", "5 MB"):
            g = wg.grad(three_fields, memory_limit=limit, disk=tmp_path, disk_limit=most)
            assert np.array_equal(g(*arguments()), expected)
            assert g.memory is not None
            assert g.memory.peak <= g.memory.predicted <= limit
            assert g.memory.disk <= (2**62 if most is None else wengert.memory.parse_limit(most))
            assert (g.memory.disk > 0) == bool(g.memory.on_disk)
    assert g.memory.limit == 32_000_000


@pytest.mark.usefixtures("fast")
def test_what_fits_in_memory_stays_there(tmp_path: Path) -> None:
    """Of three tapes as many as fit."""
    in_memory = wg.grad(three_fields, memory_limit="1 GB")
    in_memory(*arguments())
    all_on_disk = wg.grad(three_fields, memory_limit="14 MB", disk=tmp_path)
    all_on_disk(*arguments())
    some = wg.grad(three_fields, memory_limit="24 MB", disk=tmp_path)
    some(*arguments())
    assert all_on_disk.memory and some.memory
    assert 0 < some.memory.disk < all_on_disk.memory.disk
    plenty = wg.grad(three_fields, memory_limit="1 GB", disk=tmp_path)
    plenty(*arguments())
    assert plenty.memory and plenty.memory.disk == 0


def test_a_slow_disk_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wengert.disk, "_measured", lambda directory: Rates(1.0, 1.0))
    g = wg.grad(burgers, memory_limit="4 MB", disk=tmp_path)
    assert np.array_equal(g(*arguments()), wg.grad(burgers)(*arguments()))
    assert g.memory and g.memory.disk == 0


@pytest.mark.usefixtures("fast")
def test_every_transform(tmp_path: Path) -> None:
    u, nu, n = arguments()
    v = np.cos(u)
    options: dict[str, Any] = {"memory_limit": "9 MB", "disk": str(tmp_path)}
    value, gradient = wg.value_and_grad(burgers, **options)(u, nu, n)
    assert (value, gradient.tolist()) == (burgers(u.copy(), nu, n), wg.grad(burgers)(u, nu, n).tolist())
    _, pullback = wg.vjp(burgers, u, nu, n, wrt=0, **options)
    assert np.array_equal(pullback(2.0), wg.vjp(burgers, u, nu, n, wrt=0)[1](2.0))
    assert pullback.memory.disk > 0
    product = wg.hvp(burgers, **options)
    expected = wg.hvp(burgers)(u, nu, n, v)
    assert np.array_equal(product(u, nu, n, v), expected)
    assert product.memory and product.memory.disk > 0 and product.memory.peak <= 9_000_000
    h = 1e-4
    differences = (wg.grad(burgers)(u + h * v, nu, n) - wg.grad(burgers)(u - h * v, nu, n)) / (2 * h)
    assert np.allclose(expected, differences, rtol=1e-5, atol=1e-5)

    def few(p: Any, u: Any, nu: float, n: int) -> Any:
        for _ in range(n):
            u = np.sin(u * p[0]) + p[1] * nu
        return np.array([np.sum(u), np.sum(u * u)])

    p = np.array([0.9, 0.3])
    jacobian = wg.jacobian(few, mode="reverse", **options)
    assert np.array_equal(jacobian(p, u, nu, n), wg.jacobian(few, mode="reverse")(p, u, nu, n))
    assert jacobian.memory and jacobian.memory.disk > 0
    hessian = wg.hessian(lambda p, u, nu, n: few(p, u, nu, n)[1], **options)
    assert hessian(p, u, nu, n).shape == (2, 2)
    assert hessian.memory and hessian.memory.disk > 0


@pytest.mark.usefixtures("fast")
def test_threads_do_not_meet(tmp_path: Path) -> None:
    g = wg.grad(three_fields, memory_limit="14 MB", disk=tmp_path)
    many = [(u * (1 + 0.1 * k), nu, n) for k, (u, nu, n) in enumerate([arguments()] * 6)]
    expected = [wg.grad(three_fields)(*x) for x in many]
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        for _ in range(3):
            found[k] = g(*many[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(many))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, e in enumerate(expected):
        assert np.array_equal(found[k], e)


def failing(u, nu, n):
    for k in range(n):
        if k == 40:
            raise ValueError("no more")
        u[:] = np.sin(u) * nu
    return np.sum(u)


@pytest.mark.usefixtures("fast")
def test_what_the_program_raises(tmp_path: Path) -> None:
    u, nu, _ = arguments()
    g = wg.grad(failing, memory_limit="4 MB", disk=tmp_path)
    for _ in range(3):
        with pytest.raises(ValueError, match="no more"):
            g(u, nu, 60)
        assert open_files(tmp_path) == 0
    assert np.array_equal(g(u, nu, 30), wg.grad(failing)(u, nu, 30))


@pytest.mark.usefixtures("fast")
def test_an_interrupt(tmp_path: Path) -> None:
    u, nu, _ = arguments()
    g = wg.grad(three_fields, memory_limit="30 MB", disk=tmp_path)
    g(u, nu, 60)  # compiled

    def interrupt() -> None:
        while not open_files(tmp_path):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        g(u, nu, 4000)
    sender.join()
    assert open_files(tmp_path) == 0


# -- disks that are too full, or none


@pytest.mark.usefixtures("fast")
def test_a_full_disk_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    g = wg.grad(history, memory_limit="4 MB", disk=tmp_path)
    monkeypatch.setattr(Disk, "free", lambda self: 100_000)
    monkeypatch.setattr(Kernel, "limited", lambda *_: pytest.fail("it ran"))
    with pytest.raises(DiskError, match=r"(?s)need \d+ bytes in disk=.*100000 bytes are free.*way out") as caught:
        g(*arguments())
    assert caught.value.free == 100_000
    assert caught.value.needed is not None and caught.value.needed > 5_000_000
    assert isinstance(caught.value, OSError)


@pytest.mark.usefixtures("fast")
def test_less_is_put_on_a_fuller_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    g = wg.grad(three_fields, memory_limit="16 MB", disk=tmp_path)
    expected = g(*arguments())
    assert g.memory and g.memory.disk > 9_000_000
    monkeypatch.setattr(Disk, "free", lambda self: 9_000_000)
    assert np.array_equal(g(*arguments()), expected)
    assert g.memory.disk <= 9_000_000
    assert g.memory.peak <= 16_000_000


FULL = """
import resource, sys, numpy as np, wengert as wg, wengert.disk
sys.path.insert(0, {folder!r})
import test_disk as t
from wengert.plan_time import Rates
wengert.disk._measured = lambda directory: Rates(1e-13, 1e-13)
g = wg.grad(t.three_fields, memory_limit="16 MB", disk={directory!r})
u, nu, n = t.arguments()
expected = g(u, nu, n)
assert g.memory.disk > 0
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
kept = u.copy()
try:
    g(u, nu, n)
except wg.DiskError as error:
    print(error)
assert np.array_equal(u, kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert np.array_equal(g(u, nu, n), expected)
"""


def test_a_disk_that_fills_meanwhile(tmp_path: Path) -> None:
    """The system allows no files of that size: what a tape needs is reserved before anything is written to it."""
    script = FULL.format(folder=str(Path(__file__).parent), directory=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WG404" in done.stdout and "way out" in done.stdout


def test_no_directory(tmp_path: Path) -> None:
    for name in (tmp_path / "missing", "/proc"):
        with pytest.raises(DiskError, match="no tapes can be written"):
            wg.grad(burgers, memory_limit="4 MB", disk=name)(*arguments())


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="memory_limit"):
        wg.grad(burgers, disk=tmp_path)
    with pytest.raises(ValueError, match="disk_limit"):
        wg.grad(burgers, memory_limit="1 MB", disk_limit="1 GB")
    with pytest.raises(ValueError, match="no memory limit"):
        wg.grad(burgers, memory_limit="1 MB", disk=tmp_path, disk_limit="much")
    assert Bounds.of("1 MB", "/tmp", "2 MB") == Bounds(1_000_000, Disk("/tmp", 2_000_000))


def test_an_inner_derivative_has_no_disk(tmp_path: Path) -> None:
    where = str(tmp_path)

    def outer(x: Any) -> Any:
        return np.sum(wg.grad(lambda y: np.sum(y * y), memory_limit="1 MB", disk=where)(x))

    with pytest.raises(wg.Unsupported, match="memory limit"):
        wg.grad(outer)(np.ones(3))


@pytest.mark.usefixtures("fast")
def test_explained(tmp_path: Path) -> None:
    found = wg.explain(three_fields, *arguments(), memory_limit="16 MB", disk=tmp_path)
    assert found.predicted is not None
    assert found.peak_bytes <= found.predicted + 64 * len(found.values) + 1024 and found.predicted <= 16_000_000
    assert found.disk_bytes > 9_000_000
    (line, *_) = [x for x in found.lines() if x.startswith("  on disk ")]
    assert "test_disk.py" in line and "MB" in line


# -- which arrays are used by their rows


def rows_of(text: str) -> dict[str, tuple[int, int]]:
    body = "\n".join(f"  {line}" for line in text.strip().splitlines())
    module = parse(
        f"entry f\n\nfunc f(n: i64, m: i64, x: f64[m], k: i64[n]) -> (r) {{\n  alloc r: f64[m]\n{body}\n}}\n"
    )
    return {name: (len(rows.before), rows.most) for name, rows in used_by_rows(module.root).items()}


FORWARD = """
alloc a: f64[n, m]
for t in 0:n {
  for i in 0:m any {
    a[t, i] = x[i]
  }
}
"""


def test_rows_of_a_loop() -> None:
    assert rows_of(FORWARD) == {"a": (1, 1)}
    back = "for s in n - 1:-1 step -1 {\n  for i_1 in 0:m any {\n    r[i_1] = a[s, i_1] * a[s - 1, 0]\n  }\n}"
    assert rows_of(FORWARD + back) == {"a": (3, 2)}
    view = (
        "for s in 0:n {\n  view v: f64[m] = a[s, 0] along (1: 1)\n  for i_1 in 0:m any {\n    r[i_1] = v[i_1]\n  }\n}"
    )
    assert rows_of(FORWARD + view) == {"a": (2, 1)}


@pytest.mark.parametrize(
    "more",
    [
        "for s in 0:n any {\n  for j in 0:m any {\n    a[s, j] = 0.0\n  }\n}",
        "for j in 0:m any {\n  for s in 0:n {\n    r[j] = a[s, j]\n  }\n}",
        "view v: f64[n] = a[0, 0] along (0: 1)",
        "reshape v: f64[n * m] = a",
        "for s in 0:n {\n  r[0] = a[k[s], 0]\n}",
        "view v: f64[m] = a[0, 0] along (1: 1)\nfor s in 0:n {\n  r[0] = a[s, 0] * v[0]\n}",
        "declare b: ref f64 rank 2\nrebind b = a",
        "alloc c: i64[]\nfor s in 0:n {\n  c[] += 1\n  r[0] = a[k[c[]], 0]\n}",
    ],
)
def test_arrays_that_are_not_used_by_rows(more: str) -> None:
    assert "a" not in rows_of(FORWARD + more)


def test_rows_that_a_statement_changes_are_not_announced_for_all_of_it() -> None:
    """The row is counted in a cell that the loop changes: it is announced inside."""
    more = "alloc c: i64[]\nc[] = 0\nfor s in 0:n {\n  for j in 0:m any {\n    r[j] = a[c[], j]\n  }\n  c[] += 1\n}"
    assert rows_of(FORWARD + more)["a"] == (2, 1)
