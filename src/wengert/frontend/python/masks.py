"""Masks as indices: where they hold, and assignments through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.analysis.affine import canonical, constant, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Accumulate, Const, Expr, If, Let, Load, Loop, Op, Stmt, Store, Var
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import expressions, loads, map_expr, names_in, rebuild, subexpressions, substitute

from . import arrays, numeric
from .stage import MaskKey, Stage
from .values import RArray


def stored(stage: Stage, mask: RArray) -> RArray:
    """The mask in memory; one that says the same in the same block, of arrays unchanged since, is not stored again:
    `a[a > 0] = f(a[a > 0])` asks twice."""
    key = _key(stage, mask) if mask.lazy is not None and id(mask) not in stage.stored_as else None
    if key is None:
        return arrays.stored(stage, mask, "index")
    known = stage.masks.get(key)
    if known is None or known[0] is not stage.blocks[-1] or known[2] != _version(known[1]):
        made = arrays.stored(stage, mask, "index")
        stage.masks[key] = stage.blocks[-1], made, _version(made)
        return made
    stage.pending.pop(id(mask), None)
    stage.keep_alive.append(mask)
    stage.stored_as[id(mask)] = known[1]
    return known[1]


def _version(array: RArray) -> int:
    assert array.root is not None
    return array.root.stores


def _key(stage: Stage, mask: RArray) -> MaskKey | None:
    """What a lazy mask says: its element by position, and how often each array that it reads had been written."""
    roots = [r.root for r in mask.reads]
    if any(root is None or root.is_ref for root in roots) or mask.lazy is None:
        return None
    at = tuple(Var(f"at {k}", I64) for k in range(mask.rank))
    with stage.block() as stmts:
        element = mask.lazy(at)
    named: dict[str, Expr] = {}
    for s in stmts:
        if not isinstance(s, Let):
            return None
        named[s.name] = substitute(s.value, named)
    element = substitute(element, named)
    versions = {r.storage: root.stores for r, root in zip(mask.reads, roots, strict=True) if root is not None}
    if any(x.storage not in versions for x in loads(element)):
        return None
    shape = tuple(map(canonical, mask.shape))
    return element, shape, tuple(sorted(versions.items()))


def positions(stage: Stage, mask: RArray) -> list[RArray]:
    """`nonzero` of a mask; asked again in the same block with the mask unchanged, the same arrays."""
    mask = arrays.stored(stage, mask, "mask")
    root = mask.root
    if root is None or root.is_ref:
        return nonzero(stage, mask)
    key = (mask.storage, mask.start, mask.axes, mask.shape)
    known = stage.positions.get(key)
    if known is not None and known[0] is stage.blocks[-1] and known[1] == root.stores:
        return known[2]
    found = nonzero(stage, mask)
    stage.positions[key] = (stage.blocks[-1], root.stores, found)
    return found


def nonzero(stage: Stage, mask: RArray) -> list[RArray]:
    """The positions where the mask holds, one index array per axis (np.nonzero)."""
    mask = arrays.stored(stage, mask, "mask")
    count = stage.cell(I64, "count", init=ZERO)

    def truth(at: Sequence[Expr]) -> Expr:
        return numeric.truth(arrays.element(mask, at))

    def add(at: tuple[Expr, ...]) -> None:
        stage.emit(Accumulate(count.name, (), build.cast(truth(at), I64), "add", stage.span))

    arrays.nest(stage, mask.shape, add)
    total = stage.load_cell(count, "n")
    assert isinstance(total, Var)
    stage.facts.assume(total, 0, arrays.size(mask.shape))
    found = [stage.alloc(I64, (total,), "index") for _ in mask.shape]
    place = stage.cell(I64, "place", init=ZERO)
    names = [stage.fresh("ijklmnpq"[k]) for k in range(mask.rank)]
    at = tuple(Var(n, I64) for n in names)
    with stage.block() as stmts:
        with stage.block() as inner:
            p = stage.load_cell(place, "p")
            for f, i in zip(found, at, strict=True):
                stage.emit(Store(f.storage, (p,), i, stage.span))
            stage.emit(Store(place.name, (), build.add(p, ONE), stage.span))
        stage.emit(If(truth(at), tuple(inner), (), stage.span))
    body: tuple[Stmt, ...] = tuple(stmts)
    for n, e in reversed(list(zip(names, mask.shape, strict=True))):
        body = (Loop(n, ZERO, e, body, span=stage.span),)
    for s in body:
        stage.emit(s)
    for f, e in zip(found, mask.shape, strict=True):
        stage.safe_indices[f.storage] = e
    return found


def require_matching(stage: Stage, mask: RArray, shape: Sequence[Expr], axis: int) -> None:
    """Raise IndexError unless a mask has the extents of the axes that it indexes, from `axis` on."""
    for k, (have, want) in enumerate(zip(mask.shape, shape, strict=True)):
        if not stage.same(have, want):
            stage.fail_if(
                build.ne(have, want),
                "IndexError",
                f"boolean index did not match indexed array along axis {axis + k}; size of axis is {{}} but size of "
                "corresponding boolean axis is {}",
                (want, have),
            )


def fill(stage: Stage, array: RArray, mask: RArray, value: Expr) -> None:
    """array[mask] = value for a mask of the array's rank and a number."""
    assert array.root is not None
    require_matching(stage, mask, array.shape, 0)
    if arrays.conflicts(stage, array, mask):
        mask = arrays.copy(stage, mask, "mask")
    stage.pending.pop(id(mask), None)
    arrays.before_store(stage, array.root)
    value = build.cast(value, array.dtype)

    def body(index: tuple[Expr, ...]) -> None:
        cond = stage.let(arrays.element(mask, index))
        with stage.block() as store:
            arrays.put(stage, array, index, value)
        stage.emit(If(cond, tuple(store), (), stage.span))

    arrays.nest(stage, array.shape, body)


def store(stage: Stage, array: RArray, mask: RArray, value: RArray) -> bool:
    """array[mask] = value where the value's elements come from the very positions that they go to, as in
    `z[mask] = z[mask]**2 + c[mask]`: one loop over the array, without index arrays. False, and nothing done, elsewhere.
    """
    root = array.root
    mask = arrays.stored(stage, mask, "mask")
    if root is None or value.lazy is None or value.rank != array.rank - mask.rank + 1:
        return False
    reads = [r for r in value.reads if arrays.may_alias(r.root, root)]
    if arrays.may_alias(mask.root, root) or any(r.storage != array.storage for r in reads):
        return False
    found = positions(stage, mask)
    shape = (*found[0].shape, *array.shape[mask.rank :])
    if not all(stage.same(a, b) for a, b in zip(value.shape, shape, strict=True)):
        return False
    index = tuple(Var(stage.fresh("ijklmnpq"[k]), I64) for k in range(array.rank))
    place = Var(stage.fresh("p"), I64)
    with stage.block() as stmts:
        element = stage.let(build.cast(value.lazy((place, *index[mask.rank :])), array.dtype))
        arrays.put(stage, array, index, element)
    known: dict[tuple[str, tuple[Expr, ...]], Expr] = {
        (f.storage, (place,)): i for f, i in zip(found, index, strict=False)
    }

    def at_position(e: Expr) -> Expr:
        return known.get((e.storage, e.index), e) if isinstance(e, Load) else e

    body = tuple(rebuild(s, expr=lambda e: map_expr(at_position, e)) for s in stmts)
    target = arrays.position(array, index)
    for s in body:
        if not isinstance(s, (Let, Store)) or any(place.name in names_in(e) for e in expressions(s)):
            return False
        if any(x.storage == array.storage and x.index != target for e in expressions(s) for x in loads(e)):
            return False
    stage.pending.pop(id(value), None)
    arrays.before_store(stage, root)
    for name, extent in zip(index, array.shape, strict=True):
        stage.facts.assume(name, 0, isub(extent, ONE))
    with stage.block() as chosen:
        cond = stage.let(arrays.element(mask, index[: mask.rank]))
        if _can_run_everywhere(stage, body, array, index):
            for s in body[:-1]:
                stage.emit(s)
            assert isinstance(body[-1], Store)
            kept = stage.let(Load(array.storage, target, array.dtype))
            stage.emit(replace(body[-1], value=build.select(cond, body[-1].value, kept)))
        else:
            stage.emit(If(cond, body, (), stage.span))
    block: tuple[Stmt, ...] = tuple(chosen)
    for name, extent in reversed(list(zip(index, array.shape, strict=True))):
        block = (Loop(name.name, ZERO, extent, block, order="any", span=stage.span),)
    for s in block:
        stage.emit(s)
    return True


def _can_run_everywhere(stage: Stage, body: Sequence[Stmt], array: RArray, index: Sequence[Var]) -> bool:
    """Whether the element may be computed where the mask does not hold, too, so that the loop runs in vector lanes:
    real numbers, no failures, and loads of what is there at every position of the array."""
    extents = {v.name: e for v, e in zip(index, array.shape, strict=True)}

    def is_there(at: Expr, end: Expr) -> bool:
        if isinstance(at, Var) and at.name in extents:
            return stage.same(extents[at.name], end)
        return isinstance(at, Const) and at.value.real < (constant(end) or 0)

    for s in body:
        for x in (x for e in expressions(s) for x in subexpressions(e)):
            if x.dtype.is_complex or (isinstance(x, Op) and x.name in CHECKED):
                return False
            if isinstance(x, Load) and x.storage != array.storage:
                root = stage.roots.get(x.storage)
                if root is None or root.is_ref or not all(map(is_there, x.index, root.shape)):
                    return False
    return array.part == "" and isinstance(body[-1], Store) and all(isinstance(s, Let) for s in body[:-1])
