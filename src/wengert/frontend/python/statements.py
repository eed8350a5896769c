"""Statements: one case per node of the syntax tree."""

from __future__ import annotations

import ast
import importlib
from dataclasses import replace
from typing import Any

from wengert.codes import Code
from wengert.errors import Unsupported
from wengert.ir import build

from .control import ExitNow
from .externals import Held
from .frame import USER_ERRORS, PyRaise
from .interp import Interp
from .source import assigned
from .values import REPORTED, RuntimeString


class Statements(Interp):
    """Runs statements. A part of the interpreter."""

    def exec_block(self, stmts: list[ast.stmt]) -> bool:
        """Run statements; whether control reaches their end."""
        for stmt in stmts:
            previous, self.stage.span = self.stage.span, self.frame.source.span(stmt, self.frame.name)
            try:
                falls = self.exec(stmt)
            except ExitNow:
                falls = False
            except PyRaise as error:
                falls = self.raise_(error)
            except USER_ERRORS as error:
                falls = self.raise_(PyRaise(error))
            except Unsupported as error:
                self.report(error, stmt)
                falls = not isinstance(stmt, ast.Return)
            finally:
                self.stage.span = previous
            if not falls:
                return False
        return True

    def report(self, error: Unsupported, stmt: ast.stmt) -> None:
        """Note what cannot be staged and go on with the next statement, so that everything is reported at once."""
        found = [p if p.span is not None else replace(p, span=self.stage.span) for p in error.problems]
        self.stage.problems.extend(p for p in found if p not in self.stage.problems)
        for name in (*assigned(stmt), *(["$ret"] if isinstance(stmt, ast.Return) else [])):
            self.stage.write(self.frame.locals, name, REPORTED)
        if isinstance(stmt, ast.Return):
            assert self.frame.returns is not None
            self.leave(self.frame.returns)

    def exec(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Global() | ast.Nonlocal():
                return True
            case ast.Expr(value=value):
                self.eval(value)
                return True
            case ast.Assign(targets=targets, value=value):
                hint = targets[0].id if isinstance(targets[0], ast.Name) else "t"
                plain = isinstance(targets[0], ast.Name) or len(targets) > 1
                result = self.eval(value, hint)
                if plain or not isinstance(targets[0], ast.Subscript):
                    result = self.settle(result, hint)
                for target in targets:
                    self.assign(target, result)
                return True
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.assign(target, self.settle(self.eval(value)))
                return True
            case ast.AugAssign(target=target, op=op, value=value):
                self.aug_assign(target, op, value)
                return True
            case ast.Return(value=value):
                result = None if value is None else self.settle(self.eval(value, "result"), "result")
                self.stage.write(self.frame.locals, "$ret", result)
                assert self.frame.returns is not None
                self.leave(self.frame.returns)
                return False
            case ast.If(test=test, body=body, orelse=orelse):
                cond = self.truth(self.eval(test))
                if isinstance(cond, bool):
                    return self.exec_block(body if cond else orelse)
                return self.branch(cond, lambda: self.exec_block(body), lambda: self.exec_block(orelse))
            case ast.For():
                return self.exec_for(node)
            case ast.While():
                return self.exec_while(node)
            case ast.Break():
                self.leave(self.loops[-1][0])
                return False
            case ast.Continue():
                self.leave(self.loops[-1][1])
                return False
            case ast.Raise(exc=exc):
                return self.exec_raise(exc)
            case ast.Try():
                return self.exec_try(node)
            case ast.With():
                return self.exec_with(node)
            case ast.Match():
                from .patterns import exec_match

                return exec_match(self, node)
            case ast.Assert(test=test, msg=msg):
                cond = self.truth(self.eval(test))
                text = "" if msg is None else self.resolve(self.eval(msg))
                template, args = (text.template, text.args) if isinstance(text, RuntimeString) else (str(text), ())
                if isinstance(cond, bool):
                    if not cond:
                        raise PyRaise(AssertionError(template))
                else:
                    self.stage.fail_if(self.stage.let(build.not_(cond)), "AssertionError", template, args)
                return True
            case ast.FunctionDef():
                value: Any = self.make_closure(node, node.name)
                for decorator in reversed(node.decorator_list):
                    value = self.call(self.eval(decorator), [value], {})
                self.store_name(node.name, value)
                return True
            case ast.ClassDef():
                self.define_class(node)
                return True
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target)
                return True
            case ast.Import(names=names):
                for a in names:
                    module = __import__(a.name)
                    if a.asname:
                        self.store_name(a.asname, _submodule(module, a.name))
                    else:
                        self.store_name(a.name.split(".")[0], module)
                return True
            case ast.ImportFrom():
                return self.import_from(node)
            case _:
                reason = f"{type(node).__name__} statements are not supported"
                raise self.stage.refuse(reason, "write it with loops, branches and functions", Code.SYNTAX)

    def import_from(self, node: ast.ImportFrom) -> bool:
        package = self.frame.globals.get("__package__")
        module = importlib.import_module("." * node.level + (node.module or ""), package)
        for a in node.names:
            value = getattr(module, a.name, None) or importlib.import_module(f"{module.__name__}.{a.name}")
            wrapped = self.externals.wrap(value, ("global", Held(vars(module)), a.name), a.name)
            self.store_name(a.asname or a.name, wrapped)
        return True


def _submodule(module: Any, dotted: str) -> Any:
    for part in dotted.split(".")[1:]:
        module = getattr(module, part)
    return module
