"""Carrying: in a recurrence, what one turn leaves for the next stays in a register instead of going through memory.

`for j: y[j] = f(y[j - 1])` stores an element and loads it at once, and the recurrence waits for that. Contract: in an
innermost sequential loop of names, stores and sums, of step 1 or -1, the elements of an array that several turns touch
(at constant distances from the loop's variable) are kept in cells, which move on by one at the end of each turn. A turn
stores an element once; of two neighbours that every turn stores, only the one that the next turn does not store again.
Results are the same to the last bit, but for the sign of a zero that a sum starts from. Legal if nothing else in the
loop may touch the array at other subscripts, and other turns of an `any` loop around it touch other elements.

Source: D. Callahan, S. Carr, K. Kennedy, "Improving register allocation for subscripted variables", PLDI 1990.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.analysis.access import Access, accesses, common_axis, folded, is_plain, looks, offset
from wengert.analysis.affine import constant, iadd, isub, same
from wengert.analysis.alias import Aliases, analyse
from wengert.ir import build as b
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Stmt,
    Store,
    Var,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import BOOL, I64
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    map_expr,
    names_in,
    rebuild,
    storages,
    subexpressions,
    unused,
)

WIDTH = 4
"""The most neighbouring elements that are kept."""


def carry(module: Module) -> Module:
    """Every function with the elements that its recurrences hand on in cells."""
    aliases = analyse(module)
    functions = {n: _Carrier(f, aliases.aliases[n]).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Window:
    """Elements of a storage at `low` to `high` from the loop's variable, at an axis; `index`: that at distance 0."""

    storage: str
    axis: int
    index: tuple[Expr, ...]
    low: int
    high: int

    def at(self, distance: int, var: Expr, value: Expr) -> tuple[Expr, ...]:
        """The subscript at a distance, where the variable has a value."""
        moved = iadd(isub(self.index[self.axis], var), iadd(value, Const(distance, I64)))
        return (*self.index[: self.axis], moved, *self.index[self.axis + 1 :])

    def distance(self, index: tuple[Expr, ...]) -> int:
        found = constant(isub(index[self.axis], self.index[self.axis]))
        assert found is not None
        return found


class _Carrier:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases, self.names = f, aliases, function_names(f)
        self.folded = folded(f.body, aliases)
        self.storages = storages(f)
        self.around: list[Loop] = []
        """The `any` loops around."""

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        made = tuple(x for s in block for x in self._statement(s))
        return block if made == block else made

    def _statement(self, s: Stmt) -> Sequence[Stmt]:
        if not isinstance(s, Loop):
            return (rebuild(s, block=self.block),)
        if s.order == "any":
            self.around.append(s)
            made = rebuild(s, block=self.block)
            self.around.pop()
            return (made,)
        windows = self._windows(s) if self._is_simple(s) else []
        return self._carried(s, windows) if windows else (rebuild(s, block=self.block),)

    # -- legality

    def _is_simple(self, loop: Loop) -> bool:
        if loop.cond is not None or loop.stop is None or abs(loop.step) != 1 or looks(loop.start) or looks(loop.stop):
            return False
        for s in loop.body:
            if not isinstance(s, (Let, Store)) and not (isinstance(s, Accumulate) and s.op == "add"):
                return False
            if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
                return False
        return True

    def _windows(self, loop: Loop) -> list[_Window]:
        touched: dict[str, list[Access]] = {}
        for x in accesses(loop.body):
            touched.setdefault(self.aliases.of(x.storage), []).append(x)
        found: list[_Window] = []
        for c, both in touched.items():
            if c in self.folded or self.aliases.is_rebindable(both[0].storage) or not any(x.writes for x in both):
                continue
            if len({x.storage for x in both}) > 1 or not isinstance(self.storages.get(both[0].storage), Buffer):
                continue
            window = _window(both, loop)
            if window is not None and all(self._is_own(both[0].storage, window.index, outer) for outer in self.around):
                found.append(window)
        return found

    def _is_own(self, storage: str, index: tuple[Expr, ...], outer: Loop) -> bool:
        """Whether the elements are touched in one turn of an `any` loop around only."""
        inside = definitions(outer.body)
        if storage in inside:
            return True
        if not is_plain(outer):
            return False
        c = self.aliases.of(storage)
        both = [x for x in accesses(outer.body) if self.aliases.of(x.storage) == c]
        local = inside | {outer.var}
        return (
            all(x.storage == storage for x in both)
            and common_axis([x.index for x in both], outer.var, local) is not None
        )

    # -- rewriting

    def _carried(self, loop: Loop, windows: list[_Window]) -> list[Stmt]:
        """The loop with its windows in cells, which are filled before it."""
        assert loop.stop is not None
        before: list[Stmt] = []
        first: list[Stmt] = []
        body: list[Stmt] = []
        cells: dict[str, dict[int, str]] = {}
        now: dict[str, dict[int, Expr]] = {}
        """What the elements of each window hold at this place of the turn."""
        of = {w.storage: w for w in windows}
        var = Var(loop.var, I64)
        for w in windows:
            dtype = self.storages[w.storage].dtype
            kept = cells[w.storage] = {}
            values = now[w.storage] = {}
            for k in range(w.low, w.high + 1):
                value: Expr
                if k == (w.high if loop.step > 0 else w.low):
                    value = Load(w.storage, w.at(k, var, var), dtype)
                else:
                    cell = Buffer(self._fresh(f"{w.storage}_kept"), dtype, ())
                    before.append(Alloc(cell, True, loop.span))
                    first.append(Store(cell.name, (), Load(w.storage, w.at(k, var, loop.start), dtype), loop.span))
                    kept[k] = cell.name
                    value = Load(cell.name, (), dtype)
                values[k] = self._named(body, w.storage, value, loop)

        def known(e: Expr) -> Expr:
            def value(x: Expr) -> Expr:
                return now[x.storage][of[x.storage].distance(x.index)] if isinstance(x, Load) and x.storage in of else x

            return map_expr(value, e)

        stored: dict[tuple[str, int], int] = {}
        """Where in the body an element was last stored."""
        for s in loop.body:
            s = rebuild(s, expr=known)
            if isinstance(s, (Store, Accumulate)) and s.storage in of:
                values, k = now[s.storage], of[s.storage].distance(s.index)
                value = s.value if isinstance(s, Store) or _is_zero(values[k]) else b.add(values[k], s.value)
                values[k] = self._named(body, s.storage, value, s)
                stored[s.storage, k] = len(body)
                s = Store(s.storage, s.index, values[k], s.span)
            body.append(s)
        after: list[Stmt] = []
        for w in windows:
            (newest, oldest) = (w.high, w.low) if loop.step > 0 else (w.low, w.high)
            if w.high - w.low == 1 and (w.storage, oldest) in stored and (w.storage, newest) in stored:
                # The next turn stores the newest element anew, if there is one.
                del stored[w.storage, newest]
                cell = Load(cells[w.storage][oldest], (), self.storages[w.storage].dtype)
                after.append(Store(w.storage, w.at(oldest, var, loop.stop), cell, loop.span))
        kept_stores = set(stored.values())
        body = [s for k, s in enumerate(body) if not isinstance(s, Store) or s.storage not in of or k in kept_stores]
        for storage, kept in cells.items():
            body += [Store(cell, (), now[storage][k + loop.step], loop.span) for k, cell in kept.items()]
        turns = Op("lt", (loop.start, loop.stop) if loop.step > 0 else (loop.stop, loop.start), BOOL)
        made = [*before, If(turns, tuple(first), (), loop.span), replace(loop, body=tuple(body))]
        return [*made, If(turns, tuple(after), (), loop.span)] if after else made

    def _named(self, body: list[Stmt], hint: str, value: Expr, s: Stmt) -> Expr:
        if isinstance(value, (Const, Var)):
            return value
        made = Let(self._fresh(hint), value, s.span)
        body.append(made)
        return made.var

    def _fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made


def _is_zero(e: Expr) -> bool:
    return isinstance(e, Const) and e.value == 0


def _window(both: list[Access], loop: Loop) -> _Window | None:
    """The neighbouring elements that accesses touch, if they do."""
    local = definitions(loop.body) | {loop.var}
    index = both[0].index
    for axis, e in enumerate(index):
        rest = [i for k, i in enumerate(index) if k != axis]
        if any(names_in(i) & local or looks(i) for i in rest) or offset(e, loop.var, local) is None:
            continue
        gaps: list[int] = []
        for x in both:
            gap = constant(isub(x.index[axis], e))
            if gap is None or any(
                not same(i, j) for k, (i, j) in enumerate(zip(x.index, index, strict=True)) if k != axis
            ):
                return None
            gaps.append(gap)
        low, high = min(gaps), max(gaps)
        return _Window(both[0].storage, axis, index, low, high) if 0 < high - low < WIDTH else None
    return None
