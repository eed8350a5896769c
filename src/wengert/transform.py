"""The public transforms: programs in, native programs and derivatives out."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import ad, persist, pipeline
from wengert.dispatch import Fetch, fetcher, inexact
from wengert.errors import WengertError
from wengert.frontend.python.program import Kinds, Output, Staged, decided, rebuild, stage_call
from wengert.ir.nodes import Buffer, Function, Module, Scalar
from wengert.ir.types import DType
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel

Wrt = int | str | Sequence[int | str]
RETURN = "return"


class ArgumentError(WengertError, TypeError):
    """What a transform was asked for does not fit the function or its arguments."""


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
    variants: dict[Any, list[Variant]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Variant, tuple[Any, ...]] | None:
        for variant in self.variants.get(kind, ()):
            leaves = variant.fetch(self.fn, args, kwargs)
            if leaves is not None:
                return variant, leaves
        return None

    def variant(
        self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], make: Callable[[Staged, Module], tuple[Any, Any]]
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
            module = pipeline.prepare(staged.module)
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

    def stage(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Staged:
        from wengert import nested  # registers what transforms mean inside programs

        assert nested is not None
        for k, value in enumerate(args):
            _check_array(value, f"argument {k + 1}")
        return stage_call(self.fn, args, kwargs)


def _check_array(value: Any, name: str) -> None:
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(f"{name} is a masked array; pass its data and mask as two plain arrays")


_programs: dict[Any, Program] = {}


def program_of(fn: Callable[..., Any]) -> Program:
    """The one program of a function object."""
    if isinstance(fn, Transform):
        return Program(fn)
    try:
        key = (fn.__func__, id(fn.__self__)) if inspect.ismethod(fn) else fn
        found = _programs.get(key)
        if found is None or (inspect.ismethod(fn) and found.fn.__self__ is not fn.__self__):  # type: ignore[attr-defined]
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


# -- the program itself --------------------------------------------------------------------------------------


class Compiled(Transform):
    """The program, native. Mutates its arguments as the program does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        variant, leaves = self.program.variant("value", args, kwargs, _make_value)
        staged = variant.staged
        if not staged.mutated and not staged.returns_inputs:
            return rebuild(staged.output, variant.kernel(leaves))
        originals = variant.raw(self.fn, args, kwargs)
        assert originals is not None
        return _run_in_place(staged, variant.kernel, leaves, originals)


def _make_value(staged: Staged, module: Module) -> tuple[Any, Any]:
    return Kernel(module, primal_binds(staged)), None


def _run_in_place(staged: Staged, kernel: Any, leaves: tuple[Any, ...], originals: tuple[Any, ...]) -> Any:
    """Run a program that changes or returns its arguments: odd layouts are copied in and out."""
    _check_overlap(staged, originals)
    for k in staged.mutated:
        if not originals[k].flags.writeable:
            raise ValueError("assignment destination is read-only")
    results = list(kernel(leaves))
    for k in staged.mutated:
        if leaves[k] is not originals[k]:
            originals[k][...] = leaves[k]
    for output in flat_outputs(staged.output):
        if output.kind == "leaf":
            results[output.index] = originals[output.leaf]
    return rebuild(staged.output, tuple(results))


def _check_overlap(staged: Staged, leaves: tuple[Any, ...]) -> None:
    """Arrays that share memory without being the same array cannot be told apart once compiled."""
    for k in staged.mutated:
        for j, other in enumerate(leaves):
            if j != k and isinstance(other, np.ndarray) and np.may_share_memory(leaves[k], other) and np.shares_memory(leaves[k], other):
                raise ArgumentError(
                    f"{staged.leaves[k].name!r} is changed by the program and shares memory with {staged.leaves[j].name!r}; pass a copy of one"
                )


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
        module = pipeline.prepare(staged.module)
        leaves = fetcher(staged, args, kwargs)(fn, args, kwargs)
        assert leaves is not None
        return rebuild(staged.output, run(module, ir_arguments(primal_binds(staged), leaves)))

    return call


def ir_arguments(binds: Sequence[Bind], leaves: Sequence[Any]) -> list[Any]:
    """The arguments of a root function from the leaves, as the native entry takes them."""
    return [leaves[b.leaf].shape[b.axis] if b.kind == "extent" else leaves[b.leaf] for b in binds]


# -- what is differentiated ----------------------------------------------------------------------------------


def _arg_position(fn: Callable[..., Any], wrt: int | str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
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
        raise ArgumentError(f"wrt={wrt}, but the call has {len(args)} positional arguments")
    if wrt in kwargs:
        return ("kw", wrt)
    if wrt in names and names.index(wrt) < len(args):
        return ("arg", names.index(wrt))
    raise ArgumentError(f"wrt={wrt!r} is not an argument of this call; the parameters are {', '.join(names)}")


def _wrt_list(wrt: Wrt | None) -> list[int | str]:
    return [wrt] if isinstance(wrt, (int, str)) else list(wrt or ())


def active_leaves(staged: Staged, access: tuple[Any, ...], value: Any, name: str) -> list[int]:
    """The leaves of an argument that carry derivatives; raises if there are none."""
    found = [
        k for k, leaf in enumerate(staged.leaves)
        if leaf.access[: len(access)] == access and inexact(leaf.value) and (leaf.scalar is not None or leaf.buffer is not None)
    ]
    if not found and not any(inexact(v) for v in _numbers(value)):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"of type {type(value).__name__}"
        raise ArgumentError(
            f"cannot differentiate with respect to {name}: it is {kind}; derivatives need floats "
            f"(pass {'.astype(float)' if isinstance(value, np.ndarray) else 'a float'})"
        )
    return found


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [n for v in value for n in _numbers(v)]
    if isinstance(value, dict):
        return [n for v in value.values() for n in _numbers(v)]
    if hasattr(value, "__dict__") and not isinstance(value, (type, np.generic)):
        return [n for v in vars(value).values() for n in _numbers(v)]
    return [value]


def like(value: Any, access: tuple[Any, ...], found: Mapping[tuple[Any, ...], Any]) -> Any:
    """A tree like an argument's, with the derivatives found for its float leaves (zeros where it has no influence)."""
    if access in found:
        return found[access]
    match value:
        case tuple():
            parts = [like(v, (*access, ("item", k)), found) for k, v in enumerate(value)]
            return tuple(parts) if type(value) is tuple else type(value)._make(parts) if hasattr(value, "_make") else type(value)(parts)
        case list():
            return [like(v, (*access, ("item", k)), found) for k, v in enumerate(value)]
        case dict():
            return {k: like(v, (*access, ("item", k)), found) for k, v in value.items()}
        case np.ndarray():
            return np.zeros(value.shape, value.dtype.newbyteorder("=")) if inexact(value) else None
        case np.generic() | float() | complex():
            return (value.dtype.type if isinstance(value, np.generic) else np.dtype(type(value)).type)(0) if inexact(value) else None
        case _ if hasattr(value, "__dict__") and not callable(value):
            copy = object.__new__(type(value))
            copy.__dict__.update({k: like(v, (*access, ("attr", k)), found) for k, v in vars(value).items()})
            return copy
        case _:
            return None


def leaf_name(staged: Staged, k: int) -> str:
    leaf = staged.leaves[k]
    return leaf.scalar.name if leaf.scalar is not None else leaf.buffer.name  # type: ignore[union-attr]


def private(staged: Staged, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
    """The leaves with copies of those the program mutates: derivative transforms leave the caller's arrays alone."""
    if not staged.mutated:
        return leaves
    _check_overlap(staged, leaves)
    made = list(leaves)
    for k in staged.mutated:
        made[k] = made[k].copy()
    return tuple(made)


# -- reverse -------------------------------------------------------------------------------------------------


def reverse_module(
    staged: Staged, module: Module, wrt: list[list[int]], of: list[str]
) -> tuple[Module, list[Bind], dict[int, int]]:
    """The vjp of a staged program, how to bind it (seeds are the leaves after the program's), where gradients are."""
    active = [k for group in wrt for k in group]
    names = list(dict.fromkeys(leaf_name(staged, k) for k in active))
    reverse = pipeline.finish(ad.vjp(module, module.entry, names, of))
    root, primal = reverse.root, module.root
    binds = primal_binds(staged)
    assert len(binds) == len(primal.params)
    seed = len(staged.leaves)
    axis = 0
    for p in root.params[len(primal.params) :]:
        if isinstance(p, Scalar) and "_n" in p.name:
            binds.append(Bind("extent", seed, axis))
            axis += 1
        else:
            binds.append(Bind("array" if isinstance(p, Buffer) and p.rank else "scalar", seed))
            seed, axis = seed + 1, 0
    offset = len(primal.results)
    gradients = {k: offset + names.index(leaf_name(staged, k)) for k in active}
    return reverse, binds, gradients


class Grad(Transform):
    """The gradient (and value) of a real scalar function."""

    def __init__(self, fn: Callable[..., Any], wrt: Wrt = 0, value: bool = False) -> None:
        super().__init__(fn, wrt)
        self.value = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kind = ("grad", _key(self.wrt))
        variant, leaves = self.program.variant(kind, args, kwargs, lambda s, m: self._make(s, m, args, kwargs))
        plan: GradPlan = variant.plan
        results = variant.kernel((*private(variant.staged, leaves), *plan.seeds))
        if isinstance(variant.staged.output, Kinds):
            _decided_objective(decided(variant.staged.output, results), plan.objectives)
        gradients = plan.read(self.wrt, args, kwargs, results)
        return (rebuild(variant.staged.output, results), gradients) if self.value else gradients

    def _make(self, staged: Staged, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        wrts = [_arg_position(self.fn, w, args, kwargs) for w in _wrt_list(self.wrt)]
        values = [args[a[1]] if a[0] == "arg" else kwargs[a[1]] for a in wrts]
        groups = [active_leaves(staged, a, v, _describe(self.fn, w)) for a, v, w in zip(wrts, values, _wrt_list(self.wrt), strict=True)]
        places = objectives(staged.output, module)
        reverse, binds, gradients = reverse_module(staged, module, groups, [module.root.results[i] for i in places])
        seeds = tuple(np.ones((), _result_dtype(module, i).numpy) for i in places)
        found = {staged.leaves[k].access: r for k, r in gradients.items()}
        return Kernel(reverse, binds), GradPlan(seeds, wrts, found, places)


@dataclass
class GradPlan:
    """How to run a gradient kernel and read its results."""

    seeds: tuple[Any, ...]
    wrt: list[tuple[Any, ...]]
    found: dict[tuple[Any, ...], int]
    objectives: tuple[int, ...] = ()

    def read(self, wrt: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: tuple[Any, ...]) -> Any:
        out = []
        for access in self.wrt:
            r = self.found.get(access)
            if r is not None:
                out.append(results[r])
                continue
            value = args[access[1]] if access[0] == "arg" else kwargs[access[1]]
            out.append(like(value, access, {a: results[k] for a, k in self.found.items()}))
        return out[0] if isinstance(wrt, (int, str)) else tuple(out)


def _key(wrt: Any) -> Any:
    return tuple(wrt) if isinstance(wrt, (list, tuple)) else wrt


def _describe(fn: Callable[..., Any], wrt: int | str) -> str:
    return f"argument {wrt!r}" if isinstance(wrt, str) else f"argument {wrt}"


def _result_dtype(module: Module, index: int) -> DType:
    from wengert.ir.walk import storages

    return storages(module.root)[module.root.results[index]].dtype


def _result_rank(module: Module, index: int) -> int:
    from wengert.ir.walk import storages

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


def _decided_objective(output: Any, places: tuple[int, ...]) -> None:
    """Check that what was returned this time is one of the scalars that were differentiated."""
    if not (isinstance(output, Output) and output.index in places):
        what = "an array" if isinstance(output, Output) else "None" if output is None else f"a {type(output).__name__}"
        raise ArgumentError(f"the function returned {what} this time; a gradient needs one real float")


def objective(output: Any, module: Module) -> Output:
    """The output, if it is one real scalar; raises ArgumentError otherwise."""
    if not isinstance(output, Output):
        what = "nothing" if output is None else f"a {type(output).__name__}"
        raise ArgumentError(
            f"the function returns {what}; a gradient needs one real float. Return the objective, or use wg.vjp or wg.jacobian"
        )
    dtype, rank = _result_dtype(module, output.index), _result_rank(module, output.index)
    if rank:
        raise ArgumentError(
            f"the function returns an array with {rank} ax{'is' if rank == 1 else 'es'}; a gradient needs one real float. "
            "Sum it with weights, or use wg.vjp or wg.jacobian"
        )
    if not dtype.is_float:
        way = "return its real part, or abs(z)**2" if dtype.is_complex else "return a float"
        raise ArgumentError(f"the function returns a number of type {dtype.numpy}; a gradient needs a real float: {way}")
    return output


def grad(fn: Callable[..., Any], wrt: Wrt = 0) -> Grad:
    """The gradient of a function that returns one real number.

    `wrt` names the argument (position or name) or arguments (a tuple: the result is a tuple). The gradient has the
    structure, shape and dtype of the argument; for complex arguments it is dL/dRe + i dL/dIm. The caller's arrays are
    left alone even if the program writes into them.

    Raises ArgumentError if the result is not one real number or the argument holds no floats, Unsupported if the
    program cannot be compiled, and whatever the program itself raises.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x):
        ...     return np.sum(np.sin(x)**2)
        >>> bool(np.allclose(wg.grad(f)(np.array([0.5])), np.sin(1.0)))
        True
    """
    return Grad(fn, wrt)


def value_and_grad(fn: Callable[..., Any], wrt: Wrt = 0) -> Grad:
    """The value and the gradient in one run: `(value, gradient)`, see `grad`."""
    return Grad(fn, wrt, value=True)


# -- vjp and jvp ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selected:
    """Which outputs a transform speaks of: IR names, and the tree that gives them back."""

    names: list[str]
    tree: Any
    many: bool


def select_outputs(staged: Staged, module: Module, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], of: Any) -> Selected:
    """`of`: None for the return value, the name of a mutated parameter, "return", or a tuple of these."""
    root = module.root
    results = list(root.results)
    trees: list[Any] = []
    for part in [of] if of is None or isinstance(of, str) else list(of):
        if part is None or part == RETURN:
            trees.append(staged.output)
            continue
        access = _arg_position(fn, part, args, kwargs)
        trees.append(_mutated_tree(staged, access, args[access[1]] if access[0] == "arg" else kwargs[access[1]], results))
    many = not (of is None or isinstance(of, str))
    return Selected(results, tuple(trees) if many else trees[0], many)


def _mutated_tree(staged: Staged, access: tuple[Any, ...], value: Any, results: list[str]) -> Any:
    for leaf in staged.leaves:
        if leaf.access == access and leaf.buffer is not None:
            if leaf.buffer.name not in results:
                results.append(leaf.buffer.name)
            return Output(results.index(leaf.buffer.name), "array")
    match value:
        case tuple() | list():
            return type(value)([_mutated_tree(staged, (*access, ("item", k)), v, results) for k, v in enumerate(value)])
        case dict():
            return {k: _mutated_tree(staged, (*access, ("item", k)), v, results) for k, v in value.items()}
        case _:
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
        case tuple() | list():
            return [o for t in tree for o in flat_outputs(t)]
        case dict():
            return [o for t in tree.values() for o in flat_outputs(t)]
        case Kinds(_, alternatives):
            return [o for t in alternatives for o in flat_outputs(t)]
        case _ if hasattr(tree, "__dict__") and not isinstance(tree, type) and not callable(tree):
            return [o for t in vars(tree).values() for o in flat_outputs(t)]
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
                raise ArgumentError(f"the {path} has shape {seed.shape}, but the output has shape {value.shape}")
            if np.iscomplexobj(seed) and not np.iscomplexobj(value):
                raise ArgumentError(f"the {path} is complex, but the output is real")
            into[index] = into[index] + seed if index in into else seed
        case tuple() | list():
            if given is None:
                return
            if not isinstance(given, (tuple, list)) or len(given) != len(tree):
                raise ArgumentError(f"the {path} must be a sequence of {len(tree)} parts, as the output is")
            for k, (t, g) in enumerate(zip(tree, given, strict=True)):
                cotangents(t, g, into, shapes, f"{path}[{k}]")
        case dict():
            for k, t in tree.items():
                cotangents(t, None if given is None else given.get(k), into, shapes, f"{path}[{k!r}]")
        case _ if hasattr(tree, "__dict__") and not isinstance(tree, type) and not callable(tree):
            for k, t in vars(tree).items():
                cotangents(t, None if given is None else getattr(given, k, None), into, shapes, f"{path}.{k}")
        case _:
            pass


def vjp(fn: Callable[..., Any], *args: Any, wrt: Wrt | None = None, of: Any = None, **kwargs: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The outputs at `args` and the pullback: `pullback(cotangent)` gives the gradient of <cotangent, outputs>.

    `wrt`: position, name, or a tuple of these (default: every argument that holds floats; then the pullback gives a
    tuple with one entry per such argument). `of`: the name of a parameter the program mutates, "return", or a tuple of
    these; the outputs and the cotangent have the same structure. The caller's arrays are left alone.

    Example:
        >>> import numpy as np, wengert as wg
        >>> out, pullback = wg.vjp(lambda x: x * x, np.array([1.0, 2.0]))
        >>> pullback(np.array([1.0, 10.0]))[0]
        array([ 2., 40.])
    """
    program = program_of(fn)
    if wrt is None:
        wrt = tuple(k for k, a in enumerate(args) if any(inexact(v) for v in _numbers(a))) + tuple(
            k for k, a in kwargs.items() if any(inexact(v) for v in _numbers(a))
        )
        if not wrt:
            raise ArgumentError("no argument holds floats; there is nothing to differentiate with respect to")
    wrts = _wrt_list(wrt)

    def make(staged: Staged, module: Module) -> tuple[Any, Any]:
        selected = select_outputs(staged, module, fn, args, kwargs, of)
        module = with_results(module, selected.names)
        places = [_arg_position(fn, w, args, kwargs) for w in wrts]
        values = [args[a[1]] if a[0] == "arg" else kwargs[a[1]] for a in places]
        groups = [active_leaves(staged, a, v, _describe(fn, w)) for a, v, w in zip(places, values, wrts, strict=True)]
        seeded = [o.index for o in flat_outputs(selected.tree) if _result_dtype(module, o.index).is_inexact]
        seeded = list(dict.fromkeys(seeded))
        names = [module.root.results[i] for i in seeded]
        reverse, binds, gradients = reverse_module(staged, module, groups, names)
        found = {staged.leaves[k].access: r for k, r in gradients.items()}
        primal, pulled = both(lambda: Kernel(module, primal_binds(staged)), lambda: Kernel(reverse, binds))
        return primal, (selected, seeded, GradPlan((), places, found), pulled)

    variant, leaves = program.variant(("vjp", _key(wrt), _key(of)), args, kwargs, make)
    selected, seeded, plan, reverse = variant.plan
    staged = variant.staged
    leaves = tuple(v.copy() if isinstance(v, np.ndarray) else v for v in leaves)
    results = variant.kernel(private(staged, leaves))
    shapes = {i: results[i] for i in seeded}
    tree = decided(selected.tree, results)

    def pullback(cotangent: Any) -> Any:
        """The gradient of <cotangent, outputs> with respect to the chosen arguments."""
        given: dict[int, Any] = {}
        cotangents(tree, cotangent, given, shapes)
        seeds = [
            np.ascontiguousarray(given.get(i, np.zeros(shapes[i].shape)), shapes[i].dtype).reshape(shapes[i].shape) for i in seeded
        ]
        out = reverse((*private(staged, leaves), *seeds))
        return plan.read(wrt, args, kwargs, out)

    return rebuild(selected.tree, results), pullback


def both(a: Callable[[], Any], b: Callable[[], Any]) -> tuple[Any, Any]:
    """The results of two compilations made at the same time."""
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(b)
        return a(), second.result()


def forward_module(staged: Staged, module: Module, active: list[int]) -> tuple[Module, list[Bind]]:
    """The jvp of a staged program and how to bind it: tangents are the leaves after the program's."""
    names = [leaf_name(staged, k) for k in active]
    forward = pipeline.finish(ad.jvp(module, module.entry, names))
    binds = primal_binds(staged)
    for j, p in enumerate(forward.root.params[len(module.root.params) :]):
        binds.append(Bind("scalar" if isinstance(p, Scalar) else "array", len(staged.leaves) + j))
    return forward, binds


def jvp(
    fn: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any], *, of: Any = None, kwargs: Mapping[str, Any] | None = None
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
        raise ArgumentError(f"{len(args)} arguments but {len(tangents)} tangents")
    program = program_of(fn)
    given = tuple(t is not None for t in tangents)

    def make(staged: Staged, module: Module) -> tuple[Any, Any]:
        selected = select_outputs(staged, module, fn, args, options, of)
        module = with_results(module, selected.names)
        active = [
            k for k, leaf in enumerate(staged.leaves)
            if leaf.access[0] == "arg" and given[leaf.access[1]] and inexact(leaf.value)
        ]
        forward, binds = forward_module(staged, module, active)
        return Kernel(forward, binds), (selected, active)

    variant, leaves = program.variant(("jvp", given, _key(of)), args, options, make)
    selected, active = variant.plan
    staged = variant.staged
    dots = [_tangent(staged.leaves[k].access, tangents, leaves[k]) for k in active]
    results = variant.kernel((*private(staged, leaves), *dots))
    n = len(selected.names)
    return rebuild(selected.tree, results[:n]), rebuild(_float_only(decided(selected.tree, results), results[:n]), results[n:])


def _float_only(tree: Any, values: Sequence[Any]) -> Any:
    """The output tree with None for what carries no derivative."""
    match tree:
        case Output(index, kind):
            return Output(index, "array" if kind == "leaf" else kind) if inexact(values[index]) else None
        case tuple():
            parts = [_float_only(t, values) for t in tree]
            return tuple(parts) if type(tree) is tuple else type(tree)._make(parts) if hasattr(tree, "_make") else type(tree)(parts)
        case list():
            return [_float_only(t, values) for t in tree]
        case dict():
            return {k: _float_only(t, values) for k, t in tree.items()}
        case _:
            return tree


def _tangent(access: tuple[Any, ...], tangents: Sequence[Any], leaf: Any) -> Any:
    value: Any = tangents[access[1]]
    for kind, key in access[2:]:
        value = getattr(value, key) if kind == "attr" else value[key]
    if value is None:
        value = np.zeros(np.shape(leaf))
    if isinstance(leaf, np.ndarray):
        made = np.array(value, leaf.dtype, order="C")
        if made.shape != leaf.shape:
            raise ArgumentError(f"a tangent has shape {np.shape(value)}, but its argument has shape {leaf.shape}")
        return made
    return leaf.dtype.type(value) if isinstance(leaf, np.generic) else type(leaf)(value)
