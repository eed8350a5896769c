"""The times between a user and a result that are not computing: import, compilation, a second process, a call.

    python benchmarks/latency.py [--json]

- import: `import wengert` in a fresh interpreter, less an empty interpreter, best of five;
- compile, cold: the first gradient of a program with an empty cache, less a second one: staging, differentiation, C and
  the C compiler (for all NPBench programs: `wengert bench npbench CHECKOUT --verify`);
- from the cache: the same in a new process, beyond imports, less a second one;
- call: a compiled gradient of ten elements, called again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

import numpy as np

import wengert as wg

PROGRAMS = Path(__file__).parent / "latency_programs.py"
FIRST_GRADIENT = """
import json, sys, time
import numpy as np
sys.path.insert(0, {folder!r})
import latency_programs
import wengert as wg
wg.grad, wg.value_and_grad
import wengert.runtime.call, scipy.linalg.cython_blas, scipy.linalg.cython_lapack
function, args = latency_programs.PROGRAMS[{name!r}]
times = []
for _ in range(2):
    start = time.perf_counter()
    wg.grad(function)(*args)
    times.append(time.perf_counter() - start)
print(json.dumps(times[0] - times[1]))
"""


def python(source: str, **environment: str) -> str:
    """What a program prints in a process of its own."""
    variables = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=variables, check=True)
    return done.stdout


def import_seconds() -> float:
    """Seconds of `import wengert` beyond an empty interpreter."""

    def best(source: str) -> float:
        return min(timeit.repeat(lambda: python(source), number=1, repeat=5))

    return best("import wengert") - best("pass")


def compile_seconds(name: str) -> tuple[float, float]:
    """Seconds of the first gradient with an empty cache, and in a second process with what the first left there."""
    source = FIRST_GRADIENT.format(folder=str(PROGRAMS.parent), name=name)
    with tempfile.TemporaryDirectory(prefix="wengert-latency-") as cache:
        cold = float(json.loads(python(source, WENGERT_CACHE_DIR=cache)))
        warm = min(float(json.loads(python(source, WENGERT_CACHE_DIR=cache))) for _ in range(3))
    return cold, warm


def call_seconds() -> float:
    """Seconds of one call of a compiled gradient of ten elements."""
    from latency_programs import squares

    gradient, x = wg.grad(squares), np.linspace(0.0, 1.0, 10)
    gradient(x)
    return min(timeit.repeat(lambda: gradient(x), number=20_000, repeat=5)) / 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Import, compilation, cached start and call.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(PROGRAMS.parent))
    from latency_programs import PROGRAMS as programs

    result: dict[str, object] = {"import_s": import_seconds(), "call_us": 1e6 * call_seconds()}
    result["programs"] = {
        name: dict(zip(("cold_s", "cached_s"), compile_seconds(name), strict=True)) for name in programs
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"import wengert                     {1e3 * float(result['import_s']):8.0f} ms")  # type: ignore[arg-type]
    print(f"call of a 10-element gradient      {float(result['call_us']):8.2f} us")  # type: ignore[arg-type]
    print("first gradient                     cold      from the cache")
    for name, times in result["programs"].items():  # type: ignore[attr-defined]
        print(f"  {name:<30} {times['cold_s']:6.2f} s   {1e3 * times['cached_s']:8.0f} ms")


if __name__ == "__main__":
    main()
