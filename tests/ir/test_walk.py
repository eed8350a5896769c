"""Traversal finds everything and rebuilding changes only what it is told to."""

from __future__ import annotations

from ir.programs import SIZE, N, everything, module, vector
from wengert.ir import build as b
from wengert.ir import nodes, walk
from wengert.ir.build import Emitter
from wengert.ir.nodes import Call, Const, Expr, Function, Module, Stmt, Var
from wengert.ir.text import show
from wengert.ir.types import F64, I64


def test_the_sample_program_has_every_statement_and_expression() -> None:
    body = everything().root.body
    assert {type(s) for s in walk.statements(body)} == set(nodes.Stmt.__args__)
    found = {type(x) for s in walk.statements(body) for e in walk.expressions(s) for x in walk.subexpressions(e)}
    assert found == set(nodes.Expr.__args__)


def test_rebuilding_with_nothing_changed_is_the_identity() -> None:
    body = everything().root.body
    assert walk.map_expressions(body, lambda e: walk.map_expr(lambda x: x, e)) == body
    assert walk.map_statements(body, lambda s: (s,)) == body


def test_renaming_everything_and_back() -> None:
    root = everything().root
    names = {n: f"{n}_new" for n in walk.definitions(root.body)}
    renamed = walk.rename_block(root.body, names)
    assert walk.definitions(renamed) == set(names.values())
    assert walk.free_names(renamed) == walk.free_names(root.body)
    assert walk.rename_block(renamed, {v: k for k, v in names.items()}) == root.body


def test_free_names_are_the_parameters() -> None:
    root = everything().root
    assert walk.free_names(root.body) == {p.name for p in root.params}
    assert walk.function_names(root) == {p.name for p in root.params} | walk.definitions(root.body)


def test_substitution_reaches_indices_and_extents() -> None:
    e = Emitter({"x", "n"})
    with e.loop("i", 0, N, order="any") as i:
        e.store("x", [b.add(i, N)], b.load("x", [N], F64))
    e.alloc("y", F64, [N])
    text = show(module((vector("x", "inout"), SIZE), walk.substitute_block(e.block(), {"n": Const(7, I64)})))
    assert "x[i + 7] = x[7]" in text and "y: f64[7]" in text and "0:7 any" in text


def reads_and_writes(stmt: Stmt, m: Module | None = None) -> tuple[set[str], set[str]]:
    return walk.reads(stmt), walk.writes(stmt, m)


def test_reads_and_writes() -> None:
    x: Expr = b.load("x", [b.load("p", [0], I64)], F64)
    assert reads_and_writes(nodes.Store("y", (), x)) == ({"x", "p"}, {"y"})
    assert reads_and_writes(nodes.Accumulate("y", (), x)) == ({"x", "p", "y"}, {"y"})
    assert reads_and_writes(nodes.LibCall("matmul", ("c",), ("a", "b"))) == ({"a", "b"}, {"c"})
    assert reads_and_writes(nodes.Pop("v", "g", F64)) == ({"g"}, {"g"})
    assert reads_and_writes(nodes.PopRef("r", "g")) == ({"g"}, {"r", "g"})
    assert reads_and_writes(nodes.Rebind("r", "t")) == (set(), {"r"})
    call = Call("f", ("a", "b", Var("n", I64)))
    f = Function("f", (vector("x"), vector("y", "inout"), SIZE), ())
    assert reads_and_writes(call) == ({"a", "b"}, {"a", "b"})
    assert reads_and_writes(call, Module({"f": f})) == ({"a", "b"}, {"b"})
    assert walk.used(nodes.Rebind("r", "t")) == {"r", "t"}
    assert walk.callees(Function("g", (), (call,))) == {"f"}


def test_rewriting_statements_can_drop_and_add() -> None:
    e = Emitter({"n"})
    with e.loop("i", 0, N) as i:
        e.let("a", b.add(i, 1))
    twice = walk.map_statements(e.block(), lambda s: (s, s) if isinstance(s, nodes.Let) else (s,))
    assert len(list(walk.statements(twice))) == 3
    assert walk.map_statements(twice, lambda s: ()) == ()
