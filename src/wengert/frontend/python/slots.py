"""Slots: memory in which values meet at a join.

Where control flow merges (after an `if`, around a loop), a static location may hold different values on different
paths. A `Spec` describes what a location may hold; `widen` finds the least description covering two values; a `Slot` is
the memory for one. Numbers become cells; arrays become a buffer that is copied into or, where identity could be
observed, a ref; other static values that differ become a *choice*, a runtime tag over finitely many alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Accumulate, Const, Declare, Expr, Extent, If, Op, Rebind, Ref, Var
from wengert.ir.types import BOOL, I64, DType

from . import arrays, structs
from .numeric import as_scalar, join_dtype
from .python_values import class_of, is_slice, is_tuple, tuple_like
from .stage import Stage
from .structs import Struct
from .values import MISSING, Choice, Closure, MaybeUnbound, Poison, RArray, RList, Root, RScalar, joins_as_number

MAX_KINDS = 64


class CannotJoin(Exception):
    """The values have no common slot; the message says why."""


@dataclass(frozen=True)
class ScalarSpec:
    dtype: DType
    python: bool


@dataclass(frozen=True)
class ArraySpec:
    dtype: DType
    rank: int
    shape: tuple[Expr, ...] | None  # extents if equal on all paths and known before the join: held by value
    known: tuple[Expr | None, ...] = ()  # of one held by identity: extents equal on all paths and known before the join
    scalar_too: bool = False


@dataclass(frozen=True, eq=False)
class StaticSpec:
    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StaticSpec) and equal_static(self.value, other.value)


@dataclass(frozen=True)
class TupleSpec:
    type: type
    parts: tuple[Spec, ...]


@dataclass(frozen=True)
class StructSpec:
    """A list, dict or instance, part by part; `shared`: it must not be changed after the join. `origin` is the object
    described, if it is one."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Spec, ...]
    shared: bool
    origin: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class ChoiceSpec:
    alternatives: tuple[Spec, ...]


@dataclass(frozen=True)
class UnboundSpec:
    inner: Spec | None


Spec: TypeAlias = ScalarSpec | ArraySpec | StaticSpec | TupleSpec | StructSpec | ChoiceSpec | UnboundSpec


def equal_static(a: Any, b: Any) -> bool:
    """Whether two static values are interchangeable."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if issubclass(class_of(a), (str, bytes, int, float, complex, bool, frozenset)):
        return a == b and (a != 0 or str(a) == str(b))
    if is_slice(a) and is_slice(b):
        return all(equal_static(x, y) for x, y in ((a.start, b.start), (a.stop, b.stop), (a.step, b.step)))
    if isinstance(a, Closure):
        same_code = a.node is b.node and a.frame is b.frame and not a.kw_defaults and not b.kw_defaults
        return same_code and [id(d) for d in a.defaults] == [id(d) for d in b.defaults]
    return False


def spec_of(stage: Stage, value: Any, by_value: bool) -> Spec:
    """The description of one value; its extents count as known only if in scope in the current block."""
    match value:
        case RScalar():
            return ScalarSpec(value.dtype, value.python)
        case RArray():
            known = tuple(e if stage.visible(e) else None for e in value.shape)
            shape = value.shape if by_value and None not in known else None
            if value.part and shape is None:
                raise CannotJoin("a part of a complex array is carried on")
            return ArraySpec(value.dtype, value.rank, shape, known)
        case Choice():
            return ChoiceSpec(tuple(spec_of(stage, a, by_value) for a in value.alternatives))
        case MaybeUnbound():
            return UnboundSpec(spec_of(stage, value.value, by_value))
        case Poison():
            raise CannotJoin(value.reason)
        case _ if is_tuple(value):
            return TupleSpec(class_of(value), tuple(spec_of(stage, v, False) for v in value))
        case Struct():
            parts = tuple(spec_of(stage, v, False) for v in value.values)
            return StructSpec(value.kind, value.keys, parts, value.shared, value.origin)
        case _ if value is MISSING:
            return UnboundSpec(None)
        case RList() if not stage.in_scope(value.storage):
            raise CannotJoin("a list that grows under run-time control differs between paths")
        case _:
            return StaticSpec(value)


def widen(stage: Stage, a: Spec, b: Spec) -> Spec:
    """The least description covering both; raises CannotJoin."""
    match a, b:
        case (UnboundSpec(x), UnboundSpec(y)):
            return UnboundSpec(widen(stage, x, y) if x is not None and y is not None else x or y)
        case (UnboundSpec(x), _):
            return UnboundSpec(b if x is None else widen(stage, x, b))
        case (_, UnboundSpec(y)):
            return UnboundSpec(a if y is None else widen(stage, a, y))
        case (StaticSpec(x), StaticSpec(y)) if equal_static(x, y):
            return a
        case (StaticSpec(x), StructSpec(origin=y)) | (StructSpec(origin=y), StaticSpec(x)) if x is y:
            return StaticSpec(x)
        case (StructSpec(origin=x), StructSpec(origin=y)) if x is y and x is not None:
            return StaticSpec(x)
        case (StaticSpec(x), StructSpec()) if structs.is_struct(stage, x):
            return widen(stage, spec_of(stage, structs.struct_of(stage, x), False), b)
        case (StructSpec(), StaticSpec(x)) if structs.is_struct(stage, x):
            return widen(stage, a, spec_of(stage, structs.struct_of(stage, x), False))
        case _:
            pass
    x, y = as_number(a), as_number(b)
    if isinstance(x, ScalarSpec) and isinstance(y, ScalarSpec):
        return ScalarSpec(join_dtype(_sample(x), _sample(y)), x.python and y.python)
    match a, b:
        case (ArraySpec(), ArraySpec()) if a.dtype is b.dtype and a.rank == b.rank:
            shape = a.shape
            if a.shape is None or b.shape is None or not stage.same_shape(a.shape, b.shape):
                shape = None
            known = tuple(
                m if m is not None and n is not None and stage.same(m, n) else None
                for m, n in zip(_known(a), _known(b), strict=True)
            )
            return ArraySpec(a.dtype, a.rank, shape, known)
        case (TupleSpec(), TupleSpec()) if a.type is b.type and len(a.parts) == len(b.parts):
            return TupleSpec(a.type, tuple(widen(stage, p, q) for p, q in zip(a.parts, b.parts, strict=True)))
        case (StructSpec(), StructSpec()) if a.kind is b.kind and a.keys == b.keys:
            parts = tuple(widen(stage, p, q) for p, q in zip(a.parts, b.parts, strict=True))
            return StructSpec(a.kind, a.keys, parts, a.shared or b.shared)
        case _:
            return _choice(stage, a, b)


def _known(spec: ArraySpec) -> tuple[Expr | None, ...]:
    return spec.known or spec.shape or (None,) * spec.rank


def _choice(stage: Stage, a: Spec, b: Spec) -> ChoiceSpec:
    result: list[Spec] = list(a.alternatives) if isinstance(a, ChoiceSpec) else [a]
    for spec in b.alternatives if isinstance(b, ChoiceSpec) else (b,):
        for k, have in enumerate(result):
            if _same_kind(have, spec):
                result[k] = widen(stage, have, spec)
                break
        else:
            result.append(spec)
    if len(result) > MAX_KINDS:
        raise CannotJoin(f"the value has more than {MAX_KINDS} possible kinds here")
    return ChoiceSpec(tuple(result))


def _same_kind(a: Spec, b: Spec) -> bool:
    if isinstance(a, StaticSpec) and isinstance(b, StaticSpec):
        return a == b or (joins_as_number(a.value) and joins_as_number(b.value))
    if isinstance(as_number(a), ScalarSpec) and isinstance(as_number(b), ScalarSpec):
        return True
    match a, b:
        case (ArraySpec(), ArraySpec()):
            return a.dtype is b.dtype and a.rank == b.rank
        case (TupleSpec(), TupleSpec()):
            return a.type is b.type and len(a.parts) == len(b.parts)
        case (StructSpec(), StructSpec()):
            return a.kind is b.kind and a.keys == b.keys
        case _:
            return False


def statics(spec: Spec) -> Iterator[Any]:
    """The values of a description that are neither numbers nor arrays nor taken apart."""
    match spec:
        case StaticSpec(value):
            yield value
        case TupleSpec(parts=parts) | StructSpec(parts=parts) | ChoiceSpec(parts):
            for part in parts:
                yield from statics(part)
        case UnboundSpec(inner) if inner is not None:
            yield from statics(inner)
        case _:
            pass


def as_number(spec: Spec) -> Spec:
    if isinstance(spec, StaticSpec) and joins_as_number(spec.value):
        if isinstance(spec.value, int) and not -(2**63) <= spec.value < 2**63:
            return spec
        s = as_scalar(spec.value)
        return ScalarSpec(s.dtype, s.python)
    return spec


def _sample(spec: ScalarSpec) -> RScalar:
    return RScalar(Var("_", spec.dtype), spec.python)


# -- memory --------------------------------------------------------------------------------------------------


class Slot:
    """Memory for a spec, allocated in the current block."""

    def read(self, stage: Stage) -> Any:
        raise NotImplementedError

    def write(self, stage: Stage, value: Any) -> None:
        raise NotImplementedError

    def writes(self, stage: Stage, value: Any) -> list[tuple[Slot, Any]]:
        """What is written where when the value is, in pieces that may be written in any order."""
        return [(self, value)]

    def memory(self) -> frozenset[str]:
        """The names of the arrays that writing changes or rebinds."""
        return frozenset()


class ScalarSlot(Slot):
    """A number in a cell. Inside a loop the cell still holds what the head of the iteration read (`heads`) when the
    new value is written, so writing the head's value is nothing and adding to it is an accumulation."""

    def __init__(self, stage: Stage, spec: ScalarSpec, hint: str) -> None:
        self.spec, self.hint = spec, hint
        self.root = stage.cell(spec.dtype, hint)
        self.heads: set[str] = set()
        self.written = 0  # a bound of the integers written

    def read(self, stage: Stage) -> RScalar:
        value = stage.load_cell(self.root, self.hint)
        assert isinstance(value, Var)
        self.heads.add(value.name)
        return RScalar(value, self.spec.python)

    def write(self, stage: Stage, value: Any) -> None:
        expr = build.cast(as_scalar(value).expr, self.spec.dtype)
        if expr.dtype is I64:
            self.written = max(self.written, stage.magnitudes.of(expr))
        if isinstance(expr, Var):
            if expr.name in self.heads:
                return
            match stage.definitions.get(expr.name):
                case Op("add", (Var(head), increment)) | Op("add", (increment, Var(head))) if head in self.heads:
                    stage.emit(Accumulate(self.root.name, (), increment, "add", stage.span))
                    return
                case Op("sub", (Var(head), decrement)) if head in self.heads:
                    stage.emit(Accumulate(self.root.name, (), build.neg(decrement), "add", stage.span))
                    return
                case _:
                    pass
        stage.store_cell(self.root, expr)


class ArraySlot(Slot):
    """An array held by value: writing copies."""

    def __init__(self, stage: Stage, spec: ArraySpec, hint: str) -> None:
        assert spec.shape is not None
        self.array = stage.alloc(spec.dtype, spec.shape, hint)
        assert self.array.root is not None
        self.root = self.array.root
        self.place: Any = None  # the loop and location it belongs to

    def read(self, stage: Stage) -> RArray:
        return self.array

    def write(self, stage: Stage, value: Any) -> None:
        if value.root is self.root and arrays.is_whole(value):
            return
        previous, stage.replaying = stage.replaying, True
        arrays.assign(stage, self.array, value)
        stage.replaying = previous

    def memory(self) -> frozenset[str]:
        return frozenset({self.root.name})


class RefSlot(Slot):
    """An array held by identity: writing rebinds."""

    def __init__(self, stage: Stage, spec: ArraySpec, hint: str) -> None:
        name = stage.fresh(hint)
        stage.emit(Declare(Ref(name, spec.dtype, spec.rank), stage.span))
        stage.ref_targets.setdefault(name, set())
        stage.owner[name] = stage.blocks[-1]
        self.name, self.dtype, self.rank, self.hint = name, spec.dtype, spec.rank, hint
        self.known = _known(spec)

    def read(self, stage: Stage) -> RArray:
        shape: list[Expr] = []
        for k, known in enumerate(self.known):
            if known is not None:
                shape.append(known)
                continue
            extent = stage.let(Extent(self.name, k), f"{self.hint}_n{k}")
            shape.append(stage.count(extent))
        root = Root(self.name, self.dtype, tuple(shape), is_ref=True)
        return stage.whole(root)

    def write(self, stage: Stage, value: RArray) -> None:
        value = arrays.stored(stage, value, self.hint)
        if value.root is not None and value.root.is_ref and value.storage == self.name and _whole_ref(value):
            return
        assert value.root is not None
        stage.note_rebind(self.name, value.root)
        stage.emit(Rebind(self.name, _ref_target(stage, value), stage.span))

    def memory(self) -> frozenset[str]:
        return frozenset({self.name})


def _whole_ref(value: RArray) -> bool:
    if value.part or any(s != ZERO for s in value.start):
        return False
    return all(a == (k, ONE) for k, a in enumerate(value.axes))


def _ref_target(stage: Stage, value: RArray) -> str:
    if value.root is not None and value.root.is_ref and value.storage == value.root.name and _whole_ref(value):
        return value.storage
    return arrays.as_storage(stage, value)


class StaticSlot(Slot):
    def __init__(self, value: Any) -> None:
        self.value = value

    def read(self, stage: Stage) -> Any:
        return self.value

    def write(self, stage: Stage, value: Any) -> None:
        pass


class CompoundSlot(Slot):
    """A value in parts."""

    parts: list[Slot]

    def write(self, stage: Stage, value: Any) -> None:
        for part, v in self.writes(stage, value):
            part.write(stage, v)

    def memory(self) -> frozenset[str]:
        return frozenset[str]().union(*(part.memory() for part in self.parts))


class TupleSlot(CompoundSlot):
    def __init__(self, stage: Stage, spec: TupleSpec, hint: str) -> None:
        self.type = spec.type
        self.parts = [allocate(stage, p, f"{hint}_{k}") for k, p in enumerate(spec.parts)]

    def read(self, stage: Stage) -> Any:
        return tuple_like(self.type, [p.read(stage) for p in self.parts])

    def writes(self, stage: Stage, value: Any) -> list[tuple[Slot, Any]]:
        return [piece for part, v in zip(self.parts, value, strict=True) for piece in part.writes(stage, v)]


class StructSlot(CompoundSlot):
    """A list, dict or instance: reading makes a new one."""

    def __init__(self, stage: Stage, spec: StructSpec, hint: str) -> None:
        self.spec = spec
        self.parts = [allocate(stage, p, f"{hint}_{k}") for k, p in zip(spec.keys, spec.parts, strict=True)]

    def read(self, stage: Stage) -> Any:
        values = [p.read(stage) for p in self.parts]
        return structs.build(stage, self.spec.kind, self.spec.keys, values, self.spec.shared)

    def writes(self, stage: Stage, value: Any) -> list[tuple[Slot, Any]]:
        struct = value if isinstance(value, Struct) else structs.struct_of(stage, value)
        if self.spec.shared:
            stage.freeze(structs.container_of(struct.origin))
        if len(self.parts) != len(struct.values):
            from .control import PreferUnroll

            if stage.interp.short is not None:
                raise PreferUnroll(stage.interp.short)
            reason = f"a {struct.kind.__name__} has another number of elements in every turn of a loop"
            raise stage.refuse(reason, "create it before the loop, or use an array", Code.KIND)
        return [piece for part, v in zip(self.parts, struct.values, strict=True) for piece in part.writes(stage, v)]


class ChoiceSlot(CompoundSlot):
    def __init__(self, stage: Stage, spec: ChoiceSpec, hint: str) -> None:
        self.specs = spec.alternatives
        self.tag = stage.cell(I64, f"{hint}_kind")
        self.joins_parts = any(isinstance(a, StructSpec) for a in spec.alternatives)
        self.hint = hint
        self.parts = [allocate(stage, a, hint) for a in spec.alternatives]

    def read(self, stage: Stage) -> Any:
        tag = stage.load_cell(self.tag, f"{self.hint}_kind")
        return Choice(tag, tuple(p.read(stage) for p in self.parts))

    def write(self, stage: Stage, value: Any) -> None:
        value = structs.struct_of(stage, value) if self.joins_parts else value
        if isinstance(value, Choice):
            places = [self._place(stage, a) for a in value.alternatives]
            tag: Expr = build.i64(places[-1])
            for k in range(len(places) - 2, -1, -1):
                tag = build.select(build.eq(value.tag, build.i64(k)), build.i64(places[k]), tag)
            stage.store_cell(self.tag, stage.let(tag))
            for k, (place, a) in enumerate(zip(places, value.alternatives, strict=True)):
                if isinstance(a, RScalar) or joins_as_number(a):
                    self.parts[place].write(stage, a)
                elif not isinstance(self.parts[place], StaticSlot):
                    with stage.block() as body:  # arrays exist only where the alternative holds
                        self.parts[place].write(stage, a)
                    stage.emit(If(build.eq(value.tag, build.i64(k)), tuple(body), (), stage.span))
            return
        place = self._place(stage, value)
        self.parts[place].write(stage, value)
        stage.store_cell(self.tag, build.i64(place))

    def writes(self, stage: Stage, value: Any) -> list[tuple[Slot, Any]]:
        return [(self, value)]  # which part is written is known at run time only

    def _place(self, stage: Stage, value: Any) -> int:
        spec = spec_of(stage, value, False)
        itself = value.origin if isinstance(value, Struct) and stage.is_created(value.origin) else None
        for k, have in enumerate(self.specs):
            if _same_kind(have, spec) or (itself is not None and have == StaticSpec(itself)):
                return k
        raise CannotJoin("a value of a kind not seen before reaches this join")


class UnboundSlot(Slot):
    def __init__(self, stage: Stage, spec: UnboundSpec, hint: str) -> None:
        assert spec.inner is not None
        self.flag = stage.cell(BOOL, f"{hint}_bound")
        self.inner = allocate(stage, spec.inner, hint)
        self.hint = hint

    def read(self, stage: Stage) -> MaybeUnbound:
        return MaybeUnbound(stage.load_cell(self.flag, f"{self.hint}_bound"), self.inner.read(stage))

    def write(self, stage: Stage, value: Any) -> None:
        if value is MISSING:
            stage.store_cell(self.flag, Const(False, BOOL))
        elif isinstance(value, MaybeUnbound):
            stage.store_cell(self.flag, value.flag)
            with stage.block() as body:  # arrays exist only where the value does
                self.inner.write(stage, value.value)
            stage.emit(If(value.flag, tuple(body), (), stage.span))
        else:
            stage.store_cell(self.flag, Const(True, BOOL))
            self.inner.write(stage, value)

    def memory(self) -> frozenset[str]:
        return self.inner.memory()


def allocate(stage: Stage, spec: Spec, hint: str) -> Slot:
    """Memory for a spec in the current block."""
    match spec:
        case ScalarSpec():
            return ScalarSlot(stage, spec, hint)
        case ArraySpec():
            return ArraySlot(stage, spec, hint) if spec.shape is not None else RefSlot(stage, spec, hint)
        case StaticSpec(value):
            return StaticSlot(value)
        case TupleSpec():
            return TupleSlot(stage, spec, hint)
        case StructSpec():
            return StructSlot(stage, spec, hint)
        case ChoiceSpec():
            return ChoiceSlot(stage, spec, hint)
        case UnboundSpec(inner):
            return StaticSlot(MISSING) if inner is None else UnboundSlot(stage, spec, hint)
