"""`wg.explain`: what the reverse sweep of a program keeps, stores and recomputes, with source lines and bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert import differences as fd
from wengert.backend.c.footprint import Held, footprint
from wengert.dispatch import fetcher
from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.nodes import Span
from wengert.ir.types import DType
from wengert.memory import (
    Bounds,
    Directory,
    Limit,
    Limited,
    Unbounded,
    bytes_of,
    described_name,
    largest,
    settled,
    size_text,
    sizes_of,
)
from wengert.plan_time import advances
from wengert.planning import Decided, Made
from wengert.programs import Given, Wrt, primal_binds, private, program_of
from wengert.report import html_report, plot_timeline
from wengert.runtime.call import NO_LIMIT, Kernel
from wengert.selection import wrt_list
from wengert.transform import Pulled, all_floats, named, within

ORDER = ("stored", "inverted", "recomputed", "kept")
"""How values are had, in the order of the tables."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value that the reverse sweep needs, and how it gets it.

    `how`: "kept" (the program's own memory still holds it), "stored" (on a tape), "inverted" (memory holds it again
    when updates are undone; of an array: it is that memory) or "recomputed". `bytes` is what its tape, or the copy of
    such memory (0: it needs none), holds in this call; None if several values share a stack (see
    `Explanation.shared_bytes`), if nothing is stored, or if it is `transient`: stored in the reverse sweep only, by a
    part of the program that runs again, until that is reversed. `pinned`: that was asked for.
    """

    name: str
    how: str
    kind: str
    dtype: str
    bytes: int | None
    file: str
    line: int
    function: str
    source: str
    transient: bool = False
    pinned: bool = False

    @property
    def is_memory(self) -> bool:
        """Whether it is memory that is taken back."""
        return self.how == "inverted" and self.kind == "array"


@dataclass(frozen=True, slots=True)
class Again:
    """A loop whose iterations run again in the reverse sweep: from `slots` stored states, `length` iterations at a
    time, so that `runs` iterations are made again beside the one that each is reversed by (of `turns`; None: not
    known)."""

    variable: str
    slots: int
    length: int
    turns: int | None
    runs: int | None
    file: str
    line: int
    source: str


@dataclass(frozen=True, slots=True)
class Single:
    """An array of the derivative's top level that waits from the forward to the reverse sweep, by its name in the code:
    `how` is "stored", "made again", or "kept" (nothing but what is made again needs it); its bytes; the seconds that
    making it again takes (None: it cannot be made again, and must be stored)."""

    name: str
    how: str
    bytes: int
    seconds: float | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Present:
    """An allocation that is there at the peak."""

    name: str
    bytes: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of the derivative: where it comes from, the most that is allocated during it, and what is left after."""

    file: str
    line: int
    most: int
    after: int


@dataclass(frozen=True)
class Explanation:
    """What one call of a derivative keeps, stores and recomputes. `str()` of it is a table.

    With a memory limit: `limit`, the loops that run `again`, and `outside`, the bytes of copies that the peak includes.
    `predicted`: the peak that is expected beforehand (None: it is not bounded), what is `present` then, and the
    `timeline`, the steps of the derivative's top level in order. `singles`: the arrays that could be stored or made
    again there, and what was decided (empty if nothing is made again). `on_disk`: the tapes that lie on disk, with
    their bytes there (a few parts of each are in memory, and count in the peak).

    `tape_bytes`: what all tapes hold at the end of the forward sweep. `shared_bytes`: the part of it that is on
    stacks of functions that are called. `peak_bytes`: the most that was allocated at any time, results and adjoints
    included, arguments not, counted by the allocator. `argument_bytes`: the float arguments.
    """

    name: str
    wrt: tuple[int | str, ...]
    values: tuple[Value, ...]
    tape_bytes: int
    shared_bytes: int
    peak_bytes: int
    argument_bytes: int
    limit: int | None = None
    outside: int = 0
    predicted: int | None = None
    again: tuple[Again, ...] = ()
    present: tuple[Present, ...] = ()
    timeline: tuple[Moment, ...] = ()
    singles: tuple[Single, ...] = ()
    on_disk: tuple[Present, ...] = ()

    @property
    def disk_bytes(self) -> int:
        """What lies on disk."""
        return sum(h.bytes for h in self.on_disk)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, everything: bool = False) -> Iterator[str]:
        """The table, a line at a time: what is stored, by size; with `everything` also what is kept and recomputed."""
        names = ", ".join(map(str, self.wrt))
        counts = {how: sum(v.how == how for v in self.values) for how in ORDER}
        yield f"pullback of {self.name} with respect to {names}"
        yield f"  {', '.join(f'{n} {how}' for how, n in counts.items() if n or how != 'inverted')}"
        yield (
            f"  tapes {size_text(self.tape_bytes)}, peak {size_text(self.peak_bytes)} (results and adjoints included), "
            f"float arguments {size_text(self.argument_bytes)}"
        )
        yield from self._limited()
        shown = [v for v in self.values if everything or v.how == "stored" or v.is_memory]
        shown.sort(key=lambda v: (ORDER.index(v.how), not v.is_memory, -(v.bytes or 0)))
        if not shown:
            return
        yield ""
        width = max(len(v.name) for v in shown)
        place = max(len(_place(v)) for v in shown)
        for v in shown:
            much = _size(v) if v.how == "stored" or v.is_memory else ""
            how = f"{v.how}*" if v.pinned else v.how
            yield f"  {how:<11} {v.name:<{width}}  {v.kind:<6}  {much:>9}  {_place(v):<{place}}  {v.source}".rstrip()
        if self.shared_bytes:
            yield f"  on stacks that values of called functions share: {size_text(self.shared_bytes)}"

    def _limited(self) -> Iterator[str]:
        """The limit, and the loops that run again."""
        if self.limit is None:
            return
        copies = f", copies of arguments {size_text(self.outside)}" if self.outside else ""
        expected = "not bounded" if self.predicted is None else size_text(self.predicted)
        yield f"  limit {size_text(self.limit)}, predicted peak {expected}{copies}"
        for a in self.again:
            states = f"{a.slots} stored state{'s' if a.slots > 1 else ''}, {a.length} at a time"
            extra = "" if a.runs is None or a.turns is None else f", {a.runs} runs more than {a.turns}"
            place = f"{os.path.basename(a.file)}:{a.line}"
            yield f"  runs again  {a.variable}: {states}{extra}  {place}  {a.source}"
        for s in self.singles:
            cost = (
                "" if s.seconds is None else f", {1e6 * s.seconds:.3g} us" + (" saved" if s.how != "made again" else "")
            )
            place = f"  {os.path.basename(s.file)}:{s.line}" if s.line else ""
            yield f"  {s.how:<11} {s.name}: {size_text(s.bytes)}{cost}{place}"
        for h in self.on_disk:
            place = f"  {os.path.basename(h.file)}:{h.line}" if h.line else ""
            yield f"  on disk     {size_text(h.bytes):>9}  {h.name}{place}"
        for h in self.present:
            place = f"  {os.path.basename(h.file)}:{h.line}" if h.line else ""
            yield f"  at the peak {size_text(h.bytes):>9}  {h.name}{place}"

    def memory_lines(self, width: int = 50) -> Iterator[str]:
        """The timeline as text: a bar per step of the derivative that allocates or gives back."""
        top = max((m.most for m in self.timeline), default=0)
        before = -1
        for m in self.timeline:
            if m.most == before == m.after or not top:
                continue
            before = m.after
            bar = "#" * round(width * m.most / top)
            place = f"{os.path.basename(m.file)}:{m.line}" if m.line else ""
            yield f"  {size_text(m.most):>9} {bar:<{width}} {place}".rstrip()

    def plot(self, path: str | os.PathLike[str]) -> None:
        """The timeline as a picture (needs matplotlib)."""
        plot_timeline(self, path)

    def html(self) -> str:
        """The source, annotated: what its lines keep, store and recompute; a page of its own."""
        return html_report(self)


def _size(v: Value) -> str:
    return size_text(v.bytes) if v.bytes is not None else "transient" if v.transient else "shared"


def _place(v: Value) -> str:
    return f"{os.path.basename(v.file)}:{v.line}" if v.line else ""


def explain(
    fn: Callable[..., Any],
    *args: Any,
    wrt: Wrt | None = None,
    of: Any = None,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
    **kwargs: Any,
) -> Explanation:
    """What the pullback of `fn` at `args` keeps, stores and recomputes. Runs it once, to count.

    `wrt`, `of`, `memory_limit` (of what a call allocates, the copies that a pullback holds left out), `disk`,
    `disk_limit`, `store`, `recompute` and `invert` as for `vjp`.
    Raises what `vjp` raises.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x, n):
        ...     for _ in range(n):
        ...         x = x * np.sin(x)
        ...     return np.sum(x)
        >>> wg.explain(f, np.ones(1000), 50).tape_bytes
        400000
    """
    chosen = all_floats(args, kwargs) if wrt is None else wrt
    program = program_of(fn)
    staged = program.stage(args, kwargs)
    record, pins = ad.Record(), ad.Pins.of(store, recompute, invert)
    module = pipeline.prepare(staged.module, staged.names)
    pulled = Pulled.of(fn, args, kwargs, staged, module, wrt_list(chosen), of, record, pins)
    bounds = Bounds.of(memory_limit, disk, disk_limit)
    limit = bounds.limit
    primal = Kernel(pulled.primal, primal_binds(staged))
    leaves = fetcher(staged, args, kwargs)(fn, args, kwargs)
    assert leaves is not None
    outputs = primal(private(staged, leaves))
    seeds = [np.ones_like(outputs[i]) for i in pulled.seeded]
    given = (*private(staged, leaves), *seeds)
    plain = Pulled.of(fn, args, kwargs, staged, module, wrt_list(chosen), of, pins=pins)
    limited = within(f"the pullback of {named(fn)}", plain.primal, plain.active, plain.seeds, plain.make)
    outside = bytes_of([leaves[k] for k in staged.mutated]) + bytes_of(seeds)
    plan = None if limit is None else limited.plan(given, limit, outside, bounds.disk)
    choices = () if plan is None else plan.choices
    code, binds = settled(*pulled.make(choices))
    on_disk = () if plan is None else plan.on_disk
    kernel = Kernel(code, binds, on_disk)
    parameters = () if plan is None else plan.parameters()
    directory = bounds.disk.directory if bounds.disk is not None and on_disk else None
    (*_, counts), peak = kernel.limited((*given, *parameters), NO_LIMIT, directory, NO_LIMIT)
    if plan is not None and plan.remade:
        _, peak = limited.kernel(plan.choices, plan.remade).limited((*given, *parameters), NO_LIMIT)
    values = tuple(_value(d, counts) for d in record.decisions)
    known = sum(v.bytes or 0 for v in values)
    stacks = sum(int(counts[k]) * _itemsize(dtype) for k, dtype in record.stacks.items())
    boxed = known - sum(v.bytes or 0 for v, d in zip(values, record.decisions, strict=True) if d.on_stack)
    tape = boxed + stacks
    floats = [leaf for leaf in leaves if is_ndarray(leaf) and leaf.dtype.kind in "fc"]
    return Explanation(
        getattr(fn, "__name__", type(fn).__name__),
        tuple(wrt_list(chosen)),
        values,
        tape,
        tape - known,
        peak + (0 if limit is None else outside),
        sum(leaf.nbytes for leaf in floats),
        limit,
        0 if limit is None else outside,
        *_predicted(limited, plan, (code, binds), (*given, *parameters), 0 if limit is None else outside),
        () if plan is None else _singles(limited, plan, (*given, *parameters)),
        () if plan is None or plan.held is None else tuple(_present(h) for h in plan.held.on_disk),
    )


def _singles(limited: Limited, plan: Decided, leaves: tuple[Any, ...]) -> tuple[Single, ...]:
    """What was decided for single arrays."""
    made = limited.planner.code(plan.choices)
    if not plan.remade or made is None:
        return ()
    again, kept = set(plan.remade.again), set(plan.remade.kept)
    found: list[Single] = []
    priced = limited.planner.trades_of(plan.choices).priced(sizes_of(*settled(*made), leaves))
    for name, p in priced.items():
        if p.bytes and (p.making.late or name in kept):
            how = "made again" if name in again else "kept" if name in kept else "stored"
            span = p.making.alloc.span or Span("", 0)
            found.append(Single(name, how, p.bytes, p.seconds, span.file, span.line))
    return tuple(found)


def _predicted(
    limited: Limited, plan: Decided | None, made: Made, leaves: tuple[Any, ...], outside: int
) -> tuple[int | None, tuple[Again, ...], tuple[Present, ...], tuple[Moment, ...]]:
    """What was expected: the peak, the loops that run again, what is there at the peak, the timeline."""
    try:
        found = plan.held if plan is not None else footprint(made[0], sizes_of(*made, leaves))
    except Unbounded:
        return None, (), (), ()
    assert found is not None
    again: list[Again] = []
    known = limited.planner.turns(sizes_of(*made, leaves))
    for choice, count in zip(plan.choices, plan.counts, strict=True) if plan is not None else ():
        stmt = next(x.stmt for x in limited.planner.loops if (x.function, x.stmt.var) == (choice.function, choice.var))
        span = stmt.span or Span("", 0)
        _, most = known.get((choice.function, choice.var), (0, math.inf))
        turns = runs = None
        if most != math.inf:
            turns = int(most)
            runs = advances(-(-turns // count.length), count.slots) * count.length
        again.append(Again(choice.var, count.slots, count.length, turns, runs, span.file, span.line, span.text.strip()))
    timeline = [(m.span or Span("", 0), m.most + outside, m.after + outside) for m in found.moments]
    return (
        found.peak + outside,
        tuple(again),
        tuple(_present(h) for h in largest(found.held, 12)),
        tuple(Moment(s.file, s.line, most, after) for s, most, after in timeline),
    )


def _present(h: Held) -> Present:
    span = h.span or Span("", 0)
    return Present(described_name(h), h.bytes, span.file, span.line)


def explain_all(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    wrt: Wrt | None = None,
    memory_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    invert: bool = False,
) -> Explanation:
    """`explain` of everything a function computes: what it returns and the arguments it mutates."""
    plain = fd.run(fn, args)
    of = fd.mutated(fn, args)
    chosen = ("return", *of) if fd.floats(plain.value) or not of else of
    return explain(
        fn, *args, wrt=wrt, of=chosen, memory_limit=memory_limit, disk=disk, disk_limit=disk_limit, store=store,
        recompute=recompute, invert=invert,
    )  # fmt: skip


def _value(d: ad.Decision, counts: Any) -> Value:
    span = d.span or Span("", 0)
    size = int(counts[d.place]) * _itemsize(d.dtype) if d.place is not None else None
    if d.how == "inverted" and d.array and not (d.on_stack or d.transient):
        size = size or 0
    kind = "array" if d.array else "number"
    return Value(
        d.name, d.how, kind, d.dtype.value, size, span.file, span.line, d.function, span.text, d.transient, d.pinned
    )


def _itemsize(dtype: DType) -> int:
    return dtype.numpy.itemsize
