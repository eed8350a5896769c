"""Statements that make, name, bind and release storages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from ...ir.nodes import (
    Alloc,
    Block,
    Buffer,
    Const,
    Declare,
    Expr,
    Growable,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Stmt,
    Var,
    View,
)
from .analysis import released
from .expressions import expr, offset, top
from .names import C_TYPE, literal
from .writer import RESULTS, Place, Writer

LOCAL_ARRAY_BYTES = 512
"""Buffers of constant extents up to this size are arrays on the C stack."""


def extents(w: Writer, buffer: Buffer, name: str) -> tuple[str, ...]:
    """Variables or literals for a buffer's extents; what is neither becomes a variable."""
    found: list[str] = []
    for axis, e in enumerate(buffer.shape):
        match e:
            case Const(value):
                found.append(str(value))
            case Var(name=n):
                found.append(w.name_of(n))
            case _:
                found.append(w.declare(buffer.name, w.names.fresh(f"{name}_n{axis}"), "int64_t", top(w, e)))
    return tuple(found)


def pointer(buffer: Buffer | Ref | Growable) -> str:
    return f"{C_TYPE[buffer.dtype]} *"


# -- buffers -----------------------------------------------------------------------------------------------------


def alloc(w: Writer, stmt: Alloc, result: int | None, initial: Expr | None) -> None:
    """Allocate; `result` is the number of the root's result that the buffer may be made in place for, `initial` the
    value of a cell that is stored at once."""
    buffer = stmt.buffer
    name = w.name_of(buffer.name)
    c_type = C_TYPE[buffer.dtype]
    held = buffer.name in w.facts.held
    if is_cell(w, buffer):
        value = top(w, initial) if initial is not None else literal(0, buffer.dtype, plain=True)
        w.declare(buffer.name, name, c_type, value, mutable=True)
        w.places[buffer.name] = Place(buffer, "cell", name)
        return
    w.settle_overflow()
    ns = extents(w, buffer, name)
    w.places[buffer.name] = Place(buffer, "array", name, ns)
    if fits_locally(w, buffer) and result is None:
        count = 1
        for n in ns:
            count *= int(n)
        w.known(buffer.name, name, pointer(buffer))
        w.line(f"{c_type} {name}[{max(count, 1)}]{' = {0}' if stmt.zero else ''};")
        return
    size = f"sizeof({c_type})"
    for n in ns:
        size = f"wg_times({size}, {w.use(n)})"
    zero = "true" if stmt.zero else "false"
    rows = w.shared.tapes.get(buffer.name) if w.function is w.shared.module.root else None
    if result is not None:
        made = f"wg_alloc_result(wg, &{w.use(RESULTS)}[{result}], {size}, {zero})"
    elif rows is not None:
        made = f"wg_alloc_tape(wg, {size}, {_row(w, w.places[buffer.name])}, {rows.most}, {zero})"
    else:
        made = f"wg_alloc(wg, {size}, {zero})"
    w.declare(buffer.name, name, pointer(buffer), made)
    w.line(f"if (WG_UNLIKELY(!{name})) return 1;")
    if held:
        block = w.declare(buffer.name, w.names.fresh(f"{name}_block"), "wg_block *", f"wg_block_of({name})")
        w.places[buffer.name] = Place(buffer, "array", name, ns, None, block)


def _row(w: Writer, place: Place) -> str:
    """The bytes of a row of a contiguous array."""
    size = f"sizeof({C_TYPE[place.storage.dtype]})"
    for n in place.extents[1:]:
        size = f"wg_times({size}, {w.use(n)})"
    return size


def touch(w: Writer, stmt: Stmt) -> None:
    """Say which rows of tapes that may lie on disk a statement is going to use."""
    if w.function is not w.shared.module.root:
        return
    for name, row in w.shared.touched(stmt):
        place, size = w.place(name), w.names.fresh("wg_row")
        w.line(f"const int64_t {size} = {_row(w, place)};")
        w.line(f"if (WG_UNLIKELY(wg_touch(wg, {w.data(place)}, ({top(w, row)}) * {size}, {size}))) return 1;")


def is_cell(w: Writer, buffer: Buffer) -> bool:
    """Whether a buffer of rank 0 is a C variable: nothing refers to it."""
    return not buffer.shape and buffer.name not in w.facts.held and buffer.name not in w.facts.escaping


def fits_locally(w: Writer, buffer: Buffer) -> bool:
    """Whether a buffer is an array on the C stack."""
    if w.is_framed(buffer.name) or buffer.name in w.facts.held or buffer.name in w.facts.escaping:
        return False
    count = 1
    for e in buffer.shape:
        if not isinstance(e, Const):
            return False
        count *= max(int(e.value.real), 0)
    return count * buffer.dtype.numpy.itemsize <= LOCAL_ARRAY_BYTES


def view(w: Writer, stmt: View, block: Block) -> None:
    buffer, base = stmt.buffer, w.place(stmt.base)
    start, axes, holder = stmt.start, stmt.axes, base.block
    name = w.name_of(buffer.name)
    if base.kind == "list":
        base, start = _stacked(w, stmt, name)
        axes = tuple((None if k is None else k - 1, step) for k, step in axes)
        holder = base.block
    ns = extents(w, buffer, name)
    base_strides = w.strides(base)
    at = offset(w, base, start)
    first = w.address(base) if at == "0" else f"{w.address(base)} + ({at})"
    w.declare(buffer.name, name, pointer(buffer), first)
    strides = tuple(_stride(w, buffer, name, axis, step, base_strides) for axis, step in enumerate(axes))
    held = "NULL"
    if buffer.name in released(block, w.facts):
        held = w.declare(buffer.name, w.names.fresh(f"{name}_block"), "wg_block *", w.use(holder))
        w.line(f"wg_retain({held});")
    elif holder != "NULL" and buffer.name in w.facts.held:
        held = w.declare(buffer.name, w.names.fresh(f"{name}_block"), "wg_block *", w.use(holder))
    w.places[buffer.name] = Place(buffer, "array", name, ns, strides, held)


def _stride(
    w: Writer, buffer: Buffer, name: str, axis: int, along: tuple[int | None, Expr], base: tuple[str, ...]
) -> str:
    k, step = along
    if k is None:
        return "0"
    text = base[k]
    if isinstance(step, Const):
        value = int(step.value.real)
        if value == 1 and text.isdigit():
            return text
        if text.isdigit():
            text = str(value * int(text))
            if text.isdigit():
                return text
        elif value != 1:
            text = f"{value}*{text}"
    else:
        text = expr(w, step) if text == "1" else f"{expr(w, step)}*{text}"
    return w.declare(buffer.name, w.names.fresh(f"{name}_s{axis}"), "int64_t", text)


def _stacked(w: Writer, stmt: View, name: str) -> tuple[Place, tuple[Expr, ...]]:
    """The element of a ref stack that a view looks into, and the start in it."""
    stack = w.place(stmt.base).storage
    assert isinstance(stack, Growable) and stack.ref_rank is not None
    rank = stack.ref_rank
    ref_type = ref_struct(w, rank)
    at = w.declare(
        stmt.buffer.name,
        w.names.fresh(f"{name}_of"),
        f"{ref_type} *",
        f"&WG_AT({ref_type}, {w.data(w.place(stmt.base))}, {top(w, stmt.start[0])})",
    )
    inside = Place(
        Ref(stack.name, stack.dtype, rank),
        "array",
        f"(({C_TYPE[stack.dtype]} *){at}->data)",
        tuple(f"{at}->n[{k}]" for k in range(rank)),
        tuple(f"{at}->s[{k}]" for k in range(rank)),
        f"{at}->block",
    )
    return inside, stmt.start[1:]


def reshape(w: Writer, stmt: Reshape) -> None:
    buffer, base = stmt.buffer, w.place(stmt.base)
    name = w.name_of(buffer.name)
    ns = extents(w, buffer, name)
    w.declare(buffer.name, name, pointer(buffer), w.address(base))
    block = "NULL"
    if base.block != "NULL" and buffer.name in w.facts.held:
        block = w.declare(buffer.name, w.names.fresh(f"{name}_block"), "wg_block *", w.use(base.block))
    w.places[buffer.name] = Place(buffer, "array", name, ns, None, block)


# -- refs and growables --------------------------------------------------------------------------------------------


def ref_struct(w: Writer, rank: int) -> str:
    w.shared.ref_ranks.add(rank)
    return f"wg_ref{rank}"


def declare(w: Writer, stmt: Declare) -> None:
    match stmt.storage:
        case Ref() as ref:
            _declare_ref(w, ref)
        case Growable() as growable:
            declare_list(w, growable)
        case _:
            assert_never(stmt.storage)


def _declare_ref(w: Writer, ref: Ref) -> None:
    name = w.name_of(ref.name)

    def variable(suffix: str, c_type: str, value: str) -> str:
        return w.declare(ref.name, w.names.fresh(name + suffix), c_type, value, mutable=True)

    w.declare(ref.name, name, pointer(ref), "NULL", mutable=True)
    block = variable("_block", "wg_block *", "NULL")
    ns = tuple(variable(f"_n{k}", "int64_t", "0") for k in range(ref.rank))
    strided = (w.function.name, ref.name) in w.shared.facts.strided
    strides = tuple(variable(f"_s{k}", "int64_t", "0") for k in range(ref.rank)) if strided else None
    w.places[ref.name] = Place(ref, "array", name, ns, strides, block)


def declare_list(w: Writer, growable: Growable) -> None:
    name = w.name_of(growable.name)
    storage = w.names.fresh(f"{name}_list")
    w.declare(growable.name, storage, "wg_list", "(wg_list){0}", mutable=True)
    w.declare(growable.name, name, "wg_list *", f"&{w.use(storage)}")
    w.places[growable.name] = Place(growable, "list", name)


def rebind(w: Writer, stmt: Rebind) -> None:
    ref, target = w.place(stmt.ref), w.place(stmt.target)
    if stmt.ref == stmt.target:
        return
    w.line(f"wg_retain({w.use(target.block)});")
    w.line(f"wg_release(wg, {w.use(ref.block)});")
    _bind(w, ref, w.address(target), w.use(target.block), [w.use(n) for n in target.extents], w.strides(target))


def _bind(w: Writer, ref: Place, data: str, block: str, ns: list[str], strides: tuple[str, ...]) -> None:
    w.line(f"{w.use(ref.data)} = {data};")
    w.line(f"{w.use(ref.block)} = {block};")
    for to, n in zip(ref.extents, ns, strict=True):
        w.line(f"{w.use(to)} = {n};")
    for to, s in zip(ref.strides or (), strides, strict=False):
        w.line(f"{w.use(to)} = {s};")


def push_ref(w: Writer, stmt: PushRef) -> None:
    ref = w.place(stmt.ref)
    rank = len(ref.extents)
    ref_type = ref_struct(w, rank)
    ns = ", ".join(w.use(n) for n in ref.extents) or "0"
    strides = ", ".join(w.strides(ref)) or "0"
    value = f"(({ref_type}){{{w.address(ref)}, {w.use(ref.block)}, {{{ns}}}, {{{strides}}}}})"
    w.line(f"wg_retain({w.use(ref.block)});")
    w.line(f"WG_PUSH({ref_type}, {w.data(w.place(stmt.growable))}, {value});")


def pop_ref(w: Writer, stmt: PopRef) -> None:
    ref, stack = w.place(stmt.ref), w.data(w.place(stmt.growable))
    rank = len(ref.extents)
    ref_type = ref_struct(w, rank)
    w.line(f"if (WG_UNLIKELY({stack}->length == 0)) return wg_popped_empty(wg, {w.shared.site(stmt.span)});")
    w.open("")
    w.line(f"const {ref_type} wg_top = WG_AT({ref_type}, {stack}, --{stack}->length);")
    w.line(f"wg_release(wg, {w.use(ref.block)});")
    ns = [f"wg_top.n[{k}]" for k in range(rank)]
    _bind(w, ref, "wg_top.data", "wg_top.block", ns, tuple(f"wg_top.s[{k}]" for k in range(rank)))
    w.close()


def push(w: Writer, stmt: Push) -> None:
    place = w.place(stmt.growable)
    w.line(f"WG_PUSH({C_TYPE[place.storage.dtype]}, {w.data(place)}, {top(w, stmt.value)});")


def pop(w: Writer, stmt: Pop) -> None:
    place = w.place(stmt.growable)
    stack, c_type = w.data(place), C_TYPE[stmt.dtype]
    w.line(f"if (WG_UNLIKELY({stack}->length == 0)) return wg_popped_empty(wg, {w.shared.site(stmt.span)});")
    w.declare(stmt.name, w.name_of(stmt.name), c_type, f"WG_AT({c_type}, {stack}, --{stack}->length)")


def resize(w: Writer, stmt: Resize) -> None:
    place = w.place(stmt.growable)
    stack = w.data(place)
    w.settle_overflow()
    if w.is_ref_stack(stmt.growable):
        assert isinstance(place.storage, Growable)
        ref_type = ref_struct(w, place.storage.ref_rank or 0)
        delta = w.names.fresh("wg_delta")
        w.open("")
        w.line(f"const int64_t {delta} = {top(w, stmt.delta)};")
        w.line(f"for (int64_t wg_k = 0; wg_k < -{delta}; wg_k++)")
        w.line(f"    wg_release(wg, WG_AT({ref_type}, {stack}, {stack}->length - 1 - wg_k).block);")
        w.line(f"if (wg_resize(wg, {stack}, {delta}, sizeof({ref_type}))) return 1;")
        w.close()
        return
    size = f"sizeof({C_TYPE[place.storage.dtype]})"
    w.line(f"if (wg_resize(wg, {stack}, {top(w, stmt.delta)}, {size})) return 1;")


# -- release -------------------------------------------------------------------------------------------------------


def release(w: Writer, names: Iterable[str]) -> None:
    """Give back what storages hold."""
    for name in names:
        _release(w, name, w.place(name))


def _release(w: Writer, name: str, place: Place) -> None:
    match place.storage:
        case Growable(ref_rank=rank):
            stack = w.data(place)
            if rank is not None:
                ref_type = ref_struct(w, rank)
                w.line(f"for (int64_t wg_k = 0; wg_k < {stack}->length; wg_k++)")
                w.line(f"    wg_release(wg, WG_AT({ref_type}, {stack}, wg_k).block);")
            w.line(f"wg_list_free(wg, {stack});")
        case Buffer() if place.kind == "cell" or _is_local_array(w, place):
            pass
        case Buffer() if place.block == "NULL":
            w.line(f"wg_free(wg, wg_block_of({w.data(place)}));")
        case Buffer() | Ref():
            w.line(f"wg_release(wg, {w.use(place.block)});")


def _is_local_array(w: Writer, place: Place) -> bool:
    return isinstance(place.storage, Buffer) and fits_locally(w, place.storage)
