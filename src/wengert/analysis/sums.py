"""Sums of products in nests of loops: what each of them depends on, and which sums may be taken inside a factor.

A nest is *free of order* if all that it leaves behind are sums (`+=`) in arrays that it does not read: its turns may
then come in any order. What it computes on the way lies in arrays of one turn. Each of these, X, has a value that
depends on some of the nest's variables only; and where all that is made of it is linear in it and otherwise the same
for all values of a variable, the sum over it may be taken in X (distributivity): sum_v c X[v] = c sum_v X[v].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from wengert.analysis.affine import Facts, isub
from wengert.analysis.alias import Aliases
from wengert.analysis.instances import bounds
from wengert.ir.nodes import (
    ONE,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Extent,
    If,
    Let,
    Load,
    Loop,
    Op,
    Stmt,
    Storage,
    Store,
    Var,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import definitions, expressions, loads, map_expr, names_in, statements, subexpressions, substitute

SIZE = 200
"""The most nodes of a value that is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A sum, or a store to an array of one turn: the loops of the turn around it, and the statement of the turn that
    it is in. `value` and `index` are in terms of memory and variables."""

    stmt: Accumulate | Store
    loops: tuple[Loop, ...]
    origin: int
    value: Expr
    index: tuple[Expr, ...]

    @property
    def target(self) -> str:
        return self.stmt.storage


@dataclass(slots=True)
class Nest:
    """A nest free of order. `lets`: the names of a turn, in order; `depends`: the variables of the nest that
    the value of an array of a turn depends on."""

    loops: tuple[Loop, ...]
    guards: tuple[Expr, ...]
    body: Block
    lets: dict[str, Let]
    parts: list[Part]
    local: dict[str, Alloc]
    copies: dict[str, Part]
    """Arrays of one turn that are copies of others: these are read instead."""
    depends: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def seen_through(self, e: Expr) -> Expr:
        """An expression that reads what copies are copies of."""

        def value(x: Expr) -> Expr:
            copy = self.copies.get(x.storage) if isinstance(x, Load) else None
            if copy is None or not isinstance(x, Load):
                return x
            names = [e.name for e in copy.stmt.index if isinstance(e, Var)]
            return substitute(copy.value, dict(zip(names, x.index, strict=True)))

        return map_expr(value, e)

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(loop.var for loop in self.loops)

    @property
    def guarding(self) -> frozenset[str]:
        """The variables that decide whether there is anything to do."""
        return frozenset(self.variables) & frozenset[str]().union(*map(names_in, self.guards))


@dataclass(frozen=True, slots=True)
class Factoring:
    """By part, the variables of the nest that it must be run for; by array, those that its elements stay apart for, and
    whether it is computed whether or not there is anything to do."""

    runs: Mapping[Part, frozenset[str]]
    kept: Mapping[str, frozenset[str]]
    unguarded: frozenset[str]


def nest_of(loop: Loop, aliases: Aliases) -> Nest | None:
    """The nest that a loop is the outermost one of, as deep as it goes, if it is free of order."""
    path: list[Loop] = []
    guards: list[Expr] = []
    names: dict[str, Let] = {}
    block: Block = (loop,)
    while True:
        *before, last = block
        if not all(isinstance(s, Let) for s in before):
            break
        if isinstance(last, Loop) and _is_counted(last) and not _moves_with(last, path, names):
            path.append(last)
            block = last.body
        elif isinstance(last, If) and not last.orelse and path:
            guards.append(last.cond)
            block = last.then
        else:
            break
        names |= {s.name: s for s in before if isinstance(s, Let)}
        if not block:
            return None
    if not path or not any(isinstance(s, Alloc) for s in block):
        return None
    return _Turn(tuple(path), tuple(guards), block, names, aliases).nest()


class _Turn:
    """One turn of a nest, read statement by statement."""

    def __init__(
        self, path: tuple[Loop, ...], guards: tuple[Expr, ...], body: Block, names: dict[str, Let], aliases: Aliases
    ) -> None:
        self.path, self.guards, self.body, self.names, self.aliases = path, guards, body, names, aliases
        self.own = set(names)
        self.inside = {loop.var for loop in path} | set(names) | definitions(body)
        self.local: dict[str, Alloc] = {}
        self.parts: list[Part] = []
        self.cleared: set[str] = set()

    def nest(self) -> Nest | None:
        for k, s in enumerate(self.body):
            if not self._read(s, k):
                return None
        inlined = [self.inlined(g) for g in self.guards]
        if any(g is None for g in inlined) or not self._is_free():
            return None
        guards = tuple(g for g in inlined if g is not None)
        lets = {n: s for n, s in self.names.items() if n in self.own}
        found = Nest(self.path, guards, self.body, lets, self.parts, self.local, {})
        if not self._is_ordered(found):
            return None
        self._see_through(found)
        for part in self.parts:
            if part.target in self.local:
                found.depends[part.target] = reached(found, part, found.depends)
        return found

    def _read(self, s: Stmt, origin: int) -> bool:
        match s:
            case Let():
                self.names[s.name] = s
                self.own.add(s.name)
                return True
            case Alloc(buffer):
                self.local[buffer.name] = s
                return not any(names_in(e) & self.inside for e in buffer.shape)
            case Store(name, (), Const(0)) if name in self.local and name not in {p.target for p in self.parts}:
                self.local[name] = Alloc(self.local[name].buffer, True, self.local[name].span)
                self.cleared.add(name)
                return True
            case _:
                return self._collect(s, (), origin)

    def _collect(self, s: Stmt, loops: tuple[Loop, ...], origin: int) -> bool:
        """The parts of a statement."""
        match s:
            case Let():
                self.names[s.name] = s
                return True
            case Loop():
                ends = [self.inlined(e) for e in expressions(s)]
                if not _is_counted(s) or any(e is None or any(loads(e)) for e in ends):
                    return False
                assert ends[0] is not None
                around = (*loops, replace(s, start=ends[0], stop=ends[1]))
                return all(self._collect(t, around, origin) for t in s.body)
            case Store() | Accumulate():
                value, index = self.inlined(s.value), [self.inlined(e) for e in s.index]
                if value is None or not value.dtype.is_inexact:
                    return False
                self.parts.append(Part(s, loops, origin, value, tuple(e for e in index if e is not None)))
                return len(self.parts[-1].index) == len(index) and self._may_write(self.parts[-1])
            case _:
                return False

    def _may_write(self, part: Part) -> bool:
        """Whether an array of one turn is written once for each element, or a sum."""
        s = part.stmt
        if isinstance(s, Accumulate):
            return s.op == "add" and (s.storage not in self.local or self.local[s.storage].zero)
        names = [e.name for e in s.index if isinstance(e, Var)]
        return s.storage in self.local and len(names) == len(s.index) and sorted(names) == sorted(
            loop.var for loop in part.loops
        )  # fmt: skip

    def _is_free(self) -> bool:
        """Whether nothing is read that the turns leave behind, and each array of one turn comes from one part."""
        targets = [p.target for p in self.parts]
        if any(targets.count(name) > 1 for name in self.local):
            return False
        left = {self.aliases.of(t) for t in targets if t not in self.local}
        mine = {self.aliases.of(name) for name in self.local}
        read = {x for s in statements((self.path[0],)) for e in expressions(s) for x in subexpressions(e)}
        if any(isinstance(x, Extent) and x.storage in self.local for x in read):
            return False
        if any(isinstance(x, Op) and x.name in CHECKED for x in read):
            return False
        storages = {x.storage for x in read if isinstance(x, Load)}
        outside = storages - set(self.local)
        return left.isdisjoint(map(self.aliases.of, outside)) and mine.isdisjoint(
            {self.aliases.of(x) for x in (outside | set(targets)) - set(self.local)}
        )

    def _is_ordered(self, nest: Nest) -> bool:
        """Whether what is read of arrays of one turn has been computed by an earlier statement."""
        made = {p.target: p.origin for p in self.parts if p.target in self.local}
        for k, s in enumerate(self.body):
            for t in statements((s,)):
                for e in expressions(t):
                    if any(made.get(x.storage, k) >= k for x in loads(e) if x.storage in self.local):
                        return False
        for part in self.parts:
            index = (*part.index, *(i for x in loads(part.value) if x.storage in self.local for i in x.index))
            if any(x.storage in self.local for e in index for x in loads(e)):
                return False
            if part.target in self.local and any(names_in(e) & set(nest.variables) for e in part.index):
                return False
            inner = [i for x in loads(part.value) if x.storage in self.local for i in x.index]
            if any(names_in(e) & set(nest.variables) for e in inner):
                return False
        return not any(x.storage in self.local for g in nest.guards for x in loads(g))

    def _see_through(self, nest: Nest) -> None:
        """Read what copies are copies of."""
        for part in nest.parts:
            if isinstance(part.stmt, Store) and _is_copy(part.value) and not any(map(nest.copies.get, _read(part))):
                nest.copies[part.target] = part
        rest = [p for p in nest.parts if p.target not in nest.copies]
        nest.parts = [replace(p, value=nest.seen_through(p.value)) for p in rest]
        nest.local = {name: alloc for name, alloc in nest.local.items() if name not in nest.copies}

    def inlined(self, e: Expr) -> Expr | None:
        """An expression without the names of a turn; None if it grows too large."""
        nodes = 0

        def value(x: Expr) -> Expr:
            nonlocal nodes
            nodes += 1
            if nodes > SIZE:
                raise _TooLarge
            return map_expr(value, self.names[x.name].value) if isinstance(x, Var) and x.name in self.names else x

        try:
            return map_expr(value, e)
        except _TooLarge:
            return None


class _TooLarge(Exception):
    """A value has too many nodes."""


def reached(nest: Nest, part: Part, arrays: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The variables of the nest that a part depends on, given those that elements of arrays depend on."""
    e = [part.value, *part.index, *(x for loop in part.loops for x in expressions(loop))]
    return _variables(nest, e, arrays)


def _variables(nest: Nest, e: list[Expr], arrays: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found = frozenset[str]().union(*map(names_in, e)) & frozenset(nest.variables)
    return found.union(*(arrays.get(x.storage, frozenset()) for v in e for x in loads(v)))


def factoring(nest: Nest, storages: Mapping[str, Storage], known: Facts) -> Factoring:
    """Each sum in the innermost factor in which it may be taken."""
    everything, guarding = frozenset(nest.variables), nest.guarding
    inside: dict[str, frozenset[str]] = {}
    """By array of one turn, the variables whose sums are taken in it or in what it is made of."""
    wanted: dict[Part, frozenset[str]] = {}
    for part in reversed(nest.parts):
        if part.target in nest.local:
            wanted[part] = inside.get(part.target, frozenset())
        else:
            wanted[part] = everything - guarding - frozenset[str]().union(*map(names_in, part.index))
        for name in _arrays(nest, part):
            pushed = _pushed(nest, part, name, wanted[part])
            inside[name] = inside[name] & pushed if name in inside else pushed
    runs: dict[Part, frozenset[str]] = {}
    kept: dict[str, frozenset[str]] = {}
    unguarded: set[str] = set()
    for part in nest.parts:
        if part.target not in nest.local:
            taken = (inside[x] & _pushed(nest, part, x, wanted[part]) for x in _arrays(nest, part))
            runs[part] = everything.difference(*taken)
            continue
        runs[part] = reached(nest, part, kept)
        if (nest.guards and guarding <= runs[part]) or not _is_safe(nest, part, storages, known, unguarded):
            runs[part] |= guarding
        else:
            unguarded.add(part.target)
        kept[part.target] = runs[part] - wanted[part]
    return Factoring(runs, kept, frozenset(unguarded))


def _arrays(nest: Nest, part: Part) -> list[str]:
    """The arrays of one turn that a part reads."""
    return list(dict.fromkeys(x.storage for x in loads(part.value) if x.storage in nest.local))


def _pushed(nest: Nest, part: Part, name: str, wanted: frozenset[str]) -> frozenset[str]:
    """The variables whose sum may be taken in an array instead of in what is made of it."""
    factors = list(_factors(part.value))
    mine = [f for f in factors if isinstance(f, Load) and f.storage == name]
    if len(mine) != 1 or sum(x.storage == name for f in factors for x in loads(f)) != 1:
        return frozenset()
    rest = [f for f in factors if f is not mine[0]]
    rest += [*mine[0].index, *part.index, *(x for loop in part.loops for x in expressions(loop))]
    return (wanted & nest.depends[name]) - _variables(nest, rest, nest.depends)


def _factors(e: Expr) -> Iterator[Expr]:
    match e:
        case Op("mul", (x, y)):
            yield from _factors(x)
            yield from _factors(y)
        case Op("neg" | "conj", (x,)):
            yield from _factors(x)
        case _:
            yield e


def _is_safe(nest: Nest, part: Part, storages: Mapping[str, Storage], known: Facts, unguarded: set[str]) -> bool:
    """Whether a part may be computed in turns that have nothing to do."""
    if not nest.guards:
        return True
    facts = Facts(dict(known.bounds))
    for loop in (*nest.loops, *part.loops):
        assume(facts, loop)
    for x in loads(part.value):
        if x.storage in nest.local:
            if x.storage not in unguarded:
                return False
            continue
        s = storages[x.storage]
        if not isinstance(s, Buffer) or not is_there(facts, x, s):
            return False
    return True


def assume(facts: Facts, loop: Loop) -> None:
    """In the loop its variable is in its range."""
    ends = bounds(loop)
    assert ends is not None
    facts.assume(Var(loop.var, I64), ends[0], isub(ends[1], ONE))


def is_there(facts: Facts, x: Load, buffer: Buffer) -> bool:
    """Whether an element is surely there."""
    return all(facts.nonnegative(e) and facts.less(e, extent) for e, extent in zip(x.index, buffer.shape, strict=True))


def _is_copy(e: Expr) -> bool:
    """Whether a value is that of an element, its sign or its conjugate changed at most."""
    while isinstance(e, Op) and e.name in ("neg", "conj"):
        e = e.args[0]
    return isinstance(e, Load) and not any(any(loads(i)) for i in e.index)


def _read(part: Part) -> list[str]:
    return [x.storage for x in loads(part.value)]


def _is_counted(loop: Loop) -> bool:
    return loop.cond is None and loop.stop is not None and loop.step in (1, -1)


def _moves_with(loop: Loop, path: list[Loop], names: Mapping[str, Let]) -> bool:
    """Whether a loop's range may differ between turns of those around it."""
    moving = {p.var for p in path} | set(names)
    ends = expressions(loop)
    return any(names_in(e) & moving or any(isinstance(x, Load) for x in subexpressions(e)) for e in ends)
