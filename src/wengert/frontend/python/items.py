"""Items: owner[key], read and assigned."""

from __future__ import annotations

import ast
import collections
import operator
from typing import Any, TypeGuard

import numpy as np

from wengert.codes import Code
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import Span
from wengert.ir.types import BOOL, I64

from . import builtin, index, numeric, subclasses, texts
from .frame import PyRaise
from .interp import Interp
from .python_values import class_of, is_dict, is_list, is_slice, is_tuple, python_method
from .slots import MAX_KINDS
from .subclasses import SubArray
from .values import Choice, RArray, RList, RRange, RScalar

_places: dict[Span | None, ast.Call] = {}  # what lists made for missing keys are known by


class Items(Interp):
    """Items of arrays and containers. A part of the interpreter."""

    def get_item(self, owner: Any, key: Any) -> Any:
        owner, key = self.resolve(owner), self.resolve(key)
        if isinstance(owner, Choice):
            return self.over_choice(lambda o: self.get_item(o, key), owner)
        inner = choice_in(key) if isinstance(owner, RArray) or is_dict(owner) else None
        if inner is not None:
            return self.over_choice(lambda c: self.get_item(owner, _replaced(key, inner, c)), inner)
        key = subclasses.array_of(key)
        match owner:
            case SubArray() if subclasses.defined(self, owner, "__getitem__") is None:
                return subclasses.like(self, self.get_item(subclasses.array_of(owner), key), owner)
            case RArray():
                return index.getitem(self.stage, owner, key)
            case RList():
                return self.list_item(owner, key)
            case RScalar():
                return self.item_of_number(owner, key)
            case RRange():
                at = index.normalise(self.stage, index.as_index(key), self.range_length(owner))
                return RScalar(build.add(owner.start, build.mul(at, owner.step_expr)), True)
            case np.ndarray():
                return self.get_item(self.as_array(owner), key)
            case _:
                pass
        if isinstance(key, RScalar) and _is_indexable(owner):
            try:
                key = self.stage.static_int(build.cast(key.expr, I64), "the position in a Python list or tuple")
            except Unsupported:
                if len(owner) > MAX_KINDS:
                    raise
                return self.selected(owner, key)
        elif is_slice(key) and issubclass(class_of(owner), (list, tuple, str)):
            key = self.static_slice(key)
        elif is_dict(owner):
            key = self.static_key(key)
        if (method := python_method(owner, "__getitem__")) is not None:
            return self.call(method, [owner, key], {})
        return self.static_item(owner, key)

    def static_item(self, owner: Any, key: Any) -> Any:
        """An item of a static object, by Python itself."""
        if is_dict(owner) and key not in owner:
            if isinstance(owner, collections.defaultdict) and owner.default_factory is not None:
                self.call_node = _places.setdefault(self.stage.span, ast.Call(ast.Name("list", ast.Load()), [], []))
                value = self.settle(self.call(owner.default_factory, [], {}))
                self.stage.write(owner, key, value)
                return value
            if (missing := python_method(owner, "__missing__")) is not None:
                return self.call(missing, [owner, key], {})
        result = self.native(lambda: owner[key])
        if is_list(result) and is_slice(key):
            self.stage.note_created(result)
        return self.use(result, "item", ("KeyError", repr(key)))

    def item_of_number(self, owner: RScalar, key: Any) -> Any:
        """A NumPy scalar takes a mask of one bool, Ellipsis, new axes or an empty tuple as index."""
        if owner.python:
            raise PyRaise(TypeError(f"'{builtin.type_of(owner).__name__}' object is not subscriptable"))
        if key == () or key is Ellipsis:
            return owner if key == () else self.as_array(owner)
        axes = key if is_tuple(key) else (key,)
        if all(k is None or k is Ellipsis for k in axes) and axes.count(Ellipsis) <= 1:
            return self.call(np.reshape, [self.as_array(owner), (1,) * axes.count(None)], {})
        if isinstance(key, (bool, np.bool_)) or (isinstance(key, RScalar) and key.dtype is BOOL):
            operands: list[Any] = [owner, key]
            array, mask = (self.call(np.reshape, [self.as_array(v), (1,)], {}) for v in operands)
            return self.get_item(array, mask)
        raise PyRaise(IndexError("invalid index to scalar variable."))

    def selected(self, owner: Any, key: RScalar) -> Any:
        """The element of a static sequence at a position computed from run-time data."""
        at = index.normalise(self.stage, index.as_index(key), build.i64(len(owner)))
        items = [self.resolve(v) for v in owner]
        numbers = [numeric.as_scalar(v) for v in items if isinstance(v, RScalar) or numeric.is_number(v)]
        if items and len(numbers) == len(items) and len({(n.dtype, n.python) for n in numbers}) == 1:
            cell = index.getitem(self.stage, self.as_array(items), RScalar(at, True))
            assert isinstance(cell, RScalar)
            return RScalar(cell.expr, numbers[0].python)
        return Choice(self.stage.let(at, "place"), tuple(items))

    def static_slice(self, s: slice[Any, Any, Any]) -> slice[Any, Any, Any]:
        return slice(*(self.known_int(p, "a slice bound of a Python list") for p in (s.start, s.stop, s.step)))

    def static_key(self, key: Any) -> Any:
        """A dictionary key: must be static."""
        key = self.resolve(key)
        if isinstance(key, RScalar):
            if key.dtype is I64:
                return self.stage.static_int(key.expr, "a dictionary key")
            reason = "a dictionary is indexed by a run-time number"
            raise self.stage.refuse(reason, "use strings or integers known beforehand as keys", Code.CONTAINER)
        if is_tuple(key):
            return tuple(self.static_key(k) for k in key)
        if isinstance(key, Choice):
            reason = "run-time data decide which key of a dictionary is used"
            raise self.stage.refuse(reason, "use if and else, with a key each", Code.CONTAINER)
        return texts.known(self, key)

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        owner, key = self.resolve(owner), subclasses.array_of(self.resolve(key))
        if isinstance(owner, Choice):
            self.over_choice(lambda o: self.set_item(o, key, value), owner)
            return
        inner = choice_in(key) if isinstance(owner, RArray) or is_dict(owner) else None
        if inner is not None:
            value = self.settle(value)
            self.over_choice(lambda c: self.set_item(owner, _replaced(key, inner, c), value), inner)
            return
        if isinstance(owner, SubArray) and subclasses.defined(self, owner, "__setitem__") is None:
            owner = subclasses.array_of(owner)
        match owner:
            case RArray():
                value = subclasses.array_of(self.resolve(value))
                if isinstance(value, (list, tuple, RList)):
                    value = self.as_array(value)
                value = self.resolve(value)
                if isinstance(value, Choice):
                    self.over_choice(lambda v: self.set_item(owner, key, v), value)
                    return
                index.setitem(self.stage, owner, key, value)
            case RList():
                self.set_list_item(owner, key, value)
            case _ if is_list(owner):
                if isinstance(key, RScalar):
                    try:
                        key = self.stage.static_int(key.expr, "the position in a Python list")
                    except Unsupported:
                        if len(owner) > MAX_KINDS:
                            raise
                        self.set_selected(owner, key, value)
                        return
                sliced = is_slice(key)
                if is_slice(key):
                    key = self.static_slice(key)
                    value = self.static_iterable(value)
                items = list(owner)
                self.native(lambda: operator.setitem(items, key, value if sliced else self.settle(value)))
                self.stage.mutate(owner)[:] = items
            case _ if is_dict(owner):
                self.stage.write(owner, self.static_key(key), self.settle(value))
            case _:
                method = python_method(owner, "__setitem__")
                if method is None:
                    raise PyRaise(TypeError(f"'{class_of(owner).__name__}' object does not support item assignment"))
                self.call(method, [owner, key, value], {})

    def set_selected(self, owner: list[Any], key: RScalar, value: Any) -> None:
        """Assign to the element of a static list at a position computed from run-time data."""
        at = self.stage.let(index.normalise(self.stage, index.as_index(key), build.i64(len(owner))), "place")
        value = self.settle(value)

        def after(k: int, old: Any) -> Any:
            return self.conditional(self.stage.let(build.eq(at, build.i64(k))), lambda: value, lambda: old)

        items = [after(k, old) for k, old in enumerate(owner)]
        self.stage.mutate(owner)[:] = items


def _is_indexable(value: object) -> TypeGuard[list[Any] | tuple[Any, ...] | str | range]:
    return isinstance(value, (list, tuple, str, range))


def choice_in(key: Any) -> Choice | None:
    """A value of several possible kinds in an index."""
    if isinstance(key, Choice):
        return key
    parts = key if is_tuple(key) else (key.start, key.stop, key.step) if is_slice(key) else ()
    return next((found for p in parts if (found := choice_in(p)) is not None), None)


def _replaced(key: Any, old: Choice, new: Any) -> Any:
    """The index with `new` in place of `old`."""
    if key is old:
        return new
    if is_tuple(key):
        return tuple(_replaced(k, old, new) for k in key)
    if is_slice(key):
        return slice(*(_replaced(k, old, new) for k in (key.start, key.stop, key.step)))
    return key
