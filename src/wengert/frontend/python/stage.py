"""The state of one staging run: the blocks being emitted, the journal of static writes, facts and guards."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wengert.analysis.affine import Facts, atoms, canonical, constant, evaluate, imul, isub, polynomial, same
from wengert.codes import Code
from wengert.errors import Problem, Unsupported
from wengert.ir.nodes import (
    Alloc,
    Buffer,
    Const,
    Declare,
    Expr,
    Fail,
    Function,
    Growable,
    If,
    Let,
    Load,
    Op,
    Pop,
    Ref,
    Reshape,
    Select,
    Span,
    Stmt,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64, DType
from wengert.ir.walk import substitute

from .decisions import Decisions, NeedLeafStatic, NeedStatic, Restage, Unified
from .magnitude import MEMORY, Magnitudes
from .values import MISSING, RArray, Root

if TYPE_CHECKING:
    from .interp import Interp


@dataclass
class Trial:
    """A staged piece of program, rolled back: what it emitted and which static locations it wrote."""

    stmts: list[Stmt]
    writes: dict[tuple[int, Any], tuple[Any, Any, Any, Any]]  # (container, key, old, new)
    result: Any = None
    made: set[int] = field(default_factory=set[int])  # ids of the containers made in it


Positions = tuple[list[Stmt], int, list[RArray]]
"""Where a mask holds: the block that the index arrays were made in, the mask's number of stores then, the arrays."""

MaskKey = tuple[Expr, tuple[Expr, ...], tuple[tuple[str, int], ...]]
"""What a mask says: its element by position, its shape, how often the arrays that it reads had been written."""

Mask = tuple[list[Stmt], RArray, int]
"""A mask in memory: the block that it was stored in, the array, how often it had been written then."""


@dataclass(frozen=True)
class Snapshot:
    blocks: int
    position: int
    journal: int
    escapes: int
    stored_as: dict[int, RArray]
    pending: dict[int, RArray]
    copied: set[Root]
    lent: dict[Root, tuple[Any, ...]]
    positions: dict[Any, Positions]
    frozen: set[int]
    masks: dict[MaskKey, Mask]
    serial: int


Written = dict[tuple[int, Any], tuple[Any, Any, Any]]  # (id of a container, key): (container, key, old value)
WHOLE = "<contents>"  # journal key of a list's whole contents


class Stage:
    """Emission and state. One per attempt; `interp` is the interpreter that it serves."""

    interp: Interp

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.blocks: list[list[Stmt]] = [[]]
        self.journal: list[Written] = []
        self.facts = Facts()
        self.magnitudes = Magnitudes(self)
        self.raised: dict[str, bool] = {}  # floating-point errors that are exceptions, see float_errors
        self.names: dict[str, int] = {}
        self.span: Span | None = None
        self.concrete: dict[str, int] = {}
        self.wishes: set[Unified] = set()
        self.problems: list[Problem] = []
        self.functions: dict[str, Function] = {}
        self.pending: dict[int, RArray] = {}
        self.stored_as: dict[int, RArray] = {}
        self.positions: dict[Any, Positions] = {}
        self.masks: dict[MaskKey, Mask] = {}
        self.reshaped: set[str] = set()
        self.serial = 0
        self.user_names: dict[str, str] = {}
        self.emitted = 0
        self.storages: dict[str, Buffer | Ref | Growable] = {}
        self.scalar_types: dict[str, DType] = {}
        self.roots: dict[str, Root] = {}
        self.unrolled = decisions.unrolled
        self.births: dict[str, Any] = {}
        self.tag_tests: dict[str, tuple[Any, tuple[int, ...]]] = {}
        self.representatives: dict[str, tuple[Var, int, int]] = {}
        self.created: dict[int, int] = {}
        self.undone: list[tuple[int, int]] = []  # serials of containers that were made in what was abandoned
        self.made: list[set[int]] = []
        self.changed_outside: Written = {}  # what locations that the program did not make held before it changed them
        self.forgotten: set[int] = set()  # ids of containers that nothing reads any more (locals of ended functions)
        self.opened: list[tuple[dict[int, RArray], dict[int, RArray]]] = []
        self.owner: dict[str, list[Stmt]] = {}
        self.safe_indices: dict[str, Expr] = {}
        self.definitions: dict[str, Expr] = {}
        self.keep_alive: list[Any] = []
        self.loop_vars: dict[str, Any] = {}
        self.store_log: list[set[Root]] = []
        self.escapes: list[Callable[[Expr, str, str, tuple[Expr, ...]], bool]] = []
        self.frozen: set[int] = set()
        self.replaying = False
        self.ref_targets: dict[str, set[Root]] = {}
        self.stored_refs: set[str] = set()
        self.copied: set[Root] = set()
        self.lent: dict[Root, tuple[Any, ...]] = {}
        self.copy_log: list[set[Root]] = []

    # -- names and emission ------------------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """A name not used before, close to `hint`."""
        hint = "".join(c if c.isalnum() or c == "_" else "_" for c in hint) or "t"
        if not hint[0].isalpha() and hint[0] != "_":
            hint = "t" + hint
        count = self.names.get(hint, 0)
        self.names[hint] = count + 1
        if not count:
            return hint
        name = f"{hint}_{count}"
        if name in self.names:
            return self.fresh(name)
        self.names[name] = 1
        return name

    def emit(self, stmt: Stmt) -> None:
        self.blocks[-1].append(stmt)
        self.emitted += 1
        match stmt:
            case Let(name, value):
                self.owner[name] = self.blocks[-1]
                self.scalar_types[name] = value.dtype
            case Pop(name):
                self.owner[name] = self.blocks[-1]
                self.scalar_types[name] = stmt.dtype
            case Alloc(buffer) | View(buffer) | Reshape(buffer):
                self.owner[buffer.name] = self.blocks[-1]
                self.storages[buffer.name] = buffer
            case Declare(storage):
                self.owner[storage.name] = self.blocks[-1]
                self.storages[storage.name] = storage
            case _:
                pass

    def visible(self, expr: Expr) -> bool:
        """Whether every name of the expression is in scope in the current block."""
        return all(self.in_scope(v.name) for v in _variables(expr))

    def in_scope(self, name: str) -> bool:
        owner = self.owner.get(name)
        return owner is None or any(owner is b for b in self.blocks)

    @contextmanager
    def block(self, into: list[Stmt] | None = None) -> Generator[list[Stmt], None, None]:
        """Emit into a new list (or go on with one); what is stored inside is not known outside."""
        body: list[Stmt] = [] if into is None else into
        stored_as, pending = dict(self.stored_as), dict(self.pending)
        self.blocks.append(body)
        try:
            yield body
        finally:
            self.blocks.pop()
            self.stored_as, self.pending = stored_as, pending

    def let(self, value: Expr, hint: str = "t") -> Expr:
        """Name a value here; constants and names stay as they are."""
        if isinstance(value, (Const, Var)):
            return value
        name = self.fresh(hint)
        self.emit(Let(name, value, self.span))
        self.definitions[name] = value
        return Var(name, value.dtype)

    def cell(self, dtype: DType, hint: str, init: Expr | None = None) -> Root:
        """A mutable scalar, allocated here."""
        name = self.fresh(hint)
        root = Root(name, dtype, ())
        self.roots[name] = root
        self.emit(Alloc(Buffer(name, dtype, ()), False, self.span))
        if init is not None:
            self.emit(Store(name, (), init, self.span))
        return root

    def alloc(self, dtype: DType, shape: tuple[Expr, ...], hint: str, zero: bool = False) -> RArray:
        """A new contiguous array."""
        shape = tuple(self.extent(e) for e in shape)
        name = self.fresh(hint)
        self.emit(Alloc(Buffer(name, dtype, shape), zero, self.span))
        root = Root(name, dtype, shape)
        self.roots[name] = root
        return self.whole(root)

    def whole(self, root: Root) -> RArray:
        one, zero = Const(1, I64), Const(0, I64)
        rank = len(root.shape)
        return RArray(root.dtype, root.shape, root, root.name, (zero,) * rank, tuple((k, one) for k in range(rank)))

    def extent(self, expr: Expr) -> Expr:
        """An integer as extents like it: polynomials over names stay, anything else is named."""
        expr = canonical(expr)
        return expr if all(isinstance(a, Var) for a in atoms(expr)) else self.let(expr, "n")

    def fail_if(self, cond: Expr, exception: str, message: str, args: tuple[Expr, ...] = ()) -> None:
        """Raise the exception here when cond holds: caught by a matching handler of an enclosing try, if any."""
        if isinstance(cond, Const) and not cond.value:
            return
        for escape in reversed(self.escapes):
            if escape(cond, exception, message, args):
                return
        self.emit(If(cond, (Fail(exception, message, args, self.span),), (), self.span))

    def refuse_if(self, cond: Expr, message: str, args: tuple[Expr, ...] = ()) -> None:
        """Stop the program where it needs what is not supported, with an error that no handler of its own catches."""
        escapes, self.escapes = self.escapes, []
        try:
            self.fail_if(cond, "RuntimeError", message, args)
        finally:
            self.escapes = escapes

    def overflow_if(self, cond: Expr) -> None:
        """Stop the program where Python's integer would have more than 64 bits; no handler of its own catches that."""
        escapes, self.escapes = self.escapes, []
        try:
            self.fail_if(self.let(cond), "OverflowError", "integer result does not fit in 64 bits")
        finally:
            self.escapes = escapes

    def count(self, n: Expr) -> Expr:
        """Note that an integer is the number of elements of something."""
        if isinstance(n, Var):
            self.facts.assume(n, 0)
            self.magnitudes.know(n.name, MEMORY)
        return n

    def note_created(self, obj: Any) -> Any:
        """Remember when a static container was made by the program: loops and branches don't carry younger ones."""
        self.serial += 1
        self.created[id(obj)] = self.serial
        if self.made:
            self.made[-1].add(id(obj))
        self.keep_alive.append(obj)
        return obj

    def may_change(self, obj: Any) -> bool:
        """Whether an object that no journal knows may change: nothing here is staged again or undone without it."""
        return not self.journal or id(obj) in self.made[-1]

    def is_created(self, obj: Any) -> bool:
        """Whether an instance was made by the program."""
        return id(getattr(obj, "__dict__", None)) in self.created

    def created_since(self, obj: Any, serial: int) -> bool:
        return self.created.get(id(obj), 0) > serial

    def is_abandoned(self, obj: Any) -> bool:
        """Whether a container was made in a piece of program that was given up: nothing has it any more."""
        serial = self.created.get(id(obj), 0)
        return any(low < serial <= high for low, high in self.undone)

    # -- static state -----------------------------------------------------------------------------------

    def write(self, container: dict[Any, Any], key: Any, value: Any) -> None:
        """Bind a location of a static container (a frame's locals, an instance's attributes, a dict)."""
        self._note(container, key, container.get(key, MISSING))
        container[key] = value

    def delete(self, container: dict[Any, Any], key: Any) -> None:
        self._note(container, key, container[key])
        del container[key]

    def mutate(self, items: list[Any]) -> list[Any]:
        """Announce a change of a static list; returns it for changing."""
        self._note(items, WHOLE, list(items))
        return items

    def touch(self, container: set[Any]) -> None:
        """Announce a change of a static set, outside of run-time control."""
        if id(container) not in self.created:
            self.changed_outside.setdefault((id(container), WHOLE), (container, WHOLE, list(container)))

    def freeze(self, container: Any) -> None:
        """Refuse every later change: a joined object stands for this one elsewhere."""
        self.frozen.add(id(container))
        self.keep_alive.append(container)

    def _note(self, container: Any, key: Any, old: Any) -> None:
        if id(container) in self.frozen and not self.replaying:
            raise self.refuse(
                "an object is changed that may or may not be the same as another one, depending on run-time data",
                "change it through one name only, or make a new object",
                Code.MEMORY,
            )
        if id(container) not in self.created:
            self.changed_outside.setdefault((id(container), key), (container, key, old))
        if self.journal:
            self.journal[-1].setdefault((id(container), key), (container, key, old))
            self.keep_alive.append(container)

    def snapshot(self) -> Snapshot:
        """What `restore` needs to abandon everything staged from here on."""
        return Snapshot(
            blocks=len(self.blocks),
            position=len(self.blocks[-1]),
            journal=len(self.journal),
            escapes=len(self.escapes),
            stored_as=dict(self.stored_as),
            pending=dict(self.pending),
            copied=set(self.copied),
            lent=dict(self.lent),
            positions=dict(self.positions),
            frozen=set(self.frozen),
            masks=dict(self.masks),
            serial=self.serial,
        )

    def restore(self, snap: Snapshot) -> None:
        """Abandon what was staged since the snapshot: emission, static writes, opened blocks."""
        while len(self.journal) > snap.journal:
            self._undo(self.journal.pop())
            self.made.pop()
        del self.blocks[snap.blocks :]
        del self.blocks[-1][snap.position :]
        del self.escapes[snap.escapes :]
        self.stored_as, self.pending = dict(snap.stored_as), dict(snap.pending)
        self.copied, self.lent = set(snap.copied), dict(snap.lent)
        self.positions = dict(snap.positions)
        self.frozen = set(snap.frozen)
        self.masks = dict(snap.masks)
        while self.undone and self.undone[-1][0] >= snap.serial:
            self.undone.pop()
        self.undone.append((snap.serial, self.serial))

    @contextmanager
    def function_body(self) -> Generator[tuple[list[Stmt], Written], None, None]:
        """Emit the body of an IR function, which shares nothing that is stored or pending here; yields its statements
        and its static writes, which are undone at the end."""
        saved = self.blocks, self.journal, self.made, self.escapes, self.opened, self.stored_as, self.pending
        stmts: list[Stmt] = []
        written: Written = {}
        self.blocks, self.journal, self.made, self.escapes, self.opened = [stmts], [written], [set()], [], []
        self.stored_as, self.pending = {}, {}
        try:
            yield stmts, written
        finally:
            for journal in reversed(self.journal):
                self._undo(journal)
            self.blocks, self.journal, self.made, self.escapes, self.opened, self.stored_as, self.pending = saved

    def open(self, into: list[Stmt] | None = None, made: set[int] | None = None) -> None:
        """Begin a block and a journal of its own; `close` ends both."""
        self.opened.append((self.stored_as, self.pending))
        self.stored_as, self.pending = dict(self.stored_as), dict(self.pending)
        self.blocks.append([] if into is None else into)
        self.journal.append({})
        self.made.append(set() if made is None else made)

    def close(self, result: Any = None) -> Trial:
        """End an opened block: its statements and its static writes, which are undone."""
        written, made = self.journal.pop(), self.made.pop()
        if self.made:
            self.made[-1] |= made
        stmts = self.blocks.pop()
        writes = {
            loc: (c, k, old, list(c) if k is WHOLE else c.get(k, MISSING)) for loc, (c, k, old) in written.items()
        }
        self._undo(written)
        self.stored_as, self.pending = self.opened.pop()
        return Trial(stmts, writes, result, made)

    def trial(self, run: Callable[[], Any]) -> Trial:
        """Stage `run` in a block of its own, then undo its static writes."""
        depth, snap = len(self.opened), self.snapshot()
        self.open()
        try:
            result = run()
        except BaseException:
            self.restore(snap)
            del self.opened[depth:]
            raise
        return self.close(result)

    def redo(self, trial: Trial) -> None:
        """Go on with a closed piece: open its block again with its writes in place."""
        self.open(trial.stmts, trial.made)
        for container, key, _, new in trial.writes.values():
            self.put(container, key, new)

    def put(self, container: Any, key: Any, value: Any) -> None:
        """Write a location as a journal names it."""
        previous, self.replaying = self.replaying, True
        try:
            self._put(container, key, value)
        finally:
            self.replaying = previous

    def _put(self, container: Any, key: Any, value: Any) -> None:
        if key is WHOLE:
            self.mutate(container)[:] = value
        elif value is MISSING:
            if key in container:
                self.delete(container, key)
        else:
            self.write(container, key, value)

    @staticmethod
    def _undo(written: Written) -> None:
        for container, key, old in written.values():
            if key is WHOLE:
                container[:] = old
            elif old is MISSING:
                container.pop(key, None)
            else:
                container[key] = old

    # -- integer reasoning ------------------------------------------------------------------------------

    def same(self, a: Expr, b: Expr) -> bool:
        """Whether two integers are equal: proved, or equal in this call and from now on guarded."""
        if same(a, b):
            return True
        difference = isub(a, b)
        self._wish(difference, lambda e: constant(e) == 0)
        self._wish_apart(difference)
        return False

    def same_shape(self, a: Sequence[Expr], b: Sequence[Expr]) -> bool:
        return len(a) == len(b) and all(self.same(m, n) for m, n in zip(a, b, strict=True))

    def nonnegative(self, expr: Expr) -> bool:
        if self.facts.nonnegative(expr):
            return True
        self._wish(expr, self.facts.nonnegative)
        return False

    def less(self, a: Expr, b: Expr) -> bool:
        """Whether a < b is proved."""
        return self.nonnegative(isub(isub(b, a), Const(1, I64)))

    def _wish(self, expr: Expr, holds: Callable[[Expr], bool]) -> None:
        """If a relation of two sizes in this call could prove this, note it for the next attempt.

        That they are equal; or that one is a multiple of the other, if the program itself multiplies here and the
        relation surely proves it."""
        named = [a.name for a in self._reachable(expr) if isinstance(a, Var) and a.name in self.concrete]
        for i, a in enumerate(named):
            for b in named[i + 1 :]:
                if a != b and self.concrete[a] == self.concrete[b] > 8:
                    self.wishes.add((min(a, b), 1, max(a, b), 0))
        multiplied = any(abs(c) > 1 for m, c in polynomial(expr).items() if m)
        for a in named if multiplied else ():
            for b in named if self.concrete[a] > 0 else ():
                times, rest = divmod(self.concrete[b], self.concrete[a])
                multiple = imul(Const(times, I64), Var(a, I64))
                if times > 1 and not rest and holds(substitute(expr, {b: multiple})):
                    self.wishes.add((b, times, a, 0))

    def _wish_apart(self, difference: Expr) -> None:
        """If this is 0 because one size is another one and a constant in this call, note it for the next attempt."""
        terms = dict(polynomial(difference))
        offset = terms.pop((), 0)
        plus = [m[0] for m, k in terms.items() if len(m) == 1 and k == 1]
        minus = [m[0] for m, k in terms.items() if len(m) == 1 and k == -1]
        match plus, minus, len(terms):
            case [Var(a)], [Var(b)], 2 if offset and a in self.concrete and b in self.concrete:
                if self.concrete[a] - self.concrete[b] + offset == 0:
                    self.wishes.add((a, 1, b, -offset) if a < b else (b, 1, a, offset))
            case _:
                pass

    def _reachable(self, expr: Expr) -> list[Expr]:
        """The atoms of an expression and, in turn, of their bounds."""
        seen: dict[Expr, None] = {}
        todo = list(atoms(expr))
        while todo:
            atom = todo.pop()
            if atom in seen:
                continue
            seen[atom] = None
            if isinstance(atom, Op):
                todo.extend(a for arg in atom.args for a in atoms(arg))
            for bound in self.facts.bounds.get(atom, ()):
                if bound is not None:
                    todo.extend(atoms(bound))
        return list(seen)

    def static_int(self, expr: Expr, reason: str) -> int:
        """The value of an integer that staging needs; restarts with a guard, or asks for unrolling, if it must."""
        value = constant(expr)
        if value is not None:
            return value
        expanded = self.expand(expr)
        value = evaluate(expanded, self.concrete)
        if value is not None:
            raise NeedLeafStatic({a.name for a in _variables(expanded)}, reason)
        index = self.loop_index_in(expr)
        if index is not None:
            raise NeedStatic(index, reason)
        raise self.refuse(
            f"{reason} must be known before the program runs, but it is computed from run-time data",
            "pass it as an argument, or compute it from sizes and constants only",
            Code.STATIC,
        )

    def loop_index_in(self, expr: Expr) -> str | None:
        """The innermost loop index that an integer is computed from, if any."""
        used = [v.name for v in _variables(self.expand(expr)) if v.name in self.loop_vars]
        return max(used, key=list(self.loop_vars).index, default=None)

    def expand(self, expr: Expr) -> Expr:
        """The expression with names of lets replaced by their definitions (no loads)."""
        match expr:
            case Var(name) if name in self.definitions:
                return self.expand(self.definitions[name])
            case Op(name, args, dtype):
                return Op(name, tuple(self.expand(a) for a in args), dtype)
            case Select(cond, then, orelse):
                return Select(self.expand(cond), self.expand(then), self.expand(orelse))
            case _:
                return expr

    # -- reporting --------------------------------------------------------------------------------------

    def refuse(self, reason: str, way_out: str, code: Code = Code.OPERATION) -> Unsupported:
        """An error to raise: this cannot be staged. The caller that can go on collects it."""
        return Unsupported([Problem(self.span, reason, way_out, code)])

    # -- scalars and cells ------------------------------------------------------------------------------

    def load_cell(self, root: Root, hint: str) -> Expr:
        name = self.fresh(hint)
        value = Load(root.name, (), root.dtype)
        self.emit(Let(name, value, self.span))
        self.definitions[name] = value
        return Var(name, root.dtype)

    def store_cell(self, root: Root, value: Expr) -> None:
        self.emit(Store(root.name, (), value, self.span))

    def note_store(self, root: Root) -> None:
        """Record that memory is about to be written (lazy readers are stored first)."""
        for item in self._named(root):
            if item in self.copied and not self.replaying:
                raise self.refuse_copied()
            if item in self.lent and not self.replaying:
                self.reclaim(item)
            item.stores += 1
            for log in self.store_log:
                log.add(item)
            if item.is_ref:
                self.stored_refs.add(item.name)

    def _named(self, root: Root) -> Iterator[Root]:
        """The memory, and if it is a ref all that it may name."""
        todo, seen = [root], {root}
        while todo:
            item = todo.pop()
            yield item
            if item.is_ref:
                targets = self.ref_targets.get(item.name, set()) - seen
                seen |= targets
                todo.extend(targets)

    def lend(self, root: Root, place: Any) -> None:
        """Record that this memory and a copy are taken for the same array by the loop location `place`."""
        self.lent[root] = tuple(dict.fromkeys((*self.lent.get(root, ()), place)))

    def reclaim(self, root: Root) -> None:
        """Lent memory is written: start again with the places that took it held by identity."""
        self.decisions.by_reference.update(self.lent[root])
        raise Restage

    def refuse_copied(self) -> Unsupported:
        return self.refuse(
            "an array is changed in place after it was put into a growing list, or while it is read in another order",
            "use a copy of it",
            Code.MEMORY,
        )

    def note_copied(self, array: RArray) -> None:
        """Record that a copy stands for this memory elsewhere: changing it in place afterwards is refused."""
        if array.root is None:
            return
        self.copied.add(array.root)
        for log in self.copy_log:
            log.add(array.root)

    def note_rebind(self, ref: str, target: Root) -> None:
        """Record that a ref may name this memory: what is written through it is written there."""
        self.ref_targets.setdefault(ref, set()).add(target)
        if ref in self.stored_refs:
            self.note_store(target)

    def may_name(self, root: Root | None, memory: Root) -> bool:
        """Whether an array of this root may lie in that memory: it does, or it is a ref that was bound to it."""
        return root is not None and any(item is memory for item in self._named(root))

    @contextmanager
    def log_stores(self) -> Generator[set[Root], None, None]:
        """The memory written inside."""
        log: set[Root] = set()
        depth = len(self.store_log)
        self.store_log.append(log)
        try:
            yield log
        finally:
            del self.store_log[depth:]

    @contextmanager
    def log_copies(self) -> Generator[set[Root], None, None]:
        """The memory inside that copies stand for."""
        log: set[Root] = set()
        depth = len(self.copy_log)
        self.copy_log.append(log)
        try:
            yield log
        finally:
            del self.copy_log[depth:]


def _variables(expr: Expr) -> list[Var]:
    match expr:
        case Var():
            return [expr]
        case Op(_, args):
            return [v for a in args for v in _variables(a)]
        case Select(cond, then, orelse):
            return [v for a in (cond, then, orelse) for v in _variables(a)]
        case _:
            return []
