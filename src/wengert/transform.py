"""The public transforms: programs in, native programs and derivatives out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert.codes import Code
from wengert.dispatch import fetcher, inexact, locator
from wengert.errors import Unsupported
from wengert.frontend.python.effects import apply
from wengert.frontend.python.outputs import Kinds, Output, decided, is_tree, rebuild
from wengert.frontend.python.program import Staged, stage_call
from wengert.frontend.python.python_values import (
    attributes_of,
    class_of,
    instance_like,
    is_dict,
    is_list,
    is_ndarray,
    is_tuple,
    number_like,
    tuple_like,
)
from wengert.ir.nodes import Buffer, Module, Scalar
from wengert.memory import UNBOUND, Bounds, Directory, Limit, Limited, Memory, bytes_of
from wengert.planning import Choices, Made
from wengert.programs import (
    ArgumentError,
    Given,
    Limitable,
    Transform,
    Wrt,
    both,
    check_overlap,
    originals,
    primal_binds,
    private,
    program_of,
    variant_key,
)
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel
from wengert.selection import (
    Selected,
    active_leaves,
    argument_access,
    cotangents,
    decided_objective,
    describe,
    flat_outputs,
    leaf_name,
    like,
    numbers,
    objectives,
    result_dtype,
    select_outputs,
    with_results,
    wrt_key,
    wrt_list,
)


class Compiled(Transform):
    """The program, native. Mutates its arguments as the program does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        variant, leaves = self.program.variant("value", args, kwargs, _make_value)
        staged = variant.staged
        outside = locator(staged)(self.fn, args, kwargs) if staged.effects.places else ()
        if not staged.mutated and not staged.returns_inputs:
            results = variant.kernel(leaves)
        else:
            callers = variant.raw(self.fn, args, kwargs)
            assert callers is not None
            results = _run_in_place(staged, variant.kernel, leaves, callers)
        if staged.effects.changes:
            apply(staged.effects.changes, results, outside)
        return rebuild(staged.output, results, outside)


def _make_value(staged: Staged, module: Module) -> tuple[Any, Any]:
    if staged.effects.problem is not None:
        raise Unsupported([staged.effects.problem])
    return Kernel(pipeline.finish(module), primal_binds(staged)), None


def must_return(staged: Staged, module: Module) -> None:
    """Raise what the program raises if it never returns: that is the answer, not that its result is no number."""
    if not staged.returns:
        Kernel(pipeline.finish(module), primal_binds(staged))(private(staged, tuple(x.value for x in staged.leaves)))


def _run_in_place(staged: Staged, kernel: Any, leaves: tuple[Any, ...], callers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Run a program that changes or returns its arguments: odd layouts are copied in and out."""
    check_overlap(staged, callers)
    for k in staged.mutated:
        if not callers[k].flags.writeable:
            raise ValueError("assignment destination is read-only")
    results = list(kernel(leaves))
    for k in staged.mutated:
        if leaves[k] is not callers[k]:
            callers[k][...] = leaves[k]
    for output in flat_outputs((staged.output, *(c.contents for c in staged.effects.changes))):
        if output.kind == "leaf":
            results[output.index] = callers[output.leaf]
    return tuple(results)


def compile(fn: Callable[..., Any]) -> Compiled:
    """The program itself, compiled to native code at its first call with each kind of arguments.

    Results, dtypes, in-place changes of arguments and exceptions are those of the Python program.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def poly(x):
        ...     return np.sum(x**3 - 2*x)
        >>> float(wg.compile(poly)(np.array([1.0, 2.0])))
        3.0
    """
    return Compiled(fn)


def interpret(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The program staged as for `compile` but run by the IR's interpreter: slow, the meaning of the IR."""
    from wengert.ir.interpret import run

    def call(*args: Any, **kwargs: Any) -> Any:
        staged = stage_call(fn, args, kwargs)
        module = pipeline.prepare(staged.module, staged.names)
        leaves = fetcher(staged, args, kwargs)(fn, args, kwargs)
        assert leaves is not None
        results = run(module, ir_arguments(primal_binds(staged), leaves))
        return rebuild(staged.output, [r[()] for r in results])  # of rank 0: a NumPy scalar, as natively

    return call


def ir_arguments(binds: Sequence[Bind], leaves: Sequence[Any]) -> list[Any]:
    """The arguments of a root function from the leaves, as the native entry takes them."""
    return [leaves[b.leaf].shape[b.axis] if b.kind == "extent" else leaves[b.leaf] for b in binds]


def reverse_module(
    staged: Staged,
    module: Module,
    wrt: list[list[int]],
    of: list[str],
    record: ad.Record | None = None,
    values: bool = True,
    choices: Sequence[ad.Choice] = (),
    pins: ad.Pins = ad.NO_PINS,
    planner: ad.Planner = ad.minimum_cut,
    again: bool = False,
) -> tuple[Module, list[Bind], dict[int, int]]:
    """The vjp of a staged program, how to bind it (seeds are the leaves after the program's; the counts that `choices`
    ask for the leaves -1, -2 ...), where gradients are. Without `values` the program's own results are left out, and
    what only they need is not computed. If it is differentiated `again`, it is as yet finished only if derivatives are
    not attached to anything."""
    active = [k for group in wrt for k in group]
    names = list(dict.fromkeys(leaf_name(staged, k) for k in active))
    reverse = ad.vjp(module, module.entry, names, of, record, planner, choices, pins)
    offset = len(module.root.results) if values else 0
    if not values:
        reverse = with_results(reverse, reverse.root.results[len(module.root.results) :])
    changed = {p.name for p in reverse.root.params if isinstance(p, Buffer) and p.intent == "inout"}
    if not (again and ad.is_attached(reverse)):
        reverse = pipeline.finish(reverse, changed - set(reverse.root.results))
    root, primal = reverse.root, module.root
    binds = primal_binds(staged)
    assert len(binds) == len(primal.params)
    seed = len(staged.leaves)
    axis = 0
    counts = sum(2 if c.segmented else 1 for c in choices)
    for p in root.params[len(primal.params) : len(root.params) - counts]:
        if isinstance(p, Scalar) and "_n" in p.name:
            binds.append(Bind("extent", seed, axis))
            axis += 1
        else:
            binds.append(Bind("array" if isinstance(p, Buffer) and p.rank else "scalar", seed))
            seed, axis = seed + 1, 0
    binds += [Bind("scalar", -1 - k) for k in range(counts)]
    return reverse, binds, gradients_at(staged, module, wrt, offset)


def gradients_at(staged: Staged, module: Module, wrt: list[list[int]], offset: int | None = None) -> dict[int, int]:
    """Where the gradient of each leaf is among the results: after `offset` ones, those of the program if not said."""
    active = [k for group in wrt for k in group]
    names = list(dict.fromkeys(leaf_name(staged, k) for k in active))
    first = len(module.root.results) if offset is None else offset
    return {k: first + names.index(leaf_name(staged, k)) for k in active}


def within(
    what: str, module: Module, wrt: Sequence[str], of: Sequence[str], make: Callable[[Choices], Made]
) -> Limited:
    """A derivative of a staged program within memory limits; `wrt` and `of` name what is differentiated."""
    flat, loops = ad.loops_of(module, module.entry, wrt, of)
    return Limited(what, make, flat, loops)


def named(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


class Grad(Limitable):
    """The gradient (and value) of a real scalar function."""

    def __init__(
        self,
        fn: Callable[..., Any],
        wrt: Wrt = 0,
        value: bool = False,
        bounds: Bounds = UNBOUND,
        store: Given = (),
        recompute: Given = (),
        invert: bool = False,
    ) -> None:
        super().__init__(fn, wrt, bounds, store, recompute, invert)
        self.value = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kind = self.kind("grad", wrt_key(self.wrt))
        variant, leaves = self.program.variant(kind, args, kwargs, lambda s, m: self._make(s, m, args, kwargs))
        plan: GradPlan = variant.plan
        results = self.run(variant, leaves, plan.seeds, args, kwargs)
        if isinstance(variant.staged.output, Kinds):
            decided_objective(decided(variant.staged.output, results), plan.objectives)
        gradients = plan.read(self.wrt, args, kwargs, results)
        return (rebuild(variant.staged.output, results), gradients) if self.value else gradients

    def _make(self, staged: Staged, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        wrts = [argument_access(self.fn, w, args, kwargs) for w in wrt_list(self.wrt)]
        values = [args[a[1]] if a[0] == "arg" else kwargs[a[1]] for a in wrts]
        groups = [
            active_leaves(staged, a, v, describe(self.fn, w))
            for a, v, w in zip(wrts, values, wrt_list(self.wrt), strict=True)
        ]
        must_return(staged, module)
        places = objectives(staged.output, module)
        of = [module.root.results[i] for i in places]
        if self.limit is None:
            reverse, binds, gradients = reverse_module(staged, module, groups, of, pins=self.pins)
            kernel = Kernel(reverse, binds)
        else:
            gradients = gradients_at(staged, module, groups)
            names = list(dict.fromkeys(leaf_name(staged, k) for g in groups for k in g))
            kernel = within(
                f"the gradient of {named(self.fn)}",
                module,
                names,
                of,
                lambda choices: reverse_module(staged, module, groups, of, choices=choices, pins=self.pins)[:2],
            )
        seeds = tuple(np.ones((), result_dtype(module, i).numpy) for i in places)
        found = {staged.leaves[k].access: r for k, r in gradients.items()}
        return kernel, GradPlan(seeds, wrts, found, places)


@dataclass
class GradPlan:
    """How to run a gradient kernel and read its results."""

    seeds: tuple[Any, ...]
    wrt: list[tuple[Any, ...]]
    found: dict[tuple[Any, ...], int]
    objectives: tuple[int, ...] = ()

    def read(self, wrt: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: tuple[Any, ...]) -> Any:
        out: list[Any] = []
        for access in self.wrt:
            r = self.found.get(access)
            if r is not None:
                out.append(results[r])
                continue
            value = args[access[1]] if access[0] == "arg" else kwargs[access[1]]
            out.append(like(value, access, {a: results[k] for a, k in self.found.items()}))
        return out[0] if isinstance(wrt, (int, str)) else tuple(out)


def grad(
    fn: Callable[..., Any],
    wrt: Wrt = 0,
    *,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
) -> Grad:
    """The gradient of a function that returns one real number.

    `wrt` names the argument (position or name) or arguments (a tuple: the result is a tuple). The gradient has the
    structure, shape and dtype of the argument; for complex arguments it is dL/dRe + i dL/dIm. The caller's arrays are
    left alone even if the program writes into them.

    `memory_limit`: as a number of bytes or, say, "512 MiB": the most that may be allocated at any time of a call beyond
    the caller's arrays (see docs/memory.md). Loops then run again from stored states where their values do not fit; the
    derivative is the same. Raises MemoryLimitError, before anything runs, with the smallest possible limit.

    `disk`: a directory where tapes may lie that do not fit, in files that vanish with the call; `disk_limit`: how much
    of it. The derivative is the same to the last bit. Raises DiskError if the directory cannot be used, or is too full.

    `store`, `recompute`: values that the reverse sweep is to have stored, or to compute again, whatever the planner
    would do: names of variables, or source lines (42, or "file.py:42"); `wg.explain` shows what there is.

    `invert`: memory that changes by `A[i] += g` may be had again by `A[i] -= g` in place of a tape (the states of
    leapfrog, the columns of Gram-Schmidt), which gives floats up to rounding relative to the larger of `A[i]` and `g`,
    and NaN after an infinity: so not without being asked for (see docs/memory.md).

    Raises ArgumentError if the result is not one real number or the argument holds no floats, PinError for what cannot
    be stored or recomputed, Unsupported if the program cannot be compiled, and whatever the program itself raises.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x):
        ...     return np.sum(np.sin(x)**2)
        >>> bool(np.allclose(wg.grad(f)(np.array([0.5])), np.sin(1.0)))
        True
    """
    return Grad(fn, wrt, False, Bounds.of(memory_limit, disk, disk_limit), store, recompute, invert)


def value_and_grad(
    fn: Callable[..., Any],
    wrt: Wrt = 0,
    *,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
) -> Grad:
    """The value and the gradient in one run: `(value, gradient)`, see `grad`."""
    return Grad(fn, wrt, True, Bounds.of(memory_limit, disk, disk_limit), store, recompute, invert)


def all_floats(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Every argument that holds floats, by position or name; raises ArgumentError if there is none."""
    found: list[int | str] = [k for k, a in enumerate(args) if any(inexact(v) for v in numbers(a))]
    found += [k for k, a in kwargs.items() if any(inexact(v) for v in numbers(a))]
    if not found:
        raise ArgumentError("no argument holds floats; there is nothing to differentiate with respect to", Code.WRT)
    return tuple(found)


@dataclass
class Pulled:
    """The pullback of a staged program, not yet compiled: what it speaks of, the IR of the primal, how to make that of
    the reverse (the seeds are the leaves after the program's), and the names that are differentiated."""

    selected: Selected
    seeded: list[int]
    plan: GradPlan
    primal: Module
    make: Callable[[Choices], Made]
    active: list[str]
    seeds: list[str]

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        staged: Staged,
        module: Module,
        wrts: list[int | str],
        of: Any,
        record: ad.Record | None = None,
        pins: ad.Pins = ad.NO_PINS,
    ) -> Pulled:
        """For the arguments `wrts` and the outputs `of`; `record` and `pins` as for `ad.vjp`."""
        selected = select_outputs(staged, module, fn, args, kwargs, of)
        module = with_results(module, selected.names)
        places = [argument_access(fn, w, args, kwargs) for w in wrts]
        values = [args[a[1]] if a[0] == "arg" else kwargs[a[1]] for a in places]
        groups = [active_leaves(staged, a, v, describe(fn, w)) for a, v, w in zip(places, values, wrts, strict=True)]
        found = [o.index for o in flat_outputs(selected.tree) if result_dtype(module, o.index).is_inexact]
        seeded = list(dict.fromkeys(found))
        names = [module.root.results[i] for i in seeded]
        gradients = gradients_at(staged, module, groups, 0)
        plan = GradPlan((), places, {staged.leaves[k].access: r for k, r in gradients.items()})
        wrt = list(dict.fromkeys(leaf_name(staged, k) for g in groups for k in g))

        def make(choices: Choices) -> Made:
            return reverse_module(staged, module, groups, names, record, False, choices, pins)[:2]

        return cls(selected, seeded, plan, module, make, wrt, names)


def vjp(
    fn: Callable[..., Any],
    *args: Any,
    wrt: Wrt | None = None,
    of: Any = None,
    memory_limit: Limit | None = None,
    disk: Directory | None = None,
    disk_limit: Limit | None = None,
    store: Given = (),
    recompute: Given = (),
    invert: bool = False,
    **kwargs: Any,
) -> tuple[Any, Pullback]:
    """The outputs at `args` and the pullback: `pullback(cotangent)` gives the gradient of <cotangent, outputs>.

    `wrt`: position, name, or a tuple of these (default: every argument that holds floats; then the pullback gives a
    tuple with one entry per such argument). `of`: the name of a parameter the program mutates, "return", or a tuple of
    these; the outputs and the cotangent have the same structure. The caller's arrays are left alone. `memory_limit` as
    for `grad`, of a call of the pullback, with what it holds: copies of the arguments, and the outputs; `disk`,
    `disk_limit`, `store`, `recompute` and `invert` as for `grad`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> out, pullback = wg.vjp(lambda x: x * x, np.array([1.0, 2.0]))
        >>> pullback(np.array([1.0, 10.0]))[0]
        array([ 2., 40.])
    """
    program = program_of(fn)
    wrt = all_floats(args, kwargs) if wrt is None else wrt
    wrts = wrt_list(wrt)

    bounds, pins = Bounds.of(memory_limit, disk, disk_limit), ad.Pins.of(store, recompute, invert)

    def make(staged: Staged, module: Module) -> tuple[Any, Any]:
        pulled = Pulled.of(fn, args, kwargs, staged, module, wrts, of, pins=pins)
        if bounds.limit is None:
            primal, pullback = both(
                lambda: Kernel(pipeline.finish(pulled.primal), primal_binds(staged)),
                lambda: Kernel(*pulled.make(())),
            )
        else:
            primal = Kernel(pipeline.finish(pulled.primal), primal_binds(staged))
            what = f"the pullback of {named(fn)}"
            pullback = within(what, pulled.primal, pulled.active, pulled.seeds, pulled.make)
        return primal, (pulled.selected, pulled.seeded, pulled.plan, pullback)

    kind = variant_key(("vjp", wrt_key(wrt), wrt_key(of)), bounds.limit is not None, pins)
    variant, leaves = program.variant(kind, args, kwargs, make)
    selected, staged = variant.plan[0], variant.staged
    callers = originals(variant, fn, args, kwargs)
    leaves = tuple(v.copy() if is_ndarray(v) else v for v in leaves)
    results = variant.kernel(private(staged, leaves, callers))
    held = bytes_of(leaves) + bytes_of(results)
    return rebuild(selected.tree, results), Pullback(
        wrt, args, kwargs, staged, leaves, results, variant.plan, held, bounds
    )


class Pullback:
    """`pullback(cotangent)`: the gradient of <cotangent, outputs> with respect to the chosen arguments. `memory`: what
    its latest call took, if there is a memory limit."""

    def __init__(
        self,
        wrt: Wrt,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        staged: Staged,
        leaves: tuple[Any, ...],
        results: tuple[Any, ...],
        plan: tuple[Selected, list[int], GradPlan, Any],
        held: int,
        bounds: Bounds,
    ) -> None:
        selected, self._seeded, self._plan, self._reverse = plan
        self._wrt, self._args, self._kwargs, self._staged, self._leaves = wrt, args, kwargs, staged, leaves
        self._shapes = {i: results[i] for i in self._seeded}
        self._tree = decided(selected.tree, results)
        self._held, self._limit, self._disk = held, bounds.limit, bounds.disk
        self.memory: Memory | None = None

    def __call__(self, cotangent: Any) -> Any:
        given: dict[int, Any] = {}
        shapes = self._shapes
        cotangents(self._tree, cotangent, given, shapes)
        seeds = [
            np.ascontiguousarray(given.get(i, np.zeros(shapes[i].shape)), shapes[i].dtype).reshape(shapes[i].shape)
            for i in self._seeded
        ]
        all_leaves = (*private(self._staged, self._leaves), *seeds)
        if self._limit is not None:
            copies = bytes_of([self._leaves[k] for k in self._staged.mutated])
            outside = self._held + copies + bytes_of(seeds)
            out, self.memory = self._reverse.run(all_leaves, self._limit, outside, self._disk)
        else:
            out = self._reverse(all_leaves)
        return self._plan.read(self._wrt, self._args, self._kwargs, out)


def forward_module(staged: Staged, module: Module, active: list[int]) -> tuple[Module, list[Bind]]:
    """The jvp of a staged program and how to bind it: tangents are the leaves after the program's."""
    names = [leaf_name(staged, k) for k in active]
    forward = pipeline.finish(ad.jvp(module, module.entry, names))
    binds = primal_binds(staged)
    for j, p in enumerate(forward.root.params[len(module.root.params) :]):
        binds.append(Bind("scalar" if isinstance(p, Scalar) else "array", len(staged.leaves) + j))
    return forward, binds


def jvp(
    fn: Callable[..., Any],
    args: Sequence[Any],
    tangents: Sequence[Any],
    *,
    of: Any = None,
    kwargs: Mapping[str, Any] | None = None,
) -> tuple[Any, Any]:
    """The outputs at `args` and their derivative along `tangents`.

    `tangents` has one entry per argument, of the same structure; None stands for zero (and for anything that holds no
    floats). `of` as for `vjp`. The caller's arrays are left alone.

    Example:
        >>> import wengert as wg
        >>> wg.jvp(lambda x, y: x * y + 1 / y, (3.0, 2.0), (1.0, 1.0))
        (6.5, 4.75)
    """
    args, options = tuple(args), dict(kwargs or {})
    if len(tangents) != len(args):
        raise ArgumentError(f"{len(args)} arguments but {len(tangents)} tangents", Code.SEED)
    program = program_of(fn)
    given = tuple(t is not None for t in tangents)

    def make(staged: Staged, module: Module) -> tuple[Any, Any]:
        selected = select_outputs(staged, module, fn, args, options, of)
        module = with_results(module, selected.names)
        active = [
            k
            for k, leaf in enumerate(staged.leaves)
            if leaf.access[0] == "arg" and given[leaf.access[1]] and inexact(leaf.value)
        ]
        forward, binds = forward_module(staged, module, active)
        return Kernel(forward, binds), (selected, active)

    variant, leaves = program.variant(("jvp", given, wrt_key(of)), args, options, make)
    plan: tuple[Selected, list[int]] = variant.plan
    selected, active = plan
    staged = variant.staged
    dots = [_tangent(staged.leaves[k].access, tangents, leaves[k]) for k in active]
    results = variant.kernel((*private(staged, leaves, originals(variant, fn, args, options)), *dots))
    n = len(selected.names)
    return rebuild(selected.tree, results[:n]), rebuild(
        _float_only(decided(selected.tree, results), results[:n]), results[n:]
    )


def _float_only(tree: Any, values: Sequence[Any]) -> Any:
    """The output tree with None for what carries no derivative."""
    match tree:
        case Output(index, kind):
            return Output(index, "array" if kind == "leaf" else kind) if inexact(values[index]) else None
        case _ if is_tuple(tree):
            return tuple_like(class_of(tree), [_float_only(t, values) for t in tree])
        case _ if is_list(tree):
            return [_float_only(t, values) for t in tree]
        case _ if is_dict(tree):
            return {k: _float_only(t, values) for k, t in tree.items()}
        case _ if issubclass(class_of(tree), (float, complex, np.inexact)):
            return number_like(tree, 0.0)  # a constant
        case _ if is_tree(tree):
            return instance_like(tree, {k: _float_only(t, values) for k, t in attributes_of(tree).items()})
        case _:
            return None


def _tangent(access: tuple[Any, ...], tangents: Sequence[Any], leaf: Any) -> Any:
    value: Any = tangents[access[1]]
    for kind, key in access[2:]:
        value = getattr(value, key) if kind in ("attr", "slot") else value[key]
    if value is None:
        value = np.zeros(np.shape(leaf))
    if is_ndarray(leaf):
        made = np.array(value, leaf.dtype, order="C")
        if made.shape != leaf.shape:
            raise ArgumentError(
                f"a tangent has shape {np.shape(value)}, but its argument has shape {leaf.shape}", Code.SEED
            )
        return made
    return number_like(leaf, value)
