"""Contraction: an array whose elements live within one iteration becomes a number, and numbers become names.

Contract: a buffer is contracted if it is allocated in a block, only one loop of that block touches it, and each
iteration touches elements of its own; it is then allocated inside the loop without that axis. Only buffers that end
up as single elements are: an allocation in every iteration is not worth it. A cell that only its own block touches
becomes a name per value.

Source: V. Sarkar, G. Gao, "Optimization of array accesses by collective loop transformations", ICS 1991.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import accesses, common_axis
from wengert.ir import build as b
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Extent,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Stmt,
    Store,
    Var,
)
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    loads,
    map_expr,
    rebuild,
    statements,
    subexpressions,
    unused,
    used,
)


def contract(module: Module) -> Module:
    """Every function with its short-lived arrays contracted."""
    return Module({n: _Contraction(f).function() for n, f in module.functions.items()}, module.entry)


class _Contraction:
    def __init__(self, f: Function) -> None:
        self.f = f
        self.names = function_names(f)
        self._touched: dict[int, tuple[Stmt, frozenset[str]]] = {}
        self.held = set(f.results)
        """Storages that are used as a whole."""
        for s in statements(f.body):
            plain = isinstance(s, (Store, Accumulate, Let, Loop, If, Alloc))
            self.held |= set() if plain else used(s)
            for e in expressions(s):
                self.held |= {x.storage for x in subexpressions(e) if isinstance(x, Extent)}

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        stmts = list(block)
        for stmt in block:
            if isinstance(stmt, Alloc) and stmt.buffer.shape and stmt.buffer.name not in self.held:
                self._into_loop(stmts, stmt)
        stmts = self._numbers(stmts)
        made = tuple(rebuild(s, block=self.block) for s in stmts)
        return block if made == block else made

    def _touches(self, stmt: Stmt) -> frozenset[str]:
        """The storages whose elements a statement, or what is nested in it, loads or writes."""
        found = self._touched.get(id(stmt))
        if found is None:
            names = _storages(stmt).union(*map(self._touches, _nested(stmt)))
            found = self._touched[id(stmt)] = stmt, frozenset(names)
        return found[1]

    def _into_loop(self, stmts: list[Stmt], alloc: Alloc) -> None:
        """Move an allocation into the loops that alone touch the buffer, if it ends up as a cell."""
        name = alloc.buffer.name
        users = [k for k, s in enumerate(stmts) if name in self._touches(s)]
        if len(users) != 1:
            return
        made = self._inside(stmts[users[0]], alloc)
        if made is not None:
            stmts[users[0]] = made
            stmts[:] = [s for s in stmts if s is not alloc]

    def _inside(self, stmt: Stmt, alloc: Alloc) -> Stmt | None:
        """The loop with the allocation inside, None if the buffer cannot become a cell there."""
        buffer = alloc.buffer
        if not isinstance(stmt, Loop) or stmt.cond is not None:
            return None
        if any(x.storage == buffer.name for e in expressions(stmt) for x in loads(e)):  # its bounds are read outside
            return None
        local = definitions(stmt.body) | {stmt.var}
        indices = [x.index for x in accesses(stmt.body) if x.storage == buffer.name]
        axis = common_axis(indices, stmt.var, local)
        if axis is None:
            return None
        shape = buffer.shape[:axis] + buffer.shape[axis + 1 :]
        body = _without_axis(stmt.body, buffer.name, axis)
        inner = replace(alloc, buffer=Buffer(buffer.name, buffer.dtype, shape))
        if not shape:
            return replace(stmt, body=(inner, *body))
        users = [k for k, s in enumerate(body) if buffer.name in self._touches(s)]
        if len(users) != 1:
            return None
        made = self._inside(body[users[0]], inner)
        return None if made is None else replace(stmt, body=(*body[: users[0]], made, *body[users[0] + 1 :]))

    # -- cells

    def _numbers(self, stmts: list[Stmt]) -> list[Stmt]:
        """Cells that only this very block touches become names."""
        cells = {
            s.buffer.name
            for s in stmts
            if isinstance(s, Alloc) and not s.buffer.shape and s.buffer.name not in self.held
        }
        for s in stmts if cells else ():
            for inner in _nested(s):
                cells -= self._touches(inner)
            if isinstance(s, Loop):
                cells -= {x.storage for e in expressions(s) for x in subexpressions(e) if isinstance(x, Load)}
            if isinstance(s, Accumulate) and s.op != "add":
                cells.discard(s.storage)
        if not cells:
            return stmts
        now: dict[str, Expr] = {}
        out: list[Stmt] = []

        def known(e: Expr) -> Expr:
            def value(x: Expr) -> Expr:
                return now[x.storage] if isinstance(x, Load) and x.storage in now else x

            return map_expr(value, e)

        for s in stmts:
            match s:
                case Alloc(buffer, zero) if buffer.name in cells:
                    now[buffer.name] = b.zero(buffer.dtype) if zero else _undefined(buffer)
                case Store(storage, _, value) if storage in cells:
                    now[storage] = self._named(out, storage, known(value), s)
                case Accumulate(storage, _, value) if storage in cells:
                    now[storage] = self._named(out, storage, b.add(now[storage], known(value)), s)
                case _:
                    out.append(rebuild(s, expr=known))
        return out

    def _named(self, out: list[Stmt], hint: str, value: Expr, s: Stmt) -> Expr:
        if isinstance(value, (Const, Var)):
            return value
        name = unused(hint, self.names)
        self.names.add(name)
        made = Let(name, value, s.span)
        out.append(made)
        return made.var


def _undefined(buffer: Buffer) -> Expr:
    """What a cell holds before it is written: nothing may depend on it."""
    return b.zero(buffer.dtype)


def _nested(s: Stmt) -> Block:
    match s:
        case Loop(body=body):
            return body
        case If(then=then, orelse=orelse):
            return (*then, *orelse)
        case _:
            return ()


def _storages(s: Stmt) -> set[str]:
    own = {s.storage} if isinstance(s, (Store, Accumulate)) else set[str]()
    return own | {x.storage for e in expressions(s) for x in subexpressions(e) if isinstance(x, Load)}


def _without_axis(block: Block, name: str, axis: int) -> Block:
    """A block in which a storage has lost an axis."""

    def drop(index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return index[:axis] + index[axis + 1 :]

    def load(x: Expr) -> Expr:
        return Load(name, drop(x.index), x.dtype) if isinstance(x, Load) and x.storage == name else x

    def statement(s: Stmt) -> Stmt:
        made = rebuild(s, expr=lambda e: map_expr(load, e), block=lambda inner: tuple(map(statement, inner)))
        if isinstance(made, (Store, Accumulate)) and made.storage == name:
            return replace(made, index=drop(made.index))
        return made

    return tuple(map(statement, block))
