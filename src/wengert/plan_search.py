"""The search for a plan: see `planning`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wengert.ad import Choice
from wengert.analysis.cost import Profile, predict
from wengert.backend.c.footprint import Unbounded
from wengert.menus import Menu, Menus, choose, pareto
from wengert.plan_time import KEPT, PLAIN, ROUNDS, Counts, Rates, Steps, again, given, items, moved, shared, spilled
from wengert.trading import Remade
from wengert.variants import KNOWN, NOTHING, Choices, Decided, Infeasible, Sizes, Turns, Variants

UNKNOWN_TURNS = 10_000
"""Turns of a loop of unknown length for which its slots and segments are chosen (any other number is served, too)."""
PROBE = 1 << 20
"""Slots, or iterations, more at which memory is looked at to see how it grows."""
PROGRAMS = 2
"""How often the counts of several loops are found by an integer program, before the room is shared by turns."""
CACHED = 1 << 24
"""Peaks up to which a plan that stores all is not compared with others: its tape stays in the caches."""
VARIANTS = 10
"""How many variants of the code are made at most."""

TRADED = 5
"""How often the arrays that are made again are chosen for one variant, with the room corrected by what was missing."""


class Search:
    """`disk`: bytes that may lie on disk; with any, all that can lies there, at these `rates`. `turns`: of loops
    of unknown length."""

    def __init__(
        self,
        planner: Variants,
        sizes: Sizes,
        limit: int,
        disk: int = 0,
        rates: Rates = PLAIN,
        turns: Turns = (),
    ) -> None:
        self.planner, self.sizes, self.limit = planner, sizes, limit
        self.disk, self.rates, self.turns = disk, rates, turns
        self.least: Decided | None = None
        self.reason: Unbounded | None = None
        self.tried = 0
        self.base: int | None = None
        """The peak of the first variant in which loops run again, one state and one iteration at a time."""
        self._steps: dict[tuple[str, str], Steps] = {}

    def best(self, least: Decided | None = None) -> Decided:
        """`least`: the smallest plan that was found before."""
        self.least = least
        plain = self.variant(())
        if plain is not None and not self._may_be_slow(plain):
            return self._fewer(plain)
        tops = [x for x in self.planner.loops if not x.around]
        levels = {(x.function, x.stmt.var): 0 for x in tops}
        best = self.variant(self._choices(levels))
        if plain is not None:
            plain = replace(plain, seconds=self.kept(plain.peak) + given(plain.peak) + self._moved(plain.disk))
            if best is None or plain.seconds <= best.seconds:
                return self._fewer(plain)
        improved = True
        while improved and self.tried < VARIANTS:
            improved = False
            for key in levels:
                deepest = self._depth(key) if best is None or self._is_slow(best) else 0
                for level in (-1, *range(deepest + 1)):
                    if level == levels[key] or self.tried >= VARIANTS:
                        continue
                    other = {**levels, key: level}
                    if plain is not None and not self._choices(other):
                        continue  # was looked at
                    smallest = self.least
                    found = self.variant(self._choices(other))
                    better = found is not None and (best is None or found.seconds < best.seconds)
                    if better or (best is None and self.least is not smallest):
                        levels, improved = other, True
                        best = found if better else best
        for other in self._traded(best):
            best = other if best is None or other.seconds < best.seconds else best
        if best is None:
            raise Infeasible(self.least, self.reason)
        return self._fewer(best)

    def _fewer(self, plan: Decided) -> Decided:
        """The plan with arrays in memory that need not lie on disk, the small ones first."""
        assert plan.held is not None
        for there in sorted(plan.held.on_disk, key=lambda h: h.bytes):
            names = tuple(n for n in plan.on_disk if n != there.name)
            other = self.evaluated(plan.choices, plan.counts, plan.remade, names)
            if other is not None and other.peak <= self.limit:
                spared = self._moved(plan.disk) - self._moved(other.disk)
                plan = replace(other, seconds=plan.seconds - spared)
        return plan

    # -- single values

    def _traded(self, best: Decided | None) -> Iterator[Decided]:
        """Plans that make single arrays again: of the code without checkpoints, and, if nothing fits, of the smallest
        variant."""
        smallest = self.least
        if not self.planner.singles or self.disk:
            return
        found = self._values((), (), best is None)
        if found is not None:
            yield found
        elif best is None and smallest is not None and smallest.choices:
            found = self._values(smallest.choices, smallest.counts, True)
            if found is not None:
                yield found

    def _values(self, choices: Choices, counts: tuple[Counts, ...], least: bool) -> Decided | None:
        """The plan of least time that is found for a variant with some of its arrays made again; None if none fits.
        `least`: the smallest one is wanted even if it does not fit."""
        first = self.evaluated(choices, counts)
        if first is None:
            return None
        names = self._parameters(choices, counts)
        problem = self.planner.trades(choices, {**self.sizes, **names})
        if not problem.values or (problem.floor > self.limit and not least):
            return None
        best = None if first.peak > self.limit else replace(first, seconds=self.kept(first.peak) + given(first.peak))
        room, tried = float(self.limit), set[tuple[bool, ...]]()
        for last in (False,) * TRADED + (True,):
            stored = None if last else problem.best(room)
            if last and best is not None:
                break
            stored = problem.least if stored is None else stored
            if stored in tried:
                break
            tried.add(stored)
            found = self.evaluated(choices, counts, Remade.of(problem, stored))
            if found is None:
                break
            expected, again = problem.of(stored)
            found = replace(found, seconds=again + self.kept(found.peak) + given(found.peak))
            if found.peak <= self.limit and (best is None or found.seconds < best.seconds):
                best = found
            if room == self.limit + expected - found.peak:
                break
            room = self.limit + expected - found.peak
        return best

    def _parameters(self, choices: Choices, counts: tuple[Counts, ...]) -> dict[str, int]:
        """The further arguments of a variant, by name."""
        made = self.planner.code(choices)
        assert made is not None
        module, binds = made
        names = {-1 - b.leaf: p.name for p, b in zip(module.root.params, binds, strict=True) if b.leaf < 0}
        return {names[k]: n for k, n in enumerate(Decided(choices, counts, 0, 0.0).parameters())}

    def outermost(self) -> Choices:
        """The outermost loops, in segments."""
        return self._choices({(x.function, x.stmt.var): 0 for x in self.planner.loops if not x.around})

    def _may_be_slow(self, plain: Decided) -> bool:
        """Whether running every iteration once more might take less than what the plan that stores all has to move."""
        if (plain.peak <= CACHED and not plain.disk) or not self.planner.loops:
            return False
        return moved(plain.peak, plain.peak) + given(plain.peak) + self._moved(plain.disk) > self._once()

    def _once(self) -> float:
        """Seconds of the program's loops."""
        once = [self._loop((x.function, x.stmt.var)) for x in self.planner.loops if not x.around]
        return sum(x.turns * x.seconds for x in once)

    def _moved(self, size: int) -> float:
        """Seconds for so many bytes on disk."""
        return spilled(size, self._once(), self.rates) if size > 0 else 0.0

    def kept(self, least: int) -> float:
        """Seconds to write and read what is kept of loops that do not run again; `least`: the peak of the variant with
        one state and one iteration at a time."""
        size = 0 if self.base is None else max(least - self.base, 0)
        return moved(size, size)

    def _is_slow(self, plan: Decided) -> bool:
        """Whether what runs again takes twice as long as the loops: then loops inside may run again instead."""
        return plan.seconds > 2 * self._once()

    def _depth(self, key: tuple[str, str]) -> int:
        """How many loops lie in each other below a loop."""
        inside = [x for x in self.planner.loops if x.function == key[0] and key[1] in x.around]
        return max((len(x.around) - x.around.index(key[1]) for x in inside), default=0)

    def _choices(self, levels: Mapping[tuple[str, str], int]) -> Choices:
        """The outermost loops kept (level -1), in segments (0), or step by step, the loops so many levels below in
        segments."""
        found: list[Choice] = []
        for x in self.planner.loops:
            chain = (*x.around, x.stmt.var)
            level = levels[x.function, chain[0]] - (len(chain) - 1)
            if level >= 0:
                deeper = any(y.function == x.function and x.stmt.var in y.around for y in self.planner.loops)
                found.append(Choice(x.function, x.stmt.var, level == 0 or not deeper))
        return tuple(found)

    # -- one variant

    def variant(self, choices: Choices) -> Decided | None:
        """The best counts for a variant, None if there are none within the limit."""
        while True:
            made = self.planner.code(choices)
            self.tried += 1
            if made is not None:
                break
            if not choices:
                return None
            usable = self._usable(choices)
            if usable == choices or not usable:
                return None
            choices = usable
        start = tuple(Counts() for _ in choices)
        first = self.evaluated(choices, start)
        if first is None:
            return None
        if choices and self.base is None:
            self.base = first.peak
        if not choices or first.peak > self.limit:
            return first if first.peak <= self.limit else None
        loops = self._slopes(choices, first)
        first = replace(first, seconds=self._seconds(first, loops, first.peak))
        found = [self._filled(choices, first, loops, limit) for limit in {min(self.limit, KEPT), self.limit}]
        return min(found, key=lambda x: (x.seconds, x.peak))

    def fixed(self, choices: Choices, counts: Counts) -> Decided | None:
        """A variant with these counts for each loop."""
        if self.planner.code(choices) is None:
            choices = self._usable(choices)
        first = self.evaluated(choices, tuple(Counts() for _ in choices))
        if not choices or first is None:
            return None
        loops = self._slopes(choices, first)
        found = self.evaluated(choices, (counts,) * len(choices))
        if found is None:
            return None
        return replace(found, seconds=self._seconds(found, loops, first.peak))

    def _filled(self, choices: Choices, first: Decided, loops: Sequence[Steps], limit: int) -> Decided:
        """The best counts that are found for a variant within a limit; `first` if that takes more."""
        best: Decided = first
        room = limit
        for n in range(ROUNDS):
            if room < first.peak:
                break
            counts = shared(room - first.peak, loops)
            if n < PROGRAMS and len(choices) > 1:
                counts = self._programmed(choices, room - first.peak, loops) or counts
            tried = self.evaluated(choices, counts)
            if tried is None or counts == best.counts:
                break
            found = replace(tried, seconds=self._seconds(tried, loops, first.peak))
            if found.peak <= limit and found.seconds < best.seconds:
                best = found
            if found.peak <= limit and limit - found.peak < min(x.slot for x in loops):
                break
            room += limit - found.peak
        return best

    def _programmed(self, choices: Choices, room: int, loops: Sequence[Steps]) -> tuple[Counts, ...] | None:
        """The counts of several loops that take the least time in `room` bytes more than with one slot and one
        iteration each, by the integer program of `menus`; None if it is not solved."""
        numbers = {(c.function, c.var): k for k, c in enumerate(choices)}
        menus: list[Menu] = []
        for choice, loop in zip(choices, loops, strict=True):
            around = self._around(choice)
            inside = frozenset(numbers[key] for key in around if key in numbers)
            times = math.prod(loops[k].turns for k in inside)
            menus.append(Menu(inside, pareto(list(items(room, loop, times)))))
        problem = Menus(tuple(menus), room)
        chosen = choose(problem)
        if chosen is None:
            return None
        taken = [m.items[j] for m, j in zip(menus, chosen, strict=True)]
        return tuple(Counts(x.slots, x.length) for x in taken)

    def _around(self, choice: Choice) -> list[tuple[str, str]]:
        """The loops that a chosen loop lies in."""
        x = next(x for x in self.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
        return [(x.function, var) for var in x.around]

    def _usable(self, choices: Choices) -> Choices:
        """Those of the choices that are possible on their own."""
        found = [c for c in choices if self.planner.code((c,)) is not None or self._needs_outer(c, choices)]
        return tuple(found)

    def _needs_outer(self, choice: Choice, choices: Choices) -> bool:
        x = next(x for x in self.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
        outer = [c for c in choices if c.function == choice.function and c.var in x.around]
        chain = tuple(c for c in choices if c in outer or c == choice)
        return len(chain) > 1 and self.planner.code(chain) is not None

    def evaluated(
        self,
        choices: Choices,
        counts: tuple[Counts, ...],
        remade: Remade = NOTHING,
        on_disk: tuple[str, ...] | None = None,
    ) -> Decided | None:
        """A plan with its peak; None if there is no bound, or it takes more than there is on disk. `on_disk`: the
        arrays there; all that can be if not said."""
        done = self._looked(choices, counts, remade, on_disk)
        if done is None or done.disk > self.disk:
            return None
        if self.least is None or done.peak < self.least.peak:
            self.least = done
        return done

    def _looked(
        self, choices: Choices, counts: tuple[Counts, ...], remade: Remade, on_disk: tuple[str, ...] | None
    ) -> Decided | None:
        """A plan whatever it takes on disk; None if there is no bound."""
        if on_disk is None:
            on_disk = self.planner.by_rows(choices) if self.disk and not remade else ()
        try:
            counted = self._parameters(choices, counts)
            found = self.planner.footprint(choices, {**self.sizes, **counted}, remade, on_disk)
        except Unbounded as reason:
            self.reason = self.reason or reason
            return None
        there = {h.name for h in found.on_disk}
        names = tuple(n for n in on_disk if n in there)
        return Decided(choices, counts, found.peak, 0.0, found, remade, names, found.disk)

    def _slopes(self, choices: Choices, first: Decided) -> list[Steps]:
        """The chosen loops, with the bytes of a slot, and those of another iteration in a segment."""
        found: list[Steps] = []
        taken = self.planner.runs(choices, self.sizes)
        for k, choice in enumerate(choices):
            loop = self._loop((choice.function, choice.var))
            if choice in taken:
                loop = replace(loop, seconds=taken[choice].seconds, start=taken[choice].start)
            many = max(min(PROBE, loop.turns - 1), 1)

            def more(slots: int, length: int, k: int = k) -> tuple[int, int]:
                counts = list(first.counts)
                counts[k] = Counts(slots, length)
                done = self._looked(choices, tuple(counts), NOTHING, None)
                return (0, 0) if done is None else (max(done.peak - first.peak, 0), done.disk - first.disk)

            # Peaks elsewhere hide small changes: large ones tell.
            slot, disk = (-(-x // many) for x in more(1 + many, 1))
            iteration = -(-more(1, 1 + many)[0] // many) if choice.segmented else 0
            most = max((self.disk - first.disk) // len(choices) // disk, 1) if disk else 0
            found.append(replace(loop, slot=max(slot, 1), iteration=iteration, disk=disk, most=most, rates=self.rates))
        return found

    # -- time

    def _seconds(self, plan: Decided, loops: Sequence[Steps], least: int) -> float:
        """Time beyond what all plans have in common; `least`: the peak with one state and iteration at a time."""
        slots = sum(x.disk * c.slots for x, c in zip(loops, plan.counts, strict=True))
        total = self.kept(least) + given(plan.peak) + self._moved(plan.disk - slots)
        chosen = {(c.function, c.var) for c in plan.choices}
        for choice, count, loop in zip(plan.choices, plan.counts, loops, strict=True):
            times = math.prod(self._loop(key).turns for key in self._around(choice) if key in chosen)
            total += times * again(loop, count)
        return total

    def _loop(self, key: tuple[str, str]) -> Steps:
        if not self._steps:
            known = tuple(self.sizes.items()), self.turns
            if known not in self.planner.measured:
                self._measure()
                if len(self.planner.measured) >= KNOWN:
                    self.planner.measured.clear()
                self.planner.measured[known] = self._steps
            self._steps = self.planner.measured[known]
        return self._steps[key]

    def _measure(self) -> None:
        """Turns and seconds of the program's loops."""
        flat = self.planner.flat
        seen = dict(self.turns)
        profile = Profile({key: float(n) for key, n in seen.items()})
        spent = predict(flat, {n: float(x) for n, x in self.sizes.items()}, profile=profile).statements
        turns = self.planner.turns(self.sizes)
        for x in self.planner.loops:
            _, most = turns.get((x.function, x.stmt.var), (0, math.inf))
            n = seen.get((x.function, x.stmt.var), UNKNOWN_TURNS if most == math.inf else int(most))
            taken = spent.get((x.function, id(x.stmt)))
            per_turn = 1e-6 if taken is None or not taken.times else taken.seconds / taken.times / max(n, 1)
            self._steps[x.function, x.stmt.var] = Steps(max(n, 1), per_turn)
