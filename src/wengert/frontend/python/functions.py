"""Calls that stay calls: large repeated callees and recursive ones become IR functions.

A callee is memoised by its code, its static arguments and the types of its run-time arguments. The first call is staged
in place; a later one of a callee that turned out large, and any recursive one, becomes a function of its own. What the
body uses from outside (captured numbers and arrays, sizes) is found afterwards as its free names and passed along.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field, replace
from typing import Any

from wengert.analysis.affine import atoms, evaluate
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import Buffer, Call, Expr, Function, Growable, Param, Scalar, Stmt, Store, Var
from wengert.ir.walk import free_names, map_statements, statements, writes

from . import arrays
from .control import ExitNow, same_value
from .decisions import NotAFunction
from .interp import Interp
from .numeric import as_scalar
from .python_values import tuple_like
from .slots import ArraySpec, ScalarSpec, Spec, StaticSpec, TupleSpec, spec_of, widen
from .source import names_used, scope_of
from .stage import WHOLE
from .values import MISSING, Closure, RArray, Root, RScalar, contains_runtime, joins_as_number

CHANGES_OUTSIDE = "it changes Python objects that exist outside"
NEVER_RETURNS = "no path returns without calling it again"
LARGE = 40  # statements from which a repeated callee becomes a function


@dataclass(eq=False)
class Staging:
    """A function being staged or done."""

    name: str
    formals: list[Any]
    outside: Any = None  # what the program had put into objects that exist outside, see `outside_key`
    result: Spec | None = None
    complete: bool = False
    params: tuple[Param, ...] = ()
    captured: list[str] = field(default_factory=list[str])
    outs: list[Buffer] = field(default_factory=list[Buffer])
    written: list[int] = field(default_factory=list[int])
    written_captured: set[str] = field(default_factory=set[str])


class Functions(Interp):
    """Stages calls of IR functions. A part of the interpreter."""

    def key_of(self, identity: Any, args: list[Any]) -> tuple[Any, bool]:
        """What a callee is memoised by (None if an argument is too rich), and whether that says all about it: a mutable
        object does not, so such a callee is a function for the length of one recursion only."""
        parts: list[Any] = [identity]
        roots: set[int] = set()
        sure = True
        for a in args:
            match a:
                case RScalar():
                    parts.append(("s", a.dtype, a.python))
                case RArray() if a.root is not None and not a.root.is_ref and not a.part:
                    if id(a.root) in roots:
                        return None, False
                    roots.add(id(a.root))
                    parts.append(("a", a.dtype, a.shape, arrays.is_whole(a)))
                case RArray():
                    return None, False
                case bool() | int() | float() | str() | None:
                    parts.append((type(a), a))
                case Closure():
                    captured, known = self.capture_key(a, ())
                    parts.append(captured)
                    sure = sure and known
                case types.FunctionType() | type() | types.ModuleType():
                    parts.append(("o", id(a)))
                case _ if contains_runtime(a):
                    return None, False
                case _:
                    parts.append(("o", id(a)))
                    sure = False
        return tuple(parts), sure

    def capture_key(self, fn: Closure, seen: tuple[int, ...]) -> tuple[Any, bool]:
        """A function defined inside and the values it captures at present."""
        parts: list[Any] = ["closure", id(fn.node), id(fn.frame)]
        sure = True
        if id(fn) in seen:
            return tuple(parts), True
        for d in (*fn.defaults, *fn.kw_defaults.values()):
            if isinstance(d, Closure):
                inner, known = self.capture_key(d, (*seen, id(fn)))
                parts.append(inner)
                sure = sure and known
            else:
                parts.append(id(d))
        own = scope_of(fn.node).local
        for name in sorted(names_used(fn.node) - own):
            frame = fn.frame
            while frame is not None and name not in frame.locals:
                frame = frame.parent
            if frame is None:
                continue
            inner, known = self.value_key(frame.locals[name], (*seen, id(fn)))
            parts.append((name, inner))
            sure = sure and known
        return tuple(parts), sure

    def value_key(self, value: Any, seen: tuple[int, ...] = ()) -> tuple[Any, bool]:
        """What a callee may know about a value that is not passed to it, and whether that says all about it."""
        self.stage.keep_alive.append(value)
        match value:
            case RScalar():
                return value.expr, True
            case RArray():
                return id(value), True
            case Closure():
                return self.capture_key(value, seen)
            case bool() | int() | float() | str() | None:
                return (type(value), value), True
            case _:
                return id(value), isinstance(value, (types.FunctionType, types.ModuleType, type))

    def outside_key(self) -> tuple[Any, bool]:
        """What objects that exist outside hold since the program changed them: every callee may read it."""
        parts: list[Any] = []
        sure = True
        for (owner, key), (container, _, old) in self.stage.changed_outside.items():
            if _unchanged(container, key, old):
                continue
            for value in container if key is WHOLE else [container.get(key, MISSING)]:
                held, known = self.value_key(value)
                parts.append((owner, key, held))
                sure = sure and (known or value is MISSING)
        return tuple(parts), sure

    def maybe_function(self, identity: Any, name: str, args: list[Any], inline: Any) -> Any:
        """Stage a call: in place (`inline(args)`) or as a function."""
        place = identity.node if isinstance(identity, Closure) else identity
        depth = self.nesting.get(place, 0)
        if depth >= (4 if self.stage.journal else 64):
            # A recursion whose depth run-time data decides: numbers that differ from level to level become parameters.
            args = [as_scalar(a) if type(a) in (int, float) else a for a in args]
        if depth >= 4:
            self.fix_sizes(args)
        self.nesting[place] = depth + 1
        try:
            return self._call_staged(identity, name, args, inline)
        finally:
            self.nesting[place] = depth

    def fix_sizes(self, args: list[Any]) -> None:
        """A recursion on arrays whose sizes change from level to level needs them known: restart with the sizes of this
        call."""
        stage = self.stage
        for extent in (e for a in args if isinstance(a, RArray) for e in a.shape):
            named = isinstance(extent, Var) and extent.name in stage.concrete
            if not named and evaluate(stage.expand(extent), stage.concrete) is not None:
                stage.static_int(extent, "the size of an array in a recursion")

    def _call_staged(self, identity: Any, name: str, args: list[Any], inline: Any) -> Any:
        if isinstance(identity, Closure):
            captured, known = self.capture_key(identity, ())
        else:
            captured, known = identity, True
        key, sure = self.key_of(captured, args)
        if key is None:
            return inline(args)
        outside, settled = self.outside_key()
        sure = sure and known and settled
        recursive = key in self.active
        if recursive or (sure and self.sizes.get(key, 0) >= LARGE):
            try:
                return self.call_ir(key, outside, name, args, inline)
            except NotAFunction as reason:
                if recursive:
                    text = f"the recursion of {name} cannot be compiled: {reason}"
                    raise self.stage.refuse(text, "pass numbers and arrays, and return numbers", Code.KIND) from None
                self.sizes[key] = -(10**9)
            finally:
                if not sure and key in self.ir_functions and self.ir_functions[key].complete:
                    del self.ir_functions[key]
        before = self.stage.emitted
        self.active.append(key)
        depth = len(self.active)
        try:
            result = inline(args)
        finally:
            del self.active[depth - 1 :]
        self.sizes.setdefault(key, self.stage.emitted - before)
        return result

    def call_ir(self, key: Any, outside: Any, name: str, args: list[Any], inline: Any) -> Any:
        done = self.ir_functions.get(key)
        if done is not None and done.outside != outside:
            if not done.complete:
                raise NotAFunction(CHANGES_OUTSIDE)
            done = None
        if done is None:
            done = self.build_function(key, name, args, inline)
        if not done.complete and done.result is None:
            raise ExitNow  # a recursive call met before any base case: this path says nothing about the result
        return self.emit_call(done, args)

    def build_function(self, key: Any, name: str, args: list[Any], inline: Any) -> Staging:
        """Stage the callee's body as a function, to a fixpoint of its result's kind."""
        if self.handlers:
            raise NotAFunction("it is called inside try")
        stage = self.stage
        building = Staging(stage.fresh(name.rpartition(".")[2].strip("<>") or "f"), [], self.outside_key()[0])
        self.ir_functions[key] = building
        serial = stage.serial
        try:
            for _ in range(8):
                before = building.result
                self.stage_body(building, args, inline, serial)
                if building.result is None:
                    raise NotAFunction(NEVER_RETURNS)
                if building.result == before:
                    break
            building.complete = True
        except BaseException:
            self.ir_functions.pop(key, None)
            raise
        return building

    def stage_body(self, building: Staging, args: list[Any], inline: Any, serial: int) -> None:
        """Containers younger than `serial` are its own: those of an earlier turn too, which loops may still know."""
        stage = self.stage
        formals = [self.formal(a) for a in args]
        value: list[Any] = []

        def run() -> bool:
            try:
                value.append(inline(formals))
                spec = self.result_spec(value[0], building.result)
                building.result = spec
                building.outs = self.out_buffers(spec)
                self.store_results(value[0], spec, iter(building.outs))
            except ExitNow:
                return False
            return True

        bodies, self.bodies = self.bodies, []
        try:
            with stage.function_body() as (stmts, written):
                self.body(run)
                body = tuple(stmts)
                outside = any(
                    not stage.created_since(c, serial) and id(c) not in stage.forgotten and not _unchanged(c, k, old)
                    for c, k, old in written.values()
                )
            if outside:
                raise NotAFunction(CHANGES_OUTSIDE)
        finally:
            self.bodies = bodies
            stage.undone.append((serial, stage.serial))  # nothing outside has what the body made
        if not value and building.result is None:
            return
        self.finish_function(building, formals, body)

    def finish_function(self, building: Staging, formals: list[Any], body: Any) -> None:
        stage = self.stage
        own = {b.name for b in building.outs}
        params: list[Param] = []
        named: list[Any] = []
        written = {n for s in statements(body) for n in self.written_by(s)}
        for f in formals:
            if isinstance(f, RScalar):
                assert isinstance(f.expr, Var)
                params.append(Scalar(f.expr.name, f.dtype))
                named.append(f.expr.name)
            elif isinstance(f, RArray):
                assert f.root is not None
                params.append(Buffer(f.root.name, f.dtype, f.shape, f.root.strided, "inout" if f.root.stores else "in"))
                named.append(f.root.name)
        used = free_names(body)
        for p in params:
            if isinstance(p, Buffer):
                used |= {a.name for e in p.shape for a in atoms(e) if isinstance(a, Var)}
        for b in building.outs:
            used |= {a.name for e in b.shape for a in atoms(e) if isinstance(a, Var)}
        captured = sorted(used - set(named) - own)
        extra: dict[str, Param] = {}
        for n in captured:
            extra.update((p.name, p) for p in self.captured_param(n, n in written))
        scalars = [p for p in extra.values() if isinstance(p, Scalar)]
        storages = [p for p in extra.values() if not isinstance(p, Scalar)]
        building.formals = formals
        building.captured = [p.name for p in (*scalars, *storages)]
        building.written_captured = {p.name for p in storages if isinstance(p, Buffer) and p.intent == "inout"}
        roots = {k: f.root for k, f in enumerate(formals) if isinstance(f, RArray)}
        building.written = [k for k, root in roots.items() if root is not None and root.stores]
        building.params = (*scalars, *params, *storages, *building.outs)
        body = map_statements(body, lambda s: (self.completed(s, building),))
        stage.functions[building.name] = Function(building.name, building.params, body, (), stage.span)

    def written_by(self, s: Stmt) -> set[str]:
        """The storages a statement may change; of a function called, those it is known to change."""
        called = self.stage.functions.get(s.function) if isinstance(s, Call) else None
        if called is None:
            return set(writes(s))
        assert isinstance(s, Call)
        pairs = zip(called.params, s.args, strict=True)
        return {a for p, a in pairs if isinstance(a, str) and not (isinstance(p, Buffer) and p.intent == "in")}

    def completed(self, s: Stmt, building: Staging) -> Stmt:
        """A recursive call with what turned out to be captured."""
        if not isinstance(s, Call) or s.function != building.name + "?":
            return s
        split = len(s.args) - len(building.outs)
        return Call(building.name, self.all_args(building, s.args[:split], s.args[split:]), s.span)

    def all_args(self, done: Staging, passed: Any, outs: Any) -> tuple[str | Expr, ...]:
        captured: list[str | Expr] = []
        late: list[str | Expr] = []
        by_name = {p.name: p for p in done.params}
        for n in done.captured:
            p = by_name[n]
            if isinstance(p, Scalar):
                captured.append(Var(n, p.dtype))
            else:
                late.append(n)
        return (*captured, *passed, *late, *outs)

    def captured_param(self, name: str, written: bool) -> list[Param]:
        stage = self.stage
        storage = stage.storages.get(name)
        if storage is None:
            return [Scalar(name, stage.scalar_types.get(name, build.I64))]
        if isinstance(storage, Growable):
            return [storage]
        if not isinstance(storage, Buffer):
            raise NotAFunction("it uses an array that is rebound outside")
        sizes = {a.name: Scalar(a.name, build.I64) for e in storage.shape for a in atoms(e) if isinstance(a, Var)}
        intent = "inout" if written else "in"
        return [*sizes.values(), Buffer(name, storage.dtype, storage.shape, storage.strided, intent)]

    def formal(self, a: Any) -> Any:
        """The parameter that stands for an argument."""
        stage = self.stage
        match a:
            case RScalar():
                name = stage.fresh("p")
                stage.scalar_types[name] = a.dtype
                return RScalar(Var(name, a.dtype), a.python)
            case RArray():
                if not all(isinstance(x, Var) and x.name in stage.concrete for e in a.shape for x in atoms(e)):
                    raise NotAFunction("an array argument has a size computed on the way")
                name = stage.fresh(a.root.name if a.root is not None else "p")
                root = Root(name, a.dtype, a.shape, fresh=False, strided=not arrays.is_whole(a))
                stage.roots[name] = root  # functions inside may capture it
                stage.storages[name] = Buffer(name, root.dtype, root.shape, root.strided)
                return stage.whole(root)
            case _:
                return a

    def result_spec(self, value: Any, have: Spec | None) -> Spec:
        found = spec_of(self.stage, value, True)
        spec = _runtime_spec(found)
        if spec == found:  # numbers that are known stay so beside arrays: staged in place, they may be axes
            spec = _own_arrays(found, value, [])
        spec = spec if have is None else widen(self.stage, have, spec)
        self.check_spec(spec)
        return spec

    def check_spec(self, spec: Spec) -> None:
        match spec:
            case ScalarSpec():
                pass
            case StaticSpec(value) if value is None or isinstance(value, (str, bool)):
                pass
            case TupleSpec(_, parts):
                for p in parts:
                    self.check_spec(p)
            case ArraySpec(_, _, shape) if shape is not None and all(
                isinstance(a, Var) and a.name in self.stage.concrete for e in shape for a in atoms(e)
            ):
                pass
            case _:
                raise NotAFunction("it returns something other than numbers and arrays of fixed size")

    def out_buffers(self, spec: Spec) -> list[Buffer]:
        match spec:
            case ScalarSpec(dtype):
                return [Buffer(self.stage.fresh("out"), dtype, (), False, "inout")]
            case ArraySpec(dtype, _, shape):
                assert shape is not None
                return [Buffer(self.stage.fresh("out"), dtype, shape, False, "inout")]
            case TupleSpec(_, parts):
                return [b for p in parts for b in self.out_buffers(p)]
            case _:
                return []

    def store_results(self, value: Any, spec: Spec, outs: Any) -> None:
        stage = self.stage
        match spec:
            case ScalarSpec(dtype):
                stage.emit(Store(next(outs).name, (), build.cast(as_scalar(value).expr, dtype), stage.span))
            case ArraySpec():
                out = next(outs)
                target = stage.whole(Root(out.name, out.dtype, out.shape))
                arrays.assign(stage, target, value)
            case TupleSpec(_, parts):
                for v, p in zip(value, parts, strict=True):
                    self.store_results(v, p, outs)
            case _:
                pass

    def emit_call(self, done: Staging, args: list[Any]) -> Any:
        stage = self.stage
        if not all(stage.in_scope(n) for n in done.captured):
            raise NotAFunction("it uses values that are out of scope at another call")
        for array in list(stage.pending.values()):
            arrays.stored(stage, array)
        stage.pending.clear()
        passed: list[str | Expr] = []
        for a in args:
            if isinstance(a, RScalar):
                passed.append(stage.let(a.expr, "a"))
            elif isinstance(a, RArray):
                passed.append(arrays.as_storage(stage, a))
        for k in done.written:
            stage.note_store(args[k].root)
        outs = [stage.alloc(b.dtype, b.shape, "r") for b in done.outs]
        for n in done.written_captured:
            stage.note_store(stage.roots[n])
        names = [o.storage for o in outs]
        if done.complete:
            stage.emit(Call(done.name, self.all_args(done, passed, names), stage.span))
        else:
            stage.emit(Call(done.name + "?", (*passed, *names), stage.span))
        return self.load_results(done.result, iter(outs))

    def load_results(self, spec: Spec | None, outs: Any) -> Any:
        match spec:
            case ScalarSpec(_, python):
                root = next(outs).root
                return RScalar(self.stage.load_cell(root, "r"), python)
            case ArraySpec():
                return next(outs)
            case TupleSpec(kind, parts):
                return tuple_like(kind, [self.load_results(p, outs) for p in parts])
            case StaticSpec(value):
                return value
            case _:
                raise AssertionError(spec)


def _unchanged(container: Any, key: Any, old: Any) -> bool:
    """Whether a location holds again what it held before."""
    if key is WHOLE:
        return len(container) == len(old) and all(same_value(x, y) for x, y in zip(container, old, strict=True))
    return same_value(container.get(key, MISSING), old)


def _own_arrays(spec: Spec, value: Any, seen: list[Root]) -> Spec:
    """Arrays in a tuple that the function made, and are there once, are returned by value."""
    match spec:
        case TupleSpec(kind, parts):
            return TupleSpec(kind, tuple(_own_arrays(p, v, seen) for p, v in zip(parts, value, strict=True)))
        case ArraySpec(shape=None, known=known) if value.root is not None and value.root.fresh:
            again = any(r is value.root for r in seen)
            seen.append(value.root)
            shape = tuple(e for e in known if e is not None)
            return spec if again or len(shape) < spec.rank else replace(spec, shape=shape)
        case _:
            return spec


def _runtime_spec(spec: Spec) -> Spec:
    """Numbers a function returns are run-time values."""
    match spec:
        case StaticSpec(value) if joins_as_number(value) and not isinstance(value, bool):
            s = as_scalar(value)
            return ScalarSpec(s.dtype, s.python)
        case TupleSpec(kind, parts):
            return TupleSpec(kind, tuple(_runtime_spec(p) for p in parts))
        case _:
            return spec
