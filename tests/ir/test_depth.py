"""Programs that nest deeply: room on Python's stack, given back when the last thread is done."""

from __future__ import annotations

import cProfile
import pstats
import sys
import threading

import numpy as np

from amount import LONG
from optimise.checks import ORDERS, outcome, transformed
from wengert.ir.depth import RECURSION, deep
from wengert.ir.nodes import Block, Buffer, Const, Expr, Function, If, Module, Op, Scalar, Store, Var
from wengert.ir.text import parse
from wengert.ir.types import BOOL, F64, I64
from wengert.pipeline import LAST, finish

X = Var("x", F64)
LENGTH = 1000 if LONG and sys.version_info[:2] != (3, 12) else 400
"""Python 3.12 limits recursion through C code (its first releases to 1500 calls), and nothing can raise that."""


def chain(length: int) -> Module:
    """u[0] = the first k below `length` that is no less than x, by a chain of elif."""

    def store(value: Expr) -> Block:
        return (Store("u", (Const(0, I64),), value),)

    body = store(X)
    for k in reversed(range(length)):
        number = Const(float(k), F64)
        body = (If(Op("le", (X, number), BOOL), store(number), body),)
    u = Buffer("u", F64, (Const(1, I64),), intent="inout")
    return Module({"f": Function("f", (u, Scalar("x", F64)), body)}, "f")


def test_long_chains() -> None:
    args = {"u": np.zeros(1), "x": 6.5}
    short = chain(12)
    for order in ORDERS:
        assert outcome(transformed(short, LAST), args, order) == outcome(short, args)
    assert finish(chain(LENGTH)).entry == "f"


def calls(depth: int) -> int:
    """The calls of functions that the passes make for branches in branches, each with a number of its own."""
    body = "y[] = x"
    for k in reversed(range(depth)):
        then = f"c{k}[] += x\ny[] = c{k}[] * {k}.25"
        body = f"alloc c{k}: f64[] zero\nlet t{k} = x < {k}.5\nif t{k} {{ {then} }} else {{ {body} }}"
    module = parse(f"entry f\nfunc f(x: f64, y: f64[] inout) -> () {{ {body} }}")
    profile = cProfile.Profile()
    with profile:
        finish(module)
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


def test_the_passes_take_time_in_proportion_to_how_deeply_branches_nest() -> None:
    assert calls(160) < 6 * calls(40)


def test_room_is_given_back_when_the_last_thread_is_done() -> None:
    before = sys.getrecursionlimit()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with deep():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with deep():
        thread.start()
        inside.wait()
        with deep():
            assert sys.getrecursionlimit() >= RECURSION
    assert sys.getrecursionlimit() >= RECURSION
    leave.set()
    thread.join()
    assert sys.getrecursionlimit() == before
