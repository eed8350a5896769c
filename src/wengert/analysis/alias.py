"""Which storages may name the same elements: classes of storages per function, and what statements write.

The classes are flow-insensitive: a view or reshape is in its base's class, a ref in that of everything it is ever bound
to, a ref stack in that of everything it ever holds. Two storages of different classes never overlap. Through calls:
parameters that may overlap at one call are in one class, and arguments whose parameters a callee connects are, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wengert.ir.nodes import (
    Block,
    Call,
    Function,
    Growable,
    Module,
    PopRef,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Scalar,
    Stmt,
    View,
)
from wengert.ir.walk import statements, storages, writes


@dataclass
class Aliases:
    """The classes of one function, and which of its parameters it may write."""

    parent: dict[str, str]
    rebindable: set[str] = field(default_factory=set[str])
    """Classes that hold a ref or a ref stack, here or in a callee they are passed to."""

    def of(self, storage: str) -> str:
        """The representative of the storage's class."""
        root = storage
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[storage] != root:
            self.parent[storage], storage = root, self.parent[storage]
        return root

    def add(self, storage: str) -> None:
        """Give a new storage a class of its own."""
        self.parent.setdefault(storage, storage)

    def may_overlap(self, a: str, b: str) -> bool:
        return self.of(a) == self.of(b)

    def is_rebindable(self, storage: str) -> bool:
        """Whether a ref may name (part of) the storage."""
        return self.of(storage) in self.rebindable

    def unite(self, a: str, b: str) -> bool:
        """Join two classes; whether that changed anything."""
        a, b = self.of(a), self.of(b)
        if a == b:
            return False
        self.parent[b] = a
        if b in self.rebindable:
            self.rebindable.discard(b)
            self.rebindable.add(a)
        return True

    def mark_rebindable(self, storage: str) -> bool:
        root = self.of(storage)
        if root in self.rebindable:
            return False
        self.rebindable.add(root)
        return True


@dataclass
class AliasAnalysis:
    """The classes of every function of a module, and the positions of the parameters each function may write."""

    aliases: dict[str, Aliases]
    written: dict[str, set[int]]

    def writes(self, function: str, block: Block) -> set[str]:
        """The classes of `function` that the statements of `block` may write or rebind."""
        a = self.aliases[function]
        return {a.of(name) for stmt in statements(block) for name in self.targets(stmt)}

    def targets(self, stmt: Stmt) -> set[str]:
        """The storages that a statement itself (not the blocks inside it) may write, resize or rebind."""
        if isinstance(stmt, Call):
            written = self.written[stmt.function]
            return {arg for k, arg in enumerate(stmt.args) if isinstance(arg, str) and k in written}
        return writes(stmt)


def analyse(module: Module) -> AliasAnalysis:
    """Alias classes and written parameters of every function, to a fixpoint over calls."""
    aliases: dict[str, Aliases] = {}
    calls: list[tuple[str, Call]] = []
    for name, function in module.functions.items():
        aliases[name] = _local(function)
        calls += [(name, s) for s in statements(function.body) if isinstance(s, Call)]
    while any(_connect(module, aliases, caller, call) for caller, call in calls):
        pass
    result = AliasAnalysis(aliases, {name: set[int]() for name in module.functions})
    changed = True
    while changed:
        changed = False
        for name, function in module.functions.items():
            classes = result.writes(name, function.body)
            written = {
                k
                for k, p in enumerate(function.params)
                if not isinstance(p, Scalar) and aliases[name].of(p.name) in classes
            }
            changed |= written != result.written[name]
            result.written[name] = written
    return result


def _local(function: Function) -> Aliases:
    found = storages(function)
    a = Aliases({name: name for name in found})
    for stmt in statements(function.body):
        match stmt:
            case View() | Reshape():
                a.unite(stmt.base, stmt.buffer.name)
            case Rebind():
                a.unite(stmt.target, stmt.ref)
            case PushRef() | PopRef():
                a.unite(stmt.growable, stmt.ref)
            case _:
                pass
    for name, storage in found.items():
        if isinstance(storage, Ref) or (isinstance(storage, Growable) and storage.ref_rank is not None):
            a.mark_rebindable(name)
    return a


def _connect(module: Module, aliases: dict[str, Aliases], caller: str, call: Call) -> bool:
    """Carry overlaps between arguments to the parameters, and connections between parameters to the arguments."""
    outer, inner = aliases[caller], aliases[call.function]
    params = module.functions[call.function].params
    pairs = [(p.name, arg) for p, arg in zip(params, call.args, strict=True) if isinstance(arg, str)]
    changed = False
    for k, (p, arg) in enumerate(pairs):
        if inner.is_rebindable(p):
            changed |= outer.mark_rebindable(arg)
        for q, other in pairs[:k]:
            if outer.may_overlap(arg, other):
                changed |= inner.unite(p, q)
            elif inner.may_overlap(p, q):
                changed |= outer.unite(arg, other)
    return changed
