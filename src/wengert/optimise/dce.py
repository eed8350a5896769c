"""Dead code: lets nobody reads, storages nobody loads, statements that do nothing.

Contract: the results, the contents of inout parameters, and every failure stay the same. A call, a failure or a library
call that may fail is never removed; a loop or branch is removed when its body is empty (a loop with a
continue-condition and no stop, too: it would end, or never have). Of parameters that are given as `unread`, whose
contents nobody looks at afterwards, only what something else depends on stays.
"""

from __future__ import annotations

from collections.abc import Collection

from wengert.ir.libops import SILENT
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Declare,
    Fail,
    Function,
    If,
    Let,
    LibCall,
    Loop,
    Module,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Reshape,
    Resize,
    Stmt,
    Store,
    View,
)
from wengert.ir.walk import expressions, names_in


def eliminate_dead_code(module: Module, unread: Collection[str] = ()) -> Module:
    """Every function without its dead code; `unread`: parameters of the root."""
    return Module(
        {n: _function(f, unread if n == module.entry else ()) for n, f in module.functions.items()}, module.entry
    )


def _function(f: Function, unread: Collection[str]) -> Function:
    while True:
        body = _block(f.body, _live(f, unread))
        if body is f.body:
            return f
        f = Function(f.name, f.params, body, f.results, f.span)


def _live(f: Function, unread: Collection[str]) -> set[str]:
    """Names whose value matters: read by something that matters, found backwards over a dependence graph.

    A statement also needs what decides whether it runs: the conditions and bounds around it, a node of the graph for
    each nesting (so that deep nests cost no more than flat code).
    """
    needs: dict[str, set[str]] = {}
    seen = {p.name for p in f.params if isinstance(p, Buffer) or not hasattr(p, "intent")}
    roots = set(f.results) | (seen - set(unread))
    effects: list[tuple[set[str], set[str]]] = []  # (storages written, names the write uses)

    def visit(block: Block, context: str) -> None:
        for s in block:
            uses = {context}
            for e in expressions(s):
                uses |= names_in(e)
            match s:
                case Let(name) | Pop(name):
                    needs.setdefault(name, set()).update(uses)
                    if isinstance(s, Pop):
                        needs[name].add(s.growable)
                        effects.append(({s.growable}, uses))
                case Alloc(buffer):
                    needs.setdefault(buffer.name, set()).update(uses)
                case Declare():
                    pass
                case View(buffer, base) | Reshape(buffer, base):
                    needs.setdefault(buffer.name, set()).update(uses | {base})
                    effects.append(({base}, {buffer.name} | uses))
                    aliases.append((base, buffer.name))
                case Rebind(ref, target):
                    needs.setdefault(ref, set()).update(uses | {target})
                    aliases.append((target, ref))
                case Store(storage) | Accumulate(storage) | Push(storage) | Resize(storage):
                    effects.append(({storage}, uses))
                case PushRef(g, ref):
                    needs.setdefault(g, set()).update(uses | {ref})
                    aliases.append((ref, g))
                case PopRef(ref, g):
                    needs.setdefault(ref, set()).update(uses | {g})
                    aliases.append((g, ref))
                case Loop():
                    needs.setdefault(s.var, set()).update(uses)
                    inner = f"?{len(needs)}"
                    needs[inner] = uses
                    visit(s.body, inner)
                case If():
                    inner = f"?{len(needs)}"
                    needs[inner] = uses
                    visit(s.then, inner)
                    visit(s.orelse, inner)
                case LibCall(op, outs, ins) if op in SILENT:
                    effects.append((set(outs), uses | {*outs, *(x for x in ins if isinstance(x, str))}))
                case LibCall() | Call() | Fail():
                    roots.update(uses)
                    if isinstance(s, LibCall):
                        roots.update(s.outs)
                        roots.update(x for x in s.ins if isinstance(x, str))
                    elif isinstance(s, Call):
                        roots.update(x for x in s.args if isinstance(x, str))

    aliases: list[tuple[str, str]] = []
    visit(f.body, "?")
    for storages, uses in effects:
        for storage in storages:
            needs.setdefault(storage, set()).update(uses)
    for x, y in aliases:
        needs.setdefault(x, set()).add(y)
        needs.setdefault(y, set()).add(x)
    live = set(roots)
    todo = list(live)
    while todo:
        for n in needs.get(todo.pop(), ()):
            if n not in live:
                live.add(n)
                todo.append(n)
    return live


def _block(block: Block, live: set[str]) -> Block:
    out: list[Stmt] = []
    for s in block:
        match s:
            case Let(name):
                if name in live:
                    out.append(s)
            case Alloc(buffer) | View(buffer) | Reshape(buffer):
                if buffer.name in live:
                    out.append(s)
            case Declare(storage):
                if storage.name in live:
                    out.append(s)
            case (
                Rebind(name) | Store(name) | Accumulate(name) | Push(name) | Resize(name) | PushRef(name) | PopRef(name)
            ):
                if name in live:
                    out.append(s)
            case LibCall(op, outs) if op in SILENT:
                if live.intersection(outs):
                    out.append(s)
            case Pop(name, growable):
                if name in live or growable in live:
                    out.append(s)
            case Loop():
                body = _block(s.body, live)
                if body:
                    out.append(
                        s if body is s.body else Loop(s.var, s.start, s.stop, body, s.step, s.order, s.cond, s.span)
                    )
            case If():
                then, orelse = _block(s.then, live), _block(s.orelse, live)
                if then or orelse:
                    out.append(s if then is s.then and orelse is s.orelse else If(s.cond, then, orelse, s.span))
            case _:
                out.append(s)
    if len(out) == len(block) and all(x is y for x, y in zip(out, block, strict=True)):
        return block
    return tuple(out)
