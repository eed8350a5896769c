"""Jacobians, Hessians and Hessian-vector products, from the forward and reverse passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert.codes import Code
from wengert.dispatch import inexact
from wengert.frontend.python.outputs import Output
from wengert.frontend.python.program import Staged
from wengert.frontend.python.python_values import is_ndarray, number_like
from wengert.ir.nodes import Module, Scalar
from wengert.memory import UNBOUND, Bounds, Directory, Limit, Limited
from wengert.planning import Choices, Made
from wengert.programs import ArgumentError, Given, Limitable, Wrt
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
from wengert.transform import forward_module, gradients_at, must_return, named, reverse_module, within


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
            raise ArgumentError(f"{describe(fn, w)} is a structure of arrays; name one array or number", Code.WRT)
        chosen.append(found[0])
    return chosen


def _basis(leaf: Any) -> Iterator[Any]:
    """The unit tangents of a leaf, element by element (for a complex one, along the real axis)."""
    if not is_ndarray(leaf):
        yield number_like(leaf, 1)
        return
    for k in range(leaf.size):
        unit = np.zeros_like(leaf, order="C")
        unit.reshape(-1)[k] = 1
        yield unit


def _along_both_axes(leaf: Any) -> tuple[Any, Any]:
    """A tangent of a complex leaf, and i times it; zero of a real one."""
    if not np.iscomplexobj(leaf):
        return _zero(leaf), _zero(leaf)
    draw = np.random.default_rng(0).standard_normal((2, *np.shape(leaf)))
    tangent = draw[0] + 1j * draw[1]
    if not is_ndarray(leaf):
        return number_like(leaf, tangent), number_like(leaf, 1j * tangent)
    return tangent.astype(leaf.dtype), (1j * tangent).astype(leaf.dtype)


def _check_holomorphic(first: Any, second: Any) -> None:
    """Raise unless the derivative along i times a tangent, drawn at random, is i times that along it."""
    first, second = 1j * np.asarray(first), np.asarray(second)
    finite = np.isfinite(first) & np.isfinite(second)
    first, second = np.where(finite, first, 0), np.where(finite, second, 0)
    apart, size = np.max(np.abs(second - first), initial=0), np.max(np.abs(first) + np.abs(second), initial=0)
    if apart > 100 * np.sqrt(np.finfo(first.dtype).eps) * size:
        raise ArgumentError(
            "the Jacobian with respect to complex arguments is that of a holomorphic function, and this one is none; "
            "use real and imaginary parts as arguments, or wg.vjp and wg.jvp",
            Code.WRT,
        )


def _zero(leaf: Any) -> Any:
    return np.zeros(leaf.shape, leaf.dtype) if is_ndarray(leaf) else number_like(leaf, 0)


class _Blocks:
    """Arrays that are filled slice by slice along an axis; a slice says what the elements are."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        self.shapes, self.axis = shapes, axis
        self.arrays: dict[int, Any] = {}

    def room(self, itemsize: int) -> int:
        """Bytes of all of them."""
        return sum(int(np.prod(shape)) for shape in self.shapes) * itemsize

    def put(self, block: int, n: int, part: Any) -> None:
        if block not in self.arrays:
            self.arrays[block] = np.empty(self.shapes[block], np.asarray(part).dtype)
        self.arrays[block][(n,) if self.axis == 0 else (..., n)] = part

    def block(self, block: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array, which has this dtype if there was nothing to put."""
        return self.arrays[block].reshape(shape) if block in self.arrays else np.zeros(shape, dtype)


class Jacobian(Limitable):
    """All partial derivatives of the outputs."""

    def __init__(
        self,
        fn: Callable[..., Any],
        wrt: Wrt = 0,
        mode: str = "auto",
        bounds: Bounds = UNBOUND,
        store: Given = (),
        recompute: Given = (),
        invert: bool = False,
    ) -> None:
        super().__init__(fn, wrt, bounds, store, recompute, invert)
        if mode not in ("auto", "forward", "reverse"):
            raise ArgumentError(f"mode={mode!r}; choose 'auto', 'forward' or 'reverse'")
        self.mode = mode

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.wrt is not None

        def forward(staged: Staged, module: Module) -> tuple[Any, Any]:
            chosen = _single_leaves(self.fn, staged, self.wrt, args, kwargs)
            must_return(staged, module)
            _one_output(staged.output)
            plan = chosen, len(module.root.results)
            if self.limit is None:
                return Kernel(*forward_module(staged, module, chosen)), plan
            what = f"the Jacobian of {named(self.fn)} by forward mode"
            return Limited(what, lambda _: forward_module(staged, module, chosen), module, ()), plan

        variant, leaves = self.program.variant(self.kind("jacobian", wrt_key(self.wrt)), args, kwargs, forward)
        chosen, count = variant.plan
        output = _one_output(variant.staged.output)
        zeros = [_zero(leaves[k]) for k in chosen]
        results = self.run(variant, leaves, zeros, args, kwargs)
        probe = results[output.index]
        if not inexact(probe):
            raise ArgumentError(
                f"the function returns {np.asarray(probe).dtype} numbers; a Jacobian needs floats: return floats",
                Code.OBJECTIVE,
            )
        shape = np.shape(probe)
        size = int(np.prod(shape))
        inputs = sum(np.size(leaves[k]) for k in chosen)
        complex_io = any(np.iscomplexobj(leaves[k]) for k in chosen)
        if complex_io:
            along = [
                self.run(variant, leaves, dots, args, kwargs)[count + output.index]
                for dots in zip(*(_along_both_axes(leaves[k]) for k in chosen), strict=True)
            ]
            _check_holomorphic(*along)
        if self.mode == "reverse" or (
            self.mode == "auto" and size < inputs and not complex_io and not np.iscomplexobj(probe)
        ):
            return self._reverse(args, kwargs, chosen, probe)
        made = _Blocks([(*shape, np.size(leaves[k])) for k in chosen], -1)
        for j, k in enumerate(chosen):
            for n, unit in enumerate(_basis(leaves[k])):
                dots = [
                    unit if i == j else zeros[i].copy() if isinstance(zeros[i], np.ndarray) else zeros[i]
                    for i in range(len(chosen))
                ]
                held = made.room(np.asarray(probe).itemsize)
                made.put(j, n, self.run(variant, leaves, dots, args, kwargs, held)[count + output.index])
        return self._give(
            [made.block(j, shape + np.shape(leaves[k]), np.asarray(probe).dtype) for j, k in enumerate(chosen)]
        )

    def _reverse(self, args: tuple[Any, ...], kwargs: dict[str, Any], chosen: list[int], probe: Any) -> Any:
        """Row by row. A complex output has two gradients by a real argument, of its real and its imaginary part; that
        by a complex argument is the conjugate of the complex derivative."""
        shape, is_complex = np.shape(probe), np.iscomplexobj(probe)

        def make(staged: Staged, module: Module) -> tuple[Any, Any]:
            output = _one_output(staged.output)
            name = module.root.results[output.index]
            groups = [[k] for k in chosen]
            plan = gradients_at(staged, module, groups), result_dtype(module, output.index)

            def code(choices: Choices) -> Made:
                return reverse_module(staged, module, groups, [name], choices=choices, pins=self.pins)[:2]

            if self.limit is None:
                return Kernel(*code(())), plan
            what = f"the Jacobian of {named(self.fn)} by reverse mode"
            return within(what, module, [leaf_name(staged, k) for k in chosen], [name], code), plan

        variant, leaves = self.program.variant(self.kind("jacobian-rows", wrt_key(self.wrt)), args, kwargs, make)
        gradients, dtype = variant.plan
        size = int(np.prod(shape))
        parts = (1, 1j) if is_complex and not all(np.iscomplexobj(leaves[k]) for k in chosen) else (1,)
        made = _Blocks([(size, *np.shape(leaves[k])) for k in chosen], 0)
        kinds = [np.result_type(leaves[k], 1j) if is_complex else np.asarray(leaves[k]).dtype for k in chosen]
        room = made.room(max(d.itemsize for d in kinds))
        for n in range(size):
            rows: list[Any] = []
            for part in parts:
                seed = np.zeros(shape, dtype.numpy)
                seed.reshape(-1)[n] = part
                rows.append(self.run(variant, leaves, [seed], args, kwargs, room))
            for j, k in enumerate(chosen):
                row = rows[0][gradients[k]]
                if is_complex:
                    row = np.conj(row) if np.iscomplexobj(row) else row + 1j * rows[1][gradients[k]]
                made.put(j, n, row)
        return self._give([made.block(j, shape + np.shape(leaves[k]), kinds[j]) for j, k in enumerate(chosen)])

    def _give(self, blocks: Sequence[Any]) -> Any:
        values = [b if np.ndim(b) else b[()] for b in blocks]
        return values[0] if isinstance(self.wrt, (int, str)) else tuple(values)


def _one_output(output: Any) -> Output:
    if not isinstance(output, Output):
        found = flat_outputs(output)
        if len(found) != 1 or not isinstance(output, (tuple, list)):
            raise ArgumentError(
                "the Jacobian is defined for one array or number as output; return one, or use wg.vjp and wg.jvp",
                Code.OBJECTIVE,
            )
        return found[0]
    return output


def jacobian(
    fn: Callable[..., Any],
    wrt: Wrt = 0,
    mode: str = "auto",
    *,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
) -> Jacobian:
    """The Jacobian: shape of the output followed by the shape of the argument.

    `mode`: "forward" (one run per input element), "reverse" (one per output element), or "auto" (the fewer). For
    complex arguments of holomorphic functions it is the complex derivative; others are refused. `memory_limit` as for
    `grad`, the Jacobian itself included; `disk`, `disk_limit`, `store`, `recompute` and `invert` as for
    `grad`, in reverse mode.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda x: x[::-1] * x[0])(np.array([2.0, 3.0]))
        array([[3., 2.],
               [4., 0.]])
    """
    return Jacobian(fn, wrt, mode, Bounds.of(memory_limit, disk, disk_limit), store, recompute, invert)


class Second(Limitable):
    """Second derivatives: the tangent of the gradient."""

    def prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        def make(staged: Staged, module: Module) -> tuple[Any, Any]:
            assert self.wrt is not None
            chosen = _single_leaves(self.fn, staged, self.wrt, args, kwargs)
            must_return(staged, module)
            output = objective(staged.output, module)
            name = module.root.results[output.index]
            names = [leaf_name(staged, k) for k in chosen]
            groups = [[k] for k in chosen]
            seed = np.ones((), result_dtype(module, output.index).numpy)

            def code(choices: Choices) -> Made:
                """The tangent of the gradient: its tangents are the leaves after the seed."""
                reverse, binds, _ = reverse_module(
                    staged, module, groups, [name], choices=choices, pins=self.pins, again=True
                )
                second = pipeline.finish(ad.jvp(reverse, reverse.entry, names))
                for leaf, p in enumerate(second.root.params[len(reverse.root.params) :], len(staged.leaves) + 1):
                    binds.append(Bind("scalar" if isinstance(p, Scalar) else "array", leaf))
                return second, binds

            found = gradients_at(staged, module, groups)
            offset = len(module.root.results) + len(dict.fromkeys(names))
            plan = chosen, {k: offset + r for k, r in found.items()}, seed
            if self.limit is None:
                return Kernel(*code(())), plan
            what = f"the second derivative of {named(self.fn)}"
            return within(what, module, names, [name], code), plan

        return self.program.variant(self.kind("second", wrt_key(self.wrt)), args, kwargs, make)


class Hessian(Second):
    """The matrix of second derivatives."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        variant, leaves = self.prepare(args, kwargs)
        chosen, places, seed = variant.plan
        if any(np.iscomplexobj(leaves[k]) for k in chosen):
            raise ArgumentError(
                "the Hessian with respect to complex arguments is not defined; use real and imaginary parts",
                Code.WRT,
            )
        blocks: list[list[Any]] = [[None] * len(chosen) for _ in chosen]
        zeros = [_zero(leaves[k]) for k in chosen]
        columns = [_Blocks([(*np.shape(leaves[i]), np.size(leaves[k])) for i in chosen], -1) for k in chosen]
        held = sum(c.room(max(np.asarray(leaves[k]).itemsize for k in chosen)) for c in columns)
        for j, k in enumerate(chosen):
            for n, unit in enumerate(_basis(leaves[k])):
                dots = [
                    unit if i == j else zeros[i].copy() if isinstance(zeros[i], np.ndarray) else zeros[i]
                    for i in range(len(chosen))
                ]
                results = self.run(variant, leaves, [seed, *dots], args, kwargs, held)
                for i, other in enumerate(chosen):
                    columns[j].put(i, n, results[places[other]])
            for i, other in enumerate(chosen):
                block = columns[j].block(
                    i, np.shape(leaves[other]) + np.shape(leaves[k]), np.asarray(leaves[other]).dtype
                )
                blocks[i][j] = block if block.ndim else block[()]
        if isinstance(self.wrt, (int, str)):
            return blocks[0][0]
        return tuple(tuple(row) for row in blocks)


def hessian(
    fn: Callable[..., Any],
    wrt: Wrt = 0,
    *,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
) -> Hessian:
    """The Hessian of a function that returns one real number: shape of the argument twice over.

    With a tuple `wrt`, a tuple of tuples of blocks. Forward over reverse: one gradient-sized run per input element.
    `memory_limit` as for `grad`, the Hessian itself included; `disk`, `disk_limit`, `store`, `recompute` and
    `invert` as for `grad`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian(lambda x: x[0]**3 - 2*x[0]*x[1] - x[1]**6)(np.array([1.0, 2.0]))
        array([[   6.,   -2.],
               [  -2., -480.]])
    """
    return Hessian(fn, wrt, Bounds.of(memory_limit, disk, disk_limit), store, recompute, invert)


class Hvp(Second):
    """Hessian-vector products."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        many = not isinstance(self.wrt, (int, str))
        count = len(wrt_list(self.wrt))
        if len(args) <= count:
            raise ArgumentError(f"call it with the arguments of the function and then {count} vector(s)", Code.SEED)
        args, vectors = args[:-count], args[-count:]
        variant, leaves = self.prepare(args, kwargs)
        chosen, places, seed = variant.plan
        dots: list[Any] = []
        for k, v in zip(chosen, vectors, strict=True):
            leaf = leaves[k]
            if np.shape(v) != np.shape(leaf):
                raise ArgumentError(
                    f"the vector has shape {np.shape(v)}, but the argument has shape {np.shape(leaf)}", Code.SEED
                )
            dots.append(np.array(v, leaf.dtype, order="C") if is_ndarray(leaf) else number_like(leaf, v))
        results = self.run(variant, leaves, [seed, *dots], args, kwargs)
        out = [results[places[k]] for k in chosen]
        return tuple(out) if many else out[0]


def hvp(
    fn: Callable[..., Any],
    wrt: Wrt = 0,
    *,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
) -> Hvp:
    """Hessian-vector products: `hvp(f)(x, v)` is the Hessian of f at x times v, at the cost of a few runs of f.

    The arguments of f come first, then one vector per `wrt`. `memory_limit`, `disk`, `disk_limit`, `store`,
    `recompute` and `invert` as for `grad`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
        array([ 6., 12.])
    """
    return Hvp(fn, wrt, Bounds.of(memory_limit, disk, disk_limit), store, recompute, invert)


__all__ = ["hessian", "hvp", "jacobian"]
