"""Programs and their compiled variants: what every transform rests on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import persist, pipeline
from wengert.ad import Pin, Pins
from wengert.codes import Code
from wengert.dispatch import Fetch, fetcher
from wengert.errors import WengertError
from wengert.frontend.python.program import Staged, stage_call
from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.locks import ForkedLock
from wengert.ir.nodes import Module
from wengert.memory import UNBOUND, Bounds, Memory, bytes_of
from wengert.runtime.abi import Bind

Wrt = int | str | Sequence[int | str]
Given = Pin | Iterable[Pin]
"""Values to be stored, or recomputed: names of variables, source lines (42, or "file.py:42")."""


class ArgumentError(WengertError, TypeError):
    """What a transform was asked for does not fit the function or its arguments."""

    code = Code.ARGUMENT


def primal_binds(staged: Staged) -> list[Bind]:
    """How the staged program's parameters are filled from its leaves."""
    binds: list[Bind] = []
    for k, leaf in enumerate(staged.leaves):
        if leaf.scalar is not None:
            binds.append(Bind("scalar", k))
        elif leaf.buffer is not None:
            binds.extend(Bind("extent", k, axis) for axis, _ in leaf.extents)
            binds.append(Bind("array", k))
    return binds


@dataclass
class Variant:
    """One compilation of a program: which calls it serves, how to run it, how to give back its results."""

    staged: Staged
    fetch: Fetch
    raw: Fetch
    kernel: Any = None
    plan: Any = None


@dataclass
class Program:
    """A Python function and its compiled variants (per transform)."""

    fn: Callable[..., Any]
    variants: dict[Any, list[Variant]] = field(default_factory=dict[Any, list[Variant]])
    lock: ForkedLock = field(default_factory=ForkedLock)

    def find(self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Variant, tuple[Any, ...]] | None:
        for variant in self.variants.get(kind, ()):
            leaves = variant.fetch(self.fn, args, kwargs)
            if leaves is not None:
                return variant, leaves
        return None

    def variant(
        self,
        kind: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        make: Callable[[Staged, Module], tuple[Any, Any]],
    ) -> tuple[Variant, tuple[Any, ...]]:
        """The variant that serves a call, compiled now if need be, and the call's leaves."""
        found = self.find(kind, args, kwargs)
        if found is not None:
            return found
        with self.lock:
            found = self.find(kind, args, kwargs)
            if found is not None:
                return found
            for staged, kernel, plan in persist.load(self.fn, kind, args, kwargs):
                leaves = self._add(kind, args, kwargs, staged, kernel, plan)
                if leaves is not None:
                    return self.variants[kind][0], leaves
            staged = self.stage(args, kwargs)
            module = pipeline.prepare(staged.module, staged.names)
            kernel, plan = make(staged, module)
            leaves = self._add(kind, args, kwargs, staged, kernel, plan)
            if leaves is None:
                raise WengertError("the guards of a new compilation reject the very call it was made for")
            made = self.variants[kind][0]
            persist.save(self.fn, kind, args, kwargs, made)
            return made, leaves

    def _add(
        self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], staged: Staged, kernel: Any, plan: Any
    ) -> tuple[Any, ...] | None:
        """Add a variant if it serves this call."""
        made = Variant(staged, fetcher(staged, args, kwargs), fetcher(staged, args, kwargs, raw=True), kernel, plan)
        leaves = made.fetch(self.fn, args, kwargs)
        if leaves is not None:
            self.variants.setdefault(kind, []).insert(0, made)
        return leaves

    def stage(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Staged:
        from wengert import nested  # registers what transforms mean inside programs

        assert nested is not None
        for k, value in enumerate(args):
            _check_array(value, f"argument {k + 1}")
        return self._staged_before(args, kwargs) or stage_call(self.fn, args, kwargs)

    def _staged_before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Staged | None:
        """What another transform staged, if it serves this call too. (What comes from the disk has no IR.)"""
        for variant in [one for some in self.variants.values() for one in some]:
            if variant.staged.module.functions and variant.fetch(self.fn, args, kwargs) is not None:
                return variant.staged
        return None


def _check_array(value: Any, name: str) -> None:
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(f"{name} is a masked array; pass its data and mask as two plain arrays", Code.DTYPE)


_programs: dict[Any, Program] = {}


def program_of(fn: Callable[..., Any]) -> Program:
    """The one program of a function object."""
    if isinstance(fn, Transform):
        return Program(fn)
    try:
        key = (fn.__func__, id(fn.__self__)) if inspect.ismethod(fn) else fn
        found = _programs.get(key)
        if found is None or (inspect.ismethod(fn) and getattr(found.fn, "__self__", None) is not fn.__self__):
            found = _programs[key] = Program(fn)
        return found
    except TypeError:
        return Program(fn)


class Transform:
    """A callable made by a transform; `fn` is the program and `wrt` what is differentiated."""

    def __init__(self, fn: Callable[..., Any], wrt: Wrt | None = None) -> None:
        if not callable(fn):
            raise ArgumentError(f"a function is needed, not {type(fn).__name__}")
        self.fn = fn
        self.wrt = wrt
        self.program = program_of(fn)
        functools.update_wrapper(self, fn, assigned=("__name__", "__qualname__", "__doc__", "__module__"), updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class Limitable(Transform):
    """A transform that can be held to a memory limit. `memory`: what its latest call with one took."""

    def __init__(
        self,
        fn: Callable[..., Any],
        wrt: Wrt | None = None,
        bounds: Bounds = UNBOUND,
        store: Given = (),
        recompute: Given = (),
        invert: bool = False,
    ) -> None:
        super().__init__(fn, wrt)
        self.limit, self.disk = bounds.limit, bounds.disk
        self.pins = Pins.of(store, recompute, invert)
        self.memory: Memory | None = None

    def kind(self, *parts: Any) -> Any:
        """The key of a variant."""
        return variant_key(parts, self.limit is not None, self.pins)

    def run(
        self,
        variant: Variant,
        leaves: tuple[Any, ...],
        more: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        held: int = 0,
    ) -> tuple[Any, ...]:
        """Call a kernel with the program's leaves and `more`; `held`: bytes that are allocated besides."""
        given = (*private(variant.staged, leaves, originals(variant, self.fn, args, kwargs)), *more)
        if self.limit is None:
            return variant.kernel(given)
        outside = copied(variant, leaves, variant.raw(self.fn, args, kwargs)) + bytes_of(more) + held
        results, self.memory = variant.kernel.run(given, self.limit, outside, self.disk)
        return results


def variant_key(parts: tuple[Any, ...], limited: bool, pins: Pins) -> tuple[Any, ...]:
    """The key of a variant, of what decides on its code."""
    pinned = ("pinned", pins.store, pins.recompute) if pins else ()
    inverted = ("inverted",) if pins.invert else ()
    return (*parts, *(("limited",) if limited else ()), *pinned, *inverted)


def copied(variant: Variant, leaves: tuple[Any, ...], raw: tuple[Any, ...] | None) -> int:
    """Bytes of the copies of arguments that a call needs: of odd layouts, and of what the program changes."""
    originals = leaves if raw is None else raw
    odd = bytes_of([leaf for leaf, own in zip(leaves, originals, strict=True) if leaf is not own])
    return odd + bytes_of([leaves[k] for k in variant.staged.mutated])


def check_overlap(staged: Staged, leaves: tuple[Any, ...]) -> None:
    """Arrays that share memory without being the same array cannot be told apart once compiled."""
    for k in staged.mutated:
        if not leaves[k].flags.c_contiguous and _overlaps_itself(leaves[k]):
            name = staged.leaves[k].name
            reason = f"{name!r} is changed by the program and several of its elements are one; pass a copy"
            raise ArgumentError(reason, Code.MEMORY)
        for j, other in enumerate(leaves):
            if (
                j != k
                and is_ndarray(other)
                and np.may_share_memory(leaves[k], other)
                and np.shares_memory(leaves[k], other)
            ):
                changed, shared = staged.leaves[k].name, staged.leaves[j].name
                raise ArgumentError(
                    f"{changed!r} is changed by the program and shares memory with {shared!r}; pass a copy of one",
                    Code.MEMORY,
                )


def _overlaps_itself(array: np.ndarray[Any, Any]) -> bool:
    """Whether elements of an array may share memory: then some axis does not step beyond what the smaller ones span."""
    reach = array.itemsize
    for step, extent in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach:
            return array.size > 0
        reach += step * (extent - 1)
    return False


def originals(variant: Variant, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """The leaves as the caller has them, if the program changes any."""
    return variant.raw(fn, args, kwargs) if variant.staged.mutated else None


def private(staged: Staged, leaves: tuple[Any, ...], callers: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
    """The leaves with copies of those the program mutates: derivative transforms leave the caller's arrays alone.
    `callers`: the leaves as the caller has them, if some of these are copies already."""
    if not staged.mutated:
        return leaves
    check_overlap(staged, leaves if callers is None else callers)
    made = list(leaves)
    for k in staged.mutated:
        made[k] = made[k].copy()
    return tuple(made)


def both(a: Callable[[], Any], b: Callable[[], Any]) -> tuple[Any, Any]:
    """The results of two compilations made at the same time."""
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(b)
        return a(), second.result()
