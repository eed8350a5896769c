"""Shared copies: an array that is a copy of another is a view of it while neither changes.

A matrix that a library operation takes is often a copy that only gave an array another shape, or kept what the program
overwrites later, in a derivative that does not overwrite it.

Contract: results are the same to the last bit. Legal if one nest of loops stores every element of the copy, each from
an element of the other array (subscripts move with one variable each, by a constant step), nothing else writes the
copy, and nothing writes the other array until the last statement that uses the copy. Done where an operation or a view
uses the copy, and neighbours in memory stay neighbours: a copy of strided elements may be worth its time. (Elements
that loops read are `recompute`'s.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.analysis.access import looks
from wengert.analysis.affine import constant, iadd, isub, same
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.ir import build as b
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Alloc,
    Block,
    Buffer,
    Call,
    Expr,
    Function,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    PopRef,
    PushRef,
    Rebind,
    Reshape,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64
from wengert.ir.walk import names_in, rebuild, statements, storages, substitute, used


def share_copies(module: Module) -> Module:
    """Every function with views in the place of copies."""
    if not any(isinstance(s, LibCall) for f in module.functions.values() for s in statements(f.body)):
        return module
    calls = analyse(module)
    functions = {n: _Sharing(f, calls).function() for n, f in module.functions.items()}
    return module if all(functions[n] is f for n, f in module.functions.items()) else Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Copy:
    """Where the elements of a copy come from: the other array's name, and for each of its subscripts the loop variable,
    if any, its step, and the subscript where all variables are 0."""

    base: str
    start: tuple[Expr, ...]
    moving: tuple[tuple[str, int] | None, ...]
    order: tuple[str, ...]  # the variables of the copy's axes


class _Sharing:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls, self.aliases = f, calls, calls.aliases[f.name]
        self.storages: dict[str, Storage] = storages(f)
        self.held = {self.aliases.of(n) for n in f.results}
        self.asked: set[str] = set()
        """Classes that an operation or a view uses."""
        self.reshaped: set[str] = set()
        """Names that must stay contiguous."""
        for s in statements(f.body):
            if isinstance(s, Call | Rebind | PushRef | PopRef):
                self.held |= {self.aliases.of(n) for n in used(s) if n in self.aliases.parent}
            elif isinstance(s, LibCall | View):
                self.asked |= {self.aliases.of(n) for n in used(s) if n in self.aliases.parent}
            elif isinstance(s, Reshape):
                self.asked.add(self.aliases.of(s.base))
                self.reshaped.add(s.base)

    def function(self) -> Function:
        body = self._block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def _block(self, block: Block) -> Block:
        stmts: list[Stmt | None] = list(block)
        for k, s in enumerate(block):
            if isinstance(s, Alloc) and not s.zero and s.buffer.shape and self._may_share(s.buffer.name):
                self._share(stmts, k, s)
        made = tuple(rebuild(s, block=self._block) for s in stmts if s is not None)
        return block if made == block else made

    def _may_share(self, name: str) -> bool:
        c = self.aliases.of(name)
        return c in self.asked and c not in self.held and c not in self.aliases.rebindable

    def _share(self, stmts: list[Stmt | None], k: int, alloc: Alloc) -> None:
        """Make a view of an array that is a copy, if it is one."""
        name, c = alloc.buffer.name, self.aliases.of(alloc.buffer.name)
        users = [j for j, s in enumerate(stmts) if j > k and s is not None and self._uses(s, c)]
        nest = stmts[users[0]] if users else None
        copy = self._copy(nest, alloc.buffer) if isinstance(nest, Loop) else None
        if copy is None:
            return
        source = self.aliases.of(copy.base)
        if source == c or source in self.aliases.rebindable:
            return
        after = [s for s in stmts[users[0] + 1 : users[-1] + 1] if s is not None]
        if self.calls.writes(self.f.name, tuple(after)) & {c, source}:
            return
        made = self._named(copy, alloc)
        if made is None:
            return
        stmts[k] = None
        stmts[users[0]] = made
        self.storages[name] = made.buffer
        self.aliases.unite(copy.base, name)
        self.asked.add(source)

    def _uses(self, stmt: Stmt, c: str) -> bool:
        return any(self.aliases.of(n) == c for s in statements((stmt,)) for n in used(s) if n in self.aliases.parent)

    def _copy(self, nest: Loop, buffer: Buffer) -> _Copy | None:
        """Where the elements of an array come from, if a nest does nothing but copy them."""
        loops = [nest]
        while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], Loop):
            loops.append(loops[-1].body[0])
        *lets, last = loops[-1].body
        values = {s.name: s.value for s in lets if isinstance(s, Let)}
        if not isinstance(last, Store) or last.storage != buffer.name or len(values) < len(lets):
            return None
        value = last.value
        while isinstance(value, Var) and value.name in values:
            value = values[value.name]
        order = tuple(e.name for e in last.index if isinstance(e, Var))
        if not isinstance(value, Load) or len(order) != buffer.rank or set(order) != {x.var for x in loops}:
            return None
        ranges = {x.var: x for x in loops}
        for var, extent in zip(order, buffer.shape, strict=True):
            loop = ranges[var]
            if loop.cond is not None or loop.stop is None or loop.step != 1 or looks(loop.stop):
                return None
            if not same(loop.start, ZERO) or not same(loop.stop, extent):
                return None
        start: list[Expr] = []
        moving: list[tuple[str, int] | None] = []
        for e in value.index:
            while names_in(e) & values.keys():
                e = substitute(e, values)
            variables = names_in(e) & set(order)
            if looks(e) or len(variables) > 1:
                return None
            start.append(substitute(e, dict.fromkeys(variables, ZERO)))
            moving.append(None)
            for v in variables:
                step = constant(isub(substitute(e, {v: iadd(Var(v, I64), ONE)}), e))
                if not step:
                    return None
                moving[-1] = v, step
        known = [v for v, _ in filter(None, moving)]
        if len(set(known)) < len(known) or not isinstance(self.storages.get(value.storage), Buffer):
            return None
        return _Copy(value.storage, tuple(start), tuple(moving), order)

    def _named(self, copy: _Copy, alloc: Alloc) -> View | Reshape | None:
        """The copy as a name for the elements of the other array."""
        buffer, base = alloc.buffer, self.storages[copy.base]
        assert isinstance(base, Buffer)
        long = [v for v, n in zip(copy.order, buffer.shape, strict=True) if constant(n) != 1]
        if self._is_whole(copy, base, dict(zip(copy.order, buffer.shape, strict=True)), long):
            return Reshape(replace(buffer, strided=False), copy.base, alloc.span)
        if buffer.name in self.reshaped or not long or copy.moving[-1] != (long[-1], 1):
            return None
        at = {m[0]: (axis, m[1]) for axis, m in enumerate(copy.moving) if m is not None}
        axes = [(at[v][0], b.i64(at[v][1])) if v in at else (None, b.i64(1)) for v in copy.order]
        if any(axis is None and v in long for (axis, _), v in zip(axes, copy.order, strict=True)):
            return None
        return View(replace(buffer, strided=True), copy.base, copy.start, tuple(axes), alloc.span)

    def _is_whole(self, copy: _Copy, base: Buffer, extents: dict[str, Expr], long: list[str]) -> bool:
        """Whether the copy has all elements of a contiguous array, in their order."""
        if base.strided or any(constant(e) != 0 for e in copy.start):
            return False
        moving = [m for m in copy.moving if m is not None and constant(extents[m[0]]) != 1]
        if [v for v, _ in moving] != long or any(step != 1 for _, step in moving):
            return False
        wanted = [extents[v] for v in long]
        have = [n for n in base.shape if constant(n) != 1]
        return len(wanted) == len(have) and all(map(same, wanted, have))
