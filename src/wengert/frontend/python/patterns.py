"""match statements: patterns as tests and bindings."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import Expr

from .builtin import isinstance_
from .python_values import is_dict, is_sequence
from .values import Choice, RArray, RList, RScalar

if TYPE_CHECKING:
    from .interp import Interp


def exec_match(interp: Interp, node: ast.Match) -> bool:
    """Stage a match statement; whether control reaches its end."""
    subject = interp.settle(interp.resolve(interp.eval(node.subject)))
    if isinstance(subject, Choice):
        raise interp.stage.refuse("a value of several possible kinds is matched", "test its kind first", Code.KIND)

    def case(k: int) -> bool:
        if k == len(node.cases):
            return True
        arm = node.cases[k]
        bound: dict[str, Any] = {}
        cond = matches(interp, arm.pattern, subject, bound)
        if cond is False:
            return case(k + 1)

        def taken() -> bool:
            for name, value in bound.items():
                interp.store_name(name, value)
            if arm.guard is None:
                return interp.exec_block(arm.body)
            guard = interp.truth(interp.eval(arm.guard))
            if isinstance(guard, bool):
                return interp.exec_block(arm.body) if guard else case(k + 1)
            return interp.branch(guard, lambda: interp.exec_block(arm.body), lambda: case(k + 1))

        if cond is True:
            return taken()
        return interp.branch(interp.stage.let(cond), taken, lambda: case(k + 1))

    return case(0)


def matches(interp: Interp, pattern: ast.pattern, value: Any, bound: dict[str, Any]) -> bool | Expr:
    """Whether a value matches, and in `bound` the names the pattern binds if it does."""
    value = interp.resolve(value)
    match pattern:
        case ast.MatchValue(value=expected):
            return interp.truth(interp.relation("==", value, interp.eval(expected)))
        case ast.MatchSingleton(value=expected):
            return interp.truth(interp.identical(value, expected))
        case ast.MatchAs(pattern=inner, name=name):
            cond = True if inner is None else matches(interp, inner, value, bound)
            if name is not None:
                bound[name] = value
            return cond
        case ast.MatchOr(patterns=patterns):
            return _any(interp, patterns, value, bound)
        case ast.MatchSequence(patterns=patterns):
            return _sequence(interp, patterns, value, bound)
        case ast.MatchMapping(keys=keys, patterns=patterns, rest=rest):
            if not is_dict(value):
                return False
            names = [interp.static_key(interp.eval(k)) for k in keys]
            if any(n not in value for n in names):
                return False
            if rest is not None:
                bound[rest] = interp.stage.note_created({k: v for k, v in value.items() if k not in names})
            return _all(interp, [(p, value[n]) for n, p in zip(names, patterns, strict=True)], bound)
        case ast.MatchClass(cls=cls_node, patterns=patterns, kwd_attrs=names, kwd_patterns=named):
            cls, by_name = interp.eval(cls_node), list(zip(names, named, strict=True))
            return _instance(interp, cls, patterns, by_name, value, bound)
        case _:
            raise interp.stage.refuse("this pattern is not supported", "write the test with if", Code.SYNTAX)


def _all(interp: Interp, parts: list[tuple[ast.pattern, Any]], bound: dict[str, Any]) -> bool | Expr:
    cond: bool | Expr = True
    for pattern, value in parts:
        part = matches(interp, pattern, value, bound)
        if part is False:
            return False
        if not isinstance(part, bool):
            cond = part if isinstance(cond, bool) else build.and_(cond, part)
    return cond


def _any(interp: Interp, patterns: list[ast.pattern], value: Any, bound: dict[str, Any]) -> bool | Expr:
    cond: bool | Expr = False
    for pattern in patterns:
        found: dict[str, Any] = {}
        part = matches(interp, pattern, value, found)
        if found and cond is not False and part is not False:
            reason = "alternatives of a pattern bind names under a run-time test"
            raise interp.stage.refuse(reason, "write separate cases", Code.KIND)
        if part is not False:
            bound.update(found)
        if part is True:
            return True
        if not isinstance(part, bool):
            cond = part if isinstance(cond, bool) else build.or_(cond, part)
    return cond


def _sequence(interp: Interp, patterns: list[ast.pattern], value: Any, bound: dict[str, Any]) -> bool | Expr:
    if isinstance(value, RList):
        raise interp.stage.refuse(
            "a list whose length is known at run time only is matched", "test its length first", Code.CONTAINER
        )
    if not is_sequence(value):
        return False
    items = list(value)
    stars = [k for k, p in enumerate(patterns) if isinstance(p, ast.MatchStar)]
    if not stars:
        return _all(interp, list(zip(patterns, items, strict=True)), bound) if len(items) == len(patterns) else False
    first, rest = stars[0], len(patterns) - stars[0] - 1
    if len(items) < first + rest:
        return False
    star = patterns[first]
    assert isinstance(star, ast.MatchStar)
    if star.name is not None:
        bound[star.name] = interp.stage.note_created(items[first : len(items) - rest])
    pairs: list[tuple[ast.pattern, Any]] = [*zip(patterns[:first], items[:first], strict=True)]
    pairs += zip(patterns[first + 1 :], items[len(items) - rest :], strict=True)
    return _all(interp, pairs, bound)


def _instance(
    interp: Interp,
    cls: type,
    patterns: list[ast.pattern],
    named: list[tuple[str, ast.pattern]],
    value: Any,
    bound: dict[str, Any],
) -> bool | Expr:
    if not isinstance_(interp, value, cls):
        return False
    if patterns and cls in (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple):
        return _all(interp, [(patterns[0], value)], bound)
    names = [*getattr(cls, "__match_args__", ())[: len(patterns)], *(n for n, _ in named)]
    if len(names) < len(patterns) + len(named):
        raise TypeError(f"{cls.__name__}() accepts fewer positional sub-patterns")
    if isinstance(value, (RScalar, RArray)):
        raise interp.stage.refuse(
            "the attributes of a run-time number or array are matched", "test them with if", Code.SYNTAX
        )
    parts = [interp.get_attribute(value, n) for n in names]
    return _all(interp, list(zip([*patterns, *(p for _, p in named)], parts, strict=True)), bound)
