"""First writes: zeros that are overwritten or added to at once need not be written.

Contract: if the first statement that touches a buffer of zeros adds exactly once to every element, the sum is a store
and the zeros are not written. 0 + x is x but for the sign of a zero: 0 + -0 is 0, so an adjoint may be -0 where it
was 0.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import accesses, is_plain
from wengert.analysis.affine import constant, same
from wengert.ir.nodes import Accumulate, Alloc, Block, Function, Loop, Module, Stmt, Store, Var
from wengert.ir.walk import definitions, names_in, rebuild, statements, used


def drop_zeros(module: Module) -> Module:
    """Every function without zeros that nobody sees."""
    functions = {n: replace(f, body=made) if (made := _block(f.body)) is not f.body else f for n, f in _all(module)}
    return Module(functions, module.entry)


def _all(module: Module) -> list[tuple[str, Function]]:
    return list(module.functions.items())


def _block(block: Block) -> Block:
    stmts = list(block)
    for k, alloc in enumerate(block):
        if not (isinstance(alloc, Alloc) and alloc.zero and alloc.buffer.shape):
            continue
        name = alloc.buffer.name
        first = next((j for j in range(k + 1, len(stmts)) if _uses(stmts[j], name)), None)
        made = None if first is None else _stored(stmts[first], alloc)
        if first is not None and made is not None:
            stmts[first] = made
            stmts[k] = replace(alloc, zero=False)
    made_block = tuple(rebuild(s, block=_block) for s in stmts)
    return block if made_block == block else made_block


def _uses(s: Stmt, name: str) -> bool:
    return any(name in used(x) for x in statements((s,)))


def _stored(stmt: Stmt, alloc: Alloc) -> Stmt | None:
    """The nest with its first sum a store, if it writes every element once before anything else touches it."""
    nest: list[Loop] = []
    inner: Stmt = stmt
    while isinstance(inner, Loop) and is_plain(inner) and inner.step == 1:
        nest.append(inner)
        loops = [s for s in inner.body if _uses(s, alloc.buffer.name)]
        if len(loops) == 1 and isinstance(loops[0], Loop):
            inner = loops[0]
        else:
            break
    if len(nest) != alloc.buffer.rank or not nest:
        return None
    name, body = alloc.buffer.name, nest[-1].body
    variables = [loop.var for loop in nest]
    position = next((k for k, s in enumerate(body) if _uses(s, name)), None)
    found = body[position] if position is not None else None
    if not isinstance(found, Accumulate) or found.storage != name or found.op != "add":
        return None
    if any(name in names_in(e) for e in (found.value, *found.index)):
        return None
    order = [i.name for i in found.index if isinstance(i, Var)]
    if sorted(order) != sorted(variables) or len(set(order)) != len(order):
        return None
    by_var = {loop.var: loop for loop in nest}
    for var, extent in zip(order, alloc.buffer.shape, strict=True):
        loop = by_var[var]
        if constant(loop.start) != 0 or loop.stop is None or not same(loop.stop, extent):
            return None
        if names_in(loop.stop) & (definitions((nest[0],))):
            return None
    if any(x.index != found.index for x in accesses((nest[0],)) if x.storage == name):
        return None
    store = Store(name, found.index, found.value, found.span)
    return _replaced(stmt, found, store)


def _replaced(stmt: Stmt, old: Stmt, new: Stmt) -> Stmt:
    if stmt is old:
        return new
    return rebuild(stmt, block=lambda b: tuple(_replaced(s, old, new) for s in b))
