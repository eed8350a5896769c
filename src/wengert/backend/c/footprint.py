"""How many bytes a call of a compiled module will have allocated at its peak, found without running it.

The statements are followed as the C code runs them, with what the arena counts: every allocation, rounded to 64 bytes,
from where it is made to the end of its block (the root's own: to the end of the call), lists with the room that they
reserve, work space of library operations, arrays that are made for results. Integers are kept as sums of multiples
of unknowns with known ranges, so that `t + k - t` is `k`; what depends on them is bounded from above. The bound is
reached where extents and trip counts follow from the arguments' sizes; it is never below what the arena will count.

Raises Unbounded where there is no bound: what a loop of unknown length keeps, an extent that only the values of the
arguments decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

from ...errors import WengertError
from ...ir import walk
from ...ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Cast,
    Const,
    Declare,
    Expr,
    Extent,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Reshape,
    Resize,
    Scalar,
    Select,
    Span,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from . import analysis
from .entry import made_in_place
from .outline import Cutter, framed
from .storages import LOCAL_ARRAY_BYTES
from .writer import FRAME_ON_STACK

LARGE = 1 << 20
"""Lists of at least so many bytes grow in place, by an eighth (WG_LARGE of `arena.c`)."""
REF_BYTES = 96
"""At most what an element of a list of arrays takes."""


class Unbounded(WengertError, ValueError):
    """The memory that a program needs is not bounded by the sizes of its arguments."""

    def __init__(self, what: str, span: Span | None) -> None:
        where = "" if span is None else f" ({span}: {span.text.strip()})"
        super().__init__(f"{what}{where}")
        self.what, self.span = what, span


@dataclass(frozen=True, slots=True)
class Held:
    """An allocation that is there at some time."""

    function: str
    name: str
    bytes: int
    span: Span | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One statement of the root: the most that is allocated while it runs, and what is left after it."""

    span: Span | None
    most: int
    after: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The peak, in bytes, what is there at that time, how memory goes along the root's statements, and the least and
    the greatest number of turns of each loop, by function and loop variable."""

    peak: int
    held: tuple[Held, ...]
    moments: tuple[Moment, ...]
    turns: dict[tuple[str, str], tuple[int | float, int | float]]


Number: TypeAlias = int | float
"""An integer, inf or -inf."""


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of factor * unknown; unknowns are numbers of a table of ranges."""

    constant: Number
    terms: tuple[tuple[int, int], ...] = ()


def footprint(module: Module, sizes: Mapping[str, int]) -> Footprint:
    """The peak of the root, with integer parameters of these values (extents and others; the rest is unknown)."""
    return Footprints(module).at(sizes)


class Footprints:
    """The footprints of one module, at any sizes."""

    def __init__(self, module: Module) -> None:
        self.module, self.facts = module, analysis.facts(module)
        self.framed: dict[str, set[str]] = {}
        self.touched: dict[int, frozenset[str]] = {}
        """By a block's identity, the names that may be lists and whose lengths it may change."""
        self.settled: dict[str, frozenset[str]] = {}
        stmts = [s for f in module.functions.values() for s in walk.statements(f.body)]
        self.refs = sum(isinstance(s, Declare) and not isinstance(s.storage, Growable) for s in stmts)
        self.collects = any(isinstance(s, PushRef) for s in stmts)

    def at(self, sizes: Mapping[str, int]) -> Footprint:
        """With integer parameters of these values."""
        return _Walk(self).root(sizes)


def _rounded(n: Number) -> Number:
    return n if n == inf else 64 if n <= 0 else (int(n) + 63) // 64 * 64


@dataclass
class _List:
    """A growable: an upper bound of its length, and the bytes that it has reserved."""

    name: str
    function: str
    size: int
    span: Span | None
    length: Number = 0
    reserved: Number = 0


@dataclass
class _Frame:
    """One run of a function: what names stand for."""

    function: Function
    of: analysis.FunctionFacts
    integers: dict[str, Linear] = field(default_factory=dict[str, Linear])
    shapes: dict[str, tuple[Linear, ...]] = field(default_factory=dict[str, tuple[Linear, ...]])
    lists: dict[str, _List] = field(default_factory=dict[str, _List])
    cells: dict[str, tuple[Number, Number]] = field(default_factory=dict[str, tuple[Number, Number]])
    contents: dict[str, tuple[Number, Number]] = field(default_factory=dict[str, tuple[Number, Number]])
    """What settled arrays of integers hold (see `_settled`)."""
    turns: Number = 1
    """How often the current block runs at most, in this run of the function."""


class _Walk:
    def __init__(self, of: Footprints) -> None:
        self.of, self.module, self.facts = of, of.module, of.facts
        self.ranges: list[tuple[Number, Number]] = []
        self.caps: dict[tuple[int, bool], tuple[Linear, Linear]] = {}
        """Two bounds, both valid, from above (True) or below, of unknowns that are the less or the greater of two."""
        self.current: Number = 0
        self.peak: Number = 0
        self.live: list[Held] = []
        self.at_peak: tuple[Held, ...] = ()
        self.high: Number = 0
        """The most since the statement of the root began."""
        self.known: dict[tuple[str, tuple[object, ...]], tuple[Number, tuple[Held, ...]]] = {}
        self.running: list[str] = []
        self.turns: dict[tuple[str, str], tuple[Number, Number]] = {}

    # -- counting

    def _take(self, held: Held) -> None:
        if held.bytes == 0:
            return
        self.current += held.bytes
        self.live.append(held)
        self._look()

    def _look(self, more: Number = 0, also: tuple[Held, ...] = ()) -> None:
        self.high = max(self.high, self.current + more)
        if self.current + more > self.peak:
            self.peak = self.current + more
            self.at_peak = (*self.live, *also)

    def _give_back(self, count: int) -> None:
        """Let go of all but the first `count` allocations that are there."""
        self.current -= sum(h.bytes for h in self.live[count:])
        del self.live[count:]

    # -- integers

    def _unknown(self, low: Number, high: Number) -> Linear:
        if low == high:
            return Linear(low)
        self.ranges.append((low, high))
        return Linear(0, ((len(self.ranges) - 1, 1),))

    def _any(self) -> Linear:
        return self._unknown(-inf, inf)

    def _bounds(self, x: Linear) -> tuple[Number, Number]:
        return self._low(x), self._high(x)

    def _low(self, x: Linear) -> Number:
        return -self._high(self._sum(Linear(0), x, -1))

    def _high(self, x: Linear) -> Number:
        """The greatest value. What is the less of two (minus the greater) is at most either."""
        total = x.constant
        for unknown, factor in x.terms:
            total += factor * self.ranges[unknown][factor > 0]
        for unknown, factor in x.terms:
            for other in self.caps.get((unknown, factor > 0), ()):
                rest = Linear(x.constant, tuple(t for t in x.terms if t[0] != unknown))
                scaled = Linear(other.constant * factor, tuple((u, f * factor) for u, f in other.terms))
                total = min(total, self._high(self._sum(rest, scaled)))
        return total

    def _sum(self, a: Linear, b: Linear, sign: int = 1) -> Linear:
        terms = dict(a.terms)
        for unknown, factor in b.terms:
            terms[unknown] = terms.get(unknown, 0) + sign * factor
        return Linear(a.constant + sign * b.constant, tuple((u, f) for u, f in sorted(terms.items()) if f))

    def _integer(self, f: _Frame, e: Expr) -> Linear:
        match e:
            case Const(value):
                return Linear(int(value.real) if not isinstance(value, complex) else 0)
            case Var(name):
                return f.integers.get(name) or self._unknown(-inf, inf)
            case Extent(storage, axis):
                return self._extent(f, storage, axis)
            case Cast(value) if value.dtype.is_integer or value.dtype.value == "bool":
                return self._integer(f, value)
            case Load(storage, ()) if storage in f.cells:
                return self._unknown(*f.cells[storage])
            case Load(storage) if storage in f.contents:
                return self._unknown(*f.contents[storage])
            case Op(name, args):
                return (
                    self._operation(name, [self._integer(f, a) for a in args])
                    if not e.dtype.is_inexact
                    else self._any()
                )
            case Select(_, then, orelse):
                a, b = self._integer(f, then), self._integer(f, orelse)
                if a == b:
                    return a
                (low, high), (low2, high2) = self._bounds(a), self._bounds(b)
                return self._unknown(min(low, low2), max(high, high2))
            case _:
                return self._any() if e.dtype.value != "bool" else self._unknown(0, 1)

    def _operation(self, name: str, args: list[Linear]) -> Linear:
        bounds = [self._bounds(a) for a in args]
        match name, args:
            case "add" | "addc", [a, b]:
                return self._sum(a, b)
            case "sub" | "subc", [a, b]:
                return self._sum(a, b, -1)
            case "neg", [a]:
                return self._sum(Linear(0), a, -1)
            case "mul" | "mulc", [a, b]:
                if not a.terms or not b.terms:
                    x, c = (b, a.constant) if not a.terms else (a, b.constant)
                    if c == 0:
                        return Linear(0)
                    if isinstance(c, int):
                        return Linear(x.constant * c, tuple((u, f * c) for u, f in x.terms))
                products = [_times(p, q) for p in bounds[0] for q in bounds[1]]
                return self._unknown(min(products), max(products))
            case "min", [a, b]:
                return self._extreme(a, b, -1)
            case "max", [a, b]:
                return self._extreme(a, b, 1)
            case "floordiv", [a, b] if bounds[1][0] > 0:
                ends = [_floordiv(p, q) for p in bounds[0] for q in bounds[1]]
                return self._unknown(min(ends), max(ends))
            case "mod", [a, b] if bounds[1][0] > 0:
                if not a.terms and not b.terms and a.constant not in (inf, -inf):
                    return Linear(a.constant % b.constant)
                return self._unknown(0, bounds[1][1] - 1)
            case "abs", [_]:
                low, high = bounds[0]
                return self._unknown(0 if low < 0 < high else min(abs(low), abs(high)), max(abs(low), abs(high)))
            case (("eq" | "ne" | "lt" | "le" | "gt" | "ge" | "and" | "or" | "not" | "xor"), _):
                return self._unknown(0, 1)
            case _:
                return self._any()

    def _extreme(self, a: Linear, b: Linear, sign: int) -> Linear:
        low, high = self._bounds(self._sum(a, b, -1))
        if low >= 0:
            return a if sign > 0 else b
        if high <= 0:
            return b if sign > 0 else a
        pick = max if sign > 0 else min
        (low, high), (low2, high2) = self._bounds(a), self._bounds(b)
        made = self._unknown(pick(low, low2), pick(high, high2))
        for unknown, _ in made.terms:
            self.caps[unknown, sign < 0] = a, b
        return made

    def _most(self, f: _Frame, e: Expr) -> Number:
        return self._bounds(self._integer(f, e))[1]

    def _extent(self, f: _Frame, storage: str, axis: int) -> Linear:
        if storage in f.lists:
            return self._unknown(0, f.lists[storage].length)
        shape = f.shapes.get(storage)
        return self._unknown(0, inf) if shape is None else shape[axis]

    def _size(self, f: _Frame, shape: Sequence[Linear], dtype_size: int) -> Number:
        total: Number = dtype_size
        for n in shape:
            total = _times(total, max(self._bounds(n)[1], 0))
        return total

    # -- functions

    def root(self, sizes: Mapping[str, int]) -> Footprint:
        f = self.module.root
        frame = _Frame(f, self.facts.functions[f.name])
        for p in f.params:
            if isinstance(p, Scalar) and p.dtype.is_integer:
                frame.integers[p.name] = Linear(sizes[p.name]) if p.name in sizes else self._any()
        for p in f.params:
            if isinstance(p, Buffer):
                frame.shapes[p.name] = tuple(self._integer(frame, e) for e in p.shape)
        self._enter_frame(f)
        moments: list[Moment] = []
        for stmt in f.body:
            self.high = self.current
            self._statement(frame, stmt)
            moments.append(Moment(stmt.span, int(self.high), int(self.current)))
        self._results(frame)
        return Footprint(int(self.peak), self.at_peak, tuple(moments), self.turns)

    def _results(self, frame: _Frame) -> None:
        """Results that are not made in place are copied to arrays of their own at the end."""
        f = frame.function
        in_place = made_in_place(f, frame.of.held)
        params = {p.name for p in f.params}
        for name in f.results:
            storage = frame.of.storages[name]
            if storage.rank == 0 or name in in_place or name in params:
                continue
            shape = [self._extent(frame, name, k) for k in range(storage.rank)]
            size = self._size(frame, shape, storage.dtype.numpy.itemsize)
            if size == inf:
                raise Unbounded(f"the extents of {name} are not known before it is computed", None)
            self._take(Held(f.name, name, int(_rounded(size)), None))

    def _enter_frame(self, f: Function) -> None:
        """The struct of the variables that the pieces of a long function share, if that is not on the stack."""
        of = self.facts.functions[f.name]
        variables = sum(_variables(of.storages[n], n in of.held) if n in of.storages else 1 for n in self._framed(f))
        if variables > FRAME_ON_STACK or (variables and of.recurses):
            self._take(Held(f.name, "(variables)", int(_rounded(8 * variables)), f.span))

    def _framed(self, f: Function) -> set[str]:
        known = self.of.framed
        if f.name not in known:
            known[f.name] = framed(f, self.facts.functions[f.name], Cutter()) or set()
        return known[f.name]

    def _call(self, frame: _Frame, stmt: Call) -> None:
        f = self.module.functions[stmt.function]
        if f.name in self.running:
            raise Unbounded(f"how deep {f.name} calls itself is not known", stmt.span)
        inner = _Frame(f, self.facts.functions[f.name])
        key: list[object] = []
        for p, a in zip(f.params, stmt.args, strict=True):
            match p, a:
                case Scalar(), str():
                    raise AssertionError("a storage for a scalar")
                case Scalar(), _:
                    if p.dtype.is_integer and not isinstance(a, str):
                        inner.integers[p.name] = self._integer(frame, a)
                        key.append(inner.integers[p.name])
                case Growable(), str():
                    if a in frame.lists:
                        inner.lists[p.name] = frame.lists[a]
                case Buffer(), str():
                    rank = p.rank
                    inner.shapes[p.name] = tuple(self._extent(frame, a, k) for k in range(rank))
                    key.append(inner.shapes[p.name])
                case _:
                    raise AssertionError(f"{a} for {p}")
        self.running.append(f.name)
        if inner.lists:
            before = len(self.live)
            self._enter_frame(f)
            self._block(inner, f.body)
            self._give_back_of(before, f.name)
        else:
            self._look(*self._apart(inner, tuple(key)))
        self.running.pop()

    def _give_back_of(self, before: int, function: str) -> None:
        """What a function leaves behind is what its caller's lists have reserved."""
        rest = [h for h in self.live[before:] if h.function != function or h.name != "(variables)"]
        self.current -= sum(h.bytes for h in self.live[before:]) - sum(h.bytes for h in rest)
        self.live[before:] = rest

    def _apart(self, inner: _Frame, key: tuple[object, ...]) -> tuple[Number, tuple[Held, ...]]:
        """What a call takes at its peak that leaves nothing behind."""
        name = inner.function.name
        found = self.known.get((name, key))
        if found is None:
            saved = self.current, self.peak, self.live, self.at_peak, self.high
            self.current, self.peak, self.live, self.at_peak = 0, 0, [], ()
            self._enter_frame(inner.function)
            self._block(inner, inner.function.body)
            found = self.known[name, key] = self.peak, self.at_peak
            self.current, self.peak, self.live, self.at_peak, self.high = saved
        return found

    # -- statements

    def _block(self, f: _Frame, block: Block) -> None:
        before = len(self.live)
        lists = set(f.lists)
        for stmt in block:
            self._statement(f, stmt)
        declared = {s.name for s in map(walk.declared, block) if s is not None and s.name not in f.of.held}
        mine = f.function.name

        def stays(h: Held) -> bool:
            return not (h.function == mine and h.name in declared)

        rest = [h for h in self.live[before:] if stays(h)]
        self.current -= sum(h.bytes for h in self.live[before:]) - sum(h.bytes for h in rest)
        self.live[before:] = rest
        for name in set(f.lists) - lists:
            del f.lists[name]

    def _statement(self, f: _Frame, stmt: Stmt) -> None:
        match stmt:
            case Alloc(buffer):
                f.shapes[buffer.name] = tuple(self._integer(f, e) for e in buffer.shape)
                if buffer.name in self._settled(f.function):
                    f.contents[buffer.name] = (0, 0)
                self._alloc(f, buffer, stmt.span)
            case Declare(Growable() as g):
                size = g.dtype.numpy.itemsize if g.ref_rank is None else REF_BYTES
                f.lists[g.name] = _List(g.name, f.function.name, size, stmt.span)
            case View(buffer) | Reshape(buffer):
                f.shapes[buffer.name] = tuple(self._integer(f, e) for e in buffer.shape)
            case Let(name, value):
                if value.dtype.is_integer or value.dtype.value == "bool":
                    f.integers[name] = self._integer(f, value)
            case Store(storage, index, value) if index and storage in f.contents:
                low, high = self._bounds(self._integer(f, value))
                before = f.contents[storage]
                f.contents[storage] = min(before[0], low), max(before[1], high)
            case Store(storage, (), value) if value.dtype.is_integer:
                f.cells[storage] = self._bounds(self._integer(f, value))
            case Accumulate(storage, (), value, op) if value.dtype.is_integer:
                self._accumulate(f, storage, value, op)
            case If(_, then, orelse):
                self._if(f, then, orelse)
            case Loop():
                self._loop(f, stmt)
            case LibCall():
                self._library(f, stmt)
            case Call():
                self._call(f, stmt)
            case Push(growable) | PushRef(growable):
                self._grow(f.lists[growable], 1, stmt.span)
            case Pop(_, growable) | PopRef(_, growable):
                if growable in f.lists:
                    f.lists[growable].length = max(f.lists[growable].length - 1, 0)
            case Resize(growable, delta):
                self._grow(f.lists[growable], self._most(f, delta), stmt.span, exactly=True)
            case _:
                pass

    def _alloc(self, f: _Frame, buffer: Buffer, span: Span | None) -> None:
        held = buffer.name in f.of.held
        if not buffer.shape and not held and buffer.name not in f.of.escaping:
            if buffer.dtype.is_integer:
                f.cells[buffer.name] = (0, 0)
            return
        if not held and self._is_local(f, buffer):
            return
        size = _rounded(self._size(f, f.shapes[buffer.name], buffer.dtype.numpy.itemsize))
        if held:  # refs may let it live on: one buffer each, or all that there are if lists collect them
            size = _times(size, f.turns if self.of.collects else min(f.turns, self.of.refs + 1))
        if size == inf:
            raise Unbounded(f"the extents of {buffer.name} are not known beforehand", span)
        self._take(Held(f.function.name, buffer.name, int(size), span))

    def _is_local(self, f: _Frame, buffer: Buffer) -> bool:
        """Whether a buffer is an array on the C stack (see `storages.fits_locally`)."""
        function = f.function
        if buffer.name in self._framed(function) or buffer.name in f.of.escaping or buffer.name in function.results:
            return False
        count = 1
        for e in buffer.shape:
            if not isinstance(e, Const):
                return False
            count *= max(int(e.value.real), 0)
        return count * buffer.dtype.numpy.itemsize <= LOCAL_ARRAY_BYTES

    def _accumulate(self, f: _Frame, storage: str, value: Expr, op: str) -> None:
        if storage not in f.cells:
            return
        low, high = f.cells[storage]
        add_low, add_high = self._bounds(self._integer(f, value))
        if op == "add":
            f.cells[storage] = low + add_low, high + add_high
        else:
            f.cells[storage] = min(low, add_low), max(high, add_high)

    def _if(self, f: _Frame, then: Block, orelse: Block) -> None:
        cells = dict(f.cells)
        lengths = {name: x.length for name, x in f.lists.items()}
        self._block(f, then)
        after = {name: x.length for name, x in f.lists.items()}
        cells, f.cells = f.cells, cells
        for name, x in f.lists.items():
            x.length = lengths.get(name, 0)
        self._block(f, orelse)
        for name, (low, high) in cells.items():
            if name in f.cells:
                f.cells[name] = min(low, f.cells[name][0]), max(high, f.cells[name][1])
        for name, x in f.lists.items():
            x.length = max(x.length, after[name])

    # -- loops

    def _loop(self, f: _Frame, loop: Loop) -> None:
        least, most, var = self._turns(f, loop)
        known = self.turns.get((f.function.name, loop.var), (inf, 0))
        self.turns[f.function.name, loop.var] = min(known[0], least), max(known[1], most)
        if most <= 0:
            return
        self._widen(f, loop.body, most)
        f.integers[loop.var] = var
        outer, f.turns = f.turns, _times(f.turns, most)
        lists = [f.lists[n] for n in self._touched(f, loop.body)]
        if lists:
            self._stacking(f, loop, lists, least, most)
        else:
            self._block(f, loop.body)
        f.turns = outer

    def _turns(self, f: _Frame, loop: Loop) -> tuple[Number, Number, Linear]:
        """The least and the greatest number of iterations, and the loop variable."""
        start = self._integer(f, loop.start)
        sign = 1 if loop.step > 0 else -1
        if loop.stop is None:
            return 0, inf, self._sum(start, self._unknown(0, inf), sign)
        stop = self._integer(f, loop.stop)
        distance = self._sum(stop, start, -1) if loop.step > 0 else self._sum(start, stop, -1)
        low, high = self._bounds(distance)
        least, most = _turns_of(low, abs(loop.step)), _turns_of(high, abs(loop.step))
        var = self._sum(start, self._unknown(0, max(high - 1, 0)), sign)
        return 0 if loop.cond is not None else least, most, var

    def _widen(self, f: _Frame, body: Block, most: Number) -> None:
        """What cells may hold at the start of any iteration."""
        if not f.cells:
            return
        counts: dict[str, Number] = {}
        lets = {s.name: s.value for s in walk.statements(body) if isinstance(s, Let)}
        for times, s in self._with_turns(f, body):
            match s:
                case Store(storage, ()) if storage in f.cells:
                    f.cells[storage] = (-inf, inf)
                case Accumulate(storage, (), value, "add") if storage in f.cells:
                    step = _step(value, lets)
                    if step is not None:
                        counts[storage] = counts.get(storage, 0) + _times(step, times)
                    else:
                        f.cells[storage] = (-inf, inf)
                case Accumulate(storage, ()) if storage in f.cells:
                    f.cells[storage] = (-inf, inf)
                case Call(args=args):
                    for a in args:
                        if isinstance(a, str) and a in f.cells:
                            f.cells[a] = (-inf, inf)
                case _:
                    pass
        for storage, n in counts.items():
            low, high = f.cells[storage]
            f.cells[storage] = low, high + _times(n, max(most - 1, 0))

    def _with_turns(self, f: _Frame, body: Block, turns: Number = 1) -> Iterator[tuple[Number, Stmt]]:
        """The statements of a block, and how often each runs in one run of the block, at most."""
        for s in body:
            yield turns, s
            for inner in walk.blocks(s):
                more = self._turns(f, s)[1] if isinstance(s, Loop) else 1
                yield from self._with_turns(f, inner, _times(turns, more))

    def _settled(self, f: Function) -> frozenset[str]:
        """The arrays of integers of a function that are loaded from only when all that is stored in them is stored."""
        known = self.of.settled
        if f.name not in known:
            known[f.name] = _settled(f)
        return known[f.name]

    def _touched(self, f: _Frame, body: Block) -> list[str]:
        if not f.lists:
            return []
        known = self.of.touched.get(id(body))
        if known is None:
            found = set[str]()
            for s in walk.statements(body):
                match s:
                    case (
                        Push(growable=g)
                        | Pop(growable=g)
                        | Resize(growable=g)
                        | PushRef(growable=g)
                        | PopRef(growable=g)
                    ):
                        found.add(g)
                    case Call(args=args):
                        found |= {a for a in args if isinstance(a, str)}
                    case _:
                        pass
            known = self.of.touched[id(body)] = frozenset(found)
        return [g for g in f.lists if g in known]

    def _stacking(self, f: _Frame, loop: Loop, lists: list[_List], least: Number, most: Number) -> None:
        """A loop that changes the lengths of lists: an iteration is followed first to see by how much."""
        saved = self.current, self.peak, list(self.live), self.at_peak, self.high
        states = [(x.length, x.reserved) for x in lists]
        cells = dict(f.cells)
        self._block(f, loop.body)
        changes = [x.length - before[0] for x, before in zip(lists, states, strict=True)]
        self.current, self.peak, self.live, self.at_peak, self.high = saved
        f.cells = cells
        for x, state in zip(lists, states, strict=True):
            x.length, x.reserved = state
        for x, change in zip(lists, changes, strict=True):
            if change > 0:
                self._grow(x, _times(change, most - 1), loop.span)
        starts = [x.length for x in lists]
        self._block(f, loop.body)
        for x, change, start in zip(lists, changes, starts, strict=True):
            if change < 0:
                x.length = max(start + (_times(change, least) if least else 0), 0)

    # -- lists and libraries

    def _grow(self, x: _List, by: Number, span: Span | None, exactly: bool = False) -> None:
        if by <= 0:
            x.length = max(x.length + by, 0)
            return
        first = x.length == 0 and x.reserved == 0
        x.length += by
        needed = _times(x.length, x.size)
        if needed == inf:
            raise Unbounded("what is kept for every turn of a loop of unknown length", span or x.span)
        # What was reserved may have been less than is known here: the list moves, and grows beyond what is needed.
        once = first and exactly
        room = needed if once else needed * 3 // 2 if needed < LARGE else max(needed * 9 // 8, LARGE * 3 // 2)
        room = max(int(_rounded(max(room, 16 * x.size))), int(x.reserved))
        old = x.reserved
        moved = 0 if once else min(room, LARGE)
        self.current += room - old
        for k, h in enumerate(self.live):
            if h.name == x.name and h.function == x.function:
                self.live[k] = Held(x.function, x.name, room, x.span)
                break
        else:
            self.live.append(Held(x.function, x.name, room, x.span))
        x.reserved = room
        self._look(moved)

    def _library(self, f: _Frame, stmt: LibCall) -> None:
        """Work space, as in `linear_algebra_of.c`, `sort.c` and `entry.c`."""
        first = next(i for i in stmt.ins if isinstance(i, str))
        size = f.of.storages[first].dtype.numpy.itemsize
        shape = [max(self._bounds(self._extent(f, first, k))[1], 0) for k in range(f.of.storages[first].rank)]
        n = shape[0]
        square = _rounded(_times(_times(n, n), size))
        match stmt.op:
            case "matmul":
                more = sum(
                    _rounded(self._bytes(f, name))
                    for name in (*stmt.outs, *stmt.ins)
                    if isinstance(name, str) and not _has_unit_axis(f, name)
                )
            case "solve":
                second = next(i for i in stmt.ins[1:] if isinstance(i, str))
                more = square + _rounded(self._bytes(f, second)) + _rounded(4 * n)
            case "inv":
                more = 3 * square + _rounded(4 * n)
            case "cholesky":
                more = square
            case "det":
                more = square + _rounded(4 * n)
            case "eigh":  # LWORK of syevd and heevd, generously
                more = 4 * square + _rounded(size * (64 * n + 64)) + _rounded(4 * (3 + 5 * n)) + 2 * square
            case "sort":
                more = _rounded(32 * n)
            case "fft":
                more = _rounded(2 * n * size)
            case _:
                raise Unbounded(f"the work space of {stmt.op} is not known", stmt.span)
        if more == inf:
            raise Unbounded(f"the work space of {stmt.op} is not known beforehand", stmt.span)
        self._look(more, (Held(f.function.name, stmt.op, int(more), stmt.span),))

    def _bytes(self, f: _Frame, name: str) -> Number:
        storage: Storage = f.of.storages[name]
        return self._size(f, [self._extent(f, name, k) for k in range(storage.rank)], storage.dtype.numpy.itemsize)


def _settled(f: Function) -> frozenset[str]:
    """Arrays of integers that are stored to element by element, then loaded from: no loop in which they live has both,
    and nothing else touches them."""
    homes: dict[str, tuple[int, ...]] = {}
    stores: dict[str, list[tuple[int, ...]]] = {}
    loads: dict[str, list[tuple[int, ...]]] = {}
    other = set[str](f.results)

    def visit(block: Block, path: tuple[int, ...]) -> None:
        for s in block:
            for e in walk.expressions(s):
                for x in walk.subexpressions(e):
                    if isinstance(x, Load) and x.storage in homes:
                        loads.setdefault(x.storage, []).append(path)
            match s:
                case Alloc(buffer) if buffer.dtype.is_integer and buffer.shape:
                    homes[buffer.name] = path
                case Store(storage) if storage in homes:
                    stores.setdefault(storage, []).append(path)
                    if storage in loads:
                        other.add(storage)
                case Alloc() | Let() | Store() | If() | Loop():
                    pass
                case _:
                    other.update(walk.used(s) - {x.storage for e in walk.expressions(s) for x in walk.loads(e)})
                    other.update(walk.writes(s))
            for inner in walk.blocks(s):
                visit(inner, (*path, id(s)) if isinstance(s, Loop) else path)

    visit(f.body, ())

    def is_apart(name: str) -> bool:
        depth = len(homes[name])
        return not any(
            len(a) > depth and len(b) > depth and a[depth] == b[depth]
            for a in stores.get(name, ())
            for b in loads[name]
        )

    return frozenset(n for n in homes if n in loads and n not in other and is_apart(n))


def _variables(storage: Storage, held: bool) -> int:
    """At most how many C variables stand for a storage."""
    if not isinstance(storage, Buffer):
        return 3 + 2 * storage.rank
    named = sum(not isinstance(e, (Const, Var)) for e in storage.shape)
    return 1 + named + (storage.rank if storage.strided else 0) + held


def _times(a: Number, b: Number) -> Number:
    return 0 if a == 0 or b == 0 else a * b


def _step(e: Expr, lets: Mapping[str, Expr]) -> int | None:
    """The greatest value of what is counted, if it is never negative: a constant, or whether something holds."""
    match e:
        case Const(int() as n) if n >= 0:
            return int(n)
        case Var(name) if name in lets:
            return _step(lets[name], lets)
        case Cast(inner):
            return _step(inner, lets)
        case _:
            return 1 if e.dtype.value == "bool" else None


def _floordiv(a: Number, b: Number) -> Number:
    if b == inf:
        return 0 if a >= 0 else -1
    return a if a in (inf, -inf) else a // b


def _turns_of(distance: Number, step: int) -> Number:
    return inf if distance == inf else 0 if distance <= 0 else (int(distance) + step - 1) // step


def _has_unit_axis(f: _Frame, name: str) -> bool:
    """Whether BLAS can take a matrix as it lies."""
    storage = f.of.storages[name]
    if not isinstance(storage, Buffer):
        return False
    if not storage.strided:
        return True
    for s in walk.statements(f.function.body):
        if isinstance(s, View) and s.buffer.name == name:
            base = f.of.storages[s.base]
            along = [axis for axis, step in s.axes if step == Const(1, step.dtype)]
            return isinstance(base, Buffer) and not base.strided and base.rank - 1 in along and None not in along
    return False
