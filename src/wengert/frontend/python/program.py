"""Staging a call: from a Python function and its arguments to an IR module with inputs, outputs and guards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wengert.errors import Problem, Unsupported
from wengert.ir.depth import deep
from wengert.ir.nodes import Alloc, Buffer, Function, Module, Store
from wengert.runtime.hashing import code_hash

from . import arrays
from .control import ExitNow
from .externals import Guard, Leaf
from .frame import USER_ERRORS, PyRaise
from .interp import Interp
from .interpreter import Interpreter
from .python_values import class_of, instance_like, is_dict, is_list, is_ndarray, is_tuple, tuple_like
from .stage import Decisions, NeedLeafStatic, NeedStatic, Restage, Stage, Unified
from .subclasses import ARRAY, SubArray, check_sure
from .values import Choice, Closure, MaybeUnbound, Poison, RArray, RList, RScalar, contains_runtime

MAX_RESTARTS = 60


@dataclass(frozen=True)
class Output:
    """A part of the return value held in IR result `index`: a number ("python" ones become Python numbers) or array."""

    index: int
    kind: str  # "number", "python", "array", "list", "leaf"
    leaf: int = -1


@dataclass(frozen=True)
class Kinds:
    """A return value of several possible kinds: result `tag` says which of `alternatives` holds."""

    tag: int
    alternatives: tuple[Any, ...]


@dataclass(frozen=True)
class ArrayInstance:
    """A returned instance of a subclass of ndarray. Its derivatives are plain arrays."""

    cls: type[Any]
    array: Output
    attributes: dict[str, Any]


@dataclass
class Staged:
    """A staged call: `output` is the return value with `Output` in place of runtime parts."""

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
            raise Unsupported([Problem(None, "staging does not settle", "simplify the control flow of the program")])
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
            raise stage.refuse(reason, "compute it from sizes and constants") from None
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
        raise interp.stage.refuse(reason, "pass it as an argument")


def _attempt(interp: Interp, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Staged:
    stage = interp.stage
    names = _parameter_names(fn, len(args))
    externals = interp.externals
    output: list[Any] = [None]
    results: list[str] = []

    def run() -> bool:
        try:
            staged_fn = externals.wrap_function(fn)
            staged_args = [externals.wrap(a, ("arg", k), names[k]) for k, a in enumerate(args)]
            staged_kwargs = {k: externals.wrap(v, ("kw", k), k) for k, v in kwargs.items()}
            value = interp.call(staged_fn, staged_args, staged_kwargs)
            output[0] = _flatten(interp, value, results, [])
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
    if interp.changed_outside:
        owner, attribute = interp.changed_outside[0]
        raise Unsupported(
            [
                Problem(
                    stage.span,
                    f"the attribute {attribute!r} of a {type(owner).__name__} that exists outside is assigned",
                    "create the object inside the function, or return the new value",
                )
            ]
        )
    return Staged(
        Module(functions, root.name),
        leaves,
        externals.guards,
        equal,
        output[0],
        stage.user_names,
        sizes,
        mutated,
        any(leaf.root is not None and leaf.root.returned for leaf in leaves),
        tuple(interp.sources.values()),
    )


def _place(problem: Problem) -> tuple[str, int, int]:
    span = problem.span
    return ("", 0, 0) if span is None else (span.file, span.line, span.col)


def _root_name(fn: Any) -> str:
    name = getattr(fn, "__name__", type(fn).__name__)
    return "f" if name == "<lambda>" else name


def _parameter_names(fn: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"arg{k}" for k in range(len(names), count)]


def _flatten(interp: Interp, value: Any, results: list[str], seen: list[tuple[Any, int]]) -> Any:
    """Turn the return value into IR results."""
    stage = interp.stage
    value = interp.resolve(value)
    match value:
        case RScalar():
            name = stage.fresh("result")
            stage.emit(Alloc(Buffer(name, value.dtype, ()), False, stage.span))
            stage.emit(Store(name, (), value.expr, stage.span))
            results.append(name)
            return Output(len(results) - 1, "python" if value.python else "number")
        case RArray():
            return _array_result(interp, value, results)
        case RList() if value.parts:
            raise stage.refuse("a list of tuples that grows at run time is returned", "return np.array(list)")
        case RList():
            array = interp.as_array(value)
            found = _array_result(interp, array, results)
            return Output(found.index, "list")
        case Choice():
            tag = _flatten(interp, RScalar(value.tag, True), results, seen)
            return Kinds(tag.index, tuple(_flatten(interp, a, results, seen) for a in value.alternatives))
        case MaybeUnbound() | Poison():
            return _flatten(interp, interp.use(value, "result"), results, seen)
        case SubArray():
            check_sure(interp, value, "the result")
            parts = {k: _flatten(interp, v, results, seen) for k, v in value.__dict__.items()}
            return ArrayInstance(value.real_class, parts.pop(ARRAY), parts)
        case _ if is_tuple(value):
            return tuple_like(class_of(value), [_flatten(interp, v, results, seen) for v in value])
        case _ if is_list(value):
            return [_flatten(interp, v, results, seen) for v in value]
        case _ if is_dict(value):
            return {k: _flatten(interp, v, results, seen) for k, v in value.items()}
        case Closure():
            raise stage.refuse("a function defined inside is returned", "return its values")
        case _ if hasattr(value, "__dict__") and stage.is_created(value):
            parts = {k: _flatten(interp, v, results, seen) for k, v in value.__dict__.items()}
            return instance_like(value, parts)
        case _:
            if contains_runtime(value):
                reason = f"a {type(value).__name__} with run-time parts is returned"
                raise stage.refuse(reason, "return arrays or numbers")
            return value


def _array_result(interp: Interp, value: RArray, results: list[str]) -> Output:
    stage = interp.stage
    array = arrays.stored(stage, value, "result")
    root = array.root
    by_ref = root is not None and root.is_ref and array.storage == root.name and arrays.is_identity(array)
    whole = by_ref or arrays.is_whole(array)
    if not whole or not stage.in_scope(array.storage) or array.dtype is not value.dtype:
        array = arrays.copy(stage, array, "result")
    name = array.storage
    inputs = [leaf for leaf in interp.externals.leaves if leaf.scalar is not None or leaf.buffer is not None]
    for k, leaf in enumerate(inputs):
        if leaf.root is not None and leaf.root.name == name:
            leaf.root.returned = True
            if not leaf.root.stores:
                copied = arrays.copy(stage, array, "result")
                results.append(copied.storage)
                return Output(len(results) - 1, "leaf", k)
            results.append(name)
            return Output(len(results) - 1, "leaf", k)
    if name in results:
        return Output(results.index(name), "array")
    results.append(name)
    return Output(len(results) - 1, "array")


def decided(output: Any, results: tuple[Any, ...]) -> Any:
    """The output tree as derivatives see it: run-time data has decided between several kinds, instances are arrays."""
    match output:
        case ArrayInstance(_, array):
            return array
        case Kinds(tag, alternatives):
            return decided(alternatives[int(results[tag])], results)
        case _ if is_tuple(output):
            return tuple_like(class_of(output), [decided(o, results) for o in output])
        case _ if is_list(output):
            return [decided(o, results) for o in output]
        case _ if is_dict(output):
            return {k: decided(o, results) for k, o in output.items()}
        case _ if is_tree(output):
            return instance_like(output, {k: decided(v, results) for k, v in output.__dict__.items()})
        case _:
            return output


def is_tree(output: object) -> bool:
    """Whether an object that the program made holds run-time parts."""
    if not hasattr(output, "__dict__") or isinstance(output, type):
        return False
    return any(isinstance(v, (Output, Kinds, tuple, list, dict)) for v in vars(output).values())


def rebuild(output: Any, results: tuple[Any, ...]) -> Any:
    """The Python return value from the IR results."""
    match output:
        case Output(index, kind):
            value = results[index]
            if kind == "python":
                return value.item()
            if kind == "list":
                return value.tolist()
            return np.asarray(value) if kind == "array" else value  # rank 0 comes back as a scalar
        case ArrayInstance(cls, array, attributes):
            made: Any = np.asarray(rebuild(array, results)).view(cls)
            made.__dict__.update({k: rebuild(v, results) for k, v in attributes.items()})
            return made
        case Kinds(tag, alternatives):
            return rebuild(alternatives[int(results[tag])], results)
        case _ if is_tuple(output):
            return tuple_like(class_of(output), [rebuild(o, results) for o in output])
        case _ if is_list(output):
            return [rebuild(o, results) for o in output]
        case _ if is_dict(output):
            return {k: rebuild(o, results) for k, o in output.items()}
        case _ if is_tree(output):
            return instance_like(output, {k: rebuild(v, results) for k, v in output.__dict__.items()})
        case _:
            return output
