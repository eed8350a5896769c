"""What `wengert bench memory` measures of JAX, in a process of its own: gradients with `jax.checkpoint`, by policy.

The memory of a policy is what XLA says that the compiled gradient has beside its arguments, temporaries and results.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wengert.cli.bench.programs import load_module
from wengert.cli.bench.rivals import pin

SEGMENTS = (1, 4, 16, 64)
ROUNDS = 5


@dataclass(slots=True)
class Policy:
    """A gradient in segments, of which steps keep all they need or (`steps`) only their states."""

    segments: int
    steps: bool
    bytes: int
    seconds: float


def best(policies: list[Policy]) -> list[Policy]:
    """Those that no other is better than in memory and time."""
    kept: list[Policy] = []
    for one in sorted(policies, key=lambda p: (p.bytes, p.seconds)):
        if not kept or one.seconds < kept[-1].seconds:
            kept.append(one)
    return kept


def measure(path: Path, programs: Path, name: str, seconds: float) -> list[Policy]:
    """All policies for a program, none if there is no counterpart; they take turns."""
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    counterparts = load_module(path).PROGRAMS
    if name not in counterparts:
        return []
    _, make = load_module(programs).PROGRAMS[name]
    found: list[tuple[Policy, Any, Any]] = []
    end = time.monotonic() + seconds
    for segments in SEGMENTS:
        for steps in (True, False):
            gradient, args = counterparts[name](make(), segments, steps)
            compiled = jax.jit(gradient).lower(*args).compile()
            memory = compiled.memory_analysis()
            size = memory.temp_size_in_bytes + memory.output_size_in_bytes
            compiled(*args).block_until_ready()
            found.append((Policy(segments, steps, size, float("inf")), compiled, args))
    for n in range(ROUNDS):
        for policy, compiled, args in found:
            if n and time.monotonic() > end:
                break
            start = time.perf_counter()
            compiled(*args).block_until_ready()
            policy.seconds = min(policy.seconds, time.perf_counter() - start)
    return best([policy for policy, _, _ in found])


def main() -> None:
    """JAX programs, programs, a name, seconds: the best policies as JSON."""
    path, programs, name, seconds = sys.argv[1:]
    pin(1)
    print(json.dumps([asdict(p) for p in measure(Path(path), Path(programs), name, float(seconds))]))


if __name__ == "__main__":
    main()
