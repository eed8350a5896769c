"""Derivatives of what is defined by what it satisfies, and not by how it was found: the implicit function theorem.

A function f that is `attached by g` finds values x (a root), its last parameters, by a method that is none of the
derivative's business. g takes the parameters of f, reads them, and writes x once more, as a program whose value is that
of f and whose derivative is that of x. For a root of F(t, x) = 0

    x = held(x) + change(-J^-1 F(t, held(x))),    J = held(dF/dx (t, x)),

where `held(y)` is y, a constant for the next derivative, and `change(y)` is 0 with the derivative of y.

Contract: before a program is differentiated, each call f(t, x) becomes f(t, x'); g(t, x', x), so that f is not
differentiated; afterwards held(y) is y and change(y) is 0, and f remains as it was: the next derivative attaches g
again, to this x' too. So derivatives of any order are those of the theorem, each at the cost of one linear solution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wengert.ad.names import reachable
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import FORGOTTEN, Block, Call, Expr, Function, Module, Op, Stmt
from wengert.ir.walk import callees, function_names, map_expr, map_expressions, map_statements, storages, unused


def attach(module: Module) -> Module:
    """The module with the functions that derivatives are attached by called after the functions that need them; those
    functions, and what they call, stay as they are."""
    finding = {n for n, f in module.functions.items() if f.attached}
    if not finding:
        return module
    functions = module.functions
    if any(functions[n].attached == FORGOTTEN for n in finding):
        raise ValueError("what derivatives are attached by was forgotten when this code was finished")
    plain = _called(functions, finding, set())
    copied = {functions[n].attached for n in finding}
    for name in _called(functions, {module.entry, *copied}, finding):
        if name in plain:
            copied.add(name)  # one that is differentiated, and one that is not
    names: dict[str, str] = {}
    made = dict(functions)
    for name in sorted(copied):
        names[name] = unused(f"{name}_now", made)
        made[names[name]] = replace(functions[name], name=names[name])
    kept = plain | copied
    return Module({n: f if n in kept else _attached(f, functions, names) for n, f in made.items()}, module.entry)


def _called(functions: Mapping[str, Function], start: set[str], stop: set[str]) -> set[str]:
    """The functions that are called from some, themselves included, not looking into those of `stop`."""
    found, todo = start - stop, list(start - stop)
    while todo:
        f = functions[todo.pop()]
        new = callees(f) - {f.attached} - found - stop
        found |= new
        todo += new
    return found


def _attached(f: Function, functions: Mapping[str, Function], names: Mapping[str, str]) -> Function:
    known = storages(f)
    e = Emitter(function_names(f))

    def visit(stmt: Stmt) -> Block:
        if not isinstance(stmt, Call):
            return (stmt,)
        called = functions[stmt.function]
        if not called.attached:
            return (replace(stmt, function=names.get(called.name, called.name)),)
        first = 2 * len(called.params) - len(functions[called.attached].params)
        with e.collect() as made, e.at(stmt.span):
            found: list[str] = []
            for name in stmt.args[first:]:
                assert isinstance(name, str)
                shape = [b.extent(known[name], k) for k in range(known[name].rank)]
                found.append(e.alloc(f"{name}_found", known[name].dtype, shape).name)
            e.call(stmt.function, *stmt.args[:first], *found)
            e.call(names[called.attached], *stmt.args[:first], *found, *stmt.args[first:])
        return tuple(made)

    return replace(f, body=map_statements(f.body, visit))


def is_attached(module: Module) -> bool:
    """Whether derivatives are attached to anything in a module."""
    return any(f.attached for f in module.functions.values())


def detach(module: Module) -> Module:
    """After a derivative of what was attached to: what it held is no constant any more."""
    kept = {f.attached for f in module.functions.values() if f.attached}
    return Module(
        {
            n: f if n in kept else replace(f, body=map_expressions(f.body, lambda e: map_expr(_released, e)))
            for n, f in module.functions.items()
        },
        module.entry,
    )


def forget(module: Module) -> Module:
    """Before code is made: calls are what they are, and nothing is attached to them any more."""
    if not is_attached(module):
        return module
    return reachable(
        {n: replace(f, attached=FORGOTTEN) if f.attached else f for n, f in module.functions.items()}, module.entry
    )


def _released(e: Expr) -> Expr:
    match e:
        case Op(name="held", args=(x,)):
            return x
        case Op(name="change", dtype=dtype):
            return b.zero(dtype)
        case _:
            return e
