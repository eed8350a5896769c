"""What the emission needs to know about a module beforehand: which storages' blocks are counted, which refs may have
strides of their own, which functions recurse."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...ir import walk
from ...ir.nodes import (
    Alloc,
    Block,
    Buffer,
    Call,
    Function,
    Growable,
    Module,
    PopRef,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Storage,
    View,
)


@dataclass(slots=True)
class FunctionFacts:
    """- `held`: storages that a ref or ref stack may come to name, so that their blocks must be counted.
    - `storages`: by name, at any depth.
    - `views_of`: base by view or reshape.
    - `escaping`: storages that a result looks into: they outlive the C function.
    - `results`: of the function.
    - `overlapping`: pairs of storage parameters that some call fills with what may share memory.
    - `recurses`: whether the function may (indirectly) call itself."""

    storages: dict[str, Storage]
    views_of: dict[str, str]
    held: set[str] = field(default_factory=set[str])
    escaping: set[str] = field(default_factory=set[str])
    results: frozenset[str] = frozenset()
    overlapping: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    recurses: bool = False
    _spent: dict[int, tuple[Block, dict[int, list[str]]]] = field(
        default_factory=dict[int, "tuple[Block, dict[int, list[str]]]"]
    )

    def spent(self, block: Block) -> dict[int, list[str]]:
        """By position in a block, the block's own arrays that nothing mentions afterwards, by any name: their memory is
        given back there. Answers are remembered by the identity of the block."""
        known = self._spent.get(id(block))
        if known is None:
            known = self._spent[id(block)] = block, _spent(block, self)
        return known[1]

    def root_of(self, name: str) -> str:
        """What a view, or a view of views, is of."""
        while name in self.views_of:
            name = self.views_of[name]
        return name

    def may_overlap(self, a: str, b: str) -> bool:
        """Whether two storages may share memory. What refs and ref stacks name may be anything held or passed."""
        a, b = self.root_of(a), self.root_of(b)
        first, second = self.storages[a], self.storages[b]
        if a == b or frozenset((a, b)) in self.overlapping:
            return True
        if isinstance(first, Buffer) and isinstance(second, Buffer):
            return False
        return self._may_be_target(a, first) and self._may_be_target(b, second)

    def _may_be_target(self, name: str, storage: Storage) -> bool:
        match storage:
            case Ref():
                return True
            case Growable(ref_rank=rank):
                return rank is not None
            case Buffer(intent=intent):
                return name in self.held or intent != "local"


@dataclass(slots=True)
class Facts:
    """Facts by function; `strided` has the (function, name) of each storage that may have strides of its own, and
    `strided_stacks` says whether any ref stack of the module may hold such a one."""

    functions: dict[str, FunctionFacts]
    strided: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    strided_stacks: bool = False


def facts(module: Module) -> Facts:
    found = Facts({f.name: _local_facts(f) for f in module.functions.values()})
    while _spread_held(module, found):
        pass
    while _spread_strided(module, found):
        pass
    while _spread_overlaps(module, found):
        pass
    for name, of in found.functions.items():
        of.recurses = name in _reachable(module, name)
    return found


def _local_facts(function: Function) -> FunctionFacts:
    views: dict[str, str] = {}
    for s in walk.statements(function.body):
        if isinstance(s, (View, Reshape)):
            views[s.buffer.name] = s.base
    found = FunctionFacts(walk.storages(function), views, results=frozenset(function.results))
    for result in function.results:
        base: str | None = result
        while (base := views.get(base)) is not None:
            found.escaping.add(base)
    return found


def _spread_held(module: Module, found: Facts) -> bool:
    """One round of the closure over views and calls; whether anything changed."""
    changed = False
    for f in module.functions.values():
        of = found.functions[f.name]
        before = len(of.held)
        for s in walk.statements(f.body):
            match s:
                case Rebind(target=target):
                    of.held.add(target)
                case PushRef(ref=target):
                    of.held.add(target)
                case Call(function, args):
                    callee = found.functions[function]
                    params = module.functions[function].params
                    of.held |= {
                        a for a, p in zip(args, params, strict=True) if isinstance(a, str) and p.name in callee.held
                    }
                case _:
                    pass
        for view in tuple(of.held):
            base: str | None = view
            while (base := of.views_of.get(base)) is not None:
                of.held.add(base)
        changed |= len(of.held) > before
    return changed


def _spread_strided(module: Module, found: Facts) -> bool:
    before = len(found.strided), found.strided_stacks
    for f in module.functions.values():
        of = found.functions[f.name]
        strided = found.strided

        def is_strided(name: str, of: FunctionFacts = of, function: str = f.name) -> bool:
            storage = of.storages[name]
            return storage.strided if isinstance(storage, Buffer) else (function, name) in found.strided

        for s in walk.statements(f.body):
            match s:
                case Rebind(ref, target) if is_strided(target):
                    strided.add((f.name, ref))
                case PopRef(ref=ref) if found.strided_stacks:
                    strided.add((f.name, ref))
                case PushRef(ref=ref) if is_strided(ref):
                    found.strided_stacks = True
                case _:
                    pass
    return (len(found.strided), found.strided_stacks) != before


def _spread_overlaps(module: Module, found: Facts) -> bool:
    changed = False
    for f in module.functions.values():
        of = found.functions[f.name]
        for s in walk.statements(f.body):
            if not isinstance(s, Call):
                continue
            names = [p.name for p in module.functions[s.function].params]
            passed = [(name, a) for name, a in zip(names, s.args, strict=True) if isinstance(a, str)]
            overlapping = found.functions[s.function].overlapping
            before = len(overlapping)
            overlapping |= {
                frozenset((p, q)) for p, a in passed for q, c in passed if p != q and of.may_overlap(a, c)
            }  # fmt: skip
            changed |= len(overlapping) > before
    return changed


def _reachable(module: Module, name: str) -> set[str]:
    seen: set[str] = set()
    todo = list(walk.callees(module.functions[name]))
    while todo:
        callee = todo.pop()
        if callee not in seen:
            seen.add(callee)
            todo.extend(walk.callees(module.functions[callee]))
    return seen


def needs_hold(block: Block, view: View) -> bool:
    """Whether what `view` looks into may be let go in the rest of its block, so that the view must hold it itself."""
    at = next(k for k, s in enumerate(block) if s is view)
    for s in walk.statements(block[at + 1 :]):
        match s:
            case Rebind(ref=name) | Resize(growable=name) if name == view.base:
                return True
            case PopRef(ref, growable) if view.base in (ref, growable):
                return True
            case Call(args=args) if view.base in args:
                return True
            case _:
                pass
    return False


def _spent(block: Block, of: FunctionFacts) -> dict[int, list[str]]:
    own = {
        s.buffer.name
        for s in block
        if isinstance(s, Alloc) and s.buffer.shape and s.buffer.name not in of.held | of.escaping | of.results
    }
    if not own:
        return {}
    last: dict[str, int] = {}
    for k, stmt in enumerate(block):
        for s in walk.statements((stmt,)):
            for name in (*walk.used(s), walk.defined(s) or ""):
                last[of.root_of(name)] = k
    found: dict[int, list[str]] = {}
    for s in block:
        if isinstance(s, Alloc) and s.buffer.name in own:
            found.setdefault(last[s.buffer.name], []).append(s.buffer.name)
    return found


def released(block: Block, of: FunctionFacts) -> list[str]:
    """Storages declared in a block that give memory back at its end, in order of declaration."""
    found: list[str] = []
    early = {name for names in of.spent(block).values() for name in names}
    for s in block:
        storage = walk.declared(s)
        if storage is None or isinstance(s, Reshape) or storage.name in early:
            continue
        if isinstance(s, View) and (isinstance(of.storages[s.base], Buffer) or not needs_hold(block, s)):
            continue
        found.append(storage.name)
    return found
