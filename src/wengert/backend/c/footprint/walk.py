"""The statements of a module, followed as the C code runs them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import inf

from ....ir import walk
from ....ir.nodes import (
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
    Rebind,
    Ref,
    Reshape,
    Resize,
    Scalar,
    Select,
    Span,
    Stmt,
    Store,
    Var,
    View,
)
from ....ir.types import F64
from ..entry import made_in_place
from ..storages import LOCAL_ARRAY_BYTES
from ..writer import FRAME_ON_STACK
from .account import Account, Held
from .facts import Facts, variables_of
from .frames import Frame, List
from .integers import EXACT, Integers, Linear, Number, real_operation, rounded, times
from .results import Footprint, Moment, Unbounded
from .windows import window
from .work_space import work_space

LARGE = 1 << 20
"""Lists of at least so many bytes grow in place, by an eighth (WG_LARGE of `arena.c`)."""
REF_BYTES = 96
"""At most what an element of a list of arrays takes."""


class Walk:
    def __init__(self, of: Facts) -> None:
        self.of, self.module = of, of.module
        self.integers, self.account = Integers(), Account()
        self.known: dict[tuple[str, tuple[object, ...]], tuple[Number, tuple[Held, ...]]] = {}
        self.running: list[str] = []
        self.turns: dict[tuple[str, str], tuple[Number, Number]] = {}
        self.on_disk: list[Held] = []

    # -- integers

    def _integer(self, f: Frame, e: Expr) -> Linear:
        match e:
            case Const(value):
                return self.integers.any() if e.dtype.is_inexact else Linear(int(value.real))
            case Var(name):
                return f.integers.get(name) or self.integers.unknown(-inf, inf)
            case Extent(storage, axis):
                return self._extent(f, storage, axis)
            case Cast(value) if value.dtype.is_integer or value.dtype.value == "bool":
                return self._integer(f, value)
            case Cast(value) if e.dtype.is_integer and (real := self._real(f, value)) is not None:
                return self.integers.unknown(int(real[0]), int(real[1]))
            case Load(storage, ()) if storage in f.cells:
                return self.integers.unknown(*f.cells[storage])
            case Load(storage) if storage in f.contents:
                return self.integers.unknown(*f.contents[storage])
            case Op(name, args):
                return (
                    self.integers.operation(name, [self._integer(f, a) for a in args])
                    if not e.dtype.is_inexact
                    else self.integers.any()
                )
            case Select(_, then, orelse):
                a, b = self._integer(f, then), self._integer(f, orelse)
                return a if a == b else self._either(a, b)
            case _:
                return self.integers.any() if e.dtype.value != "bool" else self.integers.unknown(0, 1)

    def _either(self, a: Linear, b: Linear) -> Linear:
        (low, high), (low2, high2) = self.integers.bounds(a), self.integers.bounds(b)
        return self.integers.unknown(min(low, low2), max(high, high2))

    def _real(self, f: Frame, e: Expr) -> tuple[float, float] | None:
        """The least and the greatest value of a float that is made from integers with finite ranges; None if it is not
        known. Rounding is monotone, so the ends are what the program computes for the ends."""
        if e.dtype != F64:
            return None
        match e:
            case Const(value) if not isinstance(value, complex) and abs(value) < EXACT:
                return float(value), float(value)
            case Var(name) if name in f.reals:
                return f.reals[name]
            case Cast(value) if value.dtype.is_integer:
                low, high = self.integers.bounds(self._integer(f, value))
                return (float(low), float(high)) if -EXACT < low <= high < EXACT else None
            case Op(name, args):
                ends = [self._real(f, a) for a in args]
                return None if None in ends else real_operation(name, [x for x in ends if x is not None])
            case _:
                return None

    def _most(self, f: Frame, e: Expr) -> Number:
        return self.integers.bounds(self._integer(f, e))[1]

    def _extent(self, f: Frame, storage: str, axis: int) -> Linear:
        if storage in f.lists:
            return self.integers.unknown(0, f.lists[storage].length)
        shape = f.shapes.get(storage)
        return self.integers.unknown(0, inf) if shape is None else shape[axis]

    def _size(self, f: Frame, shape: Sequence[Linear], dtype_size: int) -> Number:
        total: Number = dtype_size
        for n in shape:
            total = times(total, max(self.integers.bounds(n)[1], 0))
        return total

    # -- functions

    def root(self, sizes: Mapping[str, int]) -> Footprint:
        f = self.module.root
        frame = Frame(f, self.of.functions[f.name])
        for p in f.params:
            if isinstance(p, Scalar) and p.dtype.is_integer:
                frame.integers[p.name] = Linear(sizes[p.name]) if p.name in sizes else self.integers.any()
        for p in f.params:
            if isinstance(p, Buffer):
                frame.shapes[p.name] = tuple(self._integer(frame, e) for e in p.shape)
        self._enter_frame(f)
        moments: list[Moment] = []
        spent = frame.of.spent(f.body)
        for k, stmt in enumerate(f.body):
            self.account.high = self.account.current
            self._statement(frame, stmt)
            self.account.drop(f.name, spent.get(k, ()))
            moments.append(Moment(stmt.span, int(self.account.high), int(self.account.current)))
        self._results(frame)
        peak = int(self.account.peak)
        return Footprint(peak, self.account.at_peak, tuple(moments), self.turns, tuple(self.on_disk))

    def _results(self, frame: Frame) -> None:
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
            self.account.take(Held(f.name, name, int(rounded(size)), None))

    def _enter_frame(self, f: Function) -> None:
        """The struct of the variables that the pieces of a long function share, if that is not on the stack."""
        of = self.of.functions[f.name]
        variables = sum(
            variables_of(of.storages[n], n in of.held) if n in of.storages else 1 for n in self.of.framed(f)
        )
        if variables > FRAME_ON_STACK or (variables and of.recurses):
            self.account.take(Held(f.name, "(variables)", int(rounded(8 * variables)), f.span))

    def _call(self, frame: Frame, stmt: Call) -> None:
        f = self.module.functions[stmt.function]
        if f.name in self.running:
            raise Unbounded(f"how deep {f.name} calls itself is not known", stmt.span)
        inner = Frame(f, self.of.functions[f.name])
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
            before = len(self.account.live)
            self._enter_frame(f)
            self._block(inner, f.body)
            self.account.keep(before, lambda h: h.function != f.name or h.name != "(variables)")
        else:
            self.account.look(*self._apart(inner, tuple(key)))
        self.running.pop()

    def _apart(self, inner: Frame, key: tuple[object, ...]) -> tuple[Number, tuple[Held, ...]]:
        """What a call takes at its peak that leaves nothing behind."""
        name = inner.function.name
        found = self.known.get((name, key))
        if found is None:
            outer, self.account = self.account, Account()
            self._enter_frame(inner.function)
            self._block(inner, inner.function.body)
            found = self.known[name, key] = self.account.peak, self.account.at_peak
            self.account = outer
        return found

    # -- statements

    def _block(self, f: Frame, block: Block) -> None:
        before = len(self.account.live)
        lists = set(f.lists)
        spent = f.of.spent(block)
        for k, stmt in enumerate(block):
            self._statement(f, stmt)
            self.account.drop(f.function.name, spent.get(k, ()))
        declared = {s.name for s in map(walk.declared, block) if s is not None and s.name not in f.of.held}
        mine = f.function.name

        self.account.keep(before, lambda h: h.function != mine or h.name not in declared)
        for name in set(f.lists) - lists:
            del f.lists[name]

    def _statement(self, f: Frame, stmt: Stmt) -> None:
        match stmt:
            case Alloc(buffer):
                f.shapes[buffer.name] = tuple(self._integer(f, e) for e in buffer.shape)
                if buffer.name in self.of.settled(f.function):
                    f.contents[buffer.name] = (0, 0)
                self._alloc(f, buffer, stmt.span)
            case Declare(Ref(name)):
                f.shapes.pop(name, None)
            case Rebind(ref, target):
                f.shapes[ref] = tuple(self._extent(f, target, k) for k in range(f.of.storages[target].rank))
            case Declare(Growable() as g):
                size = g.dtype.numpy.itemsize if g.ref_rank is None else REF_BYTES
                f.lists[g.name] = List(g.name, f.function.name, size, stmt.span)
            case View(buffer) | Reshape(buffer):
                f.shapes[buffer.name] = tuple(self._integer(f, e) for e in buffer.shape)
            case Let(name, value):
                if value.dtype.is_integer or value.dtype.value == "bool":
                    f.integers[name] = self._integer(f, value)
                elif (real := self._real(f, value)) is not None:
                    f.reals[name] = real
            case Store(storage, index, value) if index and storage in f.contents:
                low, high = self.integers.bounds(self._integer(f, value))
                before = f.contents[storage]
                f.contents[storage] = min(before[0], low), max(before[1], high)
            case Store(storage, (), value) if value.dtype.is_integer:
                f.cells[storage] = self.integers.bounds(self._integer(f, value))
            case Accumulate(storage, (), value, op) if value.dtype.is_integer:
                self._accumulate(f, storage, value, op)
            case If(_, then, orelse):
                self._if(f, then, orelse)
            case Loop():
                self._loop(f, stmt)
            case LibCall():
                more = work_space(f, stmt, lambda name: self._shape(f, name))
                self.account.look(more, (Held(f.function.name, stmt.op, more, stmt.span),))
            case Call():
                self._call(f, stmt)
            case Push(growable):
                self._grow(f.lists[growable], 1, stmt.span)
            case PushRef(growable, ref):
                rank = f.of.storages[ref].rank
                f.lists[growable].pushed([self.integers.bounds(self._extent(f, ref, k)) for k in range(rank)])
                self._grow(f.lists[growable], 1, stmt.span)
            case Pop(name, growable) | PopRef(name, growable):
                self._popped(f, name, f.lists.get(growable))
                if growable in f.lists:
                    f.lists[growable].length = max(f.lists[growable].length - 1, 0)
            case Resize(growable, delta):
                self._grow(f.lists[growable], self._most(f, delta), stmt.span, exactly=True)
            case _:
                pass

    def _alloc(self, f: Frame, buffer: Buffer, span: Span | None) -> None:
        held = buffer.name in f.of.held
        if not buffer.shape and not held and buffer.name not in f.of.escaping:
            if buffer.dtype.is_integer:
                f.cells[buffer.name] = (0, 0)
            return
        if not held and self._is_local(f, buffer):
            return
        size = rounded(self._size(f, f.shapes[buffer.name], buffer.dtype.numpy.itemsize))
        if held:  # refs may let it live on: one buffer each, or all that there are if lists collect them
            size = times(size, f.turns if self.of.collects else min(f.turns, self.of.refs + 1))
        if size == inf:
            raise Unbounded(f"the extents of {buffer.name} are not known beforehand", span)
        rows = self.of.tapes.get(buffer.name) if f.function is self.module.root else None
        if rows is not None:
            row = self._size(f, f.shapes[buffer.name][1:], buffer.dtype.numpy.itemsize)
            inside = window(int(size), int(row), rows) if row != inf else size
            if inside < size:
                self.on_disk.append(Held(f.function.name, buffer.name, int(size), span))
                size = inside
        self.account.take(Held(f.function.name, buffer.name, int(size), span))

    def _is_local(self, f: Frame, buffer: Buffer) -> bool:
        """Whether a buffer is an array on the C stack (see `storages.fits_locally`)."""
        function = f.function
        if buffer.name in self.of.framed(function) or buffer.name in f.of.escaping or buffer.name in function.results:
            return False
        count = 1
        for e in buffer.shape:
            if not isinstance(e, Const):
                return False
            count *= max(int(e.value.real), 0)
        return count * buffer.dtype.numpy.itemsize <= LOCAL_ARRAY_BYTES

    def _accumulate(self, f: Frame, storage: str, value: Expr, op: str) -> None:
        if storage not in f.cells:
            return
        low, high = f.cells[storage]
        add_low, add_high = self.integers.bounds(self._integer(f, value))
        if op == "add":
            f.cells[storage] = low + add_low, high + add_high
        else:
            f.cells[storage] = min(low, add_low), max(high, add_high)

    def _if(self, f: Frame, then: Block, orelse: Block) -> None:
        cells, shapes = dict(f.cells), dict(f.shapes)
        lengths = {name: x.length for name, x in f.lists.items()}
        self._block(f, then)
        shapes, f.shapes = f.shapes, shapes
        after = {name: x.length for name, x in f.lists.items()}
        cells, f.cells = f.cells, cells
        for name, x in f.lists.items():
            x.length = lengths.get(name, 0)
        self._block(f, orelse)
        for name in f.shapes.keys() & shapes.keys():
            pairs = zip(f.shapes[name], shapes[name], strict=True)
            f.shapes[name] = tuple(a if a == b else self._either(a, b) for a, b in pairs)
        for name in self.of.rebound(then) - shapes.keys():
            f.shapes.pop(name, None)
        for name, (low, high) in cells.items():
            if name in f.cells:
                f.cells[name] = min(low, f.cells[name][0]), max(high, f.cells[name][1])
        for name, x in f.lists.items():
            x.length = max(x.length, after[name])

    # -- loops

    def _loop(self, f: Frame, loop: Loop) -> None:
        least, most, var = self._turns(f, loop)
        known = self.turns.get((f.function.name, loop.var), (inf, 0))
        self.turns[f.function.name, loop.var] = min(known[0], least), max(known[1], most)
        if most <= 0:
            return
        self._widen(f, loop.body, most)
        rebound = self.of.rebound(loop.body)
        for name in self.of.mixed(f.lists, loop.body):
            f.lists[name].is_mixed = True
        for name in rebound:  # what an earlier turn has bound it to
            f.shapes.pop(name, None)
        f.integers[loop.var] = var
        outer, f.turns = f.turns, times(f.turns, most)
        lists = [f.lists[n] for n in self.of.touched(f.lists, loop.body)]
        if lists:
            self._stacking(f, loop, lists, least, most)
        else:
            self._block(f, loop.body)
        for name in rebound:
            f.shapes.pop(name, None)
        f.turns = outer

    def _turns(self, f: Frame, loop: Loop) -> tuple[Number, Number, Linear]:
        """The least and the greatest number of iterations, and the loop variable."""
        start = self._integer(f, loop.start)
        sign = 1 if loop.step > 0 else -1
        if loop.stop is None:
            return 0, inf, self.integers.sum(start, self.integers.unknown(0, inf), sign)
        stop = self._integer(f, loop.stop)
        distance = self.integers.sum(stop, start, -1) if loop.step > 0 else self.integers.sum(start, stop, -1)
        low, high = self.integers.bounds(distance)
        least, most = _turns_of(low, abs(loop.step)), _turns_of(high, abs(loop.step))
        var = self.integers.sum(start, self.integers.unknown(0, max(high - 1, 0)), sign)
        return 0 if loop.cond is not None else least, most, var

    def _widen(self, f: Frame, body: Block, most: Number) -> None:
        """What cells may hold at the start of any iteration."""
        if not f.cells:
            return
        counts: dict[str, Number] = {}
        lets = {s.name: s.value for s in walk.statements(body) if isinstance(s, Let)}
        for often, s in self._with_turns(f, body):
            match s:
                case Store(storage, ()) if storage in f.cells:
                    f.cells[storage] = (-inf, inf)
                case Accumulate(storage, (), value, "add") if storage in f.cells:
                    step = _step(value, lets)
                    if step is not None:
                        counts[storage] = counts.get(storage, 0) + times(step, often)
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
            f.cells[storage] = low, high + times(n, max(most - 1, 0))

    def _with_turns(self, f: Frame, body: Block, turns: Number = 1) -> Iterator[tuple[Number, Stmt]]:
        """The statements of a block, and how often each runs in one run of the block, at most."""
        for s in body:
            yield turns, s
            for inner in walk.blocks(s):
                more = self._turns(f, s)[1] if isinstance(s, Loop) else 1
                yield from self._with_turns(f, inner, times(turns, more))

    def _stacking(self, f: Frame, loop: Loop, lists: list[List], least: Number, most: Number) -> None:
        """A loop that changes the lengths of lists: an iteration is followed first to see by how much."""
        saved = self.account.copy()
        states = [(x.length, x.reserved) for x in lists]
        cells = dict(f.cells)
        self._block(f, loop.body)
        changes = [x.length - before[0] for x, before in zip(lists, states, strict=True)]
        self.account = saved
        f.cells = cells
        for x, state in zip(lists, states, strict=True):
            x.length, x.reserved = state
        for x, change in zip(lists, changes, strict=True):
            if change > 0:
                self._grow(x, times(change, most - 1), loop.span)
        starts = [x.length for x in lists]
        self._block(f, loop.body)
        for x, change, start in zip(lists, changes, starts, strict=True):
            if change < 0:
                x.length = max(start + (times(change, least) if least else 0), 0)

    # -- lists

    def _grow(self, x: List, by: Number, span: Span | None, exactly: bool = False) -> None:
        if by <= 0:
            x.length = max(x.length + by, 0)
            return
        first = x.length == 0 and x.reserved == 0
        x.length += by
        needed = times(x.length, x.size)
        if needed == inf:
            raise Unbounded("what is kept for every turn of a loop of unknown length", span or x.span)
        # What was reserved may have been less than is known here: the list moves, and grows beyond what is needed.
        once = first and exactly
        room = needed if once else needed * 3 // 2 if needed < LARGE else max(needed * 9 // 8, LARGE * 3 // 2)
        room = max(int(rounded(max(room, 16 * x.size))), int(x.reserved))
        old = x.reserved
        moved = 0 if once else min(room, LARGE)
        self.account.grow(Held(x.function, x.name, room, x.span), old)
        x.reserved = room
        self.account.look(moved)

    def _popped(self, f: Frame, name: str, x: List | None) -> None:
        """A ref names one of the arrays whose refs were pushed."""
        f.shapes.pop(name, None)
        if x is not None and x.extents is not None and not x.is_mixed:
            f.shapes[name] = tuple(self.integers.unknown(low, high) for low, high in x.extents)

    def _shape(self, f: Frame, name: str) -> list[Number]:
        """The greatest extents of a storage."""
        return [max(self.integers.high(self._extent(f, name, k)), 0) for k in range(f.of.storages[name].rank)]


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


def _turns_of(distance: Number, step: int) -> Number:
    return inf if distance == inf else 0 if distance <= 0 else (int(distance) + step - 1) // step


def footprint(module: Module, sizes: Mapping[str, int]) -> Footprint:
    """The peak of the root, with integer parameters of these values (extents and others; the rest is unknown)."""
    return Footprints(module).at(sizes)


class Footprints:
    """The footprints of one module, at any sizes."""

    def __init__(self, module: Module, on_disk: Collection[str] = ()) -> None:
        """`on_disk`: arrays of the root that lie on disk if they are large (see `analysis.rows`)."""
        self.facts = Facts(module, on_disk)

    def at(self, sizes: Mapping[str, int]) -> Footprint:
        """With integer parameters of these values."""
        return Walk(self.facts).root(sizes)
