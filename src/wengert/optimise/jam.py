"""Jamming: sums over rows, and rows that are added up, run four rows at a time.

`for i any: for j any: s[i] += a[i, j] * x[j]` waits for each addition, and loads x anew for every row; with four rows
in one turn of the inner loop four sums are on their way, and x is loaded once. Where rows are added up, as in
`y[j] += a[i, j] * s[i]`, y is loaded and stored once for four rows.

Contract: an `any` loop with one innermost `any` loop in it, whose bounds are the same for all its rows, becomes a
sequential loop over four rows a turn and the loop over the rows that are left. Every row does the same operations, and
what is added to an element is added in the same order: results are the same to the last bit. Legal if nothing may fail,
and nothing that is written is read but numbers of a row's own. It pays if every element that is added to is one for
all turns of one of the two loops, at least once, and if the turns are short: products and sums.

Source: unroll-and-jam; D. Callahan, S. Carr, K. Kennedy, "Improving register allocation for subscripted variables",
PLDI 1990.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.analysis.access import common_axis, looks
from wengert.analysis.affine import constant, iadd, isub, renamed
from wengert.analysis.alias import Aliases, analyse
from wengert.analysis.lanes import in_lanes
from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Alloc, Block, Expr, Function, Let, Loop, Module, Op, Stmt, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import (
    defined,
    definitions,
    expressions,
    function_names,
    loads,
    names_in,
    rebuild,
    rename_block,
    rename_expr,
    statements,
    subexpressions,
    unused,
)
from wengert.optimise.fuse import is_simple

ROWS = 4
"""Rows at a time: with eight the compiler runs out of registers."""
MOST = 12
"""Statements of a row, at the most."""
FEWEST = 17
"""Turns of an inner loop whose number is known, at the least: shorter sums are taken in lanes of their own."""
CHEAP = frozenset({"add", "sub", "mul", "neg"})


def jam(module: Module) -> Module:
    """Every function with its sums over rows four at a time."""
    if not any(_may_jam(f.body) for f in module.functions.values()):
        return module
    aliases = analyse(module).aliases
    functions = {n: _Jammer(f, aliases[n]).function() for n, f in module.functions.items()}
    return module if all(functions[n] is f for n, f in module.functions.items()) else Module(functions, module.entry)


def _may_jam(block: Block) -> bool:
    return any(isinstance(s, Loop) and _inner(s) is not None for s in statements(block))


def _inner(loop: Loop) -> Loop | None:
    """The one loop in a loop, if both are plain."""
    found = [s for s in loop.body if isinstance(s, Loop)]
    return found[0] if len(found) == 1 and _is_plain(loop) and _is_plain(found[0]) else None


def _is_plain(loop: Loop) -> bool:
    return loop.order == "any" and loop.cond is None and loop.stop is not None and loop.step == 1


def _turns(loop: Loop) -> int | None:
    assert loop.stop is not None
    return constant(isub(loop.stop, loop.start))


class _Jammer:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases = f, aliases
        self.names = function_names(f)

    def function(self) -> Function:
        body = self._block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def _block(self, block: Block) -> Block:
        made: list[Stmt] = []
        for s in block:
            inner = _inner(s) if isinstance(s, Loop) else None
            if isinstance(s, Loop) and inner is not None and self._is_legal(s, inner) and self._pays(s, inner):
                made += self._jammed(s, inner)
            else:
                made.append(rebuild(s, block=self._block))
        return block if tuple(made) == block else tuple(made)

    def _is_legal(self, loop: Loop, inner: Loop) -> bool:
        body = list(statements(loop.body))
        if not all(s is inner or (is_simple(s) and isinstance(s, (Let, Store, Accumulate, Alloc))) for s in body):
            return False
        cells = {s.buffer.name for s in loop.body if isinstance(s, Alloc)}
        if any(isinstance(s, Alloc) and (s.buffer.shape or s not in loop.body) for s in body):
            return False
        own = {loop.var, *definitions(loop.body)}
        ends = [e for e in (inner.start, inner.stop) if e is not None]
        if any(looks(e) or names_in(e) & own for e in ends):
            return False
        written = {self.aliases.of(s.storage) for s in body if isinstance(s, (Store, Accumulate))}
        read = {x.storage for s in body for e in expressions(s) for x in loads(e)}
        if any(self.aliases.of(n) in written for n in read - cells):
            return False
        inside = {x.storage for s in inner.body for e in expressions(s) for x in loads(e)}
        return not inside & cells and in_lanes(inner, self.aliases) and self._keeps_order(loop, inner, cells)

    def _keeps_order(self, loop: Loop, inner: Loop, cells: set[str]) -> bool:
        """Whether what is added to an element of an array comes from one statement, and from one row, or one at a time
        of every row."""
        own = {loop.var, *definitions(loop.body)}
        targets: dict[str, tuple[Expr, ...]] = {}
        for s in inner.body:
            if not isinstance(s, Accumulate) or s.storage in cells:
                continue
            if targets.setdefault(self.aliases.of(s.storage), s.index) is not s.index:
                return False
            if all(common_axis([s.index], n, own) is None for n in (loop.var, inner.var)):
                return False
        outside = (s for s in loop.body if isinstance(s, (Store, Accumulate)))
        return not any(self.aliases.of(s.storage) in targets for s in outside)

    def _pays(self, loop: Loop, inner: Loop) -> bool:
        if sum(1 for _ in statements(loop.body)) > MOST or (_turns(loop) or ROWS) < ROWS:
            return False
        if (_turns(inner) or FEWEST) < FEWEST:
            return False
        operations = (x for s in inner.body for e in expressions(s) for x in subexpressions(e) if isinstance(x, Op))
        if any(x.name not in CHEAP for x in operations):
            return False
        row = _moving(loop.body, {loop.var, *(s.buffer.name for s in loop.body if isinstance(s, Alloc))})
        gains = 0
        for s in inner.body:
            if isinstance(s, Store) or (isinstance(s, Accumulate) and not _is_real(s)):
                return False
            if isinstance(s, Accumulate):
                target = {s.storage}.union(*map(names_in, s.index))
                along = bool(target & _moving(inner.body, {inner.var}))
                across = bool(target & row)
                if not along and not across:
                    return False
                gains += along != across
        return gains > 0

    def _jammed(self, loop: Loop, inner: Loop) -> Block:
        """Four rows a turn, and the rows that are left."""
        assert loop.stop is not None
        at = loop.body.index(inner)
        cells = {s.buffer.name for s in loop.body if isinstance(s, Alloc)}
        moving = _moving(loop.body, {loop.var, *cells}) | cells
        parts: list[list[list[Stmt]]] = []
        for k in range(ROWS):
            names = {n: self._fresh(n) for n in sorted(definitions(loop.body) & moving)} if k else {}
            parts.append(
                [
                    [self._row(s, loop.var, k, names) for s in part if not k or defined(s) in {None, *moving}]
                    for part in (loop.body[:at], inner.body, loop.body[at + 1 :])
                ]
            )
        before, after = ([s for p in parts for s in p[n]] for n in (0, 2))
        body = self._loads_first([s for p in parts for s in p[1]])
        made: list[Stmt] = []
        turns = _turns(loop)
        if turns is None:
            span = b.max_(isub(loop.stop, loop.start), b.i64(0))
            whole = Let(self._fresh("whole"), b.mul(b.op("floordiv", span, ROWS), ROWS), loop.span)
            made.append(whole)
            end = iadd(loop.start, whole.var)
        else:
            end = iadd(loop.start, b.i64(turns // ROWS * ROWS))
        nest = (*before, replace(inner, body=body), *after)
        made.append(replace(loop, stop=end, body=nest, step=ROWS, order="sequential"))
        if turns is None or turns % ROWS:
            names = {n: self._fresh(n) for n in sorted({loop.var, *definitions(loop.body)})}
            made += rename_block((replace(loop, start=end),), names)
        return tuple(made)

    def _loads_first(self, rows: Sequence[Stmt]) -> Block:
        """What is added, then the additions: between two to one element nothing else is loaded."""
        names: list[Stmt] = []
        sums: list[Stmt] = []
        for s in rows:
            if isinstance(s, Accumulate) and looks(s.value):
                term = Let(self._fresh("term"), s.value, s.span)
                names.append(term)
                s = replace(s, value=term.var)
            (sums if isinstance(s, Accumulate) else names).append(s)
        return (*names, *sums)

    def _row(self, s: Stmt, var: str, k: int, names: dict[str, str]) -> Stmt:
        """A statement for the row that comes k after."""
        if not k:
            return s
        later: dict[str, Expr] = {var: iadd(Var(var, I64), b.i64(k))}
        return rebuild(s, expr=lambda e: renamed(rename_expr(e, names), later), name=lambda n: names.get(n, n))

    def _fresh(self, hint: str) -> str:
        name = unused(hint, self.names)
        self.names.add(name)
        return name


def _moving(block: Block, names: set[str]) -> set[str]:
    """These names, and those of lets that depend on them."""
    found = set(names)
    for s in statements(block):
        if isinstance(s, Let) and names_in(s.value) & found:
            found.add(s.name)
    return found


def _is_real(s: Accumulate) -> bool:
    return s.value.dtype.is_inexact and not s.value.dtype.is_complex
