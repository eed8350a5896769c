"""From a function object to its syntax tree, and what the tree says about names."""

from __future__ import annotations

import ast
import inspect
import linecache
import types
from dataclasses import dataclass, field
from functools import lru_cache

from wengert.ir.nodes import Span

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A parsed file; `functions` lists every function and lambda by first line."""

    name: str
    lines: tuple[str, ...]
    functions: dict[int, list[FunctionNode]]

    def span(self, node: ast.AST, function: str) -> Span:
        line = getattr(node, "lineno", 1)
        col = getattr(node, "col_offset", 0) + 1
        end = getattr(node, "end_col_offset", col) + 1 if getattr(node, "end_lineno", line) == line else col + 1
        text = self.lines[line - 1].rstrip() if line <= len(self.lines) else ""
        if getattr(node, "end_lineno", line) != line:
            end = len(text) + 1
        return Span(self.name, line, col, end, function, text)


@lru_cache(maxsize=512)
def _parse(filename: str, text: str) -> SourceFile:
    tree = ast.parse(text, filename)
    functions: dict[int, list[FunctionNode]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            functions.setdefault(first, []).append(node)
    return SourceFile(filename, tuple(text.splitlines()), functions)


def source_file(filename: str, module_globals: dict[str, object] | None = None) -> SourceFile | None:
    """The parsed file (through linecache, so notebooks and doctests work), or None without source."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, module_globals)
    if not lines:
        return None
    try:
        return _parse(filename, "".join(lines))
    except SyntaxError:
        return None


def find(function: types.FunctionType) -> tuple[SourceFile, FunctionNode] | None:
    """The syntax tree of a Python function, or None if its source cannot be had (generated or compiled code)."""
    code = function.__code__
    file = source_file(code.co_filename, function.__globals__)
    if file is None:
        return None
    candidates = file.functions.get(code.co_firstlineno, [])
    if code.co_name == "<lambda>":
        lambdas = [n for n in candidates if isinstance(n, ast.Lambda)]
        if len(lambdas) > 1:
            lambdas = [n for n in lambdas if _encloses(n, code)]
        found = lambdas
    else:
        found = [n for n in candidates if isinstance(n, ast.FunctionDef) and n.name == code.co_name]
    if not found:
        return None
    return file, found[-1] if code.co_name == "<lambda>" else found[0]


def _encloses(node: ast.Lambda, code: types.CodeType) -> bool:
    """Whether the lambda's body is where the code's instructions are (innermost candidates come last)."""
    body = node.body
    for line, end_line, col, end_col in code.co_positions():
        if None in (line, end_line, col, end_col) or col == end_col:
            continue
        assert line is not None and end_line is not None and col is not None and end_col is not None
        first, last = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
        if not (first <= (line, col) and (end_line, end_col) <= last):
            return False
    return True


@dataclass
class Scope:
    """The names of a function: which are local, declared global or nonlocal, and which inner functions capture."""

    local: set[str] = field(default_factory=set[str])
    global_: set[str] = field(default_factory=set[str])
    nonlocal_: set[str] = field(default_factory=set[str])
    captured: set[str] = field(default_factory=set[str])


_scopes: dict[ast.AST, Scope] = {}


def scope_of(node: FunctionNode) -> Scope:
    """The scope of a function's body (computed once per tree)."""
    if node not in _scopes:
        scope = Scope()
        args = node.args
        for a in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
            if a is not None:
                scope.local.add(a.arg)
        for stmt in node.body if isinstance(node, ast.FunctionDef) else (node.body,):
            _collect(stmt, scope)
        scope.local -= scope.global_ | scope.nonlocal_
        _scopes[node] = scope
    return _scopes[node]


AT_ONCE = frozenset({
    "sum", "fsum", "prod", "min", "max", "list", "tuple", "dict", "set", "frozenset", "sorted", "join", "array",
    "asarray", "fromiter", "append", "extend", "update", "stack", "concatenate",
})  # fmt: skip
"""Functions that take all of a generator expression at once; by their names, of which others of Python make no use."""
FORTHWITH = AT_ONCE | {"any", "all", "next"}
"""Functions that are done with a generator expression when they return."""


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _collect(node: ast.AST, scope: Scope) -> None:
    match node:
        case ast.FunctionDef(name=name):
            scope.local.add(name)
            scope.captured |= names_used(node)
            for d in [*node.decorator_list, *node.args.defaults, *(k for k in node.args.kw_defaults if k)]:
                _collect(d, scope)
        case ast.Lambda():
            scope.captured |= names_used(node)
        case ast.ClassDef(name=name):
            scope.local.add(name)
            scope.captured |= names_used(node)
        case ast.Call(func=func, args=[ast.GeneratorExp() as first, *rest]) if called(node) in FORTHWITH:
            _collect_inside(first, scope)
            for child in (func, *rest, *node.keywords):
                _collect(child, scope)
        case ast.GeneratorExp():
            scope.captured |= names_used(node)
            _collect_inside(node, scope)
        case ast.ListComp() | ast.SetComp() | ast.DictComp():
            _collect_inside(node, scope)
        case ast.Global(names=names):
            scope.global_ |= set(names)
        case ast.Nonlocal(names=names):
            scope.nonlocal_ |= set(names)
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            scope.local.add(name)
        case (
            ast.ExceptHandler(name=str() as name)
            | ast.MatchAs(name=str() as name)
            | ast.MatchStar(name=str() as name)
            | ast.MatchMapping(rest=str() as name)
        ):
            scope.local.add(name)
            for child in ast.iter_child_nodes(node):
                _collect(child, scope)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            scope.local |= {(a.asname or a.name).split(".")[0] for a in names}
        case _:
            for child in ast.iter_child_nodes(node):
                _collect(child, scope)


def _collect_inside(node: ast.AST, scope: Scope) -> None:
    """What a comprehension binds outside of it, and what its functions and generators capture."""
    forthwith = {c.args[0] for c in ast.walk(node) if isinstance(c, ast.Call) and c.args and called(c) in FORTHWITH}
    for child in ast.walk(node):
        if isinstance(child, ast.NamedExpr):
            _collect(child, scope)
        elif isinstance(child, ast.Lambda) or (
            isinstance(child, ast.GeneratorExp) and child is not node and child not in forthwith
        ):
            scope.captured |= names_used(child)


@lru_cache(maxsize=100_000)
def names_used(node: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))


@lru_cache(maxsize=100_000)
def assigned(node: ast.AST) -> frozenset[str]:
    """The names a statement may bind (not those of inner functions)."""
    scope = Scope()
    _collect(node, scope)
    return frozenset(scope.local | scope.nonlocal_ | scope.global_)


# -- liveness ----------------------------------------------------------------------------------------------------


@dataclass
class Liveness:
    """For each loop of a function: the names that may be read at its head before being written, and after it. For each
    try: those that may be read once an exception has left its body."""

    head: dict[ast.AST, set[str]] = field(default_factory=dict[ast.AST, set[str]])
    after: dict[ast.AST, set[str]] = field(default_factory=dict[ast.AST, set[str]])
    caught: dict[ast.AST, set[str]] = field(default_factory=dict[ast.AST, set[str]])


_liveness: dict[ast.AST, Liveness] = {}


def liveness_of(node: FunctionNode) -> Liveness:
    if node not in _liveness:
        result = Liveness()
        _liveness[node] = result
        always = scope_of(node).captured
        body = node.body if isinstance(node.body, list) else []
        _block(body, set(always), result, frozenset(always), set(always), set(always))
    return _liveness[node]


def _uses(node: ast.AST | None) -> set[str]:
    if node is None:
        return set()
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Load, ast.Del))}


def _block(
    stmts: list[ast.stmt],
    live: set[str],
    out: Liveness,
    always: frozenset[str],
    on_break: set[str],
    on_continue: set[str],
) -> set[str]:
    for stmt in reversed(stmts):
        live = _stmt(stmt, live, out, always, on_break, on_continue)
    return live


def _stmt(
    s: ast.stmt, live: set[str], out: Liveness, always: frozenset[str], on_break: set[str], on_continue: set[str]
) -> set[str]:
    match s:
        case ast.Return(value=value):
            return _uses(value) | always
        case ast.Raise():
            return _uses(s) | live | always
        case ast.Break():
            return set(on_break)
        case ast.Continue():
            return set(on_continue)
        case ast.If(test=test, body=body, orelse=orelse):
            a = _block(body, set(live), out, always, on_break, on_continue)
            b = _block(orelse, set(live), out, always, on_break, on_continue)
            return a | b | _uses(test)
        case ast.For() | ast.While():
            out.after.setdefault(s, set()).update(live)
            after_else = _block(s.orelse, set(live), out, always, on_break, on_continue)
            entry = _uses(s.test if isinstance(s, ast.While) else None)
            plain: set[str] = set()
            if isinstance(s, ast.For) and isinstance(s.target, (ast.Name, ast.Tuple)):
                plain = {n.id for n in ast.walk(s.target) if isinstance(n, ast.Name)}
            head = after_else | entry | always
            for _ in range(3):
                inside = _block(s.body, set(head), out, always, set(live), set(head))
                new = head | (inside - plain) | entry
                if new == head:
                    break
                head = new
            out.head.setdefault(s, set()).update(head)
            return head | _uses(s.iter if isinstance(s, ast.For) else None)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            end = _block(finalbody, set(live), out, always, on_break, on_continue)
            caught: set[str] = set()
            for h in handlers:
                caught |= _block(h.body, set(end), out, always, on_break, on_continue) | _uses(h.type)
            out.caught.setdefault(s, set()).update((caught if handlers else end) | always)
            normal = _block(orelse, set(end), out, always, on_break, on_continue) | caught
            before = _block(body, set(normal), out, always | frozenset(caught), on_break, on_continue)
            return before | caught
        case ast.With(items=items, body=body):
            inner = _block(body, set(live), out, always, on_break, on_continue)
            return inner | {u for i in items for u in _uses(i.context_expr)}
        case ast.Match(subject=subject, cases=cases):
            arms = set(live)
            for c in reversed(cases):
                arms |= (
                    _block(c.body, set(live), out, always, on_break, on_continue) | _uses(c.pattern) | _uses(c.guard)
                )
            return arms | _uses(subject)
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            return live | {name} | _uses(value)
        case ast.Assign(targets=targets, value=value):
            killed = {n for t in targets for n in _plain_targets(t)}
            extra = {u for t in targets for u in _uses(t)}
            return (live - killed) | extra | _uses(value) | always
        case ast.AnnAssign(target=target, value=value) if value is not None:
            return (live - set(_plain_targets(target))) | _uses(target) | _uses(value) | always
        case ast.FunctionDef() | ast.ClassDef():
            return (live - {s.name}) | set(names_used(s))
        case _:
            return live | _uses(s)


def _plain_targets(target: ast.expr) -> list[str]:
    match target:
        case ast.Name(id=name):
            return [name]
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            return [n for e in elts for n in _plain_targets(e)]
        case ast.Starred(value=value):
            return _plain_targets(value)
        case _:
            return []


def qualified(function: types.FunctionType) -> str:
    return inspect.unwrap(function).__qualname__
