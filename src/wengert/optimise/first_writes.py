"""First writes: zeros that are overwritten or added to at once need not be written.

Contract: if the first statement that touches a buffer of zeros (itself, or by a name for all of it: a reshape, its axes
in another order) adds exactly once to every element, the sum is a store and the zeros are not written. 0 + x is x
but for the sign of a zero: 0 + -0 is 0, so an adjoint may be -0 where it was 0.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import Extents, is_plain, looks
from wengert.analysis.affine import constant, same
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Expr,
    LibCall,
    Loop,
    Module,
    PushRef,
    Rebind,
    Reshape,
    Stmt,
    Store,
    Var,
    View,
)
from wengert.ir.walk import expressions, loads, names_in, rebuild, statements, storages, used


def drop_zeros(module: Module) -> Module:
    """Every function without zeros that nobody sees."""
    functions = {n: replace(f, body=_block(f.body, Extents(storages(f)))) for n, f in module.functions.items()}
    return Module(functions, module.entry)


def _block(block: Block, extents: Extents) -> Block:
    stmts = list(block)
    zeros = [k for k, s in enumerate(block) if isinstance(s, Alloc) and s.zero and s.buffer.shape]
    uses = [frozenset(n for x in statements((s,)) for n in used(x)) for s in block] if zeros else []
    for k in zeros:
        alloc = block[k]
        assert isinstance(alloc, Alloc)
        names: dict[str, Buffer | None] = {alloc.buffer.name: alloc.buffer}  # None: of a part
        for j in range(k + 1, len(stmts)):
            s = stmts[j]
            if isinstance(s, View | Reshape) and s.base in names:
                names[s.buffer.name] = _whole(s, names[s.base], extents)
                continue
            touched = [n for n in names if n in uses[j]]
            if touched:
                buffer = names[touched[0]] if len(touched) == 1 else None
                made = None if buffer is None else _stored(s, buffer, extents)
                if made is not None:
                    stmts[j] = made
                    stmts[k] = replace(alloc, zero=False)
                break
    made_block = tuple(rebuild(s, block=lambda inner: _block(inner, extents)) for s in stmts)
    return block if made_block == block else made_block


def _whole(s: View | Reshape, base: Buffer | None, extents: Extents) -> Buffer | None:
    """What is named, if that is all of its base."""
    if base is None or isinstance(s, Reshape):
        return None if base is None else s.buffer
    axes = [axis for axis, _ in s.axes]
    if sorted(-1 if axis is None else axis for axis in axes) != list(range(base.rank)):
        return None
    if any(constant(e) != 0 for e in s.start) or any(constant(step) != 1 for _, step in s.axes):
        return None
    shape = [base.shape[axis] for axis in axes if axis is not None]
    pairs = zip(shape, s.buffer.shape, strict=True)
    return s.buffer if all(same(extents.resolved(x), extents.resolved(y)) for x, y in pairs) else None


def _uses(s: Stmt, name: str) -> bool:
    return any(name in used(x) for x in statements((s,)))


def _stored(stmt: Stmt, buffer: Buffer, extents: Extents) -> Stmt | None:
    """The nest with its first sum a store, if it writes every element once before anything else touches it."""
    name = buffer.name
    nest: list[Loop] = []
    inner: Stmt = stmt
    while isinstance(inner, Loop) and is_plain(inner) and inner.step == 1:
        nest.append(inner)
        users = [s for s in inner.body if _uses(s, name)]
        if len(users) != 1:
            break
        inner = users[0]
    if not nest:
        return None
    body = nest[-1].body
    position = next((k for k, s in enumerate(body) if _uses(s, name)), None)
    found = None if position is None else body[position]
    if not isinstance(found, Accumulate) or found.storage != name or found.op != "add":
        return None
    if any(name in names_in(e) for e in (found.value, *found.index)):
        return None
    if not _covers(found, nest, buffer, extents) or not all(_is_at(s, name, found.index) for s in statements((stmt,))):
        return None
    store = Store(name, found.index, found.value, found.span)
    made = replace(nest[-1], body=(*body[:position], store, *body[position + 1 :]) if position is not None else body)
    for outer, old in zip(nest[-2::-1], nest[:0:-1], strict=True):
        new = made
        made = replace(outer, body=tuple(new if s is old else s for s in outer.body))
    return made


def _covers(found: Accumulate, nest: list[Loop], buffer: Buffer, extents: Extents) -> bool:
    """Whether the loops take the subscript to every element once; axes of one element need no loop."""
    pairs = zip(found.index, map(extents.resolved, buffer.shape), strict=True)
    axes = [(i, n) for i, n in pairs if constant(i) != 0 or constant(n) != 1]
    order = [i.name for i, _ in axes if isinstance(i, Var)]
    if len(order) != len(axes) or len(set(order)) != len(order) or set(order) != {loop.var for loop in nest}:
        return False
    by_var = {loop.var: loop for loop in nest}
    for var, (_, extent) in zip(order, axes, strict=True):
        loop = by_var[var]
        # What is loaded may change between the allocation and the loop.
        stop = None if loop.stop is None else extents.resolved(loop.stop)
        if constant(loop.start) != 0 or stop is None or looks(stop) or not same(stop, extent):
            return False
    return True


def _is_at(s: Stmt, name: str, index: tuple[Expr, ...]) -> bool:
    """Whether a statement, apart from what is nested in it, touches a storage at a subscript only if at all."""
    if isinstance(s, (View, Reshape, Rebind, PushRef, Call, LibCall)) and name in used(s):
        return False
    own = [s.index] if isinstance(s, (Store, Accumulate)) and s.storage == name else []
    loaded = [x.index for e in expressions(s) for x in loads(e) if x.storage == name]
    return all(x == index for x in (*own, *loaded))
