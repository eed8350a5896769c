"""From a call's arguments to the compiled variant that fits: generated guard checks, leaves in order."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.frontend.python.externals import SMALL, Access, Arguments, At, Constant
from wengert.frontend.python.outside import in_library
from wengert.frontend.python.program import Staged
from wengert.frontend.python.python_values import is_ndarray, is_numpy_scalar
from wengert.ir.types import DType

Fetch = Callable[[Any, tuple[Any, ...], dict[str, Any]], "tuple[Any, ...] | None"]


class _Writer:
    """Writes the source of a fetch function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Access, str] = {}
        self.spaces: dict[str, str] = {}
        self.objects: dict[str, Any] = {"ndarray": np.ndarray, "contiguous": contiguous}

    def embed(self, value: Any) -> str:
        name = f"k{len(self.objects)}"
        self.objects[name] = value
        return name

    def held(self, value: Any) -> str:
        """The name of an object that several accesses may start from."""
        return next((name for name, other in self.objects.items() if other is value), "") or self.embed(value)

    def check(self, condition: str) -> None:
        self.lines.append(f"if not ({condition}): return None")

    def space(self, owner: str) -> str:
        """A local name for the dict of attributes of what a name holds."""
        if owner not in self.spaces:
            self.spaces[owner] = f"d{len(self.spaces)}"
            self.lines.append(f"{self.spaces[owner]} = {owner}.__dict__")
        return self.spaces[owner]

    def get(self, access: Access) -> str:
        """A local name holding the value at an access path."""
        if access in self.names:
            return self.names[access]
        head, *rest = access
        steps = list(access)
        depth = _root_length(access)
        if len(steps) > depth:
            owner = self.get(tuple(steps[:-1]))
            kind, key = steps[-1]
            if kind == "attr" and key == "__self__":
                expr = f"{owner}.__self__"
            elif kind == "slot":
                expr = f"{owner}.{key}"
            elif kind == "attr":
                expr = f"{self.space(owner)}[{key!r}]"
            else:
                expr = f"{owner}[{key!r}]" if isinstance(key, (int, str)) else f"{owner}[{self.embed(key)}]"
        else:
            expr = self._root(head, rest)
        name = f"v{len(self.names)}"
        self.names[access] = name
        self.lines.append(f"{name} = {expr}")
        return name

    def _root(self, head: str, rest: list[Any]) -> str:
        match head:
            case "arg":
                return f"args[{rest[0]}]"
            case "kw":
                return f"kwargs[{rest[0]!r}]"
            case "self":
                return "fn.__self__"
            case "function":
                return "fn"
            case "global":
                return f"{self.embed(rest[0].value)}[{rest[1]!r}]"
            case "cell":
                return f"{self.embed(rest[0].value)}.__closure__[{rest[1]}].cell_contents"
            case "kwargs":
                return "kwargs"
            case "held":
                return self.held(rest[0].value)
            case "class":
                return f"{self.space(self.held(rest[0].value))}[{rest[1]!r}]"
            case "cached":
                return f"{self.embed(rest[0].value)}({self._passed(rest[1])})"
            case _:
                owner, name = rest[0].value, rest[1]
                if isinstance(owner, types.FunctionType):
                    if owner.__kwdefaults__ and name in owner.__kwdefaults__:
                        return f"{self.embed(owner)}.__kwdefaults__[{name!r}]"
                    positional = [
                        p.name
                        for p in inspect.signature(owner, follow_wrapped=False).parameters.values()
                        if p.default is not p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                    ]
                    return f"{self.embed(owner)}.__defaults__[{positional.index(name)}]"
                return f"{self.embed(owner)}.__dataclass_fields__[{name!r}].default"

    def _passed(self, arguments: Arguments) -> str:
        """The arguments of a call that the access to its result makes."""
        given = [self._argument(a) for a in arguments.positional]
        return ", ".join([*given, *(f"{name}={self._argument(a)}" for name, a in arguments.named)])

    def _argument(self, given: Constant | At) -> str:
        if isinstance(given, Constant):
            return self.embed(given.value)
        found = self.get(given.access)
        return found if given.axis is None else f"{found}.shape[{given.axis}]"


def _root_length(access: Access) -> int:
    return {"arg": 2, "kw": 2, "self": 1, "function": 1, "kwargs": 1, "held": 2}.get(access[0], 3)


def functions_of(staged: Staged) -> list[types.FunctionType]:
    """The functions of Python that were staged; of a stored compilation they come with a hash of their code."""
    return [entry if isinstance(entry, types.FunctionType) else entry[0] for entry in staged.sources]


def contiguous(array: np.ndarray) -> np.ndarray:
    """A C-contiguous, aligned, native copy if the array is not such."""
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def fetcher(staged: Staged, args: tuple[Any, ...], kwargs: dict[str, Any], raw: bool = False) -> Fetch:
    """A function (fn, args, kwargs) -> leaves, or None if the call does not fit this variant.

    Leaves are as given, except that arrays are C-contiguous, aligned and native unless `raw`.
    """
    w = _Writer()
    w.check(f"len(args) == {len(args)}")
    w.check(f"kwargs.keys() == {w.embed(dict.fromkeys(kwargs).keys())}" if kwargs else "not kwargs")
    for function in functions_of(staged):
        if not in_library(function.__module__):
            w.check(f"{w.embed(function)}.__code__ is {w.embed(function.__code__)}")
    # What may fail to exist is looked up in the order found while staging, so structure is checked before its parts.
    for guard in staged.guards:
        v = w.get(guard.access)
        match guard.kind:
            case "is":
                w.check(f"{v} is {w.embed(guard.expected)}")
            case "equal":
                w.check(f"type({v}) is {w.embed(type(guard.expected))} and {v} == {w.embed(guard.expected)}")
            case "type":
                kind, length = guard.expected
                w.check(f"type({v}) is {w.embed(kind)}" + (f" and len({v}) == {length}" if length >= 0 else ""))
            case "keys":
                w.check(f"tuple({v}) == {w.embed(guard.expected)}")
            case "same":
                w.check(f"{v} is {w.get(guard.expected)}")
            case "differ":
                w.check(f"{v} is not {w.get(guard.expected)}")
            case "apart":
                for other in guard.expected:
                    w.check(f"{v} is not {w.get(other)}")
            case "lacks":
                owner = w.held(guard.access[1].value) if guard.access[0] == "held" else v
                w.check(f"{guard.expected!r} not in {w.space(owner)}")
            case "unset":
                w.check(f"not hasattr({v}, {guard.expected!r})")
            case "without":
                w.check(f"{guard.expected!r} not in {v}")
            case _:
                raise AssertionError(guard.kind)
    names: list[str] = []
    for k, leaf in enumerate(staged.leaves):
        v = w.get(leaf.access)
        if leaf.buffer is not None:
            w.check(f"type({v}) is ndarray" if type(leaf.value) is np.ndarray else f"isinstance({v}, ndarray)")
            dtype = w.embed(leaf.value.dtype)
            w.check(f"{v}.dtype is {dtype} or {v}.dtype == {dtype}")
            w.lines.append(f"s{k} = {v}.shape")
            extents = leaf.key[1:]
            w.check(f"len(s{k}) == {len(extents)}")
            for axis, n in enumerate(extents):
                w.check(f"s{k}[{axis}] > {SMALL}" if n < 0 else f"s{k}[{axis}] == {n}")
            if raw:
                pass
            elif not leaf.value.dtype.isnative:
                w.lines.append(f"{v} = contiguous({v})")
            else:
                w.lines.append(f"f{k} = {v}.flags")
                w.lines.append(f"if not (f{k}.c_contiguous and f{k}.aligned): {v} = contiguous({v})")
        elif type(leaf.value) is int:
            w.check(f"type({v}) is int and {v} {'>' if leaf.value > 0 else '<'} 0")
        else:
            w.check(f"type({v}) is {w.embed(type(leaf.value))}")
        names.append(v)
    for a, times, b, more in staged.equal:
        w.check(f"{_size(staged, w, a)} == {times} * {_size(staged, w, b)} + {more}")
    for name, limit in sorted(staged.limits.items()):
        w.check(f"-{limit} < {_size(staged, w, name)} < {limit}")
    for few, floor in sorted(staged.floors.items()):
        w.check(f"max(0, {', '.join(f'abs({_size(staged, w, name)})' for name in few)}) >= {floor}")
    body = "\n        ".join(w.lines) or "pass"
    result = "".join(f"{n}, " for n in names)
    source = (
        "def fetch(fn, args, kwargs):\n    try:\n        " + body + f"\n        return ({result})\n"
        "    except (KeyError, IndexError, AttributeError, TypeError): return None\n"
    )
    namespace: dict[str, Any] = dict(w.objects)
    exec(compile(source, "<wengert guard>", "exec"), namespace)
    return namespace["fetch"]


def locator(staged: Staged) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]:
    """A function (fn, args, kwargs) -> the objects outside that the program's effects speak of."""
    w = _Writer()
    names = [w.get(access) for access in staged.effects.places]
    body = "\n    ".join([*w.lines, f"return ({''.join(f'{n}, ' for n in names)})"])
    namespace: dict[str, Any] = dict(w.objects)
    exec(compile(f"def locate(fn, args, kwargs):\n    {body}\n", "<wengert places>", "exec"), namespace)
    return namespace["locate"]


def _size(staged: Staged, w: _Writer, name: str) -> str:
    leaf, axis = staged.sizes[name]
    return w.get(staged.leaves[leaf].access) if axis < 0 else f"s{leaf}[{axis}]"


def inexact(value: Any) -> bool:
    """Whether a leaf carries derivatives."""
    if is_ndarray(value) or is_numpy_scalar(value):
        try:
            return DType.of(value.dtype).is_inexact
        except (KeyError, TypeError):
            return False
    return type(value) in (float, complex)
