"""Dead code: lets nobody reads, storages nobody loads, statements that do nothing.

Contract: the results, the contents of inout parameters, and every failure stay the same. A failure or a call that may
fail is never removed; a loop or branch is removed when its body is empty (a loop with a continue-condition and no stop,
too: it would end, or never have). A call of a function that surely ends without an error, and writes nothing but
numbers into its parameters, is removed if nobody reads those; so is a function that nobody calls any more. Of
parameters that are given as `unread`, whose contents nobody looks at afterwards, only what something else depends on
stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

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
    Op,
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
from wengert.ir.ops import CHECKED
from wengert.ir.walk import callees, expressions, names_in, statements, subexpressions

Silent = Mapping[str, Sequence[int]]
"""The functions that end without an error, and which of their parameters they may write."""


def eliminate_dead_code(module: Module, unread: Collection[str] = ()) -> Module:
    """Every function without its dead code; `unread`: parameters of the root."""
    silent = _silent(module)
    functions = {n: _function(f, silent, unread if n == module.entry else ()) for n, f in module.functions.items()}
    called = _reachable(functions, module.entry)
    return Module({n: f for n, f in functions.items() if n in called}, module.entry)


def _reachable(functions: Mapping[str, Function], entry: str) -> set[str]:
    found, todo = {entry}, [entry]
    while todo:
        for name in callees(functions[todo.pop()]) - found:
            found.add(name)
            todo.append(name)
    return found


def _silent(module: Module) -> Silent:
    """A function is silent if all its statements are; recursive ones are not."""
    found: dict[str, list[int]] = {}
    open_ = {n: f for n, f in module.functions.items() if n != module.entry and all(map(_is_quiet, statements(f.body)))}
    while ready := [n for n, f in open_.items() if callees(f) <= found.keys()]:
        for n in ready:
            params = open_.pop(n).params
            found[n] = [k for k, p in enumerate(params) if isinstance(p, Buffer) and p.intent == "inout"]
    return found


def _is_quiet(s: Stmt) -> bool:
    """Whether a statement itself surely ends without an error, and changes nothing but numbers."""
    if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
        return False
    match s:
        case Loop(stop=stop, cond=cond):
            return stop is not None and cond is None
        case LibCall(op=op):
            return op in SILENT
        case _:
            return isinstance(s, (Let, Alloc, View, Reshape, Store, Accumulate, If, Call))


def _function(f: Function, silent: Silent, unread: Collection[str]) -> Function:
    while True:
        body = _block(f.body, _live(f, silent, unread), silent)
        if body is f.body:
            return f
        f = replace(f, body=body)


def _live(f: Function, silent: Silent, unread: Collection[str]) -> set[str]:
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
                case Call(function, args) if function in silent:
                    storages = {a for a in args if isinstance(a, str)}
                    effects.append((_outs(s, silent), uses | storages))
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


def _outs(call: Call, silent: Silent) -> set[str]:
    """The storages that a call of a silent function may write."""
    outs = (call.args[k] for k in silent[call.function])
    return {name for name in outs if isinstance(name, str)}


def _block(block: Block, live: set[str], silent: Silent) -> Block:
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
            case Call(function) if function in silent:
                if live.intersection(_outs(s, silent)):
                    out.append(s)
            case Pop(name, growable):
                if name in live or growable in live:
                    out.append(s)
            case Loop():
                body = _block(s.body, live, silent)
                if body:
                    out.append(
                        s if body is s.body else Loop(s.var, s.start, s.stop, body, s.step, s.order, s.cond, s.span)
                    )
            case If():
                then, orelse = _block(s.then, live, silent), _block(s.orelse, live, silent)
                if then or orelse:
                    out.append(s if then is s.then and orelse is s.orelse else If(s.cond, then, orelse, s.span))
            case _:
                out.append(s)
    if len(out) == len(block) and all(x is y for x, y in zip(out, block, strict=True)):
        return block
    return tuple(out)
