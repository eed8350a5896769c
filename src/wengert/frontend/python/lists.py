"""Python lists: static ones, whose methods are journaled, and growable ones, whose length is known at run time only."""

from __future__ import annotations

import ast
import collections
import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.codes import Code
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Declare, Expr, Extent, Growable, Load, Loop, Pop, Push, Resize, Store, Var
from wengert.ir.types import I64, DType

from . import arrays, index, list_programs
from .control import PreferUnroll
from .decisions import Restage
from .frame import PyRaise
from .interp import Interp
from .live import view
from .numeric import as_scalar, is_number, join_dtype
from .python_values import class_of, is_dict, is_list, is_slice, is_tuple, of_dict, tuple_like
from .registry import handles
from .stage import Stage
from .values import Choice, MaybeUnbound, RArray, RList, RScalar, contains_runtime


@dataclass(frozen=True)
class GrowSpec:
    """The elements of a growable list: numbers, arrays of a shape, or tuples of such."""

    dtype: DType
    python: bool
    shape: tuple[Expr, ...] | None
    kind: type | None = None
    parts: tuple[GrowSpec, ...] = ()


def spec_of_list(items: RList) -> GrowSpec:
    return GrowSpec(items.dtype, items.python, items.shape, items.kind, tuple(spec_of_list(p) for p in items.parts))


class Birth(NamedTuple):
    """Where a list is made: the expression, and the calls on the way to it where those make a difference."""

    node: ast.AST | None
    calls: tuple[ast.AST | None, ...] = ()


_CHANGE_SETS = (
    "add", "discard", "remove", "update", "pop", "clear", "difference_update", "intersection_update",
    "symmetric_difference_update",
)  # fmt: skip


JOURNALED = frozenset({"get", "setdefault", "pop", "popitem", "update", "clear", "items", "keys", "values", "copy"})
"""Methods that dicts of other classes have of a dict."""
DICT_SLOTS = frozenset({"__init__", "__getitem__", "__setitem__", "__delitem__", "__contains__"})
"""What such a class may call of a dict by super()."""


class Deque(list[Any]):
    """A collections.deque made by the program."""

    maxlen: int | None = None


@handles(collections.deque)
def deque(interp: Interp, iterable: Any = (), maxlen: Any = None) -> Any:
    most = None if maxlen is None else interp.known_int(maxlen, "the length of a deque")
    made = Deque(collections.deque((interp.settle(v) for v in interp.static_iterable(iterable)), most))
    made.maxlen = most
    return interp.stage.note_created(made)


class Lists(Interp):
    """Lists, static and growable. A part of the interpreter."""

    def new_list(self, node: ast.AST | None, items: list[Any]) -> Any:
        """A list made by the program: static, or growable if an earlier attempt saw it grow under run-time control."""
        birth = Birth(node)
        if birth in self.stage.decisions.by_caller:
            birth = Birth(node, tuple(dict.fromkeys(frame.site for frame in self.frames)))
        spec = self.stage.decisions.growable.get(birth)
        if spec is not None:
            self.current_list = birth
            return self.growable(spec, items)
        self.stage.note_created(items)
        self.births[id(items)] = birth
        return items

    def needs_growing(self, items: list[Any], elements: list[Any], reason: str) -> None:
        """The list must be growable from birth: restart, knowing its elements."""
        birth = self.births.get(id(items), Birth(None))
        if birth.node is None:
            raise self.stage.refuse(reason, "create the list inside the function, or use an array", Code.CONTAINER)
        try:
            self.stage.decisions.growable[birth] = self.grow_spec(elements, None, reason)
        except Unsupported:
            if self.short is None:
                raise
            raise PreferUnroll(self.short) from None
        raise Restage

    def grow_spec(self, elements: list[Any], have: GrowSpec | None, reason: str) -> GrowSpec:
        """The description that covers the elements (and `have`)."""
        spec = have
        for e in elements:
            new = self.element_spec(e, reason)
            spec = new if spec is None or spec == new else self.join_specs(spec, new, reason)
        if spec is None:
            raise self.stage.refuse(reason, "append at least one number", Code.CONTAINER)
        return spec

    def element_spec(self, element: Any, reason: str) -> GrowSpec:
        e = self.one_tuple(element)
        if is_number(e):
            s = as_scalar(e)
            return GrowSpec(s.dtype, s.python, None)
        if isinstance(e, RArray):
            if not all(self._outermost(n) for n in e.shape):
                raise self.stage.refuse(
                    "arrays of varying shape are collected in a list", "use arrays of one shape", Code.CONTAINER
                )
            return GrowSpec(e.dtype, False, e.shape)
        if is_tuple(e) and e:
            parts = tuple(self.element_spec(v, reason) for v in e)
            return GrowSpec(parts[0].dtype, False, None, class_of(e), parts)
        raise self.stage.refuse(
            f"{reason}, and it holds {class_of(e).__name__} objects",
            "keep numbers, arrays or tuples of them in it",
            Code.CONTAINER,
        )

    def join_specs(self, a: GrowSpec, b: GrowSpec, reason: str) -> GrowSpec:
        if a.kind is b.kind and len(a.parts) == len(b.parts):
            if a.parts:
                parts = tuple(self.join_specs(p, q, reason) for p, q in zip(a.parts, b.parts, strict=True))
                return GrowSpec(parts[0].dtype, False, None, a.kind, parts)
            if a.shape is None and b.shape is None:
                x, y = (RScalar(Var("_", s.dtype), s.python) for s in (a, b))
                return GrowSpec(join_dtype(x, y), a.python and b.python, None)
            m, n = a.shape, b.shape
            if m is not None and n is not None and a.dtype is b.dtype and self.stage.same_shape(m, n):
                return a
        reason = f"{reason}, and its elements differ in kind"
        raise self.stage.refuse(reason, "keep numbers, or arrays of one shape, in it", Code.CONTAINER)

    def _outermost(self, extent: Expr) -> bool:
        from wengert.analysis.affine import atoms

        return all(isinstance(a, Var) and a.name in self.stage.concrete for a in atoms(extent))

    def growable(self, spec: GrowSpec, items: list[Any]) -> RList:
        made = self.empty_list(spec, self.current_list)
        for item in items:
            self.list_append(made, item)
        return made

    def empty_list(self, spec: GrowSpec, birth: Birth) -> RList:
        if spec.parts:
            parts = tuple(self.empty_list(p, birth) for p in spec.parts)
            return RList(parts[0].storage, spec.dtype, False, None, spec.kind, parts)
        name = self.stage.fresh("list")
        self.stage.emit(Declare(Growable(name, spec.dtype), self.stage.span))
        self.stage.owner[name] = self.stage.blocks[-1]
        self.stage.births[name] = birth
        return RList(name, spec.dtype, spec.python, spec.shape)

    def like(self, items: RList) -> RList:
        """A new list for elements of the same kind."""
        return self.empty_list(spec_of_list(items), self.stage.births[items.storage])

    def list_extend(self, items: RList, length: Expr, get: Callable[[Expr], Any]) -> None:
        """Append `length` elements given by position; the list itself may be their source."""
        stage = self.stage
        length = stage.let(length, "count")
        name = stage.fresh("i")
        stage.facts.assume(Var(name, I64), ZERO, isub(length, ONE))
        with stage.block() as body:
            self.list_append(items, get(Var(name, I64)))
        stage.emit(Loop(name, ZERO, length, tuple(body), span=stage.span))

    def list_copy(self, items: RList, part: slice[Any, Any, Any] | None = None) -> RList:
        """A slice of a growing list, or all of it, as a list of its own."""
        made = self.like(items)
        self.list_join(made, items, part)
        return made

    def list_join(self, made: RList, values: Any, part: slice[Any, Any, Any] | None = None) -> None:
        """Append every element of a list, array or range of run-time length."""
        if isinstance(values, RList):
            length = self.list_length(values)
            if part is None:
                self.list_extend(made, length, lambda i: self.list_item(values, RScalar(i, True)))
                return
            cut = index.slice_of(self.stage, part, length)
            self.list_extend(
                made, cut.extent, lambda i: self.list_item(values, RScalar(iadd(cut.start, imul(cut.step, i)), True))
            )
            return
        it = self.iterable(values)
        if isinstance(it, list):
            for v in it:
                self.list_append(made, v)
            return
        length, get = self.positions(it)
        self.list_extend(made, length, get)

    def list_concatenation(self, a: Any, b: Any) -> RList:
        """a + b where one of them grows at run time."""
        grown = [items for items in (a, b) if isinstance(items, RList)]
        if len(grown) + is_list(a) + is_list(b) != 2:
            raise PyRaise(TypeError("can only concatenate list to list"))
        made = self.like(grown[0])
        self.list_join(made, a)
        self.list_join(made, b)
        return made

    def element_size(self, items: RList) -> Expr:
        return ONE if items.shape is None else arrays.size(items.shape)

    def list_length(self, items: RList) -> Expr:
        """The number of elements, here and now."""
        total = Extent(items.storage, 0)
        if items.shape is not None:
            size = self.element_size(items)
            n = self.stage.let(build.op("floordiv", total, build.max_(size, ONE)), "n")
        else:
            n = self.stage.let(total, "n")
        return self.stage.count(n)

    def make_static(self, items: RList) -> None:
        """A comprehension whose elements staging needs one by one: restart with its loops unrolled, once."""
        birth, decisions = self.stage.births[items.storage], self.stage.decisions
        if isinstance(birth.node, (ast.ListComp, ast.GeneratorExp)) and birth.node not in decisions.static_lists:
            decisions.static_lists.add(birth.node)
            decisions.growable.pop(birth, None)
            raise Restage

    def list_resized(self, items: RList) -> None:
        """Refuse a change of length under a loop over the same list."""
        if any(i is not None and i.storage == items.storage for i in self.iterated):
            reason = "a growing list changes its length while it is iterated over"
            raise self.stage.refuse(reason, "iterate by index with while", Code.CONTAINER)

    def fit_element(self, items: RList, value: Any) -> None:
        """Restart with a wider description if the list as declared cannot hold the value."""
        spec, birth, decisions = spec_of_list(items), self.stage.births[items.storage], self.stage.decisions
        try:
            better = self.grow_spec([value], spec, "a list grows at run time")
        except Unsupported:
            if birth.calls:
                raise
            decisions.by_caller.add(birth)
            del decisions.growable[birth]
            raise Restage from None
        if better != spec:
            decisions.growable[birth] = better
            raise Restage

    def one_tuple(self, value: Any) -> Any:
        """The value; one of several tuples as a tuple of what each part is one of."""
        value = self.resolve(value)
        if not isinstance(value, Choice) or not all(is_tuple(v) for v in value.alternatives):
            return value
        first, *rest = value.alternatives
        if any(class_of(v) is not class_of(first) or len(v) != len(first) for v in rest):
            return value
        parts = [self.one_tuple(self.over_choice(operator.itemgetter(k), value)) for k in range(len(first))]
        return tuple_like(class_of(first), parts)

    def list_append(self, items: RList, value: Any) -> None:
        self.list_resized(items)
        value = self.one_tuple(value)
        self.fit_element(items, value)
        if items.parts:
            for part, v in zip(items.parts, value, strict=True):
                self.list_append(part, v)
            return
        if items.shape is None:
            self.stage.emit(Push(items.storage, build.cast(as_scalar(value).expr, items.dtype), self.stage.span))
            return
        value = arrays.stored(self.stage, value)
        base = self.stage.let(Extent(items.storage, 0), "base")
        self.stage.emit(Resize(items.storage, self.stage.extent(self.element_size(items)), self.stage.span))
        self.put_array(items, base, value)

    def put_array(self, items: RList, base: Expr, value: Any) -> None:
        """Copy an array to where the elements from `base` on are."""
        self.stage.note_copied(value)

        def body(at: tuple[Expr, ...]) -> None:
            place = build.add(base, flat(items.shape or (), at))
            self.stage.emit(Store(items.storage, (place,), arrays.element(value, at), self.stage.span))

        arrays.nest(self.stage, items.shape or (), body)

    def list_item(self, items: RList, key: Any) -> Any:
        if is_slice(key):
            return self.list_copy(items, key)
        at = index.normalise(self.stage, index.as_index(key), self.list_length(items))
        return self.element_at(items, at)

    def element_at(self, items: RList, at: Expr) -> Any:
        if items.parts:
            assert items.kind is not None
            return tuple_like(items.kind, [self.element_at(p, at) for p in items.parts])
        if items.shape is None:
            value = self.stage.let(Load(items.storage, (at,), items.dtype), "item")
            return RScalar(value, items.python)
        base = self.stage.let(build.mul(at, self.element_size(items)), "base")
        target = self.stage.alloc(items.dtype, items.shape, "item")
        assert target.root is not None

        def element(i: Sequence[Expr]) -> Expr:
            return Load(items.storage, (build.add(base, flat(target.shape, i)),), items.dtype)

        arrays.fill(self.stage, target, element)
        target.root.detached = True
        return target

    def set_list_item(self, items: RList, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            raise self.stage.refuse("a slice of a growing list is assigned", "assign its elements", Code.CONTAINER)
        at = index.normalise(self.stage, index.as_index(key), self.list_length(items))
        value = self.one_tuple(value)
        self.fit_element(items, value)
        self.set_element(items, self.stage.let(at, "at"), value)

    def set_element(self, items: RList, at: Expr, value: Any) -> None:
        if items.parts:
            for part, v in zip(items.parts, value, strict=True):
                self.set_element(part, at, v)
        elif items.shape is not None:
            value = arrays.stored(self.stage, value)
            self.put_array(items, self.stage.let(build.mul(at, self.element_size(items)), "base"), value)
        else:
            self.stage.emit(
                Store(items.storage, (at,), build.cast(as_scalar(value).expr, items.dtype), self.stage.span)
            )

    def list_pop(self, items: RList) -> Any:
        stage = self.stage
        if items.parts:
            assert items.kind is not None
            return tuple_like(items.kind, [self.list_pop(p) for p in items.parts])
        if items.shape is not None:
            last = self.element_at(items, isub(self.list_length(items), ONE))
            last.root.detached = False
            stage.emit(Resize(items.storage, build.neg(stage.extent(self.element_size(items))), stage.span))
            return last
        popped = stage.fresh("popped")
        stage.emit(Pop(popped, items.storage, items.dtype, stage.span))
        return RScalar(Var(popped, items.dtype), items.python)

    def list_clear(self, items: RList) -> None:
        for part in items.parts or (items,):
            if part.parts:
                self.list_clear(part)
            else:
                length = self.stage.let(Extent(part.storage, 0))
                self.stage.emit(Resize(part.storage, build.neg(length), self.stage.span))

    def list_method(self, items: RList, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        match name, args:
            case "append", [value]:
                self.list_append(items, value)
                return None
            case "extend", [values]:
                self.list_join(items, values)
                return None
            case "pop", [] | [-1]:
                self.list_resized(items)
                n = self.list_length(items)
                self.stage.fail_if(self.stage.let(build.eq(n, ZERO)), "IndexError", "pop from empty list")
                return self.list_pop(items)
            case "clear", []:
                self.list_resized(items)
                self.list_clear(items)
                return None
            case "copy", []:
                return self.list_copy(items)
            case (("reverse" | "insert" | "pop" | "sort"), _):
                return self.call(getattr(list_programs, name), [items, *args], kwargs)
            case _:
                reason = f"list.{name} is not supported on a list that grows at run time"
                raise self.stage.refuse(reason, "use append, pop, indexing or np.array", Code.CONTAINER)

    def static_list_method(self, items: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a static list, dict or set, journaled."""
        args = [self.settle(a) for a in args]
        if isinstance(items, Deque):
            return self.deque_method(items, name, args, kwargs)
        if is_list(items):
            if name in ("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort"):
                if name == "extend":
                    args = [self.static_iterable(args[0])]
                if name == "sort":
                    ordered = self.call(sorted, [list(items), *args], kwargs)
                    self.stage.mutate(items)[:] = ordered
                    return None
                if name == "remove" and contains_runtime(items):
                    raise self.stage.refuse("list.remove compares run-time numbers", "use NumPy arrays", Code.CONTAINER)
                if name in ("pop", "insert") and args and isinstance(args[0], RScalar):
                    return self.call(getattr(list_programs, name), [items, *args], kwargs)
                return self.changed_natively(items, lambda changed: getattr(changed, name)(*args, **kwargs))
            if name in ("index", "count") and contains_runtime(items):
                raise self.stage.refuse(f"list.{name} compares run-time numbers", "use NumPy arrays", Code.CONTAINER)
            result = self.native(lambda: getattr(items, name)(*args, **kwargs))
            return self.stage.note_created(result) if isinstance(result, list) else result
        if is_dict(items):
            return self.dict_method(items, name, args, kwargs)
        if contains_runtime(args):
            raise self.stage.refuse("a set of run-time numbers", "use NumPy arrays", Code.CONTAINER)
        if name in _CHANGE_SETS:
            if self.stage.journal:
                raise self.stage.refuse("a set is changed under run-time control", "use a dict or list", Code.CONTAINER)
            self.stage.touch(items)
        return self.native(lambda: getattr(items, name)(*args, **kwargs))

    def changed_natively(self, items: list[Any], run: Callable[[list[Any]], Any]) -> Any:
        """What Python itself does to a static list, journaled, and what it gives."""
        changed = list(items)
        result = self.native(lambda: run(changed))
        if len(changed) != len(items) or any(a is not b for a, b in zip(changed, items, strict=True)):
            self.stage.mutate(items)[:] = changed
        return result

    def deque_method(self, items: Deque, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name == "maxlen":
            return items.maxlen
        changed = collections.deque(items, items.maxlen)
        if name in ("extend", "extendleft"):
            args = [self.static_iterable(args[0])]
        if name in ("rotate", "insert") and args:
            args[0] = self.known_int(args[0], "a position in a deque")
        if name in ("index", "count", "remove") and contains_runtime(items):
            raise self.stage.refuse(f"deque.{name} compares run-time numbers", "use NumPy arrays")
        result = self.native(lambda: getattr(changed, name)(*args, **kwargs))
        if name == "copy":
            return deque(self, list(items), items.maxlen)
        if list(changed) != list(items) or len(changed) != len(items):
            self.stage.mutate(items)[:] = list(changed)
        return result

    def among_numbers(self, items: dict[Any, Any], key: RScalar, default: Any) -> Any:
        """items.get(key, default) where run-time data decide which of the keys, integers, it is."""

        def among(keys: list[int]) -> Any:
            if not keys:
                return default
            is_first = self.truth(self.relation("==", key, keys[0]))
            if isinstance(is_first, bool):
                return self.get_item(items, keys[0]) if is_first else among(keys[1:])
            return self.conditional(is_first, lambda: self.get_item(items, keys[0]), lambda: among(keys[1:]))

        return among(list(items))

    def dict_method(self, items: dict[Any, Any], name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        key = self.resolve(args[0]) if args else None
        if isinstance(key, Choice):
            return self.over_choice(lambda k: self.dict_method(items, name, [k, *args[1:]], kwargs), key)
        if name == "get" and isinstance(key, RScalar) and items and all(type(k) is int for k in items):
            return self.among_numbers(items, key, args[1] if len(args) > 1 else None)
        match name:
            case "get" | "setdefault" | "pop":
                key = self.static_key(args[0])
                if key in items:
                    value = items[key]
                    if isinstance(value, MaybeUnbound) and name != "pop":
                        default = args[1] if len(args) > 1 else None
                        found = self.conditional(value.flag, lambda: value.value, lambda: default)
                        if name == "setdefault":
                            self.stage.write(items, key, found)
                        return found
                    if isinstance(value, MaybeUnbound):
                        sure_keys(self.stage, items)
                    if name == "pop":
                        self.stage.delete(items, key)
                    return self.use(value, str(key))
                if name == "pop" and len(args) < 2:
                    raise PyRaise(KeyError(key))
                value = args[1] if len(args) > 1 else None
                if name == "setdefault":
                    self.stage.write(items, key, value)
                return value
            case "__getitem__":
                return self.get_item(items, args[0])
            case "__setitem__":
                self.stage.write(items, self.static_key(args[0]), args[1])
                return None
            case "__delitem__":
                self.stage.delete(items, self.static_key(args[0]))
                return None
            case "__contains__":
                return self.native(lambda: args[0] in items)
            case "update" | "__init__":
                for source in [*args, kwargs]:
                    sure_keys(self.stage, dict(source))
                    for k, v in dict(source).items():
                        self.stage.write(items, k, v)
                return None
            case "clear":
                for k in list(items):
                    self.stage.delete(items, k)
                return None
            case "items" | "keys" | "values":
                sure_keys(self.stage, items)
                picks: dict[str, Callable[[Any], Any]] = {
                    "items": lambda key: (key, items[key]), "keys": lambda key: key, "values": items.__getitem__
                }  # fmt: skip
                return view(items, picks[name])
            case "copy":
                sure_keys(self.stage, items)
                plain = of_dict(class_of(items).copy, "copy")
                return self.stage.note_created(dict(items) if plain else copy.copy(items))
            case "popitem":
                sure_keys(self.stage, items)
                if not items:
                    raise PyRaise(KeyError("popitem(): dictionary is empty"))
                key = next(iter(items)) if kwargs.get("last", True) is False or args == [False] else list(items)[-1]
                value = items[key]
                self.stage.delete(items, key)
                return key, value
            case _:
                return self.native(lambda: getattr(items, name)(*args, **kwargs))


def sure_keys(stage: Stage, items: dict[Any, Any]) -> None:
    """Refuse a dict of which run-time data decide whether a key is in it."""
    for key, value in items.items():
        if isinstance(value, MaybeUnbound):
            raise stage.refuse(
                f"run-time data decide whether the key {key!r} is in this dict",
                "give every key a value beforehand",
                Code.CONTAINER,
            )


def flat(shape: Sequence[Expr], at: Sequence[Expr]) -> Expr:
    """The position of an index in C order."""
    place: Expr = ZERO
    for extent, i in zip(shape, at, strict=True):
        place = build.add(imul(place, extent) if constant(place) != 0 else ZERO, i)
    return place
