"""What derivatives look like: what is taped, which loops stay parallel, spans, names, refusals."""

from __future__ import annotations

import pytest

from ad.checks import active_params, outputs, unique
from ad.programs import PROGRAMS
from wengert.ad.forward import jvp
from wengert.ad.reverse import vjp
from wengert.errors import NotDifferentiable
from wengert.ir.nodes import Alloc, Declare, Growable, Let, Loop, Module, Span
from wengert.ir.text import parse, show
from wengert.ir.walk import map_statements, rebuild, statements


def reverse(name: str) -> Module:
    module = unique(parse(PROGRAMS[name][0]))
    wrt = active_params(module)
    return vjp(module, module.entry, wrt, outputs(module, wrt))


def tapes(module: Module) -> set[str]:
    found = {s.buffer.name for s in statements(module.root.body) if isinstance(s, Alloc)}
    found |= {s.storage.name for s in statements(module.root.body) if isinstance(s, Declare)}
    return {n for n in found if "saved" in n}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("same operand twice", set()),
        ("in place cholesky", set()),
        ("lower triangular solve", set()),
        ("recurrence in an array", set()),
        ("stencil in time", {"un_saved"}),
        ("gather and scatter", set()),
        ("select", set()),
        ("let used in nested blocks", set()),
        ("branch on data", {"a_saved"}),
        ("product in a cell", {"p_at_saved"}),
    ],
)
def test_tapes(name: str, expected: set[str]) -> None:
    assert tapes(reverse(name)) == expected


def test_any_loops_stay_any() -> None:
    for name in ("same operand twice", "overwritten after use", "branch on data", "gather and scatter", "select"):
        module = reverse(name)
        orders = [s.order for s in statements(module.root.body) if isinstance(s, Loop)]
        assert set(orders) == {"any"}, show(module)


def test_inactive_work_is_not_reversed() -> None:
    module = unique(parse(PROGRAMS["inactive work"][0]))
    derived = vjp(module, "f", ["u"], ["s"])
    names = {s.buffer.name for s in statements(derived.root.body) if isinstance(s, Alloc)}
    assert names == {"s", "q", "t", "s_adj", "u_adj"}


def test_spans_are_carried_to_every_derived_statement() -> None:
    module = unique(parse(PROGRAMS["deep nest in while"][0]))
    span = Span("f.py", 7)
    functions = {
        n: type(f)(f.name, f.params, map_statements(f.body, lambda s: (_with(s, span),)), f.results, span)
        for n, f in module.functions.items()
    }
    module = Module(functions, module.entry)
    for derived in (jvp(module, "f", ["u"]), vjp(module, "f", ["u"], ["s"])):
        lets = [s for s in statements(derived.root.body) if isinstance(s, (Let, Loop))]
        without = [s for s in lets if s.span != span]
        assert len(without) == 0, [getattr(s, "name", s) for s in without]


def _with(stmt: object, span: Span) -> object:
    from dataclasses import replace

    return replace(stmt, span=span)  # type: ignore[type-var]


def test_names() -> None:
    module = unique(parse(PROGRAMS["straight line"][0]))
    forward, backward = jvp(module, "f", ["y", "x"]), vjp(module, "f", ["y", "x"], ["s"])
    assert [p.name for p in forward.root.params] == ["x", "y", "y_dot", "x_dot"]
    assert forward.root.results == ("s", "s_dot")
    assert [p.name for p in backward.root.params] == ["x", "y", "s_adj_seed"]
    assert backward.root.results == ("s", "y_adj", "x_adj")


def test_seed_of_unknown_extent_has_its_size_before_it() -> None:
    module = unique(parse(PROGRAMS["growable"][0]))
    derived = vjp(module, "f", ["u"], ["g"])
    assert [p.name for p in derived.root.params[-2:]] == ["g_adj_n0", "g_adj_seed"]
    assert not any(isinstance(p, Growable) for p in derived.root.params)


def test_unknown_names_are_refused() -> None:
    module = unique(parse(PROGRAMS["straight line"][0]))
    with pytest.raises(ValueError, match="z"):
        jvp(module, "f", ["z"])
    with pytest.raises(ValueError, match="z"):
        vjp(module, "f", ["z"], ["s"])
    with pytest.raises(ValueError, match="x"):
        vjp(module, "f", ["x"], ["x"])


def test_an_active_operation_without_derivative_says_where() -> None:
    text = """entry f
    func f(x: f64) -> (y) {
      alloc y: f64[]
      y[] = jv(x, 2.0)                                         # f.py:3:5-9 in f
    }"""
    for transform in (lambda m: jvp(m, "f", ["x"]), lambda m: vjp(m, "f", ["x"], ["y"])):
        with pytest.raises(NotDifferentiable, match=r"f\.py:3"):
            transform(parse(text))


def test_the_primal_is_not_touched() -> None:
    for text, _ in PROGRAMS.values():
        module = unique(parse(text))
        before = show(module)
        wrt = active_params(module)
        jvp(module, module.entry, wrt)
        vjp(module, module.entry, wrt, outputs(module, wrt))
        assert show(module) == before


def test_rebuild_is_total() -> None:
    """Every derived statement survives printing and parsing."""
    for text, _ in PROGRAMS.values():
        module = unique(parse(text))
        wrt = active_params(module)
        derived = vjp(module, module.entry, wrt, outputs(module, wrt))
        assert show(parse(show(derived))) == show(derived)
        assert all(rebuild(s) == s for s in derived.root.body)
