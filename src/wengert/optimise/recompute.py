"""Recomputation: elements that are cheap to compute from what is still there are computed where they are read.

`dx = x.T - x` takes two loads and a subtraction, no more than the array costs in memory; and once no other nest reads
the array, it can be contracted. A predicate (`a > 0`, kept for the reverse sweep) costs a vector loop more than its
operands.

Contract: results are the same to the last bit: only correctly rounded operations are repeated. A load of `A[e]` in a
statement becomes the value that the one store to `A`, in an earlier nest of the same block, has at `e`, if `A` is
allocated in that block and the nest stores every element; if the value takes at most a few cheap operations on
numbers, loop variables and elements of other arrays; and if nothing writes those arrays from the nest to the last
statement that reads `A`.

Source: rematerialisation, P. Briggs, K. Cooper, L. Torczon, PLDI 1992, of elements instead of registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from wengert.analysis.access import accesses, is_plain
from wengert.analysis.affine import constant, same
from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.ir.nodes import (
    ZERO,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    Extent,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Select,
    Stmt,
    Storage,
    Store,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    expressions,
    loads,
    map_expr,
    names_in,
    rebuild,
    statements,
    storages,
    subexpressions,
    substitute,
    used,
)

CHEAP = frozenset({"add", "sub", "mul", "neg", "abs", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"})
OPERATIONS = 2
"""The most operations that take the place of a load."""
LOADS = 2
NARROW = 4
"""The most elements apart at which neighbours along a constant last axis are as good as neighbours in memory."""


def recompute(module: Module) -> Module:
    """Every function with its cheap arrays computed where they are read."""
    calls = analyse(module)
    functions = {n: _Recomputation(f, calls).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


@dataclass(slots=True)
class _Nest:
    """A nest of `any` loops around statements without loops, and what is known before the statement looked at."""

    path: tuple[Loop, ...]
    lets: dict[str, Expr] = field(default_factory=dict[str, Expr])
    """Values of names, in which elements that this iteration has stored before are what was stored."""
    memory: dict[tuple[str, tuple[Expr, ...]], Expr] = field(default_factory=dict[tuple[str, tuple[Expr, ...]], Expr])
    """Elements that this iteration has stored."""

    def resolved(self, e: Expr) -> Expr:
        """An expression, now, without the elements that are known."""

        def element(x: Expr) -> Expr:
            return self.memory.get((x.storage, x.index), x) if isinstance(x, Load) else x

        return map_expr(element, e)

    def stores_all(self, s: Store, buffer: Buffer) -> bool:
        """Whether each element is stored once: the subscripts are the loops' variables, their ranges the extents."""
        ranges = {loop.var: loop for loop in self.path}
        names = [e.name for e in s.index if isinstance(e, Var) and e.name in ranges]
        if len(names) != len(s.index) or set(names) != set(ranges) or len(set(names)) != len(names):
            return False
        for name, extent in zip(names, buffer.shape, strict=True):
            loop = ranges[name]
            if loop.step != 1 or loop.stop is None or not same(loop.start, ZERO) or not same(loop.stop, extent):
                return False
        return True


class _Recomputation:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls = f, calls
        self.aliases: Aliases = calls.aliases[f.name]
        self.storages: dict[str, Storage] = storages(f)
        self.gone: set[str] = set()
        self.held: set[str] = set(f.results)
        """Storages that are used as a whole."""
        self.stores: dict[str, int] = {}
        for s in statements(f.body):
            if isinstance(s, (Store, Accumulate)):
                self.stores[s.storage] = self.stores.get(s.storage, 0) + 1
            plain = isinstance(s, (Store, Accumulate, Let, Loop, If, Alloc))
            self.held |= set() if plain else used(s)
            for e in expressions(s):
                self.held |= {x.storage for x in subexpressions(e) if isinstance(x, Extent)}

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        stmts = list(block)
        own = {s.buffer.name: s.buffer for s in block if isinstance(s, Alloc) and s.buffer.shape}
        own = {n: b for n, b in own.items() if n not in self.held and self.stores.get(n) == 1}
        if own:
            read = [frozenset(x.storage for x in accesses((s,)) if not x.writes) for s in block]
            for k, s in enumerate(block):
                if isinstance(s, Loop):
                    self._nest(stmts, k, own, read)
        made = tuple(rebuild(s, block=self.block) for s in stmts)
        return block if made == block else made

    def _nest(self, stmts: list[Stmt], k: int, own: dict[str, Buffer], read: list[frozenset[str]]) -> None:
        """Replace what later statements load of arrays that the nest at a place stores."""
        for nest, s in self.stored(stmts[k]):
            if s.storage not in own or not nest.stores_all(s, own[s.storage]):
                continue
            users = [j for j, names in enumerate(read) if s.storage in names and j != k]
            if not users or users[0] < k:
                continue
            changed = self._written(stmts[k : users[-1] + 1])
            value = _Value(self, nest, s, changed, stmts[k]).made()
            if value is None:
                continue
            names = [e.name for e in s.index if isinstance(e, Var)]
            for j in users:
                (stmts[j],) = _with_loads(stmts[j : j + 1], s.storage, names, value)
                read[j] = read[j] - {s.storage} | {x.storage for x in loads(value)}
            self.gone.add(s.storage)

    def _written(self, stmts: list[Stmt]) -> dict[str, int]:
        """By class, how many statements of these may write it."""
        found: dict[str, int] = {}
        for s in statements(tuple(stmts)):
            for c in {self.aliases.of(n) for n in self.calls.targets(s) if n in self.aliases.parent}:
                found[c] = found.get(c, 0) + 1
        return found

    def stored(self, stmt: Stmt) -> Iterator[tuple[_Nest, Store]]:
        """The stores of the nests in a statement, with what is known when each is made."""
        if isinstance(stmt, Loop) and is_plain(stmt):
            yield from self._walk(_Nest((stmt,)))

    def _walk(self, nest: _Nest) -> Iterator[tuple[_Nest, Store]]:
        for s in nest.path[-1].body:
            match s:
                case Let(name, value):
                    nest.lets[name] = nest.resolved(value)
                case Store(storage, index, value):
                    value = nest.resolved(value)
                    yield nest, replace(s, value=value)
                    self._forget(nest, s)
                    if not any(any(loads(i)) for i in index):
                        nest.memory[storage, index] = value
                case Loop() if is_plain(s):
                    yield from self._walk(_Nest((*nest.path, s), dict(nest.lets)))
                    self._forget(nest, s)
                case _:
                    self._forget(nest, s)

    def _forget(self, nest: _Nest, s: Stmt) -> None:
        changed = {self.aliases.of(x.storage) for x in accesses((s,)) if x.writes}
        for key in [key for key in nest.memory if self.aliases.of(key[0]) in changed]:
            del nest.memory[key]


class _Value:
    """What a store writes, from what is still there later."""

    def __init__(self, f: _Recomputation, nest: _Nest, store: Store, changed: dict[str, int], whole: Stmt) -> None:
        self.f, self.nest, self.store, self.changed = f, nest, store, changed
        self.local = definitions((whole,)) - {loop.var for loop in nest.path}
        self.kept: dict[Expr, Load] = {}
        """Values that the nest stores and nothing changes afterwards."""
        self.lets = dict(nest.lets)
        for other, s in f.stored(whole):
            if other.path == nest.path and s.storage != store.storage and self._is_kept(other, s):
                self.kept.setdefault(self._root(other, s.value), Load(s.storage, s.index, s.value.dtype))
        self.operations = OPERATIONS
        self.loads = LOADS

    def made(self) -> Expr | None:
        """The value, None if it takes too much."""
        return self._expanded(self.store.value)

    def _is_kept(self, nest: _Nest, s: Store) -> bool:
        buffer = self.f.storages.get(s.storage)
        if not isinstance(buffer, Buffer) or s.storage in self.f.gone or s.storage in self.local:
            return False
        c = self.f.aliases.of(s.storage)
        return self.changed.get(c) == 1 and c not in self.f.aliases.rebindable and nest.stores_all(s, buffer)

    def _root(self, nest: _Nest, e: Expr) -> Expr:
        """What stands for a value that may have several names: what nothing changes, or the first of the names."""
        while isinstance(e, Var) and e.name in nest.lets:
            value = nest.lets[e.name]
            if not isinstance(value, Var) and any(self.changed.get(self._class(x)) for x in loads(value)):
                break
            e = value
        return e

    def _class(self, x: Load) -> str:
        return self.f.aliases.of(x.storage)

    def _expanded(self, e: Expr) -> Expr | None:
        e = self._root(self.nest, e)
        if e in self.kept:
            self.loads -= 1
            return self.kept[e] if self.loads >= 0 else None
        match e:
            case Const():
                return e
            case Var(name):
                if name in self.lets:
                    return self._expanded(self.lets[name])
                return None if name in self.local else e
            case Load():
                return self._loaded(e)
            case Op(name, args, dtype):
                if dtype is not I64:
                    self.operations -= 1
                if args[0].dtype.is_complex or name not in CHEAP or self.operations < 0:
                    return None
                parts = [self._expanded(a) for a in args]
                whole = tuple(p for p in parts if p is not None)
                return Op(name, whole, dtype) if len(whole) == len(parts) else None
            case Select() | Cast() | Extent():
                return None

    def _loaded(self, e: Load) -> Load | None:
        """An element of an array that nothing writes meanwhile, its neighbours in memory where they are in the loop."""
        storage = self.f.storages.get(e.storage)
        self.loads -= 1
        if not isinstance(storage, Buffer) or e.storage in self.local or e.storage in self.f.gone or self.loads < 0:
            return None
        c = self._class(e)
        if self.changed.get(c) or c in self.f.aliases.rebindable:
            return None
        index = tuple(self._position(i) for i in e.index)
        inner = self.nest.path[-1].var
        moving = [k for k, i in enumerate(index) if i is not None and inner in names_in(i)]
        apart = storage.shape[moving[-1] + 1 :] if moving else ()
        if moving and (storage.strided or any((constant(n) or NARROW + 1) > NARROW for n in apart)):
            return None
        found = tuple(i for i in index if i is not None)
        return Load(e.storage, found, e.dtype) if len(found) == len(index) else None

    def _position(self, i: Expr) -> Expr | None:
        """A subscript in terms of the loops' variables and what is known outside."""
        while names_in(i) & self.lets.keys():
            i = substitute(i, self.lets)
        return None if any(loads(i)) or names_in(i) & self.local else i


def _with_loads(stmts: list[Stmt], storage: str, names: list[str], value: Expr) -> Block:
    """Statements with the loads of a storage replaced."""

    def load(x: Expr) -> Expr:
        if isinstance(x, Load) and x.storage == storage:
            return substitute(value, dict(zip(names, x.index, strict=True)))
        return x

    def statement(s: Stmt) -> Stmt:
        return rebuild(s, expr=lambda e: map_expr(load, e), block=lambda inner: tuple(map(statement, inner)))

    return tuple(map(statement, stmts))
