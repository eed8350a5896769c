"""Which loops run again, from how many stored states, in segments of what length, so that a derivative stays within a
memory limit and takes the least time that is found.

*What is decided.* For every outermost sequential loop of the program: whether its values are kept as without a limit,
or its iterations run again, in segments or step by step (then each loop inside it runs again, in segments or step by
step); and for each loop that runs again the number of slots c and the length k of a segment. The first selects code,
the second is a parameter of it.

*What it takes.* Memory is that of `backend.c.footprint`, the bytes of the code that is going to run: no estimate. Time
is that of the cost model: the loop's iterations that run again (`advances`), each as long as an iteration of the
program, and the copies of states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wengert import ad
from wengert.ad import Choice, LoopOf
from wengert.analysis.cost import predict
from wengert.backend.c.footprint import Footprint, Footprints, Unbounded, footprint
from wengert.ir.nodes import Module
from wengert.menus import Item, Menu, Menus, choose, pareto
from wengert.runtime.abi import Bind

UNKNOWN_TURNS = 10_000
"""Turns of a loop of unknown length for which its slots and segments are chosen (any other number is served, too)."""
COPY = 2e-10
"""Seconds to copy a byte of a state to or from its slot."""
RUN = 1e-6
"""Seconds to start a run of a segment: its function, its own arrays."""
PROBE = 1 << 20
"""Slots, or iterations, more at which memory is looked at to see how it grows."""
ROUNDS = 12
"""How often the counts of several loops are improved in turn, and a plan that turned out too large is made smaller."""
PROGRAMS = 2
"""How often the counts of several loops are found by an integer program, before the room is shared by turns."""
VARIANTS = 10
"""How many variants of the code are made at most."""

Choices = tuple[Choice, ...]
Made = tuple[Module, list[Bind]]
Sizes = Mapping[str, int]


def binomial(n: int, k: int) -> int:
    return math.comb(n, k) if 0 <= k <= n else 0


def advances(segments: int, slots: int) -> int:
    """How many segments run again in the reverse sweep, beside the run that each is reversed by: the least possible
    with so many slots (see `ad.reverse.revolve`) but for the first sweep, which the program itself makes."""
    if segments <= 1:
        return 0
    r = 1
    while binomial(slots + r, slots) < segments:
        r += 1
    return r * segments - binomial(slots + r, slots + 1) - (segments - 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Slots, and iterations in a segment, of one loop."""

    slots: int = 1
    length: int = 1


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan: the choices with their counts, the predicted peak (bytes) and time (seconds) of a call, and what is held
    at the peak."""

    choices: Choices
    counts: tuple[Counts, ...]
    peak: int
    seconds: float
    held: Footprint | None = None

    def parameters(self) -> tuple[int, ...]:
        """The further arguments of the derivative."""
        pairs = zip(self.choices, self.counts, strict=True)
        return tuple(n for c, x in pairs for n in ((x.slots, x.length) if c.segmented else (x.slots,)))


class Infeasible(Exception):
    """No plan was found: `least` is the smallest one (None: there is no bound for any), or why there is no bound."""

    def __init__(self, least: Decided | None, reason: Unbounded | None) -> None:
        super().__init__()
        self.least, self.reason = least, reason


@dataclass
class Planner:
    """Plans for one program and transform. `make` gives the code of a variant, ready to be compiled; `flat` and `loops`
    are of `ad.loops_of`."""

    make: Callable[[Choices], Made]
    flat: Module
    loops: Sequence[LoopOf]
    made: dict[Choices, Made | None] = field(default_factory=dict[Choices, "Made | None"])
    footprints: dict[Choices, Footprints] = field(default_factory=dict[Choices, Footprints])

    def code(self, choices: Choices) -> Made | None:
        """The code of a variant; None if there is none."""
        if choices not in self.made:
            try:
                self.made[choices] = self.make(choices)
            except ad.NotCheckpointable:
                self.made[choices] = None
        return self.made[choices]

    def footprint(self, choices: Choices, sizes: Sizes) -> Footprint:
        """What a variant takes; raises Unbounded."""
        if choices not in self.footprints:
            made = self.code(choices)
            assert made is not None
            self.footprints[choices] = Footprints(made[0])
        return self.footprints[choices].at(sizes)

    def turns(self, sizes: Sizes) -> Mapping[tuple[str, str], tuple[float, float]]:
        """The least and the greatest number of turns of the program's loops, as far as they are known."""
        try:
            return footprint(self.flat, sizes).turns
        except Unbounded:
            return {}

    def plan(self, sizes: Sizes, limit: int) -> Decided:
        """The plan for a call with these sizes that takes the least time found; raises Infeasible."""
        return _Search(self, sizes, limit).best()


@dataclass(frozen=True, slots=True)
class _Steps:
    """A loop at the sizes of the call: its turns, and the seconds of one."""

    turns: int
    seconds: float


class _Search:
    def __init__(self, planner: Planner, sizes: Sizes, limit: int) -> None:
        self.planner, self.sizes, self.limit = planner, sizes, limit
        self.least: Decided | None = None
        self.reason: Unbounded | None = None
        self.tried = 0
        self._steps: dict[tuple[str, str], _Steps] = {}

    def best(self) -> Decided:
        plain = self.variant(())
        if plain is not None:
            return plain
        tops = [x for x in self.planner.loops if not x.around]
        levels = {(x.function, x.stmt.var): 0 for x in tops}
        best = self.variant(self._choices(levels))
        improved = True
        while improved and self.tried < VARIANTS:
            improved = False
            for key in levels:
                deepest = self._depth(key) if best is None or self._is_slow(best) else 0
                for level in (-1, *range(deepest + 1)):
                    if level == levels[key] or self.tried >= VARIANTS:
                        continue
                    other = {**levels, key: level}
                    smallest = self.least
                    found = self.variant(self._choices(other))
                    better = found is not None and (best is None or found.seconds < best.seconds)
                    if better or (best is None and self.least is not smallest):
                        levels, improved = other, True
                        best = found if better else best
        if best is None:
            raise Infeasible(self.least, self.reason)
        return best

    def _is_slow(self, plan: Decided) -> bool:
        """Whether what runs again takes twice as long as the loops: then loops inside may run again instead."""
        tops = [x for x in self.planner.loops if not x.around]
        once = [self._loop(Choice(x.function, x.stmt.var, False)) for x in tops]
        return plan.seconds > 2 * sum(x.turns * x.seconds for x in once)

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
            if usable == choices:
                return None
            choices = usable
        start = tuple(Counts() for _ in choices)
        first = self._evaluated(choices, start)
        if first is None or first.peak > self.limit:
            return None
        if not choices:
            return first
        steps = [self._loop(c) for c in choices]
        slopes = self._slopes(choices, first, steps)
        best, room = first, self.limit
        for n in range(ROUNDS):
            counts = _improved(first.peak, room, steps, slopes)
            if n < PROGRAMS and len(choices) > 1:
                counts = self._programmed(choices, room - first.peak, steps, slopes) or counts
            found = self._evaluated(choices, counts)
            if found is None or found.counts == best.counts:
                break
            if found.peak <= self.limit and found.seconds < best.seconds:
                best = found
            if found.peak <= self.limit and self.limit - found.peak < min(s for s, _ in slopes):
                break
            room += self.limit - found.peak
        return best

    def _programmed(
        self, choices: Choices, room: int, steps: Sequence[_Steps], slopes: Sequence[tuple[int, int]]
    ) -> tuple[Counts, ...] | None:
        """The counts of several loops that take the least time in `room` bytes more than with one slot and one
        iteration each, by the integer program of `menus`; None if it is not solved."""
        numbers = {(c.function, c.var): k for k, c in enumerate(choices)}
        menus: list[Menu] = []
        for choice, loop, slope in zip(choices, steps, slopes, strict=True):
            x = next(x for x in self.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
            around = frozenset(numbers[x.function, v] for v in x.around if (x.function, v) in numbers)
            times = math.prod(steps[k].turns for k in around)
            menus.append(Menu(around, pareto(list(_items(room, loop, slope, times)))))
        problem = Menus(tuple(menus), room)
        chosen = choose(problem)
        if chosen is None:
            return None
        items = [m.items[j] for m, j in zip(menus, chosen, strict=True)]
        return tuple(Counts(x.slots, x.length) for x in items)

    def _usable(self, choices: Choices) -> Choices:
        """Those of the choices that are possible on their own."""
        found = [c for c in choices if self.planner.code((c,)) is not None or self._needs_outer(c, choices)]
        return tuple(found)

    def _needs_outer(self, choice: Choice, choices: Choices) -> bool:
        x = next(x for x in self.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
        outer = [c for c in choices if c.function == choice.function and c.var in x.around]
        chain = tuple(c for c in choices if c in outer or c == choice)
        return len(chain) > 1 and self.planner.code(chain) is not None

    def _evaluated(self, choices: Choices, counts: tuple[Counts, ...]) -> Decided | None:
        made = self.planner.code(choices)
        assert made is not None
        draft = Decided(choices, counts, 0, 0.0)
        module, binds = made
        names = {-1 - b.leaf: p.name for p, b in zip(module.root.params, binds, strict=True) if b.leaf < 0}
        try:
            counted = {names[k]: n for k, n in enumerate(draft.parameters())}
            found = self.planner.footprint(choices, {**self.sizes, **counted})
        except Unbounded as reason:
            self.reason = self.reason or reason
            return None
        done = Decided(choices, counts, found.peak, self._seconds(choices, counts), found)
        if self.least is None or done.peak < self.least.peak:
            self.least = done
        return done

    def _slopes(self, choices: Choices, first: Decided, steps: Sequence[_Steps]) -> list[tuple[int, int]]:
        """By loop: the bytes of a slot, and those of another iteration in a segment."""
        found: list[tuple[int, int]] = []
        for k, (choice, loop) in enumerate(zip(choices, steps, strict=True)):
            many = max(min(PROBE, loop.turns - 1), 1)

            def more(slots: int, length: int, k: int = k) -> int:
                counts = list(first.counts)
                counts[k] = Counts(slots, length)
                done = self._evaluated(choices, tuple(counts))
                return 0 if done is None else max(done.peak - first.peak, 0)

            # Peaks elsewhere hide small changes: large ones tell.
            slot = -(-more(1 + many, 1) // many)
            iteration = -(-more(1, 1 + many) // many) if choice.segmented else 0
            found.append((max(slot, 1), iteration))
        return found

    # -- time

    def _seconds(self, choices: Choices, counts: tuple[Counts, ...]) -> float:
        """The time of what runs again; the rest is the same for all plans."""
        total = 0.0
        by_name = {(c.function, c.var): x for c, x in zip(choices, counts, strict=True)}
        for choice, count in zip(choices, counts, strict=True):
            times = 1.0
            x = next(x for x in self.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
            for var in x.around:
                if (choice.function, var) in by_name:
                    times *= self._loop(Choice(choice.function, var, False)).turns
            total += times * _again(self._loop(choice), count)
        return total

    def _loop(self, choice: Choice) -> _Steps:
        if not self._steps:
            self._measure()
        return self._steps[choice.function, choice.var]

    def _measure(self) -> None:
        """Turns and seconds of the program's loops."""
        flat = self.planner.flat
        spent = predict(flat, {n: float(x) for n, x in self.sizes.items()}).statements
        turns = self.planner.turns(self.sizes)
        for x in self.planner.loops:
            _, most = turns.get((x.function, x.stmt.var), (0, math.inf))
            n = UNKNOWN_TURNS if most == math.inf else int(most)
            taken = spent.get((x.function, id(x.stmt)))
            per_turn = 1e-6 if taken is None or not taken.times else taken.seconds / taken.times / max(n, 1)
            self._steps[x.function, x.stmt.var] = _Steps(max(n, 1), per_turn)


def _again(steps: _Steps, count: Counts) -> float:
    """Seconds of one reverse sweep over a loop beyond reversing what is kept: each iteration runs once more to be
    reversed, and as often as it takes to reach it."""
    segments = -(-steps.turns // count.length)
    runs = advances(segments, count.slots)
    return steps.seconds * (steps.turns + runs * count.length) + RUN * (segments + runs)


def _menu(turns: int, part: int = 8) -> Iterable[int]:
    """Numbers of slots, or iterations, that are worth considering: each by a part more than the one before."""
    n = 1
    while n < turns:
        yield n
        n = max(n + 1, n + n // part)
    yield turns


def _items(room: int, loop: _Steps, slope: tuple[int, int], times: float) -> Iterable[Item]:
    """What one loop can do in `room` bytes more than with one slot and one iteration in a segment."""
    slot, iteration = slope
    for slots in _menu(loop.turns, 5):
        resident = (slots - 1) * slot
        if resident > room:
            return
        for length in _menu(loop.turns, 5) if iteration else (1,):
            transient = (length - 1) * iteration
            if resident + transient <= room:
                yield Item(resident, transient, times * _again(loop, Counts(slots, length)), slots, length)


def _improved(least: int, room: int, steps: Sequence[_Steps], slopes: Sequence[tuple[int, int]]) -> tuple[Counts, ...]:
    """The counts of least time in so many bytes, as far as memory grows by these slopes; loops share what there is in
    proportion to their time, in turns."""
    counts = [Counts() for _ in steps]
    share = [1.0 / len(steps)] * len(steps)
    for _ in range(ROUNDS if len(steps) > 1 else 1):
        for k, (loop, slope) in enumerate(zip(steps, slopes, strict=True)):
            counts[k] = _alone((room - least) * share[k], loop, *slope)
        times = [_again(x, c) for x, c in zip(steps, counts, strict=True)]
        total = sum(times)
        share = [(s + t / total) / 2 for s, t in zip(share, times, strict=True)]
    return tuple(counts)


def _alone(room: float, loop: _Steps, slot: int, iteration: int) -> Counts:
    """The counts of least time of one loop that may take `room` bytes more than with one slot and one iteration."""
    best, seconds = Counts(), _again(loop, Counts())
    for slots in _menu(loop.turns):
        left = room - (slots - 1) * slot
        if left < 0:
            break
        length = min(1 + int(left // iteration), loop.turns) if iteration else 1
        for n in {length, -(-loop.turns // max(-(-loop.turns // length), 1))}:
            taken = _again(loop, Counts(slots, n))
            if taken < seconds:
                best, seconds = Counts(slots, n), taken
    return best
