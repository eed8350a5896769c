"""How the arrays at a function's top level are made, and which of them could be made again later.

The top level is a row of statements. Somewhere in it, between a derivative's forward and its reverse sweep, is a
*turn*: most arrays are made before it and used again after it. An array that is made before the turn can be *made
again* after it, by the part of its statements that makes it, if that finds then what it found before:

- the array is an allocation of the top level that is no result, and all storages in its alias class are views of it;
- all statements that write it come before all others that read it;
- the part of these statements that makes it is free of effects: lets, stores, loops, branches, arrays of its own,
  views, library operations that are functions of their operands;
- nothing that this part reads is written again from there to the last use of the array. What one of the statements
  itself writes may be read only where it can be read from the finished array as well: the only write to that array is
  one store, all loops around it are `any`, and the load has the same subscripts, in the same iteration, after it.

Every array counts as at most one `Making`; `operands` are the arrays of the top level that making it again reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from wengert.analysis.access import Effects, effects
from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.ir.libops import LIBOPS
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Fail,
    Function,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Reshape,
    Stmt,
    Store,
    View,
)
from wengert.ir.walk import blocks, definitions, expressions, loads, names_in, reads, rebuild, statements, used

Path = tuple[int, ...]
"""The statements around an access by identity, outermost first."""


@dataclass(frozen=True, slots=True)
class Making:
    """An array of the top level: its allocation; the positions of the statements that make it (`last`: of the last);
    the part of them that does (None: it cannot be made again); the arrays of the top level that this reads; the last
    position before the turn that mentions it, and all from the turn on that do."""

    alloc: Alloc
    last: int
    block: Block | None
    operands: frozenset[str]
    early: int
    late: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.alloc.buffer.name

    @property
    def buffer(self) -> Buffer:
        return self.alloc.buffer


@dataclass(frozen=True)
class Makings:
    """Of one function: the position of the turn, and the arrays made before it by name, in the order of their
    making."""

    function: Function
    turn: int
    arrays: dict[str, Making]

    @staticmethod
    def of(module: Module, name: str) -> Makings:
        return _Finder(module, name).found()

    def schedule(self, again: Collection[str], held: Collection[str] = ()) -> dict[int, list[str]]:
        """What is made again before which statements, each as late as possible: the arrays `again` before their first
        use after the turn, and what that needs. Arrays that nothing uses after the turn are kept for it if they are in
        `held` or cannot be made again, else they are made again, too."""
        found: dict[int, list[str]] = {}
        done: set[str] = set()

        def make(name: str, at: int) -> None:
            done.add(name)
            for n in sorted(self.arrays[name].operands - done, key=lambda n: self.arrays[n].last):
                other = self.arrays[n]
                if n in again or (not other.late and n not in held and other.block is not None):
                    make(n, at)
            found.setdefault(at, []).append(name)

        for m in sorted((self.arrays[n] for n in again), key=lambda m: (m.late[0], m.last)):
            if m.name not in done:
                make(m.name, m.late[0])
        return found


class _Finder:
    def __init__(self, module: Module, name: str) -> None:
        self.f = module.functions[name]
        self.body = self.f.body
        self.calls: AliasAnalysis = analyse(module)
        self.aliases: Aliases = self.calls.aliases[name]
        self.effects: list[Effects] = [effects(s, self.aliases, self.calls) for s in self.body]
        self.silent = [isinstance(s, (Alloc, View, Reshape)) for s in self.body]
        self.reads: dict[str, list[int]] = {}
        self.writes: dict[str, list[int]] = {}
        for k, e in enumerate(self.effects):
            if not self.silent[k]:
                for c in e.reads:
                    self.reads.setdefault(c, []).append(k)
                for c in e.writes:
                    self.writes.setdefault(c, []).append(k)
        self.own = self._own()

    def _own(self) -> dict[str, int]:
        """By alias class, the position of the allocation that it is of."""
        bases: dict[str, str] = {}
        for s in statements(self.body):
            if isinstance(s, (View, Reshape)):
                bases[s.buffer.name] = s.base

        def root(name: str) -> str:
            while name in bases:
                name = bases[name]
            return name

        roots: dict[str, set[str]] = {}
        for name in self.aliases.parent:
            roots.setdefault(self.aliases.of(name), set()).add(root(name))
        kept = {self.aliases.of(r) for r in self.f.results}
        found: dict[str, int] = {}
        for k, s in enumerate(self.body):
            if isinstance(s, Alloc) and s.buffer.shape:
                c = self.aliases.of(s.buffer.name)
                if roots[c] == {s.buffer.name} and c not in kept and c not in self.aliases.rebindable:
                    found[c] = k
        return found

    def found(self) -> Makings:
        uses = {c: sorted({*self.reads.get(c, ()), *self.writes.get(c, ())}) for c in self.own}
        turn = self._turn(uses)
        made: list[Making] = []
        for c, k in self.own.items():
            alloc, makers = self.body[k], self.writes.get(c, [])
            assert isinstance(alloc, Alloc)
            if not makers or makers[-1] >= turn:
                continue
            early = max(x for x in uses[c] if x < turn)
            late = tuple(x for x in uses[c] if x >= turn)
            block = self._block(c, makers, late[-1] if late else len(self.body))
            made.append(Making(alloc, makers[-1], block, frozenset(), early, late))
        names = {self.aliases.of(m.name): m.name for m in made}
        made = [replace(m, operands=frozenset(self._operands(m, names))) for m in made]
        return Makings(self.f, turn, {m.name: m for m in sorted(made, key=lambda m: m.last)})

    def _operands(self, m: Making, names: dict[str, str]) -> Iterator[str]:
        for s in statements(m.block or ()):
            for n in _read(s):
                c = self.aliases.of(n) if n in self.aliases.parent else n
                if names.get(c, m.name) != m.name:
                    yield names[c]

    def _turn(self, uses: dict[str, list[int]]) -> int:
        """The position before which most arrays wait longest: where their longest times without a use meet."""
        weight = [0] * (len(self.body) + 1)
        for found in uses.values():
            gap = max(pairwise(found), key=lambda g: g[1] - g[0], default=None)
            if gap is not None:
                weight[gap[0] + 1] += gap[1] - gap[0]
                weight[gap[1] + 1] -= gap[1] - gap[0]
        totals = list(accumulate(weight))
        return totals.index(max(totals))

    # -- the part of the statements that makes an array

    def _block(self, c: str, makers: list[int], end: int) -> Block | None:
        first = [k for k in self.reads.get(c, ()) if k not in makers]
        if first and first[0] < makers[-1]:
            return None
        found: list[Stmt] = []
        for k in makers:
            part = self._part(self.body[k], c)
            if part is None or not self._finds_the_same(part, k, c, end):
                return None
            found.append(part)
        return tuple(found)

    def _part(self, stmt: Stmt, c: str) -> Stmt | None:
        """What of a statement writes the class; None if that has other effects."""
        inside = definitions((stmt,))

        def is_mine(storage: str) -> bool:
            return storage in inside or self.aliases.of(storage) == c

        def visit(s: Stmt, wanted: set[str]) -> Stmt | None:
            match s:
                case Store(storage=storage) | Accumulate(storage=storage):
                    return s if is_mine(storage) and (storage not in inside or storage in wanted) else None
                case Let(name):
                    return s if name in wanted else None
                case Alloc(buffer) | View(buffer) | Reshape(buffer):
                    return s if buffer.name in wanted else None
                case LibCall(op, outs):
                    if not any(is_mine(o) for o in outs):
                        return None
                    if LIBOPS[op].effects != "pure" or not all(is_mine(o) for o in outs):
                        raise _Impossible
                    return s
                case Loop(cond=cond, stop=stop):
                    if cond is not None or stop is None:
                        raise _Impossible
                    made = rebuild(s, block=lambda b: several(b, wanted))
                    return made if any(blocks(made)) else None
                case If():
                    made = rebuild(s, block=lambda b: several(b, wanted))
                    return made if any(blocks(made)) else None
                case Fail():
                    return None
                case _:
                    raise _Impossible

        def several(block: Block, wanted: set[str]) -> Block:
            return tuple(x for s in block if (x := visit(s, wanted)) is not None)

        part, wanted = stmt, definitions((stmt,))
        try:
            while True:
                made = visit(part, wanted)
                if made is None:
                    return None
                needed = set[str]().union(*(_read(s) | _mentioned(s) for s in statements((made,))))
                if needed >= wanted:
                    return made
                part = made
                wanted &= needed
        except _Impossible:
            return None

    def _finds_the_same(self, part: Stmt, k: int, c: str, end: int) -> bool:
        """Whether what a part of statement k reads is later as it was."""
        inside = definitions((part,))
        mine = self.effects[k].writes
        for s in statements((part,)):
            for n in _read(s):
                if n in inside or n not in self.aliases.parent:
                    continue
                other = self.aliases.of(n)
                if other == c:
                    continue
                if other in self.aliases.rebindable:
                    return False
                if any(k < x <= end for x in self.writes.get(other, ())):
                    return False
                if other in mine and not self._is_forwarded(self.body[k], other):
                    return False
        return True

    def _is_forwarded(self, stmt: Stmt, c: str) -> bool:
        """Whether all loads of a class in a statement read what its one store has just stored, and nothing else touches
        it."""
        stores: list[tuple[Path, Store]] = []
        good = True
        later: list[tuple[Path, Load]] = []

        def walk(block: Block, path: Path, plain: bool) -> None:
            nonlocal good
            for s in block:
                for e in expressions(s):
                    for x in loads(e):
                        if self._class(x.storage) == c:
                            good = good and bool(stores) and _is_within(path, stores[0][0])
                            later.append((path, x))
                match s:
                    case Store(storage=storage) if self._class(storage) == c:
                        good = good and not stores and plain
                        stores.append((path, s))
                    case Accumulate(storage=storage) if self._class(storage) == c:
                        good = False
                    case LibCall() | Alloc() | View() | Reshape() if any(self._class(n) == c for n in used(s)):
                        good = False
                    case Loop():
                        walk(s.body, (*path, id(s)), plain and s.order == "any")
                    case _:
                        for number, inner in enumerate(blocks(s)):
                            walk(inner, (*path, id(s), number), plain)

        walk((stmt,), (), True)
        if not good or len(stores) != 1:
            return False
        _, store = stores[0]
        return all(x.storage == store.storage and x.index == store.index for _, x in later)

    def _class(self, name: str) -> str | None:
        return self.aliases.of(name) if name in self.aliases.parent else None


class _Impossible(Exception):
    """A part of a statement has effects."""


def _is_within(path: Path, around: Path) -> bool:
    return path[: len(around)] == around


def _read(s: Stmt) -> set[str]:
    """The storages whose contents or lengths a statement itself reads, and those that views are made of."""
    match s:
        case LibCall(outs=outs):
            return reads(s) | set(outs)
        case View(base=base) | Reshape(base=base):
            return {base}
        case _:
            return reads(s)


def _mentioned(s: Stmt) -> set[str]:
    """The names that what a statement writes depends on."""
    if isinstance(s, (Store, Accumulate)):
        return set[str]().union(*map(names_in, (*s.index, s.value)))
    return used(s)


__all__ = ["Making", "Makings"]
