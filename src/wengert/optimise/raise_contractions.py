"""Raising: sums in loops that are matrix products become calls of BLAS.

Contract: a loop is run in blocks of turns. Out of each block, sums that are contractions (see `contraction`) are moved:
their product is formed before or after the turns of the block, as a matrix product into scratch memory that a loop then
adds to where the sums went. That is done if it moves no value across a statement that changes it; factors that change
are copied where the sum was. Nothing outside of the arrays' elements that the sums touch is read or written, and an
element of the product that the sums lack is not added. Sums are reordered as BLAS does: results differ by rounding,
and where an infinite and a finite overflow meet.

Source: blocked algorithms of dense linear algebra, as in G. Golub, C. Van Loan, "Matrix Computations", section 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wengert.analysis.access import folded
from wengert.analysis.affine import Facts, iadd, isub, known_extents
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.instances import Instances, Site, bounds
from wengert.ir import build as b
from wengert.ir.libops import SILENT
from wengert.ir.nodes import (
    ONE,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Expr,
    Function,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Reshape,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import (
    blocks,
    definitions,
    expressions,
    function_names,
    loads,
    names_in,
    rebuild,
    rename_block,
    statements,
    storages,
    subexpressions,
    unused,
)
from wengert.optimise.contraction import Cut, Recognition, Turns
from wengert.optimise.dce import eliminate_dead_code
from wengert.optimise.movement import Copy, Move, edited

TURNS = (64, 8)
"""Turns in a block, and in a block of what is left of it if ranges were cut."""


def raise_contractions(module: Module) -> Module:
    """Every function with its contractions as matrix products."""
    if not any(_may_contract(f.body) for f in module.functions.values()):
        return module
    module = eliminate_dead_code(module)
    calls = analyse(module)
    functions = {n: _Raiser(f, calls).function() for n, f in module.functions.items()}
    if all(functions[n] is f for n, f in module.functions.items()):
        return module
    return eliminate_dead_code(Module(functions, module.entry))


@dataclass(frozen=True, slots=True)
class _Blocked:
    """The turns of one block, what comes before and after them, and the loops whose ranges were cut."""

    loop: Loop
    before: Block = ()
    after: Block = ()
    cut: frozenset[str] = frozenset()
    products: Mapping[object, Buffer] = field(default_factory=lambda: dict[object, Buffer]())
    """Products that are known before the turns, by what they are products of."""
    copied: Mapping[object, Copy] = field(default_factory=lambda: dict[object, Copy]())
    """Matrices that are copied in the turns, by what they are made of."""


class _Raiser:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls = f, calls
        self.aliases = calls.aliases[f.name]
        self.names = function_names(f)
        self.storages: dict[str, Storage] = storages(f)
        self.folded = folded(f.body, self.aliases)

    def function(self) -> Function:
        body = self._block(self.f.body, known_extents(self.storages))
        return self.f if body == self.f.body else replace(self.f, body=body)

    def _block(self, block: Block, known: Facts) -> Block:
        made: list[Stmt] = []
        for s in block:
            raised = self._loop(s, known, TURNS) if isinstance(s, Loop) else None
            if raised is not None:
                made.extend(raised)
                continue
            made.extend(self._nested(s, known))
        return block if tuple(made) == block else tuple(made)

    def _nested(self, s: Stmt, known: Facts) -> Block:
        """A statement with what can be raised in the blocks inside it."""
        inside = known
        if isinstance(s, Loop):
            inside = Facts(dict(known.bounds))
            low, high = bounds(s) or (None, None)
            inside.assume(Var(s.var, I64), low, None if high is None else isub(high, ONE))
        return (rebuild(s, block=lambda x: self._block(x, inside)),)

    def _loop(self, loop: Loop, known: Facts, sizes: Sequence[int]) -> Block | None:
        """The loop in blocks with what can be raised out of them; None if that is nothing."""
        ends = bounds(loop)
        if ends is None or not _may_contract((loop,)) or not _is_suited(loop):
            return None
        turns = isub(ends[1], ends[0])
        block = Turns(Var(self._fresh(f"{loop.var}_low"), I64), Var(self._fresh(f"{loop.var}_high"), I64))
        inside = Facts(dict(known.bounds))
        inside.assume(block.high, iadd(ends[0], ONE), ends[1])
        inside.assume(block.low, ends[0], isub(block.high, ONE))
        start, stop = (block.low, block.high) if loop.step > 0 else (isub(block.high, ONE), isub(block.low, ONE))
        now = _Blocked(replace(loop, start=start, stop=stop, body=separated(loop)))
        refused: set[int] = set()
        while True:
            nest = self._instances(now.loop, inside)
            sums = [s for s in statements(now.loop.body) if isinstance(s, Accumulate) and id(s) not in refused]
            made = None
            for s in sums:
                made = self._raise(now, nest, s, block, turns, inside)
                if made is not None:
                    break
                refused.add(id(s))
            if made is None:
                break
            now = made
        if not now.before and not now.after:
            return None
        left: Block = (now.loop,) if now.loop.body else ()
        smaller = self._loop(now.loop, inside, sizes[1:]) if now.cut and len(sizes) > 1 else None
        left = self._nested(now.loop, inside) if smaller is None and left else smaller or left
        return self._in_blocks(loop, (*now.before, *left, *now.after), block, sizes[0])

    def _in_blocks(self, loop: Loop, body: Block, block: Turns, size: int) -> Block:
        """A loop over blocks, in the order of the turns."""
        assert isinstance(block.low, Var) and isinstance(block.high, Var) and loop.stop is not None
        if loop.step > 0:
            high = Let(block.high.name, Op("min", (iadd(block.low, b.i64(size)), loop.stop), I64), loop.span)
            body = (high, *body)
            return (Loop(block.low.name, loop.start, loop.stop, body, size, "sequential", None, loop.span),)
        last = Var(self._fresh(f"{loop.var}_last"), I64)
        high = Let(block.high.name, iadd(last, ONE), loop.span)
        least = Op("max", (isub(last, b.i64(size)), loop.stop), I64)
        low = Let(block.low.name, Op("add", (least, ONE), I64), loop.span)
        body = (high, low, *body)
        return (Loop(last.name, loop.start, loop.stop, body, -size, "sequential", None, loop.span),)

    def _fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made

    # -- one sum

    def _instances(self, loop: Loop, known: Facts) -> Instances:
        return Instances(loop, self.storages, self.aliases, self.calls, self.folded, known)

    def _raise(
        self, now: _Blocked, nest: Instances, stmt: Stmt, block: Turns, turns: Expr, known: Facts
    ) -> _Blocked | None:
        """The block with a sum raised out of it; None if it is no contraction or cannot be moved. `nest`: of `now`."""
        site = next(s for s in nest.sites if s.stmt is stmt)
        rules = Recognition(nest, block, turns, now.cut)
        found = rules.contraction(site)
        if isinstance(found, Cut):
            made, same = self._cut(now.loop, found, stmt)
            cut = now.cut | {found.loop.var}
            now = replace(now, loop=made, cut=cut)
            return self._raise(now, self._instances(made, known), same, block, turns, known)
        if found is None:
            return self._raise_factored(now, nest, rules, site, block, turns, known)
        move = Move(nest, rules, found, self.names, self.storages, now.products, now.copied)
        made = move.made()
        if made is None:
            return None
        before, loop, after = made
        products = {**now.products, **move.known}
        before, after = (*now.before, *before), (*after, *now.after)
        return replace(now, before=before, loop=loop, after=after, products=products, copied=move.copied)

    def _raise_factored(
        self,
        now: _Blocked,
        nest: Instances,
        rules: Recognition,
        site: Site,
        block: Turns,
        turns: Expr,
        known: Facts,
    ) -> _Blocked | None:
        """The block with a sum of three factors raised: the sum over two of them, in a cell, times the third."""
        inner = rules.factored(site)
        if inner is None:
            return None
        loop = site.loops[-1]
        ends = bounds(loop)
        assert ends is not None
        span = site.stmt.span
        cell = Buffer(self._fresh("sum"), inner.rest.dtype, ())
        self.storages[cell.name] = cell
        self.aliases.parent[cell.name] = cell.name
        total = Accumulate(cell.name, (), inner.rest, "add", span)
        assert isinstance(site.stmt, Accumulate)
        value = b.mul(inner.common, b.load(cell, ()))
        instead: Block = (
            Alloc(cell, True, span),
            replace(loop, body=edited(loop.body, {}, {id(site.stmt): (total,)})),
            If(b.lt(*ends), (replace(site.stmt, value=value),), (), span),
        )
        made = replace(now, loop=replace(now.loop, body=edited(now.loop.body, {}, {id(loop): instead})))
        return self._raise(made, self._instances(made.loop, known), total, block, turns, known)

    def _cut(self, loop: Loop, cut: Cut, stmt: Stmt) -> tuple[Loop, Stmt]:
        """A loop with one inside it cut in two, and the statement's copy in the part that is the same in all turns."""
        old = cut.loop
        renamed = {n: self._fresh(n) for n in sorted(definitions(old.body) | {old.var})}
        for n, new in renamed.items():
            if n in self.storages:
                self.storages[new] = replace(self.storages[n], name=new)
                self.aliases.parent[new] = self.aliases.of(n)
        (copy,) = rename_block((old,), renamed)
        assert isinstance(copy, Loop)
        same = next(new for s, new in zip(statements(old.body), statements(copy.body), strict=True) if s is stmt)
        end = cut.at if old.step > 0 else isub(cut.at, ONE)
        first_is_copy = cut.below == (old.step > 0)
        parts = [copy, old] if first_is_copy else [old, copy]
        parts = [replace(parts[0], stop=end), replace(parts[1], start=end)]
        made = edited(loop.body, {}, {id(old): tuple(parts)})
        return replace(loop, body=made), same


def _may_contract(block: Block) -> bool:
    """Whether there are sums inside three loops, or inside two down the columns of an array."""
    return any(isinstance(s, Accumulate) for s in _inside(block, 3)) or any(map(_sums_columns, _inside(block, 1)))


def _sums_columns(s: Stmt) -> bool:
    """Whether a loop sums, or adds to, elements whose last subscript does not move with it, another one does."""
    if not isinstance(s, Loop):
        return False
    sums = [t for t in s.body if isinstance(t, Accumulate)]
    if any(s.var in names_in(e) for t in sums for e in t.index[:-1] if s.var not in names_in(t.index[-1])):
        return True
    read = [x.index for t in s.body for e in expressions(t) for x in loads(e) if len(x.index) > 1]
    moving = any(s.var in names_in(e) for index in read for e in index[:-1] if s.var not in names_in(index[-1]))
    return moving and any(not any(s.var in names_in(e) for e in t.index) for t in sums)


def _inside(block: Block, depth: int) -> Iterator[Stmt]:
    """The statements inside at least so many loops."""
    for s in block:
        if depth <= 0:
            yield s
        for nested in blocks(s):
            yield from _inside(nested, depth - isinstance(s, Loop))


def separated(loop: Loop) -> Block:
    """The body with sums of several terms as several sums."""
    lets = {s.name: s.value for s in statements(loop.body) if isinstance(s, Let)}
    deep = {id(s) for s in _inside(loop.body, 2)}

    def terms(e: Expr) -> list[Expr]:
        match e:
            case Op("add", (x, y)):
                return terms(x) + terms(y)
            case Op("sub", (x, y)):
                return terms(x) + [b.neg(t) for t in terms(y)]
            case Op("neg", (x,)):
                return [b.neg(t) for t in terms(x)]
            case Var(name) if name in lets and not any(True for _ in loads(lets[name])):
                return found if len(found := terms(lets[name])) > 1 else [e]
            case _:
                return [e]

    def separate(s: Stmt) -> Block:
        if not isinstance(s, Accumulate) or s.op != "add" or not s.value.dtype.is_inexact or id(s) not in deep:
            return (s,)
        found = terms(s.value)
        return (s,) if len(found) < 2 else tuple(replace(s, value=t) for t in found)

    instead = {id(s): made for s in statements(loop.body) if len(made := separate(s)) > 1}
    return edited(loop.body, {}, instead)


def _is_suited(loop: Loop) -> bool:
    """Whether a loop may be run in blocks, statements inside it moved across others: nothing fails or is rebound."""
    if loop.cond is not None or loop.step not in (1, -1) or loop.stop is None:
        return False
    if any(isinstance(x, Load) for e in (loop.start, loop.stop) for x in subexpressions(e)):
        return False
    return all(map(_is_simple, statements(loop.body)))


def _is_simple(s: Stmt) -> bool:
    if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
        return False
    if isinstance(s, LibCall):
        return s.op in SILENT
    return isinstance(s, (Let, Store, Accumulate, Loop, If, Alloc, View, Reshape))
