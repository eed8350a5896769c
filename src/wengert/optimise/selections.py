"""Selections: a list of the places where a condition holds is not made where one loop goes through it.

`data[mask].mean()` counts the places, lists them, and visits one after the other. The loop that visits them becomes the
loop that lists them: it does what there is to do at a place at once, so that no list is needed, and runs in vector
lanes, or is fused with what computes the mask.

Contract: results are the same to the last bit if the visiting loop is sequential; else, the order in which
contributions to one element are added changes, as that of an `any` loop may. The list is an array of integers, not
zeroed, allocated in a block, into which one nest of that block stores the variables of its loops, at a place that a
cell counts, where a condition holds. Of what follows, a single loop over all of the list reads it, only at its own
variable, and at least once whatever the data are: so the list has as many elements as there are places. What the
nest reads stays as it is up to the end of that loop. What the loop does is cheap: functions that are dear in lanes that
are not wanted stay with the list.

Source: as array contraction (see `contract`), of a list between the loop that fills it and the one that empties it; G.
Blelloch's pack in "Vector models for data-parallel computing" (1990), not made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.analysis.access import accesses, effects, looks
from wengert.analysis.affine import same
from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Accumulate,
    Alloc,
    Block,
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
    Store,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    expressions,
    loads,
    map_expr,
    map_expressions,
    names_in,
    operands,
    rebuild,
    statements,
    subexpressions,
    substitute_block,
    used,
)
from wengert.optimise.contract import contract
from wengert.optimise.dce import eliminate_dead_code
from wengert.optimise.fuse import fuse

CHEAP = frozenset(
    {"add", "sub", "mul", "neg", "max", "min", "abs", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"}
)


def selections(module: Module) -> Module:
    """Every function without lists that one loop goes through; the loops that this leaves are fused again."""
    calls = analyse(module)
    functions = {n: _Selections(f, calls).function() for n, f in module.functions.items()}
    if all(functions[n] is f for n, f in module.functions.items()):
        return module
    return contract(fuse(eliminate_dead_code(Module(functions, module.entry))))


@dataclass(frozen=True, slots=True)
class _Listing:
    """A nest that lists places: its position in the block, its loops and what comes before the condition in the
    innermost one, the condition, what it stores into each list, and the cell that counts."""

    at: int
    loops: tuple[Loop, ...]
    before: Block
    choice: If
    lists: dict[str, Var]
    place: str


class _Selections:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls = f, calls
        self.aliases: Aliases = calls.aliases[f.name]
        self.held: set[str] = set(f.results)
        """Storages that are used as a whole."""
        self.touched: dict[str, int] = {}
        """How often elements of a storage are loaded or written."""
        for s in statements(f.body):
            plain = isinstance(s, (Store, Accumulate, Let, Loop, If, Alloc))
            self.held |= set() if plain else used(s)
            for e in expressions(s):
                self.held |= {x.storage for x in subexpressions(e) if isinstance(x, Extent)}
        for x in accesses(f.body):
            self.touched[x.storage] = self.touched.get(x.storage, 0) + 1

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        stmts = list(block)
        own = {s.buffer.name: s for s in block if isinstance(s, Alloc) and s.buffer.name not in self.held}
        for s in block:
            at = next((k for k, t in enumerate(stmts) if t is s), None)
            if at is not None and isinstance(s, Loop):
                found = self._listing(stmts, at, own)
                if found is not None:
                    self._use(stmts, found, own)
        made = tuple(rebuild(s, block=self.block) for s in stmts)
        return block if made == block else made

    def _listing(self, stmts: list[Stmt], at: int, own: dict[str, Alloc]) -> _Listing | None:
        """The nest at a position, if it lists places."""
        loops: list[Loop] = []
        inner = stmts[at]
        while isinstance(inner, Loop) and inner.cond is None and inner.stop is not None and inner.body:
            loops.append(inner)
            *lets, inner = inner.body
            if isinstance(inner, If):
                return self._chosen(stmts, at, loops, tuple(lets), inner, own)
            if lets:
                return None
        return None

    def _chosen(
        self, stmts: list[Stmt], at: int, loops: list[Loop], lets: Block, choice: If, own: dict[str, Alloc]
    ) -> _Listing | None:
        if choice.orelse or len(choice.then) < 3 or not all(isinstance(s, Let) for s in lets):
            return None
        first, *stores, last = choice.then
        if not isinstance(first, Let) or not isinstance(first.value, Load) or first.value.index:
            return None
        place, counted = first.value.storage, Var(first.name, I64)
        if place not in own or own[place].zero or self.touched[place] != 3:  # set before, loaded and counted here
            return None
        if not isinstance(last, Store) or last.storage != place or last.value != Op("add", (counted, ONE), I64):
            return None
        begin = [s for s in stmts[:at] if isinstance(s, Store) and s.storage == place]
        if len(begin) != 1 or not same(begin[0].value, ZERO):
            return None
        variables = {loop.var for loop in loops}
        lists: dict[str, Var] = {}
        for s in stores:
            if not isinstance(s, Store) or s.storage not in own or own[s.storage].zero or s.storage in lists:
                return None
            if s.index != (counted,) or not isinstance(s.value, Var) or s.value.name not in variables:
                return None
            lists[s.storage] = s.value
        return _Listing(at, tuple(loops), lets, choice, lists, place)

    def _use(self, stmts: list[Stmt], found: _Listing, own: dict[str, Alloc]) -> None:
        """Let the one loop that reads the lists go through the places, if there is such a loop and it may."""
        users = [
            k for k, s in enumerate(stmts) if k != found.at and any(x.storage in found.lists for x in accesses((s,)))
        ]
        if len(users) != 1 or users[0] < found.at:
            return
        visit = stmts[users[0]]
        if not isinstance(visit, Loop) or not self._visits_all(visit, found, own):
            return
        reads = effects(stmts[found.at], self.aliases, self.calls).reads
        reads -= {self.aliases.of(found.place)}
        if any(reads & effects(s, self.aliases, self.calls).writes for s in stmts[found.at + 1 : users[0] + 1]):
            return
        if any(self.aliases.of(n) in self.aliases.rebindable for n in found.lists):
            return
        stmts[users[0]] = _visit(visit, found)
        gone = {*found.lists, found.place}
        stmts[:] = [
            s
            for k, s in enumerate(stmts)
            if k != found.at
            and not (isinstance(s, Alloc) and s.buffer.name in gone)
            and not (isinstance(s, Store) and s.storage in gone)
        ]

    def _visits_all(self, visit: Loop, found: _Listing, own: dict[str, Alloc]) -> bool:
        """Whether a loop reads the lists at its own variable, which it needs for nothing else, once for every element
        at least, and does cheap things with what it reads."""
        if visit.cond is not None or visit.stop is None or visit.step != 1 or not same(visit.start, ZERO):
            return False
        if looks(visit.stop):  # it may have been something else when the list was made
            return False
        if not all(same(visit.stop, own[n].buffer.shape[0]) for n in found.lists):
            return False
        here = (Var(visit.var, I64),)
        deep = False
        for s in statements(visit.body):
            deep = deep or isinstance(s, Loop)
            if isinstance(s, (Store, Accumulate)) and s.storage in found.lists:
                return False
            for e in expressions(s):
                rest = map_expr(lambda x: ZERO if isinstance(x, Load) and _is_place(x, found, here) else x, e)
                if visit.var in names_in(rest) or any(x.storage in found.lists for x in loads(rest)):
                    return False
        if not deep and not all(_is_cheap(e) for s in statements(visit.body) for e in expressions(s)):
            return False
        sure = [
            x for s in visit.body if isinstance(s, (Let, Store, Accumulate)) for e in expressions(s) for x in _sure(e)
        ]
        return any(_is_place(x, found, here) for x in sure)


def _is_place(x: Load, found: _Listing, here: tuple[Var]) -> bool:
    return x.storage in found.lists and x.index == here


def _is_cheap(e: Expr) -> bool:
    """Whether lanes in which a value is not wanted cost little."""
    return all(not isinstance(x, Op) or x.name in CHEAP or not x.dtype.is_inexact for x in subexpressions(e))


def _sure(e: Expr) -> list[Load]:
    """The loads that an expression needs whatever the data are."""
    if isinstance(e, Select):
        return _sure(e.cond)
    own = [e] if isinstance(e, Load) else []
    return own + [x for o in operands(e) for x in _sure(o)]


def _visit(visit: Loop, found: _Listing) -> Stmt:
    """The listing nest with a visit of each place inside."""

    def placed(x: Expr) -> Expr:
        return found.lists[x.storage] if isinstance(x, Load) and x.storage in found.lists else x

    body = _without_copies(map_expressions(visit.body, lambda e: map_expr(placed, e)))
    made: Block = (*found.before, replace(found.choice, then=body))
    for loop in reversed(found.loops):
        made = (replace(loop, body=made, order=visit.order),)
    return made[0]


def _without_copies(block: Block) -> Block:
    """A block in which names of loop variables are the variables: subscripts are to show what they move with."""
    names: dict[str, Expr] = {s.name: s.value for s in block if isinstance(s, Let) and isinstance(s.value, Var)}
    kept = tuple(s for s in block if not (isinstance(s, Let) and s.name in names))
    return substitute_block(kept, names) if names else block
