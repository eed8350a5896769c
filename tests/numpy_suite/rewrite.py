"""Rewrite a test module so that its calls, subscripts and assignments to elements can be watched.

    f(x, *y)      becomes  watch.call(f, x, *y)
    x[i, 1:]      becomes  watch.get(x, (i, slice(1, None, None)))
    x[i] = v      becomes  watch.set(x, i, v)

inside functions only: decorators and what a module does when it is imported stay as they are.
"""

from __future__ import annotations

import ast

WATCH = "_watch"
AS_THEY_ARE = {"super", "locals", "globals", "vars", "dir", "eval", "exec", "isinstance", "getattr", "hasattr"}


def rewritten(source: str) -> str:
    """The source of the rewritten module; the name `_watch` must be in its globals when its functions run."""
    tree = _Modules().visit(ast.parse(source))
    return ast.unparse(ast.fix_missing_locations(tree))


class _Modules(ast.NodeTransformer):
    """Finds the functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        bodies = _Bodies()
        node.body = [bodies.visit(s) for s in node.body]
        return node


class _Bodies(ast.NodeTransformer):
    """Rewrites what is inside functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [self.visit(s) for s in node.body]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node

    def visit_Delete(self, node: ast.Delete) -> ast.Delete:
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        value = self.visit(node.value)
        if len(node.targets) == 1 and isinstance(target := node.targets[0], ast.Subscript):
            where = [target.value, _index(self, target.slice), value]
            return ast.copy_location(ast.Expr(_watched("set", where)), node)
        node.value = value
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if not isinstance(node.ctx, ast.Load):
            return node
        return _watched("get", [self.visit(node.value), _index(self, node.slice)])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in AS_THEY_ARE:
            return self.generic_visit(node)  # pyright: ignore[reportReturnType]
        args = [self.visit(a) for a in node.args]
        keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return _watched("call", [self.visit(node.func), *args], keywords)


def _watched(method: str, args: list[ast.expr], keywords: list[ast.keyword] | None = None) -> ast.Call:
    function = ast.Attribute(ast.Name(WATCH, ast.Load()), method, ast.Load())
    return ast.Call(function, args, keywords or [])


def _index(bodies: _Bodies, index: ast.expr) -> ast.expr:
    match index:
        case ast.Slice(lower, upper, step):
            parts = [ast.Constant(None) if e is None else bodies.visit(e) for e in (lower, upper, step)]
            return ast.Call(ast.Name("slice", ast.Load()), parts, [])
        case ast.Tuple(elements):
            return ast.Tuple([_index(bodies, e) for e in elements], ast.Load())
        case _:
            return bodies.visit(index)
