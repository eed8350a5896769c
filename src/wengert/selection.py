"""What a transform speaks of: the arguments differentiated, the outputs chosen, their trees."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.dispatch import inexact
from wengert.frontend.python.effects import Kept, Perhaps
from wengert.frontend.python.externals import Access
from wengert.frontend.python.outputs import Kinds, Output, Same
from wengert.frontend.python.program import Staged
from wengert.frontend.python.python_values import (
    attribute_step,
    attributes_of,
    class_of,
    has_attributes,
    instance_like,
    is_dict,
    is_list,
    is_ndarray,
    is_sequence,
    is_tuple,
    tuple_like,
)
from wengert.ir.nodes import Function, Module
from wengert.ir.types import DType
from wengert.ir.walk import storages
from wengert.programs import ArgumentError, Wrt

RETURN = "return"


def argument_access(
    fn: Callable[..., Any], wrt: int | str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The access path of an argument named by position or name."""
    try:
        names = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        names = []
    if isinstance(wrt, int):
        wrt = wrt + len(args) if wrt < 0 else wrt
        if wrt < len(args):
            return ("arg", wrt)
        if wrt < len(names) and names[wrt] in kwargs:
            return ("kw", names[wrt])
        raise ArgumentError(f"wrt={wrt}, but the call has {len(args)} positional arguments", Code.WRT)
    if wrt in kwargs:
        return ("kw", wrt)
    if wrt in names and names.index(wrt) < len(args):
        return ("arg", names.index(wrt))
    raise ArgumentError(f"wrt={wrt!r} is not an argument of this call; the parameters are {', '.join(names)}", Code.WRT)


def wrt_list(wrt: Wrt | None) -> list[int | str]:
    return [wrt] if isinstance(wrt, (int, str)) else list(wrt or ())


def active_leaves(staged: Staged, access: tuple[Any, ...], value: Any, name: str) -> list[int]:
    """The leaves of an argument that carry derivatives; raises if there are none."""
    found = [
        k
        for k, leaf in enumerate(staged.leaves)
        if leaf.access[: len(access)] == access
        and inexact(leaf.value)
        and (leaf.scalar is not None or leaf.buffer is not None)
    ]
    if not found and not any(inexact(v) for v in numbers(value)):
        kind = f"an array of {value.dtype}" if is_ndarray(value) else f"of type {type(value).__name__}"
        raise ArgumentError(
            f"cannot differentiate with respect to {name}: it is {kind}; derivatives need floats "
            f"(pass {'.astype(float)' if isinstance(value, np.ndarray) else 'a float'})",
            Code.WRT,
        )
    return found


def numbers(value: Any) -> list[Any]:
    if is_sequence(value):
        return [n for v in value for n in numbers(v)]
    if is_dict(value):
        return [n for v in value.values() for n in numbers(v)]
    if has_attributes(value) and not isinstance(value, (type, np.generic)):
        return [n for v in attributes_of(value).values() for n in numbers(v)]
    return [value]


def like(value: Any, access: tuple[Any, ...], found: Mapping[tuple[Any, ...], Any]) -> Any:
    """A tree like an argument's, with the derivatives found for its float leaves (zeros where it has no influence)."""
    if access in found:
        return found[access]
    match value:
        case _ if is_tuple(value):
            return tuple_like(class_of(value), [like(v, (*access, ("item", k)), found) for k, v in enumerate(value)])
        case _ if is_list(value):
            return [like(v, (*access, ("item", k)), found) for k, v in enumerate(value)]
        case _ if is_dict(value):
            return {k: like(v, (*access, ("item", k)), found) for k, v in value.items()}
        case _ if is_ndarray(value):
            return np.zeros(value.shape, value.dtype.newbyteorder("=")) if inexact(value) else None
        case _ if isinstance(value, (np.generic, float, complex)):
            return np.asarray(value).dtype.type(0) if inexact(value) else None
        case _ if has_attributes(value) and not callable(value):
            parts = {k: like(v, (*access, attribute_step(value, k)), found) for k, v in attributes_of(value).items()}
            return instance_like(value, parts)
        case _:
            return None


def leaf_name(staged: Staged, k: int) -> str:
    leaf = staged.leaves[k]
    parameter = leaf.scalar or leaf.buffer
    assert parameter is not None
    return parameter.name


def wrt_key(wrt: Any) -> Any:
    return tuple(wrt) if is_sequence(wrt) else wrt


def describe(fn: Callable[..., Any], wrt: int | str) -> str:
    return f"argument {wrt!r}" if isinstance(wrt, str) else f"argument {wrt}"


def result_dtype(module: Module, index: int) -> DType:
    return storages(module.root)[module.root.results[index]].dtype


def result_rank(module: Module, index: int) -> int:
    return storages(module.root)[module.root.results[index]].rank


def objectives(output: Any, module: Module) -> tuple[int, ...]:
    """The result that is the real scalar whose gradient is asked for (several, if run-time data decides which); raises
    ArgumentError if there is none."""
    if not isinstance(output, Kinds):
        return (objective(output, module).index,)
    found: list[int] = []
    for alternative in output.alternatives:
        with contextlib.suppress(ArgumentError):
            found.extend(objectives(alternative, module))
    return tuple(found) or objectives(output.alternatives[0], module)


def decided_objective(output: Any, places: tuple[int, ...]) -> None:
    """Check that what was returned this time is one of the scalars that were differentiated."""
    if not (isinstance(output, Output) and output.index in places):
        what = "an array" if isinstance(output, Output) else "None" if output is None else f"a {type(output).__name__}"
        raise ArgumentError(f"the function returned {what} this time; a gradient needs one real float", Code.OBJECTIVE)


def objective(output: Any, module: Module) -> Output:
    """The output, if it is one real scalar; raises ArgumentError otherwise."""
    if not isinstance(output, Output):
        what = "nothing" if output is None else f"a {type(output).__name__}"
        raise ArgumentError(
            f"the function returns {what}; a gradient needs one real float. "
            "Return the objective, or use wg.vjp or wg.jacobian",
            Code.OBJECTIVE,
        )
    dtype, rank = result_dtype(module, output.index), result_rank(module, output.index)
    if rank:
        axes = "1 axis" if rank == 1 else f"{rank} axes"
        raise ArgumentError(
            f"the function returns an array with {axes}; a gradient needs one real float. "
            "Sum it with weights, or use wg.vjp or wg.jacobian",
            Code.OBJECTIVE,
        )
    if not dtype.is_float:
        way = "return its real part, or abs(z)**2" if dtype.is_complex else "return a float"
        raise ArgumentError(
            f"the function returns a number of type {dtype.numpy}; a gradient needs a real float: {way}", Code.OBJECTIVE
        )
    return output


@dataclass(frozen=True)
class Selected:
    """Which outputs a transform speaks of: IR names, and the tree that gives them back."""

    names: list[str]
    tree: Any
    many: bool


def select_outputs(
    staged: Staged, module: Module, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], of: Any
) -> Selected:
    """`of`: None for the return value, the name of a mutated parameter, "return", or a tuple of these."""
    root = module.root
    results = list(root.results)
    trees: list[Any] = []
    for part in [of] if of is None or isinstance(of, str) else list(of):
        if part is None or part == RETURN:
            trees.append(staged.output)
            continue
        trees.append(_Finals(staged, args, kwargs, results).tree(argument_access(fn, part, args, kwargs)))
    many = not (of is None or isinstance(of, str))
    return Selected(results, tuple(trees) if many else trees[0], many)


@dataclass(frozen=True)
class _Finals:
    """Trees of what arguments hold after the program; arrays among them are added to `results`."""

    staged: Staged
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[str]

    def tree(self, access: Access) -> Any:
        for leaf in self.staged.leaves:
            if leaf.access == access and leaf.buffer is not None:
                if leaf.buffer.name not in self.results:
                    self.results.append(leaf.buffer.name)
                return Output(self.results.index(leaf.buffer.name), "array")
        effects, value = self.staged.effects, self._value(access)
        change = next((c for c in effects.changes if effects.places[c.place] == access), None)
        if change is not None and change.kind != "attributes":
            return self._new(change.contents, access)
        match value:
            case _ if is_sequence(value):
                parts = [self.tree((*access, ("item", k))) for k in range(len(value))]
                return tuple_like(class_of(value), parts)
            case _ if is_dict(value):
                return {k: self.tree((*access, ("item", k))) for k in value}
            case _ if change is not None:
                new: dict[str, Any] = self._new(change.contents, access)
                names = [k for k in dict.fromkeys([*attributes_of(value), *new]) if k not in change.dropped]
                parts = {k: new[k] if k in new else self.tree((*access, attribute_step(value, k))) for k in names}
                return instance_like(value, parts)
            case _:
                return value

    def _new(self, part: Any, access: Access) -> Any:
        """The tree of what the program has put into the object at `access`."""
        match part:
            case Kept(key):
                return self.tree((*access, ("item", key)))
            case Same(place):
                return self.tree(self.staged.effects.places[place])
            case Perhaps():
                raise ArgumentError(
                    "run-time data decide what this argument holds afterwards: return the values", Code.WRT
                )
            case _ if is_sequence(part):
                return tuple_like(class_of(part), [self._new(v, access) for v in part])
            case _ if is_dict(part):
                return {k: self._new(v, access) for k, v in part.items()}
            case _:
                return part

    def _value(self, access: Access) -> Any:
        root, *steps = access[0], *access[2:]
        if root not in ("arg", "kw"):
            raise ArgumentError(
                "this argument holds something that is no argument afterwards: return the values", Code.WRT
            )
        value = self.args[access[1]] if root == "arg" else self.kwargs[access[1]]
        for kind, key in steps:
            value = attributes_of(value)[key] if kind in ("attr", "slot") else value[key]
        return value


def with_results(module: Module, names: Sequence[str]) -> Module:
    """The module with these results of the root."""
    root = module.root
    made = Function(root.name, root.params, root.body, tuple(names), root.span)
    return Module({**module.functions, root.name: made}, module.entry)


def flat_outputs(tree: Any) -> list[Output]:
    """The Outputs of a tree in order."""
    match tree:
        case Output():
            return [tree]
        case _ if is_sequence(tree):
            return [o for t in tree for o in flat_outputs(t)]
        case _ if is_dict(tree):
            return [o for t in tree.values() for o in flat_outputs(t)]
        case Kinds(_, alternatives):
            return [o for t in alternatives for o in flat_outputs(t)]
        case _ if has_attributes(tree) and not isinstance(tree, type) and not callable(tree):
            return [o for t in attributes_of(tree).values() for o in flat_outputs(t)]
        case _:
            return []


def cotangents(tree: Any, given: Any, into: dict[int, Any], shapes: Mapping[int, Any], path: str = "cotangent") -> None:
    """Match a cotangent with the output tree: `into[result] = array`."""
    match tree:
        case Output(index):
            value = shapes.get(index)
            if value is None:
                return
            if given is None:
                return
            seed = np.asarray(given)
            if seed.shape != value.shape:
                raise ArgumentError(
                    f"the {path} has shape {seed.shape}, but the output has shape {value.shape}", Code.SEED
                )
            if np.iscomplexobj(seed) and not np.iscomplexobj(value):
                raise ArgumentError(f"the {path} is complex, but the output is real", Code.SEED)
            into[index] = into[index] + seed if index in into else seed
        case _ if is_sequence(tree):
            if given is None:
                return
            if not is_sequence(given) or len(given) != len(tree):
                raise ArgumentError(f"the {path} must be a sequence of {len(tree)} parts, as the output is", Code.SEED)
            for k, (t, g) in enumerate(zip(tree, given, strict=True)):
                cotangents(t, g, into, shapes, f"{path}[{k}]")
        case _ if is_dict(tree):
            for k, t in tree.items():
                cotangents(t, None if given is None else given.get(k), into, shapes, f"{path}[{k!r}]")
        case _ if has_attributes(tree) and not isinstance(tree, type) and not callable(tree):
            for k, t in attributes_of(tree).items():
                cotangents(t, None if given is None else getattr(given, k, None), into, shapes, f"{path}.{k}")
        case _:
            pass
