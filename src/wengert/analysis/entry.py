"""Which parameters a function reads what they hold at entry: of the others only the extents matter.

An array is not read at entry if every element that is read was stored before, whatever the arguments: statements of the
outermost block are followed in order, and a nest of loops that stores to a rectangle of an array covers later reads
inside it. What a sum starts from (`s[i] += v`) counts as read only if the sums are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wengert.analysis.affine import Facts, iadd, isub
from wengert.analysis.alias import AliasAnalysis
from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Call, Expr, Fail, Function, If, Load, Loop, Module, Op, Stmt, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import blocks, expressions, names_in, reads, statements, subexpressions, substitute

Range = tuple[Expr, Expr]
"""The first and the last index along an axis."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An element that is read, and the loops around it."""

    index: tuple[Expr, ...]
    loops: tuple[Loop, ...]


class EntryReads:
    """Answers for the functions of a module."""

    def __init__(self, module: Module, aliases: AliasAnalysis) -> None:
        self.module, self.aliases = module, aliases
        self._found: dict[str, frozenset[int]] = {}

    def of(self, function: str) -> frozenset[int]:
        """The positions of the storage parameters that are read at entry (all, in a recursion)."""
        if function not in self._found:
            f, aliases = self.module.functions[function], self.aliases.aliases[function]
            self._found[function] = frozenset(range(len(f.params)))
            read = {aliases.of(name) for s in statements(f.body) for name in self._reads(s) if name in aliases.parent}
            classes = [aliases.of(name) for name in aliases.parent]
            self._found[function] = frozenset(
                k
                for k, p in enumerate(f.params)
                if p.name in aliases.parent
                and aliases.of(p.name) in read
                and not (classes.count(aliases.of(p.name)) == 1 and self._is_covered(f, p.name))
            )
        return self._found[function]

    def _reads(self, stmt: Stmt) -> set[str]:
        """The storages whose contents a statement reads, other than to add to them."""
        match stmt:
            case Call(function, args):
                passed = {a for a in args if isinstance(a, str)}
                kept = self.of(function)
                return (reads(stmt) - passed) | {a for k, a in enumerate(args) if isinstance(a, str) and k in kept}
            case Accumulate(_, index, value, "add"):
                inner = (x for e in (*index, value) for x in subexpressions(e))
                return {x.storage for x in inner if isinstance(x, Load)}
            case _:
                return reads(stmt)

    def _is_covered(self, f: Function, storage: str) -> bool:
        """Whether every element of a storage that is read was stored before. No other name stands for the storage."""
        stored: list[tuple[Range, ...]] = []
        equal: dict[str, Expr] = {}
        for stmt in f.body:
            for read in self._elements(stmt, storage, ()):
                if read is None or not any(_contains(rectangle, read, equal) for rectangle in stored):
                    return False
            stored += _stores(stmt, storage, (), equal)
            match stmt:
                case If(Op("ne", (Var(name), other)), (Fail(),), ()):  # from here on they are equal
                    equal[name] = substitute(other, equal)
                case _:
                    pass
        return True

    def _elements(self, stmt: Stmt, storage: str, loops: tuple[Loop, ...]) -> Iterator[_Read | None]:
        """The elements that a statement reads or adds to; None if that is not known."""
        for e in expressions(stmt):
            yield from (
                _Read(x.index, loops) for x in subexpressions(e) if isinstance(x, Load) and x.storage == storage
            )
        match stmt:
            case Accumulate(storage=target, index=index) if target == storage:
                yield _Read(index, loops)
            case Loop(body=body):
                for inner in body:
                    yield from self._elements(inner, storage, (*loops, stmt))
            case If():
                for inner in (s for block in blocks(stmt) for s in block):
                    yield from self._elements(inner, storage, loops)
            case Store():
                pass
            case _ if storage in self._reads(stmt) - {x.storage for e in expressions(stmt) for x in _loads(e)}:
                yield None
            case _:
                pass


def _loads(e: Expr) -> Iterator[Load]:
    return (x for x in subexpressions(e) if isinstance(x, Load))


def _stores(
    stmt: Stmt, storage: str, loops: tuple[Loop, ...], equal: Mapping[str, Expr]
) -> Iterator[tuple[Range, ...]]:
    """The rectangles that a statement stores to in any case."""
    match stmt:
        case Loop(cond=None, step=1, body=body) if stmt.stop is not None:
            for inner in body:
                yield from _stores(inner, storage, (*loops, stmt), equal)
        case Store(target, index) if target == storage:
            ranges = {loop.var: _range(loop, equal) for loop in loops}
            bounds = {n for pair in ranges.values() for e in pair if e is not None for n in names_in(e)}
            found = [_along(substitute(e, equal), ranges) for e in index]
            known = [r for r in found if r is not None]
            used = [n for e in index for n in names_in(e) if n in ranges]
            if len(known) == len(index) and len(set(used)) == len(used) == len(ranges) and not bounds & ranges.keys():
                yield tuple(known)
        case _:
            pass


def _along(e: Expr, ranges: Mapping[str, tuple[Expr | None, Expr | None]]) -> Range | None:
    """The range of a subscript that is a loop variable and something constant, or only that."""
    names = names_in(e) & ranges.keys()
    if not names:
        return e, e
    (name,) = names if len(names) == 1 else ("",)
    shift = isub(e, Var(name, I64))
    low, high = ranges.get(name, (None, None))
    return None if low is None or high is None or name in names_in(shift) else (iadd(low, shift), iadd(high, shift))


def _range(loop: Loop, equal: Mapping[str, Expr]) -> tuple[Expr | None, Expr | None]:
    """The least and the greatest value of a loop variable, as far as they are known."""
    start = substitute(loop.start, equal)
    stop = None if loop.stop is None else substitute(loop.stop, equal)
    if loop.step > 0:
        return start, None if stop is None else b.sub(stop, 1)
    return None if stop is None else b.add(stop, 1), start


def _contains(rectangle: tuple[Range, ...], read: _Read, equal: Mapping[str, Expr]) -> bool:
    facts = Facts()
    for loop in read.loops:
        facts.assume(Var(loop.var, I64), *_range(loop, equal))
    index = [substitute(e, equal) for e in read.index]
    pairs = zip(index, rectangle, strict=True)
    return all(facts.nonnegative(isub(e, low)) and facts.nonnegative(isub(high, e)) for e, (low, high) in pairs)
