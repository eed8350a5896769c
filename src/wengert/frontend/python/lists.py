"""Python lists: static ones, whose methods are journaled, and growable ones, whose length is known at run time only."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wengert.analysis.affine import constant, imul
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Declare, Expr, Extent, Growable, Load, Pop, Push, Resize, Store, Var
from wengert.ir.types import I64, DType

from . import arrays, index
from .control import PreferUnroll
from .frame import PyRaise
from .numeric import as_scalar, is_number, join_dtype
from .stage import Restage, Stage
from .values import Poison, RArray, RList, RScalar, contains_runtime

if TYPE_CHECKING:
    from .interp import Interp


@dataclass(frozen=True)
class GrowSpec:
    """The elements of a growable list."""

    dtype: DType
    python: bool
    shape: tuple[Expr, ...] | None


class Lists:
    """Mixed into the interpreter."""

    stage: Stage

    def needs_growing(self: Interp, items: list[Any], elements: list[Any], reason: str) -> None:
        """The list must be growable from birth: restart, knowing its elements."""
        node: ast.AST | None = self.list_nodes.get(id(items))
        if node is None:
            raise self.stage.refuse(reason, "create the list inside the function, or use an array")
        try:
            self.stage.decisions.growable[node] = self.grow_spec(elements, None, reason)
        except Unsupported:
            if self.short is None:
                raise
            raise PreferUnroll(self.short) from None
        raise Restage

    def grow_spec(self: Interp, elements: list[Any], have: GrowSpec | None, reason: str) -> GrowSpec:
        spec = have
        for e in elements:
            e = self.resolve(e)
            if is_number(e):
                s = as_scalar(e)
                new = GrowSpec(s.dtype, s.python, None)
            elif isinstance(e, RArray):
                if not all(self._outermost(n) for n in e.shape):
                    raise self.stage.refuse("arrays of varying shape are collected in a list", "use arrays of one shape")
                new = GrowSpec(e.dtype, False, e.shape)
            else:
                raise self.stage.refuse(f"{reason}, and it holds {type(e).__name__} objects", "keep numbers or arrays in it")
            if spec is None or spec == new:
                spec = new
            elif spec.shape is None and new.shape is None:
                a, b = (RScalar(Var("_", s.dtype), s.python) for s in (spec, new))
                spec = GrowSpec(join_dtype(a, b), spec.python and new.python, None)
            elif spec.shape is None or new.shape is None or len(spec.shape) != len(new.shape) or not all(
                self.stage.same(m, n) for m, n in zip(spec.shape, new.shape, strict=True)
            ) or spec.dtype is not new.dtype:
                raise self.stage.refuse(f"{reason}, and its elements differ in kind", "keep numbers, or arrays of one shape, in it")
        if spec is None:
            raise self.stage.refuse(reason, "append at least one number")
        return spec

    def _outermost(self: Interp, extent: Expr) -> bool:
        from wengert.analysis.affine import atoms

        return all(isinstance(a, Var) and a.name in self.stage.concrete for a in atoms(extent))

    def growable(self: Interp, spec: GrowSpec, items: list[Any]) -> RList:
        name = self.stage.fresh("list")
        self.stage.emit(Declare(Growable(name, spec.dtype), self.stage.span))
        self.stage.owner[name] = self.stage.blocks[-1]
        made = RList(name, spec.dtype, spec.python, spec.shape)
        self.stage.grow_nodes[name] = self.current_list_node
        for item in items:
            self.list_append(made, item)
        return made

    def element_size(self: Interp, items: RList) -> Expr:
        return ONE if items.shape is None else arrays.size(items.shape)

    def list_length(self: Interp, items: RList) -> Expr:
        """The number of elements, here and now."""
        total = Extent(items.storage, 0)
        if items.shape is not None:
            size = self.element_size(items)
            n = self.stage.let(build.op("floordiv", total, build.max_(size, ONE)), "n")
        else:
            n = self.stage.let(total, "n")
        if isinstance(n, Var):
            self.stage.facts.assume(n, 0)
        return n

    def list_resized(self: Interp, items: RList) -> None:
        """Refuse a change of length under a loop over the same list."""
        if any(i is not None and i.storage == items.storage for i in self.iterated):
            raise self.stage.refuse("a growing list changes its length while it is iterated over", "iterate by index with while")

    def list_append(self: Interp, items: RList, value: Any) -> None:
        self.list_resized(items)
        value = self.resolve(value)
        spec = GrowSpec(items.dtype, items.python, items.shape)
        better = self.grow_spec([value], spec, "a list grows at run time")
        if better != spec and not (better.shape is not None and spec.shape is not None):
            self.stage.decisions.growable[self.stage.grow_nodes[items.storage]] = better
            raise Restage
        if items.shape is None:
            self.stage.emit(Push(items.storage, build.cast(as_scalar(value).expr, items.dtype), self.stage.span))
            return
        value = arrays.stored(self.stage, value)
        base = self.stage.let(Extent(items.storage, 0), "base")
        self.stage.emit(Resize(items.storage, self.stage.extent(self.element_size(items)), self.stage.span))

        def body(at: tuple[Expr, ...]) -> None:
            place = build.add(base, flat(items.shape or (), at))
            self.stage.emit(Store(items.storage, (place,), arrays.element(value, at), self.stage.span))

        arrays.nest(self.stage, items.shape, body)

    def list_item(self: Interp, items: RList, key: Any) -> Any:
        if isinstance(key, slice):
            array = self.as_array(items)
            return index.getitem(self.stage, array, key)
        at = index.normalise(self.stage, index.as_index(key), self.list_length(items))
        if items.shape is None:
            value = self.stage.let(Load(items.storage, (at,), items.dtype), "item")
            return RScalar(value, items.python, items.python and items.dtype is I64)
        base = self.stage.let(build.mul(at, self.element_size(items)), "base")
        target = self.stage.alloc(items.dtype, items.shape, "item")
        arrays.fill(self.stage, target, lambda i: Load(items.storage, (build.add(base, flat(items.shape or (), i)),), items.dtype))
        return target

    def set_list_item(self: Interp, items: RList, key: Any, value: Any) -> None:
        at = index.normalise(self.stage, index.as_index(key), self.list_length(items))
        if items.shape is not None or not is_number(value):
            raise self.stage.refuse("an array in a growing list is replaced", "collect the arrays in one array instead")
        self.stage.emit(Store(items.storage, (at,), build.cast(as_scalar(value).expr, items.dtype), self.stage.span))

    def list_method(self: Interp, items: RList, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        match name, args:
            case "append", [value]:
                self.list_append(items, value)
                return None
            case "extend", [values]:
                for v in self.static_iterable(values):
                    self.list_append(items, v)
                return None
            case "pop", [] if items.shape is None:
                self.list_resized(items)
                n = self.list_length(items)
                self.stage.fail_if(self.stage.let(build.eq(n, ZERO)), "IndexError", "pop from empty list")
                popped = self.stage.fresh("popped")
                self.stage.emit(Pop(popped, items.storage, items.dtype, self.stage.span))
                return RScalar(Var(popped, items.dtype), items.python, items.dtype is I64)
            case "clear", []:
                self.list_resized(items)
                self.stage.emit(Resize(items.storage, build.neg(self.stage.let(Extent(items.storage, 0))), self.stage.span))
                return None
            case "copy", []:
                raise self.stage.refuse("a growing list is copied", "use np.array(list)")
            case _:
                raise self.stage.refuse(f"list.{name} is not supported on a list that grows at run time", "use append, pop, indexing or np.array")

    def static_list_method(self: Interp, items: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a static list, dict or set, journaled."""
        args = [self.settle(a) for a in args]
        if isinstance(items, list):
            if name in ("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort"):
                if name == "extend":
                    args = [self.static_iterable(args[0])]
                if name in ("remove", "sort") and contains_runtime(items):
                    raise self.stage.refuse(f"list.{name} compares run-time numbers", "use NumPy arrays and np.sort")
                if name in ("pop", "insert") and args and isinstance(args[0], RScalar):
                    args[0] = self.stage.static_int(args[0].expr, "a list position")
                changed = list(items)
                result = self.native(lambda: getattr(changed, name)(*args, **kwargs))
                self.stage.mutate(items)[:] = changed
                return result
            if name in ("index", "count") and contains_runtime(items):
                raise self.stage.refuse(f"list.{name} compares run-time numbers", "use NumPy arrays")
            result = self.native(lambda: getattr(items, name)(*args, **kwargs))
            return self.stage.note_created(result) if isinstance(result, list) else result
        if isinstance(items, dict):
            return self.dict_method(items, name, args, kwargs)
        if contains_runtime(args):
            raise self.stage.refuse("a set of run-time numbers", "use NumPy arrays")
        if self.stage.journal and name in ("add", "discard", "remove", "update", "pop", "clear"):
            raise self.stage.refuse("a set is changed under run-time control", "use a dict or list")
        return self.native(lambda: getattr(items, name)(*args, **kwargs))

    def dict_method(self: Interp, items: dict[Any, Any], name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        match name:
            case "get" | "setdefault" | "pop":
                key = self.static_key(args[0])
                if key in items:
                    value = items[key]
                    if name == "pop":
                        self.stage.delete(items, key)
                    return self.use(value, str(key))
                if name == "pop" and len(args) < 2:
                    raise PyRaise(KeyError(key))
                value = args[1] if len(args) > 1 else None
                if name == "setdefault":
                    self.stage.write(items, key, value)
                return value
            case "update":
                for source in [*args, kwargs]:
                    for k, v in dict(source).items():
                        self.stage.write(items, k, v)
                return None
            case "clear":
                for k in list(items):
                    self.stage.delete(items, k)
                return None
            case "items" | "keys" | "values":
                return list(getattr(items, name)())
            case "copy":
                return self.stage.note_created(dict(items))
            case _:
                return self.native(lambda: getattr(items, name)(*args, **kwargs))


def flat(shape: tuple[Expr, ...], at: tuple[Expr, ...] | list[Expr]) -> Expr:
    """The position of an index in C order."""
    place: Expr = ZERO
    for extent, i in zip(shape, at, strict=True):
        place = build.add(imul(place, extent) if constant(place) != 0 else ZERO, i)
    return place


__all__ = ["GrowSpec", "Lists", "Poison", "flat"]
