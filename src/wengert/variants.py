"""Variants of a derivative's code, and what they take: the choices that select code, with their footprints and the
times of the program's loops, each made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wengert import ad
from wengert.ad import Choice, LoopOf
from wengert.analysis.cost import predict
from wengert.analysis.rows import used_by_rows
from wengert.backend.c.footprint import Footprint, Footprints, Unbounded, footprint
from wengert.ir.nodes import Call, Module, Var
from wengert.ir.walk import statements
from wengert.plan_time import RUN, Counts, Steps
from wengert.runtime.abi import Bind
from wengert.trades import Trades
from wengert.trading import Remade, Trading

SAMPLE = 16
"""Iterations more by which the time of one is found."""
KNOWN = 2000
"""Footprints remembered per program and transform."""
NOTHING = Remade()

Choices = tuple[Choice, ...]
Made = tuple[Module, list[Bind]]
Sizes = Mapping[str, int]
Turns = tuple[tuple[tuple[str, str], int], ...]
"""The turns that loops of unknown length had in an earlier call, by function and variable."""
Code = tuple[Choices, Remade, tuple[str, ...]]
"""What selects code: how loops run again, arrays that are made again, arrays on disk."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan: the choices with their counts, the predicted peak (bytes) and time (seconds) of a call, and what is held
    at the peak."""

    choices: Choices
    counts: tuple[Counts, ...]
    peak: int
    seconds: float
    held: Footprint | None = None
    remade: Remade = NOTHING
    """Arrays of the top level that are made again."""
    on_disk: tuple[str, ...] = ()
    """Arrays of the top level that lie on disk (those that are large enough)."""
    disk: int = 0
    """Their bytes there."""
    turns: Turns = ()
    """The turns that loops of unknown length were taken to have, if that was known from earlier calls."""

    def parameters(self) -> tuple[int, ...]:
        """The further arguments of the derivative."""
        pairs = zip(self.choices, self.counts, strict=True)
        return tuple(n for c, x in pairs for n in ((x.slots, x.length) if c.segmented else (x.slots,)))


class Infeasible(Exception):
    """No plan was found: `least` is the smallest one (None: there is no bound for any), or why there is no bound."""

    def __init__(self, least: Decided | None, reason: Unbounded | None) -> None:
        super().__init__()
        self.least, self.reason = least, reason


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of an iteration that runs again, and to start a run of some."""

    seconds: float
    start: float = RUN


@dataclass
class Variants:
    """Those of one program and transform. `make` gives the code of a variant, ready to be compiled; `flat` and `loops`
    are of `ad.loops_of`."""

    make: Callable[[Choices], Made]
    flat: Module
    loops: Sequence[LoopOf]
    singles: bool = True
    """Whether single arrays are made again, too."""
    made: dict[tuple[Choices, Remade], Made | None] = field(default_factory=dict[tuple[Choices, Remade], "Made | None"])
    footprints: dict[Code, Footprints] = field(default_factory=dict[Code, Footprints])
    known: dict[tuple[Code, tuple[tuple[str, int], ...]], Footprint] = field(
        default_factory=dict[tuple[Code, tuple[tuple[str, int], ...]], Footprint]
    )
    """What variants take at sizes and counts that were looked at."""
    measured: dict[tuple[tuple[tuple[str, int], ...], Turns], dict[tuple[str, str], Steps]] = field(
        default_factory=dict[tuple[tuple[tuple[str, int], ...], Turns], dict[tuple[str, str], Steps]]
    )
    """The program's loops, by sizes and turns."""
    trading: dict[Choices, Trading] = field(default_factory=dict[Choices, Trading])
    traded: dict[tuple[Choices, tuple[tuple[str, int], ...]], Trades] = field(
        default_factory=dict[tuple[Choices, tuple[tuple[str, int], ...]], Trades]
    )
    """The single values of variants, at sizes and counts that were looked at."""

    running: dict[tuple[Choices, tuple[tuple[str, int], ...]], dict[Choice, Run]] = field(
        default_factory=dict[tuple[Choices, tuple[tuple[str, int], ...]], "dict[Choice, Run]"]
    )
    """How long iterations take that run again."""
    rows: dict[Choices, tuple[str, ...]] = field(default_factory=dict[Choices, tuple[str, ...]])
    """The arrays of variants that can lie on disk."""

    def code(self, choices: Choices, remade: Remade = NOTHING) -> Made | None:
        """The code of a variant, with arrays made again; None if there is none."""
        key = choices, remade
        if key not in self.made:
            try:
                self.made[key] = self._remade(choices, remade) if remade else self.make(choices)
            except ad.NotCheckpointable:
                self.made[key] = None
        return self.made[key]

    def _remade(self, choices: Choices, remade: Remade) -> Made | None:
        made = self.code(choices)
        return None if made is None else (self.trades_of(choices).code(remade), made[1])

    def trades_of(self, choices: Choices) -> Trading:
        """The single values of a variant."""
        if choices not in self.trading:
            made = self.code(choices)
            assert made is not None
            self.trading[choices] = Trading(made[0])
        return self.trading[choices]

    def trades(self, choices: Choices, sizes: Sizes) -> Trades:
        """The problem of a variant's single values; raises Unbounded."""
        key = choices, tuple(sizes.items())
        if key not in self.traded:
            if len(self.traded) >= KNOWN:
                self.traded.clear()
            self.traded[key] = self.trades_of(choices).problem(sizes, self.footprint(choices, sizes))
        return self.traded[key]

    def uncertain(self) -> list[tuple[str, str]]:
        """The outermost loops of the root whose turns their bounds do not say, by function and variable."""
        loops = [x.stmt for x in self.loops if not x.around and x.function == self.flat.entry]
        return [(self.flat.entry, s.var) for s in loops if s.cond is not None or s.stop is None]

    def by_rows(self, choices: Choices) -> tuple[str, ...]:
        """The arrays of a variant that can lie on disk."""
        if choices not in self.rows:
            made = self.code(choices)
            self.rows[choices] = () if made is None else tuple(used_by_rows(made[0].root))
        return self.rows[choices]

    def footprint(
        self, choices: Choices, sizes: Sizes, remade: Remade = NOTHING, on_disk: tuple[str, ...] = ()
    ) -> Footprint:
        """What a variant takes; raises Unbounded."""
        code = choices, remade, on_disk
        if code not in self.footprints:
            made = self.code(choices, remade)
            assert made is not None
            self.footprints[code] = Footprints(made[0], on_disk)
        key = code, tuple(sizes.items())
        if key not in self.known:
            if len(self.known) >= KNOWN:
                self.known.clear()
            self.known[key] = self.footprints[code].at(sizes)
        return self.known[key]

    def runs(self, choices: Choices, sizes: Sizes) -> dict[Choice, Run]:
        """How long iterations take that run again, of the loops whose code is there."""
        key = choices, tuple(sizes.items())
        if key not in self.running:
            made = self.code(choices)
            assert made is not None
            if len(self.running) >= KNOWN:
                self.running.clear()
            found = ((c, self._run(made[0], c, sizes)) for c in choices)
            self.running[key] = {c: run for c, run in found if run is not None}
        return self.running[key]

    def _run(self, module: Module, choice: Choice, sizes: Sizes) -> Run | None:
        """By the function that runs iterations again, of as many as it is told to, or of one."""
        name = ad.run_again(choice)
        if name not in module.functions or name in self.flat.functions:
            return None
        f = module.functions[name]
        called = (s for g in module.functions.values() for s in statements(g.body) if isinstance(s, Call))
        call = next((s for s in called if s.function == name), None)
        if call is None or len(f.params) < 2:
            return None
        pairs = zip(f.params, call.args, strict=True)
        known = {p.name: float(sizes[a.name]) for p, a in pairs if isinstance(a, Var) and a.name in sizes}
        alone = Module(module.functions, name)
        if not choice.segmented:
            return Run(predict(alone, known).seconds)
        first, last = (p.name for p in f.params[:2])
        one, many = (predict(alone, {**known, first: 0.0, last: float(n)}).seconds for n in (1, 1 + SAMPLE))
        return Run((many - one) / SAMPLE, max(one - (many - one) / SAMPLE, 0.0))

    def turns(self, sizes: Sizes) -> Mapping[tuple[str, str], tuple[float, float]]:
        """The least and the greatest number of turns of the program's loops, as far as they are known."""
        try:
            return footprint(self.flat, sizes).turns
        except Unbounded:
            return {}
