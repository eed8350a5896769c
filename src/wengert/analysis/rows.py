"""Arrays of a function that are used a row at a time: which row, and before which statement that is known.

A *row* is what one value of the first subscript selects. An array qualifies that is allocated in the outermost block
and only ever used by its rows: where a statement uses it, nested ones included, every first subscript stays the same
while that statement runs; else it is a sequential loop or a choice in which that holds for the statements inside.
Views count as uses of the row that they look into, and must lie within one; no view of a row is in scope where a loop
goes through other rows. Results, and what refs may name, do not qualify.

So code can be told, before each statement, which rows it is going to use; that serves tapes on disk (`memory limits`),
whose rows are brought and taken away. It decides nothing about results: rows that are not announced are still there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Call,
    Expr,
    Function,
    If,
    LibCall,
    Load,
    Loop,
    Op,
    PushRef,
    Rebind,
    Reshape,
    Stmt,
    Store,
    View,
)
from wengert.ir.ops import CHECKED
from wengert.ir.walk import blocks, definitions, expressions, loads, names_in, statements, subexpressions, used, writes


@dataclass(slots=True)
class Rows:
    """How one array is used: pairs of a statement and the row that it is going to use; `most`: how many rows are
    announced at most in one statement of the outermost block, inner ones included."""

    before: list[tuple[Stmt, Expr]] = field(default_factory=list[tuple[Stmt, Expr]])
    most: int = 0


def used_by_rows(function: Function) -> dict[str, Rows]:
    """The arrays of the outermost block that are used by their rows alone."""
    found: dict[str, Rows] = {}
    mentioned = [(s, _mentioned(s)) for s in function.body]
    for alloc in function.body:
        if not isinstance(alloc, Alloc) or not alloc.buffer.shape or alloc.buffer.name in function.results:
            continue
        search = _Search(alloc.buffer.name)
        if all(search.statement(s) for s, names in mentioned if not search.names.isdisjoint(names) and s is not alloc):
            search.rows.most = search.most
            if search.rows.before and search.names.isdisjoint(function.results):
                found[alloc.buffer.name] = search.rows
    return found


def _mentioned(stmt: Stmt) -> set[str]:
    """All names that a statement uses, nested ones included."""
    return set[str]().union(*(used(s) for s in statements((stmt,))))


class _Search:
    """Looks at the uses of one array; `names`: its own and those of views of its rows."""

    def __init__(self, array: str) -> None:
        self.array = array
        self.names = {array}
        self.rows = Rows()
        self.most = 0

    def statement(self, stmt: Stmt) -> bool:
        """A statement of the outermost block."""
        before = len(self.rows.before)
        if not self._inside(stmt):
            return False
        self.most = max(self.most, len(self.rows.before) - before)
        return True

    def _inside(self, stmt: Stmt) -> bool:
        uses = list(self._uses(stmt))
        if None in uses:
            return False
        changed = _changed(stmt)
        rows = dict.fromkeys(e for e in uses if e is not None)
        if all(_stays(e, changed) for e in rows):
            self.rows.before += [(stmt, e) for e in rows]
            return True
        own = [x.index[0] for e in expressions(stmt) for x in loads(e) if x.storage == self.array]
        if not all(_stays(e, changed) for e in own):
            return False
        self.rows.before += [(stmt, e) for e in dict.fromkeys(own)]
        match stmt:
            case If():
                return all(self._block(inner) for inner in blocks(stmt))
            case Loop(order="sequential") if len(self.names) == 1:
                return all(self._block(inner) for inner in blocks(stmt))
            case _:
                return False

    def _block(self, block: Block) -> bool:
        """The statements of a nested block; views of rows that it declares are out of scope at its end."""
        views = set(self.names)
        done = all(self._inside(s) for s in block if not self.names.isdisjoint(_mentioned(s)))
        self.names = views
        return done

    def _uses(self, stmt: Stmt) -> Iterator[Expr | None]:
        """The rows that a statement uses, nested ones included; None: not a row. Views of rows are added to `names`."""
        inside = set(self.names)
        for s in statements((stmt,)):
            for e in expressions(s):
                yield from (x.index[0] for x in loads(e) if x.storage == self.array)
            match s:
                case Store(storage, index) | Accumulate(storage, index) if storage == self.array:
                    yield index[0]
                case View(buffer, base, start, axes):
                    if base == self.array:
                        yield start[0] if all(axis != 0 for axis, _ in axes) else None
                    if base in inside:
                        inside.add(buffer.name)
                case Reshape(buffer, base):
                    if base == self.array:
                        yield None
                    if base in inside:
                        inside.add(buffer.name)
                case Rebind(target=target) if target in inside:
                    yield None
                case PushRef(ref=ref) if ref in inside:
                    yield None
                case Call(args=args) | LibCall(ins=args) if self.array in args:
                    yield None
                case LibCall(outs=outs) if self.array in outs:
                    yield None
                case _:
                    pass
        if isinstance(stmt, (View, Reshape)):
            self.names = inside


def _changed(stmt: Stmt) -> set[str]:
    """What has other values while a statement runs than before."""
    inner = list(statements((stmt,)))
    names = definitions((stmt,)) if blocks(stmt) else set[str]()
    return names.union(*(writes(s) for s in inner))


def _stays(e: Expr, changed: set[str]) -> bool:
    """Whether an expression can be evaluated before a statement, with the value that it has inside."""
    for x in subexpressions(e):
        if isinstance(x, Load) and x.index:
            return False
        if isinstance(x, Op) and x.name in CHECKED:
            return False
    return names_in(e).isdisjoint(changed)
