"""What `wengert bench memory` measures of one program, in a process of its own: its gradient within limits.

`limits`: memory limits from the least that there is a plan for to what storing all takes; measured peak, predicted and
measured time of each. `strategies`: at some of these limits, the plan that is chosen beside the best one that leaves
single arrays as they are (loops alone) and a binomial schedule of the outermost loops (one iteration at a time), and
what needs no limit: minimum cut alone, storing all, and recomputing all (one state). All take turns; times are minima.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert import ad, pipeline
from wengert.cli.bench.memory_jax import Policy
from wengert.cli.bench.programs import load_module
from wengert.frontend.python.python_values import is_ndarray
from wengert.memory import Limited, MemoryLimitError, Unbounded, bytes_of, sizes_of
from wengert.plan_time import Counts
from wengert.planning import Choices, Decided, Infeasible, Made, Planner
from wengert.programs import Variant, private
from wengert.runtime.call import NO_LIMIT, Kernel
from wengert.selection import active_leaves, objectives
from wengert.transform import reverse_module

LIMITS = 20
COMPARED = (3, 9, 15)
"""The limits, by number, at which strategies are set side by side."""
LONGEST = 4.0
"""Seconds: plans that are predicted to take longer are not run."""
ROUNDS = 7
STRATEGIES = ("chosen", "loops alone", "binomial", "minimum cut", "store all", "recompute all")


@dataclass(slots=True)
class Within:
    """A limit (bytes): seconds to plan, the measured peak, predicted and measured seconds of a call (None: not run)."""

    limit: int
    planning: float
    peak: int
    predicted_peak: int
    predicted: float
    measured: float | None
    loops: list[list[str | int]]


@dataclass(slots=True)
class Strategy:
    """A strategy at a limit (None: it takes what it takes)."""

    name: str
    limit: int | None
    peak: int
    measured: float | None


@dataclass(slots=True)
class Measured:
    """One program."""

    name: str
    primal: float = 0.0
    limits: list[Within] = field(default_factory=list[Within])
    strategies: list[Strategy] = field(default_factory=list[Strategy])
    jax: list[Policy] = field(default_factory=list[Policy])
    """The best policies of its counterpart; at their bytes we are the strategies called "beside"."""
    reason: str = ""


def measure(path: Path, name: str, seconds: float, timeout: float, beside: Sequence[int] = ()) -> Measured:
    """Measure one program of a file: so many seconds of timing, and less than `timeout` with all else; also at the
    limits `beside` (what others take). Limits and strategies for which there is no time are left out."""
    function, make = load_module(path).PROGRAMS[name]
    return _Program(name, function, make(), seconds, timeout).measured(beside)


class _Program:
    def __init__(self, name: str, function: Any, args: tuple[Any, ...], seconds: float, timeout: float) -> None:
        self.name, self.function, self.args, self.seconds = name, function, args, seconds
        self.end = time.monotonic() + 0.85 * timeout
        self.reference = wg.grad(function)(*args)
        self.gradient = wg.grad(function, memory_limit=NO_LIMIT // 4)
        least = self._least()
        self.variant: Variant
        (self.variant,) = self.gradient.program.variants[self.gradient.kind("grad", 0)]
        self.limited: Limited = self.variant.kernel
        if self.planner.uncertain():
            self.gradient(*args)  # an earlier call says how many turns there are
        fetched = self.variant.fetch(function, args, {})
        assert fetched is not None
        self.leaves = (*fetched, *self.variant.plan.seeds)
        mutated = [self.leaves[k] for k in self.variant.staged.mutated]
        self.outside = bytes_of(mutated) + bytes_of(self.variant.plan.seeds)
        self.sizes = sizes_of(*self._code(()), self.leaves)
        self.least = least
        self.jobs: dict[Any, Callable[[], Any]] = {}
        self.times: dict[Any, float] = {}
        self.first: dict[Any, float] = {}

    def _code(self, choices: Choices) -> Made:
        made = self.planner.code(choices)
        assert made is not None
        return made

    @property
    def planner(self) -> Planner:
        return self.limited.planner

    def _least(self) -> int:
        try:
            wg.grad(self.function, memory_limit=1)(*self.args)
        except MemoryLimitError as refused:
            if refused.least is None:
                raise
            return refused.least
        raise AssertionError("a byte is enough")

    def measured(self, beside: Sequence[int]) -> Measured:
        found = Measured(self.name)
        plan = self.limited.plan(self.leaves, NO_LIMIT // 4, self.outside)
        most = max(self._stored_peak(), plan.peak) + self.outside
        for limit in beside:
            if limit >= self.least:
                self._strategy(found, "beside", limit, self.limited.plan(self.leaves, limit, self.outside))
        limits = np.geomspace(self.least, most, LIMITS).astype(int)
        for k in sorted(range(LIMITS), key=lambda k: (k not in COMPARED, k * 7 % LIMITS)):
            if self._has_time():
                found.limits.append(self._within(int(limits[k])))
        self._strategies(found, [int(limits[k]) for k in COMPARED])
        primal = wg.compile(self.function)
        primal(*self._copies())
        self.jobs["primal"] = lambda: primal(*self._copies())
        self._run()
        found.primal = self.times["primal"]
        for one in found.limits:
            one.measured = self.times.get(("limit", one.limit))
        found.limits.sort(key=lambda one: one.limit)
        for k, other in enumerate(found.strategies):
            other.measured = self.times.get(("strategy", k))
        return found

    def _copies(self) -> tuple[Any, ...]:
        return tuple(a.copy() if is_ndarray(a) else a for a in self.args)

    def _stored_peak(self) -> int:
        try:
            return self.planner.footprint((), self.sizes).peak
        except Unbounded:
            return 0

    def _call(self, plan: Decided) -> tuple[Any, int]:
        """Run a plan, within the peak that is predicted."""
        kernel = self.limited.kernel(plan.choices, plan.remade)
        return kernel.limited((*private(self.variant.staged, self.leaves), *plan.parameters()), plan.peak)

    def _add(self, key: tuple[str, int], plan: Decided) -> int:
        """Let a plan take part; its peak. The gradient must be right."""
        start = time.monotonic()
        results, peak = self._call(plan)
        self.first[key] = self.times[key] = time.monotonic() - start
        gradient = self.variant.plan.read(0, self.args, {}, results)
        np.testing.assert_allclose(gradient, self.reference, rtol=1e-9, atol=1e-12 * np.abs(self.reference).max())
        self.jobs[key] = lambda: self._call(plan)
        return peak

    def _within(self, limit: int) -> Within:
        start = time.perf_counter()
        plan = self.limited.plan(self.leaves, limit, self.outside)
        planning = time.perf_counter() - start
        predicted = self.planner.seconds(plan, self.sizes)
        loops: list[list[str | int]] = [
            [c.var, x.slots, x.length] for c, x in zip(plan.choices, plan.counts, strict=True)
        ]
        made = Within(limit, planning, 0, plan.peak + self.outside, predicted, None, loops)
        if predicted < LONGEST:
            made.peak = self._add(("limit", limit), plan) + self.outside
            assert made.peak <= limit, f"{made.peak} bytes within {limit}"
        return made

    def _has_time(self) -> bool:
        """Whether there is time to make another plan and still to time everything once or twice."""
        return time.monotonic() + 0.25 * self.seconds + 2 * sum(self.first.values()) < self.end

    def _strategies(self, found: Measured, limits: Sequence[int]) -> None:
        """Those that do not depend on the limit, and by limit what is chosen and the binomial schedule."""
        for name, plan in (("minimum cut", self._plain()), ("recompute all", self._counted(1))):
            if plan is not None:
                self._strategy(found, name, None, plan)
        self._store_all(found)
        for limit in limits:
            if not self._has_time():
                return
            self._strategy(found, "chosen", limit, self.limited.plan(self.leaves, limit, self.outside))
            alone = self._alone(limit - self.outside)
            if alone is not None:
                self._strategy(found, "loops alone", limit, alone)
            binomial = self._binomial(limit - self.outside)
            if binomial is not None:
                self._strategy(found, "binomial", limit, binomial)

    def _strategy(self, found: Measured, name: str, limit: int | None, plan: Decided) -> None:
        number = len(found.strategies)
        found.strategies.append(Strategy(name, limit, plan.peak + self.outside, None))
        if not plan.choices or self.planner.seconds(plan, self.sizes) < LONGEST:
            self._add(("strategy", number), plan)

    def _plain(self) -> Decided | None:
        peak = self._stored_peak()
        return Decided((), (), peak, 0.0) if peak else None

    def _counted(self, slots: int) -> Decided | None:
        """The outermost loops from so many states each, one iteration at a time."""
        return self.planner.fixed(self.sizes, Counts(slots, 1))

    def _alone(self, room: int) -> Decided | None:
        """The best plan in which no single arrays are made again."""
        mine = self.planner
        other = Planner(mine.make, mine.flat, mine.loops, False, mine.made, mine.footprints, mine.known, mine.measured)
        try:
            return other.plan(self.sizes, room)
        except Infeasible:
            return None

    def _binomial(self, room: int) -> Decided | None:
        """As many states as fit."""
        low = self._counted(1)
        if low is None or low.peak > room:
            return None
        slots, most = 1, 1 << 20
        while slots < most:
            middle = (slots + most + 1) // 2
            tried = self._counted(middle)
            if tried is not None and tried.peak <= room:
                slots, low = middle, tried
            else:
                most = middle - 1
        return low

    def _store_all(self, found: Measured) -> None:
        """Storing all that memory does not keep, in place of a minimum cut."""
        staged = self.variant.staged
        module = pipeline.prepare(staged.module, staged.names)
        access = ("arg", 0)
        groups = [active_leaves(staged, access, self.args[0], "argument 0")]
        of = [module.root.results[i] for i in objectives(staged.output, module)]
        code, binds, _ = reverse_module(staged, module, groups, of, planner=ad.store_all)
        kernel = Kernel(code, binds)

        def call() -> tuple[Any, int]:
            return kernel.limited(private(staged, self.leaves), NO_LIMIT)

        self.jobs["strategy", len(found.strategies)] = call
        found.strategies.append(Strategy("store all", None, call()[1] + self.outside, None))

    def _run(self) -> None:
        """All in turns, until the time is over."""
        end = min(time.monotonic() + self.seconds, self.end)
        for n in range(ROUNDS):
            for key, job in self.jobs.items():
                if time.monotonic() > end and (n or key in self.times):
                    continue
                start = time.perf_counter()
                job()
                self.times[key] = min(self.times.get(key, float("inf")), time.perf_counter() - start)


def main() -> None:
    """A file, a program's name, seconds of timing and of all, limits besides: the measurements as JSON."""
    path, name, seconds, timeout, *beside = sys.argv[1:]
    print(json.dumps(asdict(measure(Path(path), name, float(seconds), float(timeout), [int(n) for n in beside]))))


if __name__ == "__main__":
    main()
