"""The staging interpreter, put together from its parts."""

from __future__ import annotations

import ast
from typing import final

from . import builtin, copies, iterables, itertools_api, list_api, mathlib, numpy_api
from .assignment import Assignment
from .calls import Calls
from .classes import Classes
from .comprehensions import Comprehensions
from .contexts import Contexts
from .exceptions import Exceptions
from .expressions import Expressions
from .externals import Externals
from .functions import Functions
from .generators import Generators
from .items import Items
from .iteration import Iteration
from .lists import Birth, Lists
from .loops import Loops
from .names import Names
from .objects import Objects
from .operators import Operators
from .stage import Stage
from .statements import Statements

_comprehensions: dict[ast.AST, ast.FunctionDef] = {}


@final
class Interpreter(
    Loops,
    Iteration,
    Statements,
    Assignment,
    Exceptions,
    Contexts,
    Expressions,
    Operators,
    Items,
    Names,
    Calls,
    Objects,
    Functions,
    Generators,
    Classes,
    Comprehensions,
    Lists,
):
    """Evaluates one call."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.interp = self
        self.externals = Externals(stage)
        self.frames = []
        self.frames_by_locals = {}
        self.bodies = []
        self.loops = []
        self.handlers = []
        self.caught = []
        self.known_exceptions = {}
        self.iterated = []
        self.boxes = []
        self.consumers = []
        self.short = None
        self.loop_left = None
        self.assumed = {}
        self.call_node = None
        self.name_hint = "t"
        self.current_list = Birth(None)
        self.carried = {}
        self.containers = {}
        self.births = {}
        self.comprehensions = _comprehensions
        self.nesting = {}
        self.active = []
        self.sizes = {}
        self.ir_functions = {}
        self.has_subclasses = False
        self.sources = {}


HANDLERS_OF = (builtin, copies, iterables, itertools_api, list_api, mathlib, numpy_api)
"""The modules that register handlers when they are imported."""
