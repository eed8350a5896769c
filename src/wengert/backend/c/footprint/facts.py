"""What footprints ask of a module whatever its sizes are."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ....analysis.rows import used_by_rows
from ....ir import walk
from ....ir.nodes import (
    Alloc,
    Block,
    Buffer,
    Call,
    Const,
    Declare,
    Function,
    Growable,
    If,
    Let,
    Load,
    Loop,
    Module,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Resize,
    Storage,
    Store,
    Var,
    View,
)
from .. import analysis
from ..analysis import FunctionFacts
from ..outline import Cutter, framed


class Facts:
    """Of one module."""

    def __init__(self, module: Module, on_disk: Collection[str] = ()) -> None:
        self.module, self.functions = module, analysis.facts(module).functions
        rows = used_by_rows(module.root) if on_disk else {}
        self.tapes = {name: found.most for name, found in rows.items() if name in on_disk}
        """Arrays of the root that may lie on disk, and how many of their rows are used at once."""
        self._framed: dict[str, set[str]] = {}
        self._touched: dict[int, frozenset[str]] = {}
        """By a block's identity, the names that may be lists and whose lengths it may change."""
        self._settled: dict[str, frozenset[str]] = {}
        stmts = [s for f in module.functions.values() for s in walk.statements(f.body)]
        self.refs = sum(isinstance(s, Declare) and not isinstance(s.storage, Growable) for s in stmts)
        self.collects = any(isinstance(s, PushRef) for s in stmts)

    def framed(self, f: Function) -> set[str]:
        """The variables that the pieces of a long function share."""
        if f.name not in self._framed:
            self._framed[f.name] = framed(f, self.functions[f.name], Cutter()) or set()
        return self._framed[f.name]

    def settled(self, f: Function) -> frozenset[str]:
        """The arrays of integers of a function that are loaded from only when all that is stored in them is stored."""
        if f.name not in self._settled:
            self._settled[f.name] = _settled(f)
        return self._settled[f.name]

    def rebound(self, body: Block) -> set[str]:
        """The refs that a block may bind to something else."""
        return {s.ref for s in walk.statements(body) if isinstance(s, (Rebind, PopRef))} if self.refs else set[str]()

    def mixed(self, lists: Iterable[str], body: Block) -> set[str]:
        """The lists of refs that a block may both push on and pop from."""
        if not self.collects:
            return set()
        pushed, popped = set[str](), set[str]()
        for s in walk.statements(body):
            match s:
                case PushRef(growable=g):
                    pushed.add(g)
                case PopRef(growable=g):
                    popped.add(g)
                case Call(args=args):
                    pushed.update(a for a in args if isinstance(a, str))
                    popped.update(a for a in args if isinstance(a, str))
                case _:
                    pass
        return pushed & popped & set(lists)

    def touched(self, lists: Iterable[str], body: Block) -> list[str]:
        """The lists whose lengths a block may change."""
        known = self._touched.get(id(body))
        if known is None:
            found = set[str]()
            for s in walk.statements(body):
                match s:
                    case (
                        Push(growable=g)
                        | Pop(growable=g)
                        | Resize(growable=g)
                        | PushRef(growable=g)
                        | PopRef(growable=g)
                    ):
                        found.add(g)
                    case Call(args=args):
                        found |= {a for a in args if isinstance(a, str)}
                    case _:
                        pass
            known = self._touched[id(body)] = frozenset(found)
        return [g for g in lists if g in known]


def _settled(f: Function) -> frozenset[str]:
    """Arrays of integers that are stored to element by element, then loaded from: no loop in which they live has both,
    and nothing else touches them."""
    homes: dict[str, tuple[int, ...]] = {}
    stores: dict[str, list[tuple[int, ...]]] = {}
    loads: dict[str, list[tuple[int, ...]]] = {}
    other = set[str](f.results)

    def visit(block: Block, path: tuple[int, ...]) -> None:
        for s in block:
            for e in walk.expressions(s):
                for x in walk.subexpressions(e):
                    if isinstance(x, Load) and x.storage in homes:
                        loads.setdefault(x.storage, []).append(path)
            match s:
                case Alloc(buffer) if buffer.dtype.is_integer and buffer.shape:
                    homes[buffer.name] = path
                case Store(storage) if storage in homes:
                    stores.setdefault(storage, []).append(path)
                    if storage in loads:
                        other.add(storage)
                case Alloc() | Let() | Store() | If() | Loop():
                    pass
                case _:
                    other.update(walk.used(s) - {x.storage for e in walk.expressions(s) for x in walk.loads(e)})
                    other.update(walk.writes(s))
            for inner in walk.blocks(s):
                visit(inner, (*path, id(s)) if isinstance(s, Loop) else path)

    visit(f.body, ())

    def is_apart(name: str) -> bool:
        depth = len(homes[name])
        return not any(
            len(a) > depth and len(b) > depth and a[depth] == b[depth]
            for a in stores.get(name, ())
            for b in loads[name]
        )

    return frozenset(n for n in homes if n in loads and n not in other and is_apart(n))


def variables_of(storage: Storage, held: bool) -> int:
    """At most how many C variables stand for a storage."""
    if not isinstance(storage, Buffer):
        return 3 + 2 * storage.rank
    named = sum(not isinstance(e, (Const, Var)) for e in storage.shape)
    return 1 + named + (storage.rank if storage.strided else 0) + held


def has_unit_axis(f: Function, of: FunctionFacts, name: str) -> bool:
    """Whether BLAS can take a matrix as it lies."""
    storage = of.storages[name]
    if not isinstance(storage, Buffer):
        return False
    if not storage.strided:
        return True
    for s in walk.statements(f.body):
        if isinstance(s, View) and s.buffer.name == name:
            base = of.storages[s.base]
            along = [axis for axis, step in s.axes if step == Const(1, step.dtype)]
            return isinstance(base, Buffer) and not base.strided and base.rank - 1 in along and None not in along
    return False
