"""Activations of staged functions and exceptions of the staged program."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .source import FunctionNode, SourceFile
from .values import RuntimeString

if TYPE_CHECKING:
    from .control import Target


class PyRaise(Exception):
    """An exception of the staged program, on its way to a handler or out."""

    def __init__(self, error: BaseException | type[BaseException], message: RuntimeString | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.message = message

    @property
    def kind(self) -> type[BaseException]:
        return self.error if isinstance(self.error, type) else type(self.error)


@dataclass(eq=False)
class Frame:
    """One activation of a staged function."""

    name: str
    node: FunctionNode
    source: SourceFile
    globals: dict[str, Any]
    depth: int
    function: Any = None
    parent: Frame | None = None
    cls: type | None = None
    locals: dict[str, Any] = field(default_factory=dict[str, Any])
    returns: Target | None = None
    site: ast.AST | None = None
    """The call that made it."""


USER_ERRORS = (
    ValueError, IndexError, KeyError, ZeroDivisionError, OverflowError, FloatingPointError, np.linalg.LinAlgError,
    StopIteration, AssertionError, NotImplementedError, np.exceptions.AxisError,
)  # fmt: skip
