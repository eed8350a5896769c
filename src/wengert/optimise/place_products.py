"""Places of products: a matrix product is formed where a loop would copy it, or added where a loop would add it.

Contract: a product into an array of its own that one nest of loops then copies to, adds to or takes from a rectangular
part of another array is formed there (`matmul` into a view, `add_matmul`), and the nest and the array go. Terms are
added in another order: results differ by rounding. Legal if nothing else touches the product; if the nest takes
every element of it to an element of its own (subscripts move with one variable each, by a constant step, and the
part of the array has no element twice); if the array is apart from the factors; and if nothing between the product and
the nest writes the factors (then it is formed where the nest was), or touches the array or fails (then where it was).
In a loop whose turns may run at once the array must be the turn's own.

Source: GEMM's beta, J. Dongarra, J. Du Croz, S. Hammarling, I. Duff, "A set of level 3 basic linear algebra
subprograms", ACM TOMS 16(1), 1990.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wengert.analysis.access import Effects, Extents, effects, folded, looks
from wengert.analysis.affine import constant, iadd, isub, same
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.ir.nodes import (
    ONE,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Const,
    Expr,
    Fail,
    Function,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    names_in,
    rebuild,
    statements,
    storages,
    substitute,
    unused,
    used,
)
from wengert.optimise.fuse import cannot_fail


def place_products(module: Module) -> Module:
    """Every function with its products where they go."""
    if not any(_is_product(s) for f in module.functions.values() for s in statements(f.body)):
        return module
    calls = analyse(module)
    functions = {n: _Placer(f, calls).function() for n, f in module.functions.items()}
    return module if all(functions[n] is f for n, f in module.functions.items()) else Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Use:
    """What a nest does with a product: where its elements go, and whether they are added, and negated."""

    part: View
    adds: bool
    negative: bool


class _Placer:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls, self.aliases = f, calls, calls.aliases[f.name]
        self.names = function_names(f)
        self.storages: dict[str, Storage] = storages(f)
        self.folded = folded(f.body, self.aliases)
        self.extents = Extents(self.storages)
        self.views: dict[int, View] = {}
        """By the identity of a product, the part of an array that it is formed in."""
        self.own: set[str] | None = None
        """In a loop whose turns may run at once, the classes of what a turn has to itself."""
        self.users: dict[str, int] = {}
        """In how many statements a storage's class appears, results included."""
        for s in statements(f.body):
            for n in {self.aliases.of(n) for n in used(s) if n in self.aliases.parent}:
                self.users[n] = self.users.get(n, 0) + 1
        for n in f.results:
            self.users[self.aliases.of(n)] = self.users.get(self.aliases.of(n), 0) + 1

    def function(self) -> Function:
        body = self._block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def _block(self, block: Block) -> Block:
        stmts: list[Stmt | None] = list(block)
        for k, s in enumerate(block):
            if isinstance(s, LibCall) and _is_product(s):
                self._place(stmts, k, s)
        made = tuple(map(self._nested, self._flat(stmts)))
        return block if made == block else made

    def _nested(self, s: Stmt) -> Stmt:
        if not isinstance(s, Loop) or s.order != "any":
            return rebuild(s, block=self._block)
        before, self.own = self.own, {self.aliases.of(n) for n in definitions(s.body) if n in self.aliases.parent}
        made = rebuild(s, block=self._block)
        self.own = before
        return made

    def _flat(self, stmts: list[Stmt | None]) -> list[Stmt]:
        """The statements that are left, each part of an array before the product into it."""
        made: list[Stmt] = []
        for s in stmts:
            if s is not None:
                made.extend((self.views[id(s)], s) if id(s) in self.views else (s,))
        return made

    def _place(self, stmts: list[Stmt | None], k: int, call: LibCall) -> None:
        """Form a product where its nest puts it, if that is possible."""
        (name,) = call.outs
        product = self.storages[name]
        allocs = (j for j, s in enumerate(stmts[:k]) if isinstance(s, Alloc) and s.buffer.name == name)
        alloc = next(allocs, None)
        if alloc is None or not isinstance(product, Buffer) or self.users.get(self.aliases.of(name)) != 2:
            return
        j = next((j for j in range(k + 1, len(stmts)) if _touches(stmts[j], name)), None)
        nest = None if j is None else stmts[j]
        if j is None or not isinstance(nest, Loop):
            return
        use = self._use(nest, product)
        if use is None:
            return
        target = self.aliases.of(use.part.base)
        factors = {self.aliases.of(i) for i in call.ins if isinstance(i, str)}
        if target in factors or target in self.folded or target in self.aliases.rebindable:
            return
        if self.own is not None and target not in self.own:
            return
        past = [s for s in stmts[k + 1 : j] if s is not None]
        between = [effects(s, self.aliases, self.calls) for s in past]
        if not any(factors & e.writes for e in between):
            place = j
        elif not any(map(_may_fail, statements(tuple(past)))) and self._may_be_early(use, target, between):
            place = k
        else:
            return
        stmts[alloc] = stmts[k] = stmts[j] = None
        part = use.part.buffer.name
        ins = call.ins
        made = LibCall("matmul", (part,), ins, (), call.span)
        if use.adds:
            made = LibCall("add_matmul", (part,), (part, *ins), (("negative", int(use.negative)),), call.span)
        stmts[place] = made
        self.views[id(made)] = use.part
        self.storages[part] = use.part.buffer
        self.aliases.parent[part] = target

    def _may_be_early(self, use: _Use, target: str, between: list[Effects]) -> bool:
        names = {n for e in use.part.start for n in names_in(e)} | {use.part.base}
        return not any(target in e.reads | e.writes or names & e.defines for e in between)

    def _use(self, nest: Loop, product: Buffer) -> _Use | None:
        """What a nest does with a product, if that is all that it does, with every element once."""
        loops: list[Loop] = [nest]
        while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], Loop):
            loops.append(loops[-1].body[0])
        *lets, last = loops[-1].body
        if len(loops) != 2 or not all(isinstance(s, Let) for s in lets):
            return None
        if not isinstance(last, Store | Accumulate) or (isinstance(last, Accumulate) and last.op != "add"):
            return None
        values = {s.name: s.value for s in lets if isinstance(s, Let)}
        value, negative = _resolved(last.value, values), False
        while isinstance(value, Op) and value.name == "neg":
            value, negative = _resolved(value.args[0], values), not negative
        if not isinstance(value, Load) or value.storage != product.name:
            return None
        if negative and isinstance(last, Store):
            return None
        order = self._order(loops, [_unnamed(i, values) for i in value.index], product)
        if order is None:
            return None
        index = [_unnamed(i, values) for i in last.index]
        if any(product.name in {*names_in(i)} or looks(i) for i in index):
            return None
        part = self._part(order, index, product, last)
        return None if part is None else _Use(part, isinstance(last, Accumulate), negative)

    def _order(self, loops: list[Loop], index: list[Expr], product: Buffer) -> tuple[Loop, Loop] | None:
        """The loops over the rows and the columns of a product, if they go over all of them."""
        found: list[Loop] = []
        for i, extent in zip(index, product.shape, strict=True):
            loop = next((x for x in loops if x.var in names_in(i)), None)
            if loop is None or loop.cond is not None or loop.stop is None or loop.step != 1 or loop in found:
                return None
            start, stop, size = map(self.extents.resolved, (loop.start, loop.stop, extent))
            if (names_in(start) | names_in(stop)) & {x.var for x in loops} or looks(start) or looks(stop):
                return None
            if not same(i, isub(Var(loop.var, I64), start)) or not same(isub(stop, start), size):
                return None
            found.append(loop)
        return found[0], found[1]

    def _part(self, order: tuple[Loop, Loop], index: list[Expr], product: Buffer, last: Stmt) -> View | None:
        """The part of the array that the product's elements go to."""
        assert isinstance(last, Store | Accumulate)
        axes: dict[str, tuple[int, Expr]] = {}
        variables = {loop.var for loop in order}
        for k, i in enumerate(index):
            moving = names_in(i) & variables
            if len(moving) > 1:
                return None
            for v in moving:
                step = constant(isub(substitute(i, {v: iadd(Var(v, I64), ONE)}), i))
                if step is None or step == 0 or v in axes:
                    return None
                axes[v] = k, Const(step, I64)
        if len(axes) != 2 or not isinstance(self.storages[last.storage], Buffer):
            return None
        low = {loop.var: loop.start for loop in order}
        start = tuple(substitute(i, low) for i in index)
        name = unused("place", self.names)
        self.names.add(name)
        buffer = Buffer(name, product.dtype, product.shape, strided=True)
        return View(buffer, last.storage, start, tuple(axes[loop.var] for loop in order), last.span)


def _is_product(s: Stmt) -> bool:
    return isinstance(s, LibCall) and s.op == "matmul"


def _may_fail(s: Stmt) -> bool:
    return isinstance(s, Fail | Call) or not cannot_fail(s)


def _touches(stmt: Stmt | None, name: str) -> bool:
    return stmt is not None and any(
        name in used(s) or any(name in names_in(e) for e in expressions(s)) for s in statements((stmt,))
    )


def _resolved(e: Expr, values: Mapping[str, Expr]) -> Expr:
    """What a name stands for."""
    while isinstance(e, Var) and e.name in values:
        e = values[e.name]
    return e


def _unnamed(e: Expr, values: Mapping[str, Expr]) -> Expr:
    """A subscript without the names of a nest."""
    while names_in(e) & values.keys():
        e = substitute(e, dict(values))
    return e
