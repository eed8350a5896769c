"""Subclasses of dict: attributes that are items, missing keys, what is refused."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives


class Namespace(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


class Record(dict):
    """As results of SciPy."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__


class Counted(dict):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made = 2.0

    def __missing__(self, key):
        self[key] = self.made
        return self[key]

    def total(self):
        return sum(self.values()) * self.made


class Doubling(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, 2 * value)


def items_and_attributes(x):
    d = Namespace(a=x, b=2 * x)
    d.c = d.a * d.b
    d["e"] = np.sin(x)
    copied = d.copy()
    copied["a"] = 7.0
    return d.c + d["a"] * d.get("e") + len(d) + (1.0 if type(copied) is dict else 0.0)


def branches(x):
    d = Record(a=x)
    d.b = x * x
    if x > 1:
        d.a = d.b
        d.z = 3 * x
    else:
        d.z = x
    del d.b
    try:
        q = d.b
    except AttributeError:
        q = 5 * x
    return d.a * d.z + q + (2.0 if "a" in d else 3.0)


def made_on_both_sides(x):
    d = Record(a=x, n=1.0) if x > 1 else Record(a=3 * x, n=2.0)
    return d.a * d["n"] * x


def missing(x):
    d = Counted({"a": x}, b=x * x)
    return d["q"] * d["a"] + d.total()


@pytest.mark.parametrize("program", [items_and_attributes, branches, made_on_both_sides, missing])
@pytest.mark.parametrize("x", [0.6, 1.7])
def test_programs(program: Any, x: float) -> None:
    assert_derivatives(program, x)


def test_one_from_outside_is_changed() -> None:
    def f(d, x):
        d.k = x * d.w
        return d.k * x

    given, expected = Namespace(w=3.0), Namespace(w=3.0)
    assert wg.compile(f)(given, 2.0) == f(expected, 2.0)
    assert given == expected
    assert wg.grad(f, wrt="x")(Namespace(w=3.0), 2.0) == 12.0


def test_one_is_returned() -> None:
    found = wg.compile(lambda x: Record(a=x, b=2 * x))(1.5)
    assert type(found) is Record
    assert found == {"a": 1.5, "b": 3.0}


@pytest.mark.parametrize("kind", [dict, Record, collections.OrderedDict, lambda: collections.defaultdict(float)])
def test_the_class_is_kept(kind: Any) -> None:
    def f(x):
        d = kind()
        d["a"] = x
        d["b"] = 2 * x
        return d

    def g(d, x):
        d["b"] = d["a"] * x
        return d

    for program, arguments in ((f, ()), (g, (kind(),))):
        for given in arguments:
            given["a"] = 3.0
        found, expected = wg.compile(program)(*arguments, 1.5), program(*arguments, 1.5)
        assert (type(found), found) == (type(expected), expected)
    if kind not in (dict, Record, collections.OrderedDict):
        assert found["c"] == 0.0


def test_attributes_beside_items_are_refused() -> None:
    with pytest.raises(wg.Unsupported, match="attributes beside its items"):
        wg.compile(lambda d, x: d["a"] * x)(Counted(a=1.0), 2.0)


@pytest.mark.parametrize("given", [None, Doubling(w=3.0)])
def test_items_of_its_own_kind_are_refused(given: Any) -> None:
    def f(d, x):
        d = Doubling() if d is None else d
        d["k"] = x
        return d["k"]

    with pytest.raises(wg.Unsupported, match="__setitem__ of its own"):
        wg.compile(f)(given, 2.0)
