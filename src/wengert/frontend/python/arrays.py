"""Runtime arrays: element access, views, stores, elementwise results, and when a lazy result is stored.

An elementwise result stays lazy until it is bound to a name, used twice, or handed to anything that is not elementwise;
`before_store` stores the pending ones that read memory about to change. So `a[1:-1] = f(a[1:-1]) + g(b)` is one loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from wengert.analysis.affine import canonical, constant, iadd, imul, isub
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Accumulate,
    AccumulateOp,
    Buffer,
    Const,
    Expr,
    Load,
    Loop,
    Reshape,
    Stmt,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64, DType

from .decisions import NotAFunction
from .stage import Stage
from .values import Element, RArray, Root, RScalar

CHEAP = 2  # operations above which a lazy element is stored rather than recomputed by broadcasting


def position(array: RArray, index: Sequence[Expr]) -> tuple[Expr, ...]:
    """The storage index of a view's element."""
    at = list(array.start)
    for i, (axis, step) in zip(index, array.axes, strict=True):
        if axis is not None:
            at[axis] = iadd(at[axis], imul(step, i))
    return tuple(at)


def element(array: RArray, index: Sequence[Expr]) -> Expr:
    """An element of an array as an expression (a load, or the lazy computation)."""
    if array.lazy is not None:
        return array.lazy(index)
    if array.root is not None and array.root.current is not None:
        array.root.current(False)
    if array.part:
        return build.op(array.part, _whole_element(array, position(array, index)))
    return Load(array.storage, position(array, index), array.dtype)


def _whole_element(array: RArray, at: tuple[Expr, ...]) -> Expr:
    """The complex element that a part of a complex array belongs to."""
    assert array.root is not None
    return Load(array.storage, at, array.root.dtype)


def put(stage: Stage, target: RArray, index: Sequence[Expr], value: Expr) -> None:
    """target[index] = value, converted."""
    at, value = position(target, index), build.cast(value, target.dtype)
    if target.part:
        old = stage.let(_whole_element(target, at))
        real, imag = (value, build.op("imag", old)) if target.part == "real" else (build.op("real", old), value)
        value = build.op("complex", real, imag)
    stage.emit(Store(target.storage, at, value, stage.span))


def add(stage: Stage, target: RArray, index: Sequence[Expr], value: Expr, op: AccumulateOp = "add") -> None:
    """target[index] op= value, converted."""
    at, value = position(target, index), build.cast(value, target.dtype)
    if target.part:
        if op != "add":
            raise stage.refuse("extrema are accumulated in a part of a complex array", "use a real array")
        zero = build.zero(target.dtype)
        value = build.op("complex", *((value, zero) if target.part == "real" else (zero, value)))
    stage.emit(Accumulate(target.storage, at, value, op, stage.span))


def lazy(
    stage: Stage, dtype: DType, shape: tuple[Expr, ...], fn: Element, operands: Sequence[RArray], cost: int = 1
) -> RArray:
    """An elementwise result of the operands."""
    reads = tuple(r for o in operands for r in (o.reads if o.lazy is not None else (o,)))
    total = cost + sum(o.cost for o in operands)
    array = RArray(dtype, shape, None, lazy=fn, reads=reads, cost=total)
    for o in operands:
        stage.pending.pop(id(o), None)
    stage.pending[id(array)] = array
    if total > 60:
        return stored(stage, array)
    return array


def stored(stage: Stage, array: RArray, hint: str = "t") -> RArray:
    """The array itself, in memory."""
    if array.lazy is None:
        return array
    previous = stage.stored_as.get(id(array))
    if previous is not None:
        return previous
    target = stage.alloc(array.dtype, array.shape, hint)
    stage.pending.pop(id(array), None)
    fill(stage, target, array.lazy)
    stage.stored_as[id(array)] = target
    stage.keep_alive.append(array)
    return target


def nest(stage: Stage, shape: Sequence[Expr], body: Callable[[tuple[Expr, ...]], None]) -> None:
    """Run `body(index)` for every index of a shape, in any order."""
    names = [stage.fresh("ijklmnpq"[k] if k < 8 else "i") for k in range(len(shape))]
    for name, extent in zip(names, shape, strict=True):
        stage.facts.assume(Var(name, I64), 0, isub(extent, ONE))
    with stage.block() as stmts:
        body(tuple(Var(n, I64) for n in names))
    block: tuple[Stmt, ...] = tuple(stmts)
    for name, extent in reversed(list(zip(names, shape, strict=True))):
        block = (Loop(name, ZERO, extent, block, order="any", span=stage.span),)
    for stmt in block:
        stage.emit(stmt)


def fill(stage: Stage, target: RArray, fn: Element) -> None:
    """target[index] = fn(index) for every index; the target's memory is not read by fn elsewhere."""

    def body(index: tuple[Expr, ...]) -> None:
        put(stage, target, index, fn(index))

    nest(stage, target.shape, body)


def accumulate(stage: Stage, target: RArray, fn: Element, op: AccumulateOp = "add") -> None:
    def body(index: tuple[Expr, ...]) -> None:
        add(stage, target, index, fn(index), op)

    nest(stage, target.shape, body)


def before_store(stage: Stage, root: Root) -> None:
    """Store every pending lazy array that reads memory which `root` may name, then note the write."""
    for array in list(stage.pending.values()):
        if any(may_alias(r.root, root) for r in array.reads):
            stored(stage, array)
    stage.note_store(root)


def may_alias(a: Root | None, b: Root | None) -> bool:
    if a is None or b is None:
        return False
    return a is b or ((a.is_ref or b.is_ref) and a.dtype is b.dtype)


def conflicts(stage: Stage, target: RArray, value: RArray) -> bool:
    """Whether storing `value` elementwise into `target` could change an element that is read later."""
    reads = value.reads if value.lazy is not None else (value,)
    for read in reads:
        if not may_alias(read.root, target.root):
            continue
        if read.root is not target.root or read.storage != target.storage:
            return True
        if _same_map(stage, read, target) or _disjoint(stage, read, target):
            continue
        return True
    return False


def overlaps(stage: Stage, target: RArray, value: RArray) -> bool:
    """Whether `value` may be read from memory of `target`, in whatever order its elements are asked for."""
    reads = value.reads if value.lazy is not None else (value,)
    return any(
        may_alias(r.root, target.root) and (r.storage != target.storage or not _disjoint(stage, r, target))
        for r in reads
    )


def _same_map(stage: Stage, a: RArray, b: RArray) -> bool:
    return (
        a.rank == b.rank
        and all(stage.same(x, y) for x, y in zip(a.start, b.start, strict=True))
        and all(x == y or (x[0] == y[0] and stage.same(x[1], y[1])) for x, y in zip(a.axes, b.axes, strict=True))
        and all(axis is not None for axis, _ in a.axes)
        and all(stage.same(x, y) for x, y in zip(a.shape, b.shape, strict=True))
    )


def _disjoint(stage: Stage, a: RArray, b: RArray) -> bool:
    for axis in range(len(a.start)):
        low_a, high_a = _range(stage, a, axis)
        low_b, high_b = _range(stage, b, axis)
        for high, low in ((high_a, low_b), (high_b, low_a)):
            if high is not None and low is not None and stage.facts.less(high, low):
                return True
    return False


def _range(stage: Stage, a: RArray, axis: int) -> tuple[Expr | None, Expr | None]:
    """Bounds of the storage indices along an axis, ignoring emptiness."""
    low = high = a.start[axis]
    for extent, (k, step) in zip(a.shape, a.axes, strict=True):
        if k != axis:
            continue
        value = constant(step)
        if value is None:
            return None, None
        reach = imul(step, isub(extent, ONE))
        low, high = (low, iadd(high, reach)) if value > 0 else (iadd(low, reach), high)
    return low, high


def broadcast_shapes(
    stage: Stage,
    shapes: Sequence[tuple[Expr, ...]],
    error: type[Exception] = ValueError,
    message: str = "operands could not be broadcast together: extents {} and {}",
) -> tuple[Expr, ...]:
    """NumPy's broadcast of shapes; extents that cannot be proved equal are compared at run time."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Expr] = []
    for k in range(rank):
        extents = [s[k - rank + len(s)] for s in shapes if k - rank + len(s) >= 0]
        wide = [e for e in extents if constant(e) != 1]
        if not wide:
            result.append(ONE)
            continue
        wide.sort(key=lambda e: (constant(e) is None, not isinstance(e, Var)))
        first = wide[0]
        for other in wide[1:]:
            if not stage.same(first, other):
                a, b = constant(first), constant(other)
                if a is not None and b is not None:
                    raise error(message.format(a, b))
                stage.fail_if(build.ne(first, other), error.__name__, message, (first, other))
        result.append(first)
    return tuple(result)


def require_fits(stage: Stage, shape: tuple[Expr, ...], target: tuple[Expr, ...], message: str) -> None:
    """Raise ValueError unless an array of this shape broadcasts into one of shape `target`, whose extents stay as they
    are; the message has places for both shapes."""
    if len(shape) > len(target):
        raise ValueError(message.format(*(shape_text(s).replace("{}", "?") for s in (shape, target))))
    for have, want in zip(reversed(shape), reversed(target), strict=False):
        if constant(have) != 1 and not stage.same(have, want):
            text = message.format(shape_text(shape), shape_text(target))
            extents = tuple(e for e in (*shape, *target) if constant(e) is None)
            stage.fail_if(build.ne(have, want), "ValueError", text, extents)


def shape_text(shape: tuple[Expr, ...]) -> str:
    """A shape as NumPy prints it, with places for the extents that the run decides."""
    parts = ["{}" if constant(e) is None else str(constant(e)) for e in shape]
    return f"({','.join(parts)}{',' if len(parts) == 1 else ''})"


def broadcast(stage: Stage, array: RArray, shape: tuple[Expr, ...]) -> RArray:
    """A read-only view of the array with this (compatible) shape."""
    if array.rank == len(shape) and all(a == b for a, b in zip(array.shape, shape, strict=True)):
        return array
    missing = len(shape) - array.rank

    def is_repeated(axis: int) -> bool:
        return axis < missing or (constant(array.shape[axis - missing]) == 1 and constant(shape[axis]) != 1)

    repeated = [is_repeated(k) for k in range(len(shape))]
    if array.lazy is not None:
        if any(repeated) and array.cost > CHEAP:
            array = stored(stage, array)
        else:
            inner = array.lazy

            def pick(index: Sequence[Expr]) -> Expr:
                return inner([ZERO if repeated[k] else index[k] for k in range(missing, len(shape))])

            return lazy(stage, array.dtype, shape, pick, [array], cost=0)
    axes = tuple((None, ZERO) if repeated[k] else array.axes[k - missing] for k in range(len(shape)))
    return replace(array, shape=shape, axes=axes)


def assign(stage: Stage, target: RArray, value: RArray | RScalar | Expr) -> None:
    """target[...] = value with NumPy's broadcasting and conversion; the value is read in full first."""
    assert target.root is not None
    if isinstance(value, RArray):
        value = squeeze_to(value, target.rank)
        require_fits(stage, value.shape, target.shape, "could not broadcast input array from shape {} into shape {}")
        stage.pending.pop(id(value), None)
        if conflicts(stage, target, value):
            value = copy(stage, value)
        before_store(stage, target.root)
        source = broadcast(stage, value, target.shape)
        stage.pending.pop(id(source), None)
        fill(stage, target, lambda i: element(source, i))
        return
    expr = value.expr if isinstance(value, RScalar) else value
    before_store(stage, target.root)
    fill(stage, target, lambda i: expr)


def squeeze_to(value: RArray, rank: int) -> RArray:
    """Drop leading axes of extent one, as assignment does."""
    while value.rank > rank and constant(value.shape[0]) == 1:
        value = drop_axis(value, 0)
    if value.rank > rank:
        raise ValueError("could not broadcast the assigned value: it has more axes than the target")
    return value


def drop_axis(value: RArray, axis: int) -> RArray:
    """The view without an axis of extent one."""
    shape = value.shape[:axis] + value.shape[axis + 1 :]
    if value.lazy is not None:
        inner = value.lazy

        def element_at(i: Sequence[Expr]) -> Expr:
            return inner([*i[:axis], ZERO, *i[axis:]])

        return RArray(value.dtype, shape, None, lazy=element_at, reads=value.reads, cost=value.cost)
    return replace(value, shape=shape, axes=value.axes[:axis] + value.axes[axis + 1 :])


def copy(stage: Stage, array: RArray, hint: str = "t", dtype: DType | None = None) -> RArray:
    """A new contiguous array with the same elements."""
    if array.lazy is not None and (dtype is None or dtype is array.dtype) and id(array) not in stage.stored_as:
        return stored(stage, array, hint)
    target = stage.alloc(dtype or array.dtype, array.shape, hint)
    stage.pending.pop(id(array), None)
    fill(stage, target, lambda i: build.cast(element(array, i), target.dtype))
    return target


def stand_in(
    stage: Stage,
    array: RArray,
    original: Root | None,
    what: str,
    why: str = "it is not known here whether it is a view or a copy",
) -> RArray:
    """A copy where NumPy has, or may have, a view of memory: neither it nor, as long as it is used, that may change."""
    result = copy(stage, array)
    assert original is not None and result.root is not None
    stores, loops = original.stores, len(stage.copy_log)

    def current(changing: bool) -> None:
        if original.stores == stores and not changing:
            for log in stage.copy_log[loops:]:  # loops since, in which a later turn would read it again
                log.add(original)
            return
        if original.strided:
            raise NotAFunction("it changes a part of an array that it reshapes")
        done = "is changed" if changing else "is used after the array was changed"
        reason = f"{what} {done}, and {why}"
        raise stage.refuse(reason, "change the array itself first, or call copy()", Code.MEMORY)

    result.root.detached, result.root.current = True, current
    return result


def is_whole(array: RArray) -> bool:
    """Whether the view is all of its storage in order."""
    root = array.root
    return (
        array.lazy is None
        and not array.part
        and root is not None
        and not root.is_ref
        and array.storage == root.name
        and array.rank == len(root.shape)
        and all(constant(s) == 0 for s in array.start)
        and all(a == k and constant(step) == 1 for k, (a, step) in enumerate(array.axes))
        and all(canonical(a) == canonical(b) for a, b in zip(array.shape, root.shape, strict=True))
    )


def is_identity(array: RArray) -> bool:
    return (
        not array.part
        and all(constant(s) == 0 for s in array.start)
        and all(a == k and constant(step) == 1 for k, (a, step) in enumerate(array.axes))
        and len(array.axes) == len(array.start)
    )


def is_whole_reshaped(stage: Stage, array: RArray) -> bool:
    """Whether the view is all of a storage that is another shape of its memory, in order."""
    memory = stage.storages.get(array.storage)
    return (
        array.storage in stage.reshaped
        and isinstance(memory, Buffer)
        and is_identity(array)
        and len(memory.shape) == array.rank
        and all(canonical(a) == canonical(b) for a, b in zip(array.shape, memory.shape, strict=True))
    )


def as_storage(stage: Stage, array: RArray, hint: str = "v") -> str:
    """The name of a storage with exactly this array's elements (a view if need be), for library and function calls."""
    array = copy(stage, array, hint) if array.part else stored(stage, array, hint)
    if is_whole(array):
        return array.storage
    assert array.root is not None
    name = stage.fresh(hint)
    shape = tuple(stage.extent(e) for e in array.shape)
    stage.emit(View(Buffer(name, array.dtype, shape, strided=True), array.storage, array.start, array.axes, stage.span))
    return name


def size(shape: Sequence[Expr]) -> Expr:
    total: Expr = ONE
    for e in shape:
        total = imul(total, e)
    return total


def reshape(stage: Stage, array: RArray, shape: tuple[Expr, ...], hint: str = "r") -> RArray:
    """The elements in C order with another shape: a view if the array is contiguous, else a copy."""
    shape = tuple(stage.extent(e) for e in shape)
    if len(shape) == array.rank and all(canonical(a) == canonical(b) for a, b in zip(shape, array.shape, strict=True)):
        return array
    squeezed = _unit_axes_only(array, shape)
    if squeezed is not None:
        return squeezed
    array = stored(stage, array, hint)
    assert array.root is not None
    if array.part:
        both = reshape(stage, replace(array, part="", dtype=array.root.dtype), shape, hint)
        return replace(both, part=array.part, dtype=array.dtype)
    if not ((is_whole(array) and not array.root.strided) or is_whole_reshaped(stage, array)):
        array = copy(stage, array, hint)
    assert array.root is not None
    name = stage.fresh(hint)
    stage.emit(Reshape(Buffer(name, array.dtype, shape), array.storage, stage.span))
    stage.reshaped.add(name)
    rank = len(shape)
    return RArray(array.dtype, shape, array.root, name, (ZERO,) * rank, tuple((k, Const(1, I64)) for k in range(rank)))


def _unit_axes_only(array: RArray, shape: tuple[Expr, ...]) -> RArray | None:
    """If the shapes differ by axes of extent one only: the same view with those axes dropped and added."""
    old = [k for k, e in enumerate(array.shape) if constant(e) != 1]
    new = [k for k, e in enumerate(shape) if constant(e) != 1]
    if [canonical(array.shape[k]) for k in old] != [canonical(shape[k]) for k in new]:
        return None
    place = dict(zip(new, old, strict=True))
    if array.lazy is not None:
        inner, rank = array.lazy, array.rank
        back = dict(zip(old, new, strict=True))
        fn: Element = lambda i: inner([i[back[k]] if k in back else ZERO for k in range(rank)])  # noqa: E731
        return RArray(array.dtype, shape, None, lazy=fn, reads=array.reads, cost=array.cost)
    axes = tuple(array.axes[place[k]] if k in place else (None, ZERO) for k in range(len(shape)))
    return replace(array, shape=shape, axes=axes)
