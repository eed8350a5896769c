"""Traversal: what statements and expressions contain, and rebuilding them with parts replaced.

"Of a statement" means of the statement itself, not of the blocks nested in it, unless a function says otherwise.
`rebuild` is the one place that knows every field of every statement; all rewriting goes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import assert_never

from .nodes import (
    FORGOTTEN,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Cast,
    Compound,
    Const,
    Declare,
    Expr,
    Extent,
    Fail,
    Function,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Nest,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Reshape,
    Resize,
    Scalar,
    Select,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)

_NONE: frozenset[str] = frozenset()
REMEMBERED = 1000
"""Of how many statements a nest remembers those in it: of more, in deep nests, they would take much memory."""
remember = object.__setattr__

# -- expressions ---------------------------------------------------------------------------------------------


def operands(e: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions."""
    match e:
        case Const() | Var() | Extent():
            return ()
        case Load(index=index):
            return index
        case Op(args=args):
            return args
        case Select(cond, then, orelse):
            return (cond, then, orelse)
        case Cast(value=value):
            return (value,)
        case _:
            assert_never(e)


def with_operands(e: Expr, new: tuple[Expr, ...]) -> Expr:
    """`e` with its direct subexpressions replaced; `e` itself if they are the same objects."""
    if all(a is b for a, b in zip(operands(e), new, strict=True)):
        return e
    match e:
        case Const() | Var() | Extent():
            return e
        case Load(storage=storage, dtype=dtype):
            return Load(storage, new, dtype)
        case Op(name=name, dtype=dtype):
            return Op(name, new, dtype)
        case Select():
            return Select(*new)
        case Cast(dtype=dtype):
            return Cast(new[0], dtype)
        case _:
            assert_never(e)


def subexpressions(e: Expr) -> Iterator[Expr]:
    """`e` and everything inside it, outermost first."""
    return chain((e,), _parts(e)) if isinstance(e, Compound) else iter((e,))


def _parts(e: Load | Op | Select | Cast) -> tuple[Expr, ...]:
    """What is inside an expression; a node that remembered itself would be a cycle, which only the collector frees."""
    try:
        return e.parts
    except AttributeError:
        pass
    found: list[Expr] = []
    todo: list[Expr] = [*operands(e)[::-1]]
    while todo:
        x = todo.pop()
        found.append(x)
        if isinstance(x, Op):  # by how many there are of each: this is where passes spend their time
            todo += x.args[::-1]
        elif isinstance(x, Load):
            todo += x.index[::-1]
        elif isinstance(x, (Select, Cast)):
            todo += operands(x)[::-1]
    remember(e, "parts", parts := tuple(found))
    return parts


def map_expr(f: Callable[[Expr], Expr], e: Expr) -> Expr:
    """`e` rebuilt bottom up, `f` applied to every node after its operands."""
    if isinstance(e, (Var, Const)):
        return f(e)
    return f(with_operands(e, tuple(map_expr(f, child) for child in operands(e))))


def substitute(e: Expr, values: Mapping[str, Expr]) -> Expr:
    """`e` with scalar names replaced by expressions."""
    return map_expr(lambda x: values.get(x.name, x) if isinstance(x, Var) else x, e)


def rename_expr(e: Expr, names: Mapping[str, str]) -> Expr:
    """`e` with scalar and storage names replaced."""

    def f(x: Expr) -> Expr:
        match x:
            case Var(name, dtype) if name in names:
                return Var(names[name], dtype)
            case Load(storage, index, dtype) if storage in names:
                return Load(names[storage], index, dtype)
            case Extent(storage, axis) if storage in names:
                return Extent(names[storage], axis)
            case _:
                return x

    return map_expr(f, e)


def loads(e: Expr) -> Iterator[Load]:
    return (x for x in subexpressions(e) if isinstance(x, Load))


def names_in(e: Expr) -> frozenset[str]:
    """The scalar and storage names used."""
    match e:
        case Const():
            return _NONE
        case Var(name):
            return frozenset((name,))
        case Extent(storage):
            return frozenset((storage,))
        case _:
            pass
    try:
        return e.names
    except AttributeError:
        pass
    names = {x.name for x in _parts(e) if isinstance(x, Var)}
    names.update(x.storage for x in subexpressions(e) if isinstance(x, (Load, Extent)))
    remember(e, "names", found := frozenset(names))
    return found


# -- statements ----------------------------------------------------------------------------------------------


def same_expr(e: Expr) -> Expr:
    return e


def same_name(name: str) -> str:
    return name


def same_block(block: Block) -> Block:
    return block


def rebuild(
    stmt: Stmt,
    expr: Callable[[Expr], Expr] = same_expr,
    name: Callable[[str], str] = same_name,
    block: Callable[[Block], Block] = same_block,
) -> Stmt:
    """`stmt` with its own expressions, names (defined and used outside expressions) and nested blocks mapped."""
    if expr is same_expr and name is same_name:
        return _with_blocks(stmt, block)

    def several(es: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(map(expr, es))

    def arguments(args: tuple[str | Expr, ...]) -> tuple[str | Expr, ...]:
        return tuple(name(a) if isinstance(a, str) else expr(a) for a in args)

    def buffer(b: Buffer) -> Buffer:
        return Buffer(name(b.name), b.dtype, several(b.shape), b.strided, b.intent)

    match stmt:
        case Let(n, value, span):
            return Let(name(n), expr(value), span)
        case Store(storage, index, value, span):
            return Store(name(storage), several(index), expr(value), span)
        case Accumulate(storage, index, value, op, span):
            return Accumulate(name(storage), several(index), expr(value), op, span)
        case Loop(var, start, stop, body, step, order, cond, span):
            last = None if stop is None else expr(stop)
            test = None if cond is None else expr(cond)
            return Loop(name(var), expr(start), last, block(body), step, order, test, span)
        case If(cond, then, orelse, span):
            return If(expr(cond), block(then), block(orelse), span)
        case Alloc(b, zero, span):
            return Alloc(buffer(b), zero, span)
        case Declare(storage, span):
            return Declare(replace(storage, name=name(storage.name)), span)
        case View(b, base, start, axes, span):
            return View(buffer(b), name(base), several(start), tuple((k, expr(step)) for k, step in axes), span)
        case Reshape(b, base, span):
            return Reshape(buffer(b), name(base), span)
        case Rebind(ref, target, span):
            return Rebind(name(ref), name(target), span)
        case LibCall(op, outs, ins, attrs, span):
            return LibCall(op, tuple(map(name, outs)), arguments(ins), attrs, span)
        case Call(function, args, span):
            return Call(function, arguments(args), span)
        case Push(growable, value, span):
            return Push(name(growable), expr(value), span)
        case Pop(n, growable, dtype, span):
            return Pop(name(n), name(growable), dtype, span)
        case Resize(growable, delta, span):
            return Resize(name(growable), expr(delta), span)
        case PushRef(growable, ref, span):
            return PushRef(name(growable), name(ref), span)
        case PopRef(ref, growable, span):
            return PopRef(name(ref), name(growable), span)
        case Fail(exception, message, args, span):
            return Fail(exception, message, several(args), span)
        case _:
            assert_never(stmt)


def _with_blocks(stmt: Stmt, block: Callable[[Block], Block]) -> Stmt:
    match stmt:
        case Loop(var, start, stop, body, step, order, cond, span):
            made = block(body)
            return stmt if made is body else Loop(var, start, stop, made, step, order, cond, span)
        case If(cond, then, orelse, span):
            first, second = block(then), block(orelse)
            return stmt if first is then and second is orelse else If(cond, first, second, span)
        case _:
            return stmt


def blocks(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks nested directly in a statement."""
    match stmt:
        case Loop(body=body):
            return (body,)
        case If(then=then, orelse=orelse):
            return (then, orelse)
        case _:
            return ()


def statements(block: Block) -> Iterator[Stmt]:
    """All statements of a block, nested ones included, in textual order (in linear time however deep they nest)."""
    found: list[Stmt] = []
    _collect(block, found)
    return iter(found)


def _collect(block: Block, found: list[Stmt]) -> None:
    for stmt in block:
        found.append(stmt)
        if isinstance(stmt, Nest):
            try:
                found += stmt.inner
                continue
            except AttributeError:
                pass
            first = len(found)
            for nested in blocks(stmt):
                _collect(nested, found)
            if len(found) - first <= REMEMBERED:
                remember(stmt, "inner", tuple(found[first:]))


def expressions(stmt: Stmt) -> tuple[Expr, ...]:
    """The outermost expressions of a statement, extents of buffers included."""
    match stmt:
        case Let(value=value):
            return (value,)
        case Store(index=index, value=value) | Accumulate(index=index, value=value):
            return (*index, value)
        case Loop(start=start, stop=stop, cond=cond):
            return tuple(e for e in (start, stop, cond) if e is not None)
        case If(cond=cond):
            return (cond,)
        case Alloc(buffer=buffer):
            return buffer.shape
        case _:
            return _collected(stmt)


def _collected(stmt: Stmt) -> tuple[Expr, ...]:
    found: list[Expr] = []

    def collect(e: Expr) -> Expr:
        found.append(e)
        return e

    rebuild(stmt, expr=collect)
    return tuple(found)


def defined(stmt: Stmt) -> str | None:
    """The name a statement defines (a loop's: its variable, visible in the body and cond only)."""
    match stmt:
        case Let(name=name) | Pop(name=name):
            return name
        case Loop(var=var):
            return var
        case _:
            storage = declared(stmt)
            return None if storage is None else storage.name


def declared(stmt: Stmt) -> Storage | None:
    """The storage a statement declares."""
    match stmt:
        case Alloc(buffer=buffer) | View(buffer=buffer) | Reshape(buffer=buffer):
            return buffer
        case Declare(storage=storage):
            return storage
        case _:
            return None


def used(stmt: Stmt) -> set[str]:
    """All names, scalar and storage, that a statement uses (not the one it defines)."""
    match stmt:
        case Let(value=value):
            return set(names_in(value))
        case Store(storage, index, value) | Accumulate(storage, index, value):
            return {storage}.union(names_in(value), *map(names_in, index))
        case Loop() | If() | Alloc():
            return set[str]().union(*map(names_in, expressions(stmt))) - {defined(stmt) or ""}
        case _:
            return _all_used(stmt)


def _all_used(stmt: Stmt) -> set[str]:
    names: set[str] = set()

    def collect(name: str) -> str:
        names.add(name)
        return name

    rebuild(stmt, name=collect)
    names.discard(defined(stmt) or "")
    return names.union(*(names_in(e) for e in expressions(stmt)))


def writes(stmt: Stmt, module: Module | None = None) -> set[str]:
    """The storages whose contents, length or binding a statement may change, by name (aliases are not followed).

    A call writes what it passes for `inout` and growable parameters; all it passes, if no module is given.
    """
    match stmt:
        case Store(storage=storage) | Accumulate(storage=storage):
            return {storage}
        case Alloc(buffer=Buffer(name=name)):
            return {name}
        case LibCall(outs=outs):
            return set(outs)
        case Call():
            return _written_by_call(stmt, module)
        case Push(growable=g) | Pop(growable=g) | Resize(growable=g) | PushRef(growable=g):
            return {g}
        case PopRef(ref, growable):
            return {ref, growable}
        case Rebind(ref=ref):
            return {ref}
        case _:
            return set()


def reads(stmt: Stmt) -> set[str]:
    """The storages whose contents, length or extents a statement may read, by name (aliases are not followed).

    Naming a storage (a view's base, the target of a rebinding, a pushed ref) is `used`, not read. A call reads all it
    passes.
    """
    names = {
        x.storage for e in expressions(stmt) for x in subexpressions(e) if isinstance(x, (Load, Extent))
    }  # fmt: skip
    match stmt:
        case Accumulate(storage=storage):
            return names | {storage}
        case LibCall(ins=passed) | Call(args=passed):
            return names.union(a for a in passed if isinstance(a, str))
        case Pop(growable=g) | PopRef(growable=g):
            return names | {g}
        case _:
            return names


def _written_by_call(call: Call, module: Module | None) -> set[str]:
    params = module.functions[call.function].params if module else (None,) * len(call.args)
    return {
        a
        for a, p in zip(call.args, params, strict=True)
        if isinstance(a, str) and not (isinstance(p, Buffer) and p.intent == "in")
    }


# -- blocks and functions ------------------------------------------------------------------------------------


def map_expressions(block: Block, f: Callable[[Expr], Expr]) -> Block:
    """`block` with `f` applied to the outermost expressions of all statements, nested ones included."""
    return tuple(rebuild(s, expr=f, block=lambda inner: map_expressions(inner, f)) for s in block)


def map_statements(block: Block, f: Callable[[Stmt], Block]) -> Block:
    """`block` with every statement replaced by those `f` gives for it, innermost first."""
    return tuple(new for s in block for new in f(rebuild(s, block=lambda inner: map_statements(inner, f))))


def substitute_block(block: Block, values: Mapping[str, Expr]) -> Block:
    """`block` with uses of scalar names replaced by expressions."""
    return map_expressions(block, lambda e: substitute(e, values))


def rename_block(block: Block, names: Mapping[str, str]) -> Block:
    """`block` with names replaced, where defined and where used."""
    return tuple(
        rebuild(
            s,
            expr=lambda e: rename_expr(e, names),
            name=lambda n: names.get(n, n),
            block=lambda inner: rename_block(inner, names),
        )
        for s in block
    )


def definitions(block: Block) -> set[str]:
    """All names defined in a block, nested blocks included."""
    return {name for s in statements(block) if (name := defined(s)) is not None}


def free_names(block: Block) -> set[str]:
    """The names, scalar and storage, that a block uses and does not define."""
    uses = set[str]().union(*(used(s) for s in statements(block)))
    return uses - definitions(block)


def function_names(function: Function) -> set[str]:
    """All names of a function: what an `Emitter` must not reuse."""
    return {p.name for p in function.params} | definitions(function.body)


def unused(hint: str, taken: Container[str]) -> str:
    """`hint` if it is free, else `hint_1`, `hint_2` ..."""
    name, n = hint, 0
    while name in taken:
        n += 1
        name = f"{hint}_{n}"
    return name


def storages(function: Function) -> dict[str, Storage]:
    """All storages of a function by name: parameters and declared ones, at any depth."""
    found: dict[str, Storage] = {p.name: p for p in function.params if not isinstance(p, Scalar)}
    for s in statements(function.body):
        if (storage := declared(s)) is not None:
            found[storage.name] = storage
    return found


def callees(function: Function) -> set[str]:
    """The functions called directly, by a derivative of its calls too."""
    attached = {function.attached} - {"", FORGOTTEN}
    return attached | {s.function for s in statements(function.body) if isinstance(s, Call)}
