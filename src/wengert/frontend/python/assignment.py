"""Assignment: targets, unpacking, augmented assignment, del."""

from __future__ import annotations

import ast
import inspect
import operator
from typing import Any

import numpy as np

from wengert.codes import Code

from . import arrays, index, numeric
from .frame import PyRaise
from .interp import Interp
from .items import choice_in
from .operators import SYMBOLS
from .python_values import class_of, is_dict, is_list, is_set, of_dict, python_method
from .subclasses import SubArray, array_of, defined
from .values import Choice, RArray, RList, RScalar

_ITEM_METHODS = ("__getitem__", "__setitem__")


_IN_PLACE = {
    "+": "__iadd__", "-": "__isub__", "*": "__imul__", "/": "__itruediv__", "//": "__ifloordiv__", "%": "__imod__",
    "**": "__ipow__", "@": "__imatmul__", "&": "__iand__", "|": "__ior__", "^": "__ixor__", "<<": "__ilshift__",
    ">>": "__irshift__",
}  # fmt: skip


def _has_setter(owner: Any, name: str) -> bool:
    """Whether assigning to an attribute runs something."""
    kind = class_of(owner)
    raw = inspect.getattr_static(kind, name, None)
    own = kind.__setattr__ is not object.__setattr__
    return isinstance(raw, property) or python_method(raw, "__set__") is not None or own


_OF_SETS = {"|": "update", "&": "intersection_update", "-": "difference_update", "^": "symmetric_difference_update"}


class Assignment(Interp):
    """Assigns to targets. A part of the interpreter."""

    def assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.store_name(name, self.settle(value, name))
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                self.unpack(elts, value)
            case ast.Attribute(value=owner, attr=attr):
                self.set_attribute(self.eval(owner), attr, value)
            case ast.Subscript(value=owner, slice=key):
                self.set_item(self.eval(owner), self.eval(key), value)
            case ast.Starred(value=inner):
                self.assign(inner, self.new_list(inner, list(value)))
            case _:
                raise self.stage.refuse(
                    "this assignment target is not supported", "assign to a name first", Code.SYNTAX
                )

    def unpack(self, elts: list[ast.expr], value: Any) -> None:
        value = self.resolve(value)
        if isinstance(value, Choice):
            if any(isinstance(e, ast.Starred) for e in elts):
                reason = "a value of several possible kinds is unpacked into a starred name"
                raise self.stage.refuse(reason, "test its kind first", Code.KIND)
            value = self.over_choice(lambda v: tuple(self.unpacked(elts, v)), value)
            items = [self.over_choice(operator.itemgetter(k), value) for k in range(len(elts))]
        else:
            items = self.unpacked(elts, value)
        for e, v in zip(elts, items, strict=True):
            self.assign(e.value if isinstance(e, ast.Starred) else e, v)

    def unpacked(self, elts: list[ast.expr], value: Any) -> list[Any]:
        """A value for each target."""
        if isinstance(value, (RArray, RList)):
            n = self.stage.static_int(self.length(value), "the number of values to unpack")
            items = [self.get_item(value, k) for k in range(n)]
        else:
            items = self.static_iterable(value)
        stars = [k for k, e in enumerate(elts) if isinstance(e, ast.Starred)]
        if stars:
            k, rest = stars[0], len(elts) - stars[0] - 1
            if len(items) < len(elts) - 1:
                counts = f"expected at least {len(elts) - 1}, got {len(items)}"
                raise PyRaise(ValueError(f"not enough values to unpack ({counts})"))
            middle = items[k : len(items) - rest]
            return [*items[:k], self.new_list(elts[k], middle), *items[len(items) - rest :]]
        if len(items) != len(elts):
            word = "too many" if len(items) > len(elts) else "not enough"
            raise PyRaise(ValueError(f"{word} values to unpack (expected {len(elts)}, got {len(items)})"))
        return items

    def aug_assign(self, target: ast.expr, op: ast.operator, value_node: ast.expr) -> None:
        symbol = SYMBOLS[type(op)]
        match target:
            case ast.Name(id=name):
                old = self.load_name(name)
                new = self.in_place(symbol, old, self.eval(value_node))
                if new is not old or not isinstance(old, (RArray, list)):
                    self.store_name(name, self.settle(new, name))
            case ast.Attribute(value=owner_node, attr=attr):
                owner = self.eval(owner_node)
                old = self.get_attribute(owner, attr)
                new = self.in_place(symbol, old, self.eval(value_node))
                if new is not old or not isinstance(old, RArray) or _has_setter(owner, attr):
                    self.set_attribute(owner, attr, self.settle(new, attr))
            case ast.Subscript(value=owner_node, slice=key_node):
                owner, key = self.resolve(self.eval(owner_node)), array_of(self.resolve(self.eval(key_node)))
                if isinstance(owner, SubArray) and not any(defined(self, owner, n) for n in _ITEM_METHODS):
                    owner = array_of(owner)
                plain = symbol != "@" and not index.is_advanced(key) and choice_in(key) is None
                if isinstance(owner, RArray) and plain:
                    self.update_elements(owner, key, symbol, value_node)
                    return
                old = self.settle(self.get_item(owner, key))
                self.set_item(owner, key, self.in_place(symbol, old, self.eval(value_node)))
            case _:
                raise self.stage.refuse(
                    "this assignment target is not supported", "assign to a name first", Code.SYNTAX
                )

    def update_elements(self, owner: RArray, key: Any, symbol: str, value_node: ast.expr) -> None:
        """owner[key] symbol= value, for a key that gives a view. Python reads the old elements before it evaluates the
        value: that shows only for a single element that the value's evaluation changes."""
        view = index.getitem_for_update(self.stage, owner, key)
        calls = view.rank == 0 and any(isinstance(n, (ast.Call, ast.Attribute)) for n in ast.walk(value_node))
        old = self.get_item(owner, key) if calls else None
        with self.stage.log_stores() as stored:
            value = array_of(self.resolve(self.eval(value_node)))
        if calls and any(arrays.may_alias(view.root, root) for root in stored):
            self.set_item(owner, key, self.in_place(symbol, old, value))
            return
        if isinstance(value, (list, tuple, np.ndarray)):
            value = self.as_array(value)
        if isinstance(value, Choice):
            reason = "a value of several possible kinds is stored into an array"
            raise self.stage.refuse(reason, "test its kind first", Code.KIND)
        index.update(self.stage, view, symbol, value)

    def in_place(self, symbol: str, old: Any, value: Any) -> Any:
        """old symbol= value: arrays and containers change in place, anything else gives a new value."""
        old, value = self.resolve(old), self.resolve(value)
        if isinstance(old, SubArray) and symbol != "@" and defined(self, old, _IN_PLACE[symbol]) is None:
            self.in_place(symbol, array_of(old), value)
            return old
        if isinstance(old, RArray) and symbol != "@":
            value = array_of(value)
            if isinstance(value, (list, tuple, np.ndarray, RList)):
                value = self.as_array(value)
            if isinstance(value, (RArray, RScalar)) or numeric.is_number(value):
                index.update(self.stage, old, symbol, value)
                return old
        if is_list(old) and symbol == "+":
            self.call_method(old, "extend", [value], {})
            return old
        if is_list(old) and symbol == "*":
            self.stage.mutate(old)[:] = self.binary("*", list(old), value)
            return old
        if is_set(old) and symbol in _OF_SETS and isinstance(value, (set, frozenset)):
            self.call_method(old, _OF_SETS[symbol], [value], {})
            return old
        if is_dict(old) and symbol == "|":
            self.call_method(old, "update", [value], {})
            return old
        if isinstance(old, RList):
            if symbol != "+":
                raise self.stage.refuse(
                    f"{symbol}= of a list that grows at run time", "use np.array(list)", Code.CONTAINER
                )
            self.call_method(old, "extend", [value], {})
            return old
        if (method := python_method(old, _IN_PLACE[symbol])) is not None:
            return self.call(method, [old, value], {})
        return self.binary(symbol, old, value)

    def delete(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.load_name(name)
                self.stage.delete(self.frame.locals, name)
            case ast.Subscript(value=owner_node, slice=key_node):
                owner, key = self.eval(owner_node), self.eval(key_node)
                if is_dict(owner):
                    known = self.static_key(key)
                    self.native(lambda: owner[known])
                    self.stage.delete(owner, known)
                elif is_list(owner):
                    items = list(owner)
                    self.native(lambda: operator.delitem(items, key))
                    self.stage.mutate(owner)[:] = items
                else:
                    raise self.stage.refuse(
                        "deleting from this object is not supported", "build a new one instead", Code.SYNTAX
                    )
            case ast.Attribute(value=owner_node, attr=attr):
                owner = self.eval(owner_node)
                self.get_attribute(owner, attr)
                if of_dict(class_of(owner).__delattr__, "__delitem__"):
                    self.stage.delete(owner, attr)
                    return
                self.stage.delete(owner.__dict__, attr)
            case _:
                raise self.stage.refuse("this del is not supported", "assign None instead", Code.SYNTAX)
