"""Jacobians, Hessians and Hessian-vector products, from the forward and reverse passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert.frontend.python.outputs import Output
from wengert.frontend.python.program import Staged
from wengert.frontend.python.python_values import is_ndarray, number_like
from wengert.ir.nodes import Module, Scalar
from wengert.programs import ArgumentError, Transform, Wrt, private
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel
from wengert.selection import (
    active_leaves,
    argument_access,
    describe,
    flat_outputs,
    leaf_name,
    objective,
    result_dtype,
    wrt_key,
    wrt_list,
)
from wengert.transform import forward_module, reverse_module


def _single_leaves(
    fn: Callable[..., Any], staged: Staged, wrt: Wrt | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[int]:
    """One leaf per wrt: arguments that are an array or a number themselves."""
    chosen: list[int] = []
    for w in wrt_list(wrt):
        access = argument_access(fn, w, args, kwargs)
        value = args[access[1]] if access[0] == "arg" else kwargs[access[1]]
        found = active_leaves(staged, access, value, describe(fn, w))
        if len(found) != 1 or staged.leaves[found[0]].access != access:
            raise ArgumentError(f"{describe(fn, w)} is a structure of arrays; name one array or number")
        chosen.append(found[0])
    return chosen


def _basis(leaf: Any) -> list[Any]:
    """The unit tangents of a leaf, element by element (for a complex one, along the real axis)."""
    if not is_ndarray(leaf):
        return [number_like(leaf, 1)]
    units: list[Any] = []
    for k in range(leaf.size):
        unit = np.zeros_like(leaf, order="C")
        unit.reshape(-1)[k] = 1
        units.append(unit)
    return units


def _zero(leaf: Any) -> Any:
    return np.zeros(leaf.shape, leaf.dtype) if is_ndarray(leaf) else number_like(leaf, 0)


class Jacobian(Transform):
    """All partial derivatives of the outputs."""

    def __init__(self, fn: Callable[..., Any], wrt: Wrt = 0, mode: str = "auto") -> None:
        super().__init__(fn, wrt)
        if mode not in ("auto", "forward", "reverse"):
            raise ArgumentError(f"mode={mode!r}; choose 'auto', 'forward' or 'reverse'")
        self.mode = mode

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.wrt is not None

        def forward(staged: Staged, module: Module) -> tuple[Any, Any]:
            chosen = _single_leaves(self.fn, staged, self.wrt, args, kwargs)
            _one_output(staged.output)
            made, binds = forward_module(staged, module, chosen)
            return Kernel(made, binds), (chosen, len(module.root.results))

        variant, leaves = self.program.variant(("jacobian", wrt_key(self.wrt)), args, kwargs, forward)
        chosen, count = variant.plan
        output = _one_output(variant.staged.output)
        zeros = [_zero(leaves[k]) for k in chosen]
        probe = variant.kernel((*private(variant.staged, leaves), *zeros))
        shape = np.shape(probe[output.index])
        size = int(np.prod(shape))
        inputs = sum(np.size(leaves[k]) for k in chosen)
        complex_io = any(np.iscomplexobj(leaves[k]) for k in chosen)
        if self.mode == "reverse" or (
            self.mode == "auto" and size < inputs and not complex_io and not np.iscomplexobj(probe[output.index])
        ):
            return self._reverse(args, kwargs, chosen, shape)
        blocks: list[Any] = []
        for j, k in enumerate(chosen):
            columns: list[Any] = []
            for unit in _basis(leaves[k]):
                dots = [
                    unit if i == j else zeros[i].copy() if isinstance(zeros[i], np.ndarray) else zeros[i]
                    for i in range(len(chosen))
                ]
                columns.append(variant.kernel((*private(variant.staged, leaves), *dots))[count + output.index])
            stacked = np.stack([np.asarray(c) for c in columns], axis=-1) if columns else np.zeros((*shape, 0))
            blocks.append(stacked.reshape(shape + np.shape(leaves[k])))
        return self._give(blocks)

    def _reverse(self, args: tuple[Any, ...], kwargs: dict[str, Any], chosen: list[int], shape: tuple[int, ...]) -> Any:
        def make(staged: Staged, module: Module) -> tuple[Any, Any]:
            output = _one_output(staged.output)
            name = module.root.results[output.index]
            reverse, binds, gradients = reverse_module(staged, module, [[k] for k in chosen], [name])
            return Kernel(reverse, binds), (gradients, result_dtype(module, output.index))

        variant, leaves = self.program.variant(("jacobian-rows", wrt_key(self.wrt)), args, kwargs, make)
        gradients, dtype = variant.plan
        rows: list[list[Any]] = [[] for _ in chosen]
        for n in range(int(np.prod(shape))):
            seed = np.zeros(shape, dtype.numpy)
            seed.reshape(-1)[n] = 1
            results = variant.kernel((*private(variant.staged, leaves), seed))
            for j, k in enumerate(chosen):
                rows[j].append(results[gradients[k]])
        return self._give(
            [
                np.stack([np.asarray(r) for r in rows[j]]).reshape(shape + np.shape(leaves[k]))
                if rows[j]
                else np.zeros(shape + np.shape(leaves[k]))
                for j, k in enumerate(chosen)
            ]
        )

    def _give(self, blocks: Sequence[Any]) -> Any:
        values = [b if np.ndim(b) else b[()] for b in blocks]
        return values[0] if isinstance(self.wrt, (int, str)) else tuple(values)


def _one_output(output: Any) -> Output:
    if not isinstance(output, Output):
        found = flat_outputs(output)
        if len(found) != 1 or not isinstance(output, (tuple, list)):
            raise ArgumentError(
                "the Jacobian is defined for one array or number as output; return one, or use wg.vjp and wg.jvp"
            )
        return found[0]
    return output


def jacobian(fn: Callable[..., Any], wrt: Wrt = 0, mode: str = "auto") -> Jacobian:
    """The Jacobian: shape of the output followed by the shape of the argument.

    `mode`: "forward" (one run per input element), "reverse" (one per output element), or "auto" (the fewer). For
    complex arguments of holomorphic functions it is the complex derivative (forward mode).

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda x: x[::-1] * x[0])(np.array([2.0, 3.0]))
        array([[3., 2.],
               [4., 0.]])
    """
    return Jacobian(fn, wrt, mode)


class Second(Transform):
    """Second derivatives: the tangent of the gradient."""

    def prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        def make(staged: Staged, module: Module) -> tuple[Any, Any]:
            assert self.wrt is not None
            chosen = _single_leaves(self.fn, staged, self.wrt, args, kwargs)
            output = objective(staged.output, module)
            name = module.root.results[output.index]
            reverse, binds, gradients = reverse_module(staged, module, [[k] for k in chosen], [name])
            names = [leaf_name(staged, k) for k in chosen]
            second = pipeline.finish(ad.jvp(reverse, reverse.entry, names))
            leaf = len(staged.leaves) + 1
            for p in second.root.params[len(reverse.root.params) :]:
                binds.append(Bind("scalar" if isinstance(p, Scalar) else "array", leaf))
                leaf += 1
            offset = len(reverse.root.results)
            seed = np.ones((), result_dtype(module, output.index).numpy)
            return Kernel(second, binds), (chosen, {k: offset + r for k, r in gradients.items()}, seed)

        return self.program.variant(("second", wrt_key(self.wrt)), args, kwargs, make)


class Hessian(Second):
    """The matrix of second derivatives."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        variant, leaves = self.prepare(args, kwargs)
        chosen, places, seed = variant.plan
        if any(np.iscomplexobj(leaves[k]) for k in chosen):
            raise ArgumentError(
                "the Hessian with respect to complex arguments is not defined; use real and imaginary parts"
            )
        blocks: list[list[Any]] = [[None] * len(chosen) for _ in chosen]
        zeros = [_zero(leaves[k]) for k in chosen]
        for j, k in enumerate(chosen):
            columns: list[list[Any]] = [[] for _ in chosen]
            for unit in _basis(leaves[k]):
                dots = [
                    unit if i == j else zeros[i].copy() if isinstance(zeros[i], np.ndarray) else zeros[i]
                    for i in range(len(chosen))
                ]
                results = variant.kernel((*private(variant.staged, leaves), seed, *dots))
                for i, other in enumerate(chosen):
                    columns[i].append(np.asarray(results[places[other]]))
            for i, other in enumerate(chosen):
                shape = np.shape(leaves[other]) + np.shape(leaves[k])
                block = np.stack(columns[i], axis=-1).reshape(shape) if columns[i] else np.zeros(shape)
                blocks[i][j] = block if block.ndim else block[()]
        if isinstance(self.wrt, (int, str)):
            return blocks[0][0]
        return tuple(tuple(row) for row in blocks)


def hessian(fn: Callable[..., Any], wrt: Wrt = 0) -> Hessian:
    """The Hessian of a function that returns one real number: shape of the argument twice over.

    With a tuple `wrt`, a tuple of tuples of blocks. Forward over reverse: one gradient-sized run per input element.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian(lambda x: x[0]**3 - 2*x[0]*x[1] - x[1]**6)(np.array([1.0, 2.0]))
        array([[   6.,   -2.],
               [  -2., -480.]])
    """
    return Hessian(fn, wrt)


class Hvp(Second):
    """Hessian-vector products."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        many = not isinstance(self.wrt, (int, str))
        count = len(wrt_list(self.wrt))
        if len(args) <= count:
            raise ArgumentError(f"call it with the arguments of the function and then {count} vector(s)")
        args, vectors = args[:-count], args[-count:]
        variant, leaves = self.prepare(args, kwargs)
        chosen, places, seed = variant.plan
        dots: list[Any] = []
        for k, v in zip(chosen, vectors, strict=True):
            leaf = leaves[k]
            if np.shape(v) != np.shape(leaf):
                raise ArgumentError(f"the vector has shape {np.shape(v)}, but the argument has shape {np.shape(leaf)}")
            dots.append(np.array(v, leaf.dtype, order="C") if is_ndarray(leaf) else number_like(leaf, v))
        results = variant.kernel((*private(variant.staged, leaves), seed, *dots))
        out = [results[places[k]] for k in chosen]
        return tuple(out) if many else out[0]


def hvp(fn: Callable[..., Any], wrt: Wrt = 0) -> Hvp:
    """Hessian-vector products: `hvp(f)(x, v)` is the Hessian of f at x times v, at the cost of a few runs of f.

    The arguments of f come first, then one vector per `wrt`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
        array([ 6., 12.])
    """
    return Hvp(fn, wrt)


__all__ = ["hessian", "hvp", "jacobian"]
