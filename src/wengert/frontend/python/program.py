"""Staging a call: from a Python function and its arguments to an IR module with inputs, outputs and guards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.errors import Problem, Unsupported
from wengert.ir.depth import deep
from wengert.ir.nodes import Function, Module
from wengert.runtime.hashing import code_hash

from .control import ExitNow
from .decisions import Decisions, NeedLeafStatic, NeedStatic, Restage, Unified
from .effects import Effects, effects
from .externals import Guard, Leaf
from .frame import USER_ERRORS, PyRaise
from .interp import Interp
from .interpreter import Interpreter
from .outputs import flatten
from .python_values import class_of, is_ndarray
from .stage import Stage

MAX_RESTARTS = 60


@dataclass
class Staged:
    """A staged call: `output` is the return value with `Output` in place of runtime parts. `returns`: whether it may
    return at all; what raises on every path does not."""

    module: Module
    leaves: list[Leaf]
    guards: list[Guard]
    equal: list[Unified]
    output: Any
    names: dict[str, str] = field(default_factory=dict[str, str])  # the user's names of lets and storages
    # IR name -> (leaf, axis or -1)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    mutated: tuple[int, ...] = ()
    returns_inputs: bool = False
    sources: tuple[Any, ...] = ()  # staged functions and the hash of their code
    effects: Effects = field(default_factory=Effects)
    returns: bool = True
    limits: dict[str, int] = field(default_factory=dict[str, int])  # sizes and integers are below these
    floors: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])  # one is at least that

    def portable(self) -> Staged:
        """What another process needs to recognise and run the same call: no IR, no data of this call."""
        leaves = [replace(leaf, value=_template(leaf.value), root=None, runtime=None) for leaf in self.leaves]
        sources = tuple((fn, code_hash(fn.__code__)) for fn in self.sources)
        return replace(self, module=Module({}, ""), leaves=leaves, names={}, sources=sources)


def _template(value: Any) -> Any:
    """A small value of the same type and dtype."""
    if is_ndarray(value):
        return np.empty((0,) * value.ndim, value.dtype).view(class_of(value))
    return value


def stage_call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Staged:
    """Stage `fn(*args, **kwargs)`; raises Unsupported with everything that cannot be staged."""
    decisions = Decisions()
    unified_once = 0
    while True:
        decisions.restarts += 1
        if decisions.restarts > MAX_RESTARTS:
            raise Unsupported(
                [Problem(None, "staging does not settle", "simplify the control flow of the program", Code.ENDLESS)]
            )
        stage = Stage(decisions)
        interp = Interpreter(stage)
        try:
            with deep():
                staged = _attempt(interp, fn, args, kwargs)
        except Restage:
            continue
        except NeedLeafStatic as need:
            _make_static(interp, decisions, need)
            continue
        except NeedStatic as need:
            reason = f"{need.reason} must be known before the program runs"
            raise stage.refuse(reason, "compute it from sizes and constants", Code.STATIC) from None
        new = stage.wishes - decisions.unified
        if new and unified_once < 3:
            unified_once += 1
            decisions.unified |= new
            continue
        if _aliased(interp) and not decisions.alias_arrays:
            decisions.alias_arrays = True
            continue
        return staged


def _aliased(interp: Interp) -> bool:
    """Whether a mutated array argument is given twice."""
    seen: dict[int, Leaf] = {}
    for leaf in interp.externals.leaves:
        if leaf.root is None:
            continue
        other = seen.setdefault(id(leaf.value), leaf)
        if other is not leaf and other.root is not None and (leaf.root.stores or other.root.stores):
            return True
    return False


def _make_static(interp: Interp, decisions: Decisions, need: NeedLeafStatic) -> None:
    found = False
    for k, leaf in enumerate(interp.externals.leaves):
        if leaf.scalar is not None and leaf.scalar.name in need.names:
            decisions.static_leaves.add(k)
            found = True
        for axis, symbol in leaf.extents:
            if symbol in need.names:
                decisions.static_extents.add((k, axis))
                found = True
    if not found:
        reason = f"{need.reason} must be known before the program runs"
        raise interp.stage.refuse(reason, "pass it as an argument", Code.STATIC)


def _attempt(interp: Interp, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Staged:
    stage = interp.stage
    names = _parameter_names(fn, len(args))
    externals = interp.externals
    output: list[Any] = []
    done = [Effects()]
    results: list[str] = []

    def run() -> bool:
        try:
            staged_fn = externals.wrap_function(fn)
            staged_args = [externals.wrap(a, ("arg", k), names[k]) for k, a in enumerate(args)]
            if _takes_keywords(fn):
                externals.guard(("kwargs",), "keys", tuple(kwargs))
            staged_kwargs = {k: externals.wrap(v, ("kw", k), k) for k, v in kwargs.items()}
            value = interp.call(staged_fn, staged_args, staged_kwargs)
            output[:] = [flatten(interp, value, results)]
            done[0] = effects(interp, results)
        except ExitNow:
            return False
        except PyRaise as error:
            interp.fail(error)
            return False
        except USER_ERRORS as error:
            interp.fail(PyRaise(error))
            return False
        return True

    try:
        interp.body(run)
    except Unsupported as error:
        raise Unsupported(sorted(dict.fromkeys([*stage.problems, *error.problems]), key=_place)) from None
    except (Restage, NeedLeafStatic):
        raise
    except Exception:
        if stage.problems:  # what fails after a first problem is not news
            raise Unsupported(sorted(stage.problems, key=_place)) from None
        raise
    if stage.problems:
        raise Unsupported(sorted(stage.problems, key=_place))
    root = Function(stage.fresh(_root_name(fn)), externals.params(), tuple(stage.blocks[0]), tuple(results), None)
    functions = {**stage.functions, root.name: root}
    leaves = [leaf for leaf in externals.leaves if leaf.scalar is not None or leaf.buffer is not None]
    mutated = tuple(k for k, leaf in enumerate(leaves) if leaf.root is not None and leaf.root.stores)
    sizes: dict[str, tuple[int, int]] = {}
    for k, leaf in enumerate(leaves):
        if leaf.scalar is not None:
            sizes[leaf.scalar.name] = (k, -1)
        for axis, symbol in leaf.extents:
            sizes[symbol] = (k, axis)
    equal = [u for u in sorted(stage.decisions.unified) if u[0] in sizes and u[2] in sizes]
    return Staged(
        Module(functions, root.name),
        leaves,
        externals.guards,
        equal,
        output[0] if output else None,
        stage.user_names,
        sizes,
        mutated,
        any(leaf.root is not None and leaf.root.returned for leaf in leaves),
        tuple(interp.sources.values()),
        done[0],
        bool(output),
        {name: limit for name, limit in stage.magnitudes.limits.items() if name in sizes},
        {names: floor for names, floor in stage.magnitudes.floors.items() if sizes.keys() >= set(names)},
    )


def _place(problem: Problem) -> tuple[str, int, int]:
    span = problem.span
    return ("", 0, 0) if span is None else (span.file, span.line, span.col)


def _root_name(fn: Any) -> str:
    name = getattr(fn, "__name__", type(fn).__name__)
    return "f" if name == "<lambda>" else name


def _takes_keywords(fn: Callable[..., Any]) -> bool:
    """Whether the program can see the order of keywords."""
    try:
        return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return True


def _parameter_names(fn: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"arg{k}" for k in range(len(names), count)]
