"""`wengert bench memory`: every program in a process of its own; the tables."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wengert.cli.bench.memory_jax import Policy
from wengert.cli.bench.memory_runs import STRATEGIES, Measured, Strategy, Within
from wengert.cli.bench.report import milliseconds, ratio
from wengert.memory import size_text

NOISE = 1.15
"""A time that is not longer by more than this factor is no longer."""


def measured(path: Path, name: str, seconds: float, timeout: float, jax: Path | None = None) -> Measured:
    """One program, measured in a process that is ended when its time is over; `jax`: a file of counterparts."""
    policies: list[Policy] = []
    try:
        if jax is not None:
            command = ["memory_jax", str(jax), str(path), name, str(seconds / 2)]
            policies = [Policy(**raw) for raw in _result(command, timeout)]
        beside = [str(p.bytes) for p in policies]
        found = read_one(_result(["memory_runs", str(path), name, str(seconds), str(timeout), *beside], timeout))
    except _Failed as failed:
        return Measured(name, reason=str(failed))
    found.jax = policies
    return found


class _Failed(Exception):
    """A process says nothing, or not in time."""


def _result(command: Sequence[str], timeout: float) -> Any:
    """The JSON that a module of ours prints; raises _Failed."""
    command = [sys.executable, "-m", f"wengert.cli.bench.{command[0]}", *command[1:]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise _Failed(f"not done in {timeout:.0f} s") from None
    if done.returncode:
        raise _Failed((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def read_one(raw: dict[str, Any]) -> Measured:
    """From JSON."""
    limits = [Within(**w) for w in raw["limits"]]
    strategies = [Strategy(**s) for s in raw["strategies"]]
    policies = [Policy(**p) for p in raw.get("jax", ())]
    return Measured(raw["name"], raw["primal"], limits, strategies, policies, raw["reason"])


def as_json(found: Sequence[Measured], machine: dict[str, Any]) -> str:
    """The results as a file, a program a line."""
    lines = ",\n".join(json.dumps(asdict(one)) for one in found)
    return f'{{"machine": {json.dumps(machine)},\n"memory": [\n{lines}\n]}}\n'


def read(path: Path) -> list[Measured]:
    """A file that `as_json` wrote."""
    return [read_one(one) for one in json.loads(path.read_text())["memory"]]


def exceeded(one: Measured) -> int:
    """Limits that the measured peak exceeds."""
    return sum(w.peak > w.limit for w in one.limits)


def slower(one: Measured) -> float | None:
    """How much slower a limit is than the fastest smaller one, at the worst."""
    worst, best = 1.0, None
    for w in one.limits:
        if w.measured is None:
            continue
        if best is not None:
            worst = max(worst, w.measured / best)
        best = w.measured if best is None else min(best, w.measured)
    return None if best is None else worst


def off(one: Measured) -> tuple[float, float] | None:
    """Predicted over measured time: the least and the greatest."""
    found = [w.predicted / w.measured for w in one.limits if w.measured]
    return (min(found), max(found)) if found else None


def table(found: Sequence[Measured], page: bool) -> Iterator[str]:
    """Both tables: over all limits, and strategies side by side at some."""
    yield from _aligned(_over_limits(found), page)
    yield ""
    yield from _aligned(_side_by_side(found), page)
    yield ""
    if any(one.jax for one in found):
        yield from _aligned(_beside_jax(found), page)
        yield ""
    yield from _summary(found)


def _over_limits(found: Sequence[Measured]) -> Iterator[list[str]]:
    yield ["program", "limits", "exceeded", "from", "to", "ms at the least", "ms at the most", "slower by", "predicted"]
    for one in found:
        if one.reason:
            yield [one.name, one.reason, *[""] * 7]
            continue
        times = [w.measured for w in one.limits if w.measured is not None]
        span, worst = off(one), slower(one)
        yield [
            one.name,
            f"{len(times)} of {len(one.limits)}",
            str(exceeded(one)),
            size_text(one.limits[0].limit),
            size_text(one.limits[-1].limit),
            milliseconds(times[0] if times else None),
            milliseconds(times[-1] if times else None),
            ratio(worst),
            "-" if span is None else f"{span[0]:.2f}-{span[1]:.2f}",
        ]


def at_limits(one: Measured) -> Iterator[tuple[int, dict[str, Strategy]]]:
    """By limit, the strategies that stay within it."""
    strategies = [s for s in one.strategies if s.name in STRATEGIES]
    for limit in dict.fromkeys(s.limit for s in strategies if s.limit is not None):
        fits = [s for s in strategies if s.limit == limit or (s.limit is None and s.peak <= limit)]
        yield limit, {s.name: s for s in fits}


def best_other(strategies: dict[str, Strategy], also: Sequence[str] = ()) -> float | None:
    """The time of the fastest strategy that is neither the chosen plan nor a part of how that is found ("loops alone",
    which counts if it is in `also`)."""
    ours = {"chosen", "loops alone"}.difference(also)
    times = [s.measured for name, s in strategies.items() if name not in ours and s.measured is not None]
    return min(times, default=None)


def _side_by_side(found: Sequence[Measured]) -> Iterator[list[str]]:
    yield ["program", "limit", *STRATEGIES, "chosen over best other"]
    for one in found:
        for limit, strategies in at_limits(one):
            chosen, best = strategies["chosen"].measured, best_other(strategies)
            quotient = None if chosen is None or best is None else chosen / best
            cells = [milliseconds(strategies[s].measured if s in strategies else None) for s in STRATEGIES]
            yield [one.name, size_text(limit), *cells, ratio(quotient)]


def _beside_jax(found: Sequence[Measured]) -> Iterator[list[str]]:
    """JAX's best policies, and ours in as many bytes."""
    yield ["program", "bytes", "JAX policy", "JAX", "wengert", "JAX / wengert"]
    for one in found:
        ours = {s.limit: s for s in one.strategies if s.name == "beside"}
        for policy in one.jax:
            mine = ours[policy.bytes].measured if policy.bytes in ours else None
            how = f"{policy.segments} segments, {'states' if policy.steps else 'all'} of steps"
            quotient = None if mine is None else policy.seconds / mine
            cells = [milliseconds(policy.seconds), milliseconds(mine), ratio(quotient)]
            yield [one.name, size_text(policy.bytes), how, *cells]


def _summary(found: Sequence[Measured]) -> Iterator[str]:
    done = [one for one in found if not one.reason]
    better: set[str] = set()
    worse: set[str] = set()
    only: set[str] = set()
    for one in done:
        for _, strategies in at_limits(one):
            chosen, best = strategies["chosen"].measured, best_other(strategies)
            every = best_other(strategies, ["loops alone"])
            if chosen is not None and every is None:
                only.add(one.name)
            if chosen is not None and every is not None and chosen > NOISE * every:
                worse.add(one.name)
            elif chosen is not None and best is not None and best > NOISE * chosen:
                better.add(one.name)
    growing = [one.name for one in done if (slower(one) or 1.0) > NOISE]
    yield f"- The peak exceeded the limit {sum(map(exceeded, done))} times of {sum(len(one.limits) for one in done)}."
    yield f"- A larger limit took longer (by more than 15 %) for: {', '.join(growing) or 'none'}."
    yield f"- The chosen plan was faster than all others (by more than 15 %): {', '.join(sorted(better)) or 'never'}."
    yield f"- It was slower than another: {', '.join(sorted(worse)) or 'never'}."
    yield f"- Nothing else kept within the limit: {', '.join(sorted(only)) or 'never'}."


def _aligned(rows: Iterator[list[str]], page: bool) -> Iterator[str]:
    found = list(rows)
    if page:
        head, *rest = found
        yield f"| {' | '.join(head)} |"
        yield f"|---|{'---:|' * (len(head) - 1)}"
        yield from (f"| {' | '.join(row)} |" for row in rest)
        return
    widths = [max(len(row[k]) for row in found) for k in range(len(found[0]))]
    for row in found:
        cells = enumerate(zip(row, widths, strict=True))
        yield "  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in cells)
