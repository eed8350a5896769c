"""Final writes: what is written into arrays that nobody looks at afterwards need not be.

A derivative works on copies of the arrays that the program changes, and the program's last changes to them are often of
no use to it, nor are the values of a call that is run again for what it stores; where a gradient needs no value of the
program (which is linear in them), none are. Contract: given parameters whose contents nobody reads after the function
(of the root by name; of other functions where every call gives arrays allocated for it, which nothing else uses, or
which nobody ever looks at), a
write into one of them is removed if no statement may read the element later (see `instances`), or only statements that
are removed, too; failures and everything else stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from wengert.analysis.access import folded
from wengert.analysis.affine import Facts
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.instances import Instances, Touch
from wengert.ir.nodes import Accumulate, Alloc, Block, Buffer, Call, Function, Loop, Module, Stmt, Store, Var
from wengert.ir.walk import blocks, expressions, names_in, rebuild, statements, storages, used
from wengert.optimise.dce import eliminate_dead_code

MANY = 40
"""The most accesses to one array in a loop for which they are compared."""


def drop_final_writes(module: Module, unread: Collection[str]) -> Module:
    """The module without the writes into these parameters of its root that no one sees."""
    while True:
        module = eliminate_dead_code(module, unread)
        calls = analyse(module)
        ignored = _ignored(module)
        ignored[module.entry] = set(unread)
        functions = {n: _function(f, calls, ignored.get(n, ())) for n, f in module.functions.items()}
        if all(functions[n] is f for n, f in module.functions.items()):
            return module
        module = Module(functions, module.entry)  # what was read for these writes alone is read no more


def _ignored(module: Module) -> dict[str, set[str]]:
    """By function, the parameters for which every call gives an array that the caller uses for nothing else, or that
    neither the caller nor anything it calls looks at."""
    found: dict[str, set[str]] = {}
    looked = _looked_at(module)
    for f in module.functions.values():
        found.setdefault(f.name, {p.name for p in f.params if isinstance(p, Buffer) and p.intent == "inout"})
    for f in module.functions.values():
        uses = Counter(f.results)
        for s in statements(f.body):
            if isinstance(s, Call):
                uses.update(a for a in s.args if isinstance(a, str))
                uses.update(x for e in expressions(s) for x in names_in(e))
            else:
                uses.update(used(s))
        unseen = {s.buffer.name for s in statements(f.body) if isinstance(s, Alloc)} - looked[f.name]
        for block in _blocks(f.body):
            own = {s.buffer.name for s in block if isinstance(s, Alloc)}
            for s in block:
                if isinstance(s, Call):
                    mine = {a for a in s.args if isinstance(a, str) and a in own and uses[a] == 1} | unseen
                    pairs = zip(module.functions[s.function].params, s.args, strict=True)
                    found[s.function] -= {p.name for p, a in pairs if a not in mine}
    return found


def _looked_at(module: Module) -> dict[str, set[str]]:
    """By function, the names that it, or what it calls, does more with than to write into them."""
    found: dict[str, set[str]] = {n: set() for n in module.functions}
    while True:
        before = sum(map(len, found.values()))
        for f in module.functions.values():
            seen = found[f.name]
            seen.update(f.results)
            for s in statements(f.body):
                seen.update(x for e in expressions(s) for x in names_in(e))
                if isinstance(s, Call):
                    pairs = zip(module.functions[s.function].params, s.args, strict=True)
                    seen.update(a for p, a in pairs if isinstance(a, str) and p.name in found[s.function])
                elif not isinstance(s, (Store, Accumulate, Alloc)):
                    seen.update(used(s))
        if sum(map(len, found.values())) == before:
            return found


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for s in block:
        for inner in blocks(s):
            yield from _blocks(inner)


def _function(f: Function, calls: AliasAnalysis, unread: Collection[str]) -> Function:
    aliases = calls.aliases[f.name]
    kept = {aliases.of(r) for r in f.results}
    unseen = {aliases.of(p) for p in unread if not aliases.is_rebindable(p)} - kept
    """Classes of arrays that nothing uses from here on."""
    last: list[Stmt] = []
    for place in range(len(f.body) - 1, -1, -1):
        if not unseen:
            last += reversed(f.body[: place + 1])
            break
        s = f.body[place]
        if not (isinstance(s, (Store, Accumulate)) and aliases.of(s.storage) in unseen):
            dead = _dead(f, s, calls, unseen)
            last += _without((s,), dead) if dead else (s,)
        unseen -= {aliases.of(n) for x in statements((s,)) for n in used(x) if n in aliases.parent}
    body = tuple(reversed(last))
    return f if body == f.body else replace(f, body=body)


def _dead(f: Function, s: Stmt, calls: AliasAnalysis, classes: set[str]) -> set[int]:
    """The writes in a loop into arrays of these classes that nothing in the loop reads later."""
    aliases = calls.aliases[f.name]
    if not isinstance(s, Loop) or not any(aliases.of(n) in classes for n in _written(s) if n in aliases.parent):
        return set()
    found = storages(f)
    known = Facts()
    for storage in found.values():
        for e in storage.shape if isinstance(storage, Buffer) else ():
            if isinstance(e, Var):
                known.assume(e, 0)
    nest = Instances(s, found, aliases, calls, folded(f.body, aliases), known)
    dead: set[int] = set()
    for c in classes:
        touches = nest.touches.get(c, [])
        if len(touches) <= MANY:
            dead |= _unseen(nest, touches)
    return dead


def _unseen(nest: Instances, touches: list[Touch]) -> set[int]:
    """The statements among those that touch an array whose writes no other one reads."""
    writes = [t for t in touches if t.kind in ("store", "add")]
    readers = [t for t in touches if t.kind in ("load", "whole")]
    while True:
        seen = [w for w in writes if any(nest.meets(w.site, w.storage, w.index, r, "after") for r in readers)]
        if not seen:
            return {id(w.site.stmt) for w in writes}
        writes = [w for w in writes if w not in seen]
        readers = [w for w in seen if isinstance(w.site.stmt, Accumulate)]


def _written(loop: Loop) -> set[str]:
    return {s.storage for s in statements(loop.body) if isinstance(s, (Store, Accumulate))}


def _without(block: Block, dead: set[int]) -> Block:
    return tuple(rebuild(s, block=lambda x: _without(x, dead)) for s in block if id(s) not in dead)
