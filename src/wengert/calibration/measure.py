"""Timing the kernels, and the machine that follows from the times: docs/cost_model.md says how each number is found."""

from __future__ import annotations

import platform
import time
from math import log2

import numpy as np

from wengert.analysis.cost.machine import DEFAULT, LINE, OVERLAP, Level, Library, Machine, Rate
from wengert.calibration import kernels
from wengert.calibration.timing import AROUND, NEAR, Bench, Run, shortest
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel

BEYOND = 4
"""How much larger than a cache an array is that lies beyond it."""
LARGE = 96 << 20
"""Bytes that lie in memory, beyond all caches."""


def measure() -> Machine:
    """This machine."""
    bench = Bench()
    near = bench.near()
    lanes = DEFAULT.vector_bytes / 8

    def vector(name: str) -> float:
        return near[f"vector {name}"]

    def scalar(name: str) -> float:
        return near[f"scalar {name}"]

    def latency(name: str) -> float:
        return near[f"latency {name}"] / kernels.CHAIN[name]

    steps = kernels.STEPS
    add, mul = vector("add") / steps, vector("mul") / steps
    slow_add, slow_mul = scalar("add") / steps, scalar("mul") / steps
    turn = scalar("fill")
    store = vector("fill") * lanes
    load = (vector("neighbours") * lanes - OVERLAP * (steps - 1) * add * lanes) / steps
    single_load = min(load, (scalar("neighbours") - OVERLAP * (steps - 1) * slow_add) / steps)
    instruction = min(add, mul) * lanes / 3  # two of them start in a cycle, and six instructions altogether
    operations = {
        "add": Rate(add, slow_add, latency("add")),
        "mul": Rate(mul, slow_mul, latency("mul")),
        "div": Rate(vector("div"), max(scalar("div") - turn, slow_mul), latency("div")),
        "sqrt": Rate(vector("sqrt"), max(scalar("sqrt") - turn, slow_mul), latency("sqrt")),
    }
    around = (load + store) / lanes
    exp = max(scalar("exp") - turn, slow_mul)
    ratio = latency("exp") / exp
    for name in (*kernels.UNARY, *kernels.BINARY):
        alone = max(scalar(name) - turn, slow_mul)
        operations[name] = Rate(max(vector(name) - around, mul), alone, alone * ratio)
    operations["other"] = DEFAULT.operations["other"]
    carried = near["carried"]
    gather = max(vector("gather") - store / lanes, load)
    line = near["short"] * (NEAR - AROUND) / 200 - (load + store + instruction)
    return Machine(
        name=platform.processor() or platform.machine(),
        vector_bytes=DEFAULT.vector_bytes,
        longs=DEFAULT.longs,
        operations=operations,
        instruction=instruction,
        load=load,
        store=store,
        single_load=single_load,
        single_store=turn / 2,
        gather=gather,
        forward=max(carried - operations["add"].latency, 0.0),
        turn=turn,
        entry=max(line, turn),
        branch=_branch(bench),
        call=DEFAULT.call,
        entered=DEFAULT.entered,
        allocation=DEFAULT.allocation,
        fault=_fault(bench),
        first=DEFAULT.first,
        levels=_levels(bench),
        library=_library(),
        region=DEFAULT.region,
        shared=DEFAULT.shared,
    )


def _branch(bench: Bench) -> float:
    """A condition that holds at random is guessed wrong every other time."""
    x, z, y, places = bench.data(8 * 20_000)
    x[:] = bench.rng.uniform(0.0, 1.0, len(x))
    runs = {
        "at random": bench.run("chosen", (x, z, y, places)),
        "always": bench.run("chosen", (np.full_like(x, 0.1), z, y, places)),
    }
    found = shortest(runs)
    return 2 * max(0.0, found["at random"] - found["always"]) / len(x)


def _fault(bench: Bench) -> float:
    """Memory that the system has just given, over memory that was there."""
    x, z, _, places = bench.data(LARGE / 2)
    best = {False: float("inf"), True: float("inf")}
    for _ in range(4):
        y = np.empty_like(x)
        for seen in (False, True):
            start = time.thread_time()
            bench.kernel((bench.numbers["vector fill"], len(x), 1, 1, x, z, y, places))
            best[seen] = min(best[seen], time.thread_time() - start)
        del y
    return max(0.0, best[False] - best[True]) / x.nbytes


def _levels(bench: Bench) -> tuple[Level, ...]:
    """Reading and writing where an array is a few times as large as the cache before, and out of all of them."""
    gather = _gather_kernel()
    runs: dict[str, Run] = {}
    bytes_of: list[int] = []
    before = DEFAULT.first
    for k, level in enumerate(DEFAULT.levels):
        data = bench.data(LARGE if level.size == float("inf") else BEYOND * before, aligned=True)
        before = level.size
        lines = data[0].nbytes // int(LINE)
        places, one = bench.rng.permutation(lines) * 8, np.zeros(1)
        runs[f"read {k}"] = bench.run("read", data)
        runs[f"written {k}"] = bench.run("vector fill", data)
        runs[f"scattered {k}"] = lambda r, n=lines, x=data[0], p=places, y=one: gather((len(x), n, r, x, p, y))
        bytes_of.append(data[0].nbytes)
    found = shortest(runs, 6)
    return tuple(
        Level(level.size, *(found[f"{what} {k}"] / bytes_of[k] for what in ("read", "written", "scattered")))
        for k, level in enumerate(DEFAULT.levels)
    )


def _gather_kernel() -> Kernel:
    from wengert.ir import build as b
    from wengert.ir.nodes import Buffer, Function, Module, Scalar, Var
    from wengert.ir.types import F64, I64

    n, count = Var("n", I64), Var("count", I64)
    x, places = Buffer("x", F64, (n,), intent="in"), Buffer("places", I64, (count,), intent="in")
    y = Buffer("y", F64, (b.i64(1),), intent="inout")
    e = b.Emitter({"n", "count", "repeats", "x", "places", "y"})
    with e.loop("turn", 0, Var("repeats", I64)):
        cell = e.cell("s", b.const(0.0, F64))
        with e.loop("i", 0, count) as i:
            e.accumulate(cell, [], b.load(x, [b.load(places, [i])]))
        e.store(y, [b.i64(0)], b.load(cell, []))
    params = (*(Scalar(s, I64) for s in ("n", "count", "repeats")), x, places, y)
    module = Module({"run": Function("run", params, e.block())}, "run")
    return Kernel(module, [Bind("scalar", k) for k in range(3)] + [Bind("array", 3 + k) for k in range(3)])


def _library() -> dict[str, Library]:
    """One timing of each operation, and one of the least that it can be asked."""
    rng = np.random.default_rng(7)
    start = {name: row.start for name, row in DEFAULT.library.items()}
    matmul = _operation("matmul")
    runs: dict[str, Run] = {}
    for name, (m, n, k) in PRODUCTS.items():
        data = rng.normal(size=(m, k)), rng.normal(size=(k, n)), np.zeros((m, n))
        runs[name] = lambda r, sizes=(m, n, k), data=data: matmul((*sizes, r, *data))
    for op in FACTORED:
        kernel = _operation(op)
        for n in (3, FACTORED[op][1]):
            square = rng.normal(size=(n, n))
            a = square @ square.T + n * np.eye(n)
            outs: tuple[np.ndarray, ...] = {
                "solve": (rng.normal(size=(n, 1)), np.zeros((n, 1))),
                "cholesky": (np.zeros((n, n)),),
                "det": (np.zeros(()),),
                "eigh": (np.zeros(n), np.zeros((n, n))),
            }[op]
            runs[f"{op} {n}"] = lambda r, f=kernel, n=n, a=a, outs=outs: f((n, 1, 1, r, a, *outs))
    sort, fft = _operation("sort"), _operation("fft")
    x = rng.normal(size=4096)
    order = np.zeros(4096), np.zeros(4096, np.int64)
    runs["sort"] = lambda r: sort((4096, 1, 1, r, x, *order))
    for n in (64, 16384):
        z = rng.normal(size=n) + 0j, np.zeros(n, complex)
        runs[f"fft {n}"] = lambda r, n=n, z=z: fft((n, 1, 1, r, *z))
    took = shortest(runs)

    found: dict[str, Library] = {}
    for name in ("matmul", "small", "thin", "vector"):
        m, n, k = PRODUCTS[name]
        found[name] = _row(name, n, 2.0 * m * n * k, took[name], start[name])
    for op, (work, n) in FACTORED.items():
        found[op] = _row(op, n, work * n**3, took[f"{op} {n}"], took[f"{op} 3"])
    found["sort"] = Library(0.0, 4096 * 12 / took["sort"], 0.0)
    works = [n * log2(n) for n in (64, 16384)]
    peak = (works[1] - works[0]) / max(took["fft 16384"] - took["fft 64"], 1e-9)
    found["fft"] = Library(max(took["fft 64"] - works[0] / peak, 0.0), peak, 0.0)
    return found


PRODUCTS = {
    "small": (6, 6, 6),
    "matmul": (320, 320, 320),
    "thin": (4, 500, 100),
    "vector": (200, 1, 200),
}
FACTORED = {"solve": (2 / 3, 300), "cholesky": (1 / 3, 300), "det": (2 / 3, 300), "eigh": (9.0, 64)}
"""Operations on n by n matrices: their arithmetic over n^3, and n. At n = 3 they take as long as starting them."""


def _operation(op: str) -> Kernel:
    module = kernels.library(op)
    count = len(module.root.params)
    binds = [Bind("scalar", k) for k in range(4)] + [Bind("array", k) for k in range(4, count)]
    return Kernel(module, [b if p.name != "c" or op != "det" else Bind("array", b.leaf) for b, p in
                           zip(binds, module.root.params, strict=True)])  # fmt: skip


def _row(name: str, n: float, work: float, seconds: float, start: float) -> Library:
    """The rate from one size; how fast it is reached is a matter of the algorithm more than of the machine."""
    half = DEFAULT.library[name].half
    return Library(start, work / max(seconds - start, seconds / 4) * (n + half) / n, half)
