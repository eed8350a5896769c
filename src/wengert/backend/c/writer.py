"""The state of writing one function: C variables, the pieces it is cut into, and the places of storages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...analysis.access import folded
from ...analysis.alias import AliasAnalysis, Aliases, analyse
from ...analysis.ranges import Ranges
from ...analysis.rows import Rows
from ...ir.nodes import Expr, Function, Growable, Module, Span, Stmt, Storage
from .analysis import Facts, FunctionFacts
from .names import Names, comment
from .outline import Cutter, framed

INDENT = "    "
RESULTS = "wg_results"
"""The parameter through which a root function tells where its results are."""
FRAME_ON_STACK = 256
"""Fields of a frame up to which it lives on the C stack."""


@dataclass(slots=True)
class ModuleWriter:
    """What the functions of a module share."""

    module: Module
    facts: Facts
    function_names: dict[str, str]
    taken: frozenset[str]
    threads: int = 1
    counted: tuple[str, ...] = ()
    """Variables of loops of the root whose turns are counted."""
    tapes: dict[str, Rows] = field(default_factory=dict[str, Rows])
    """Arrays of the root that may lie on disk."""
    cutter: Cutter = field(default_factory=Cutter)
    sites: dict[Span, int] = field(default_factory=dict[Span, int])
    ref_ranks: set[int] = field(default_factory=set[int])
    headers: set[str] = field(default_factory=set[str])
    _aliases: AliasAnalysis | None = None
    _folded: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    _ranges: dict[str, Ranges] = field(default_factory=dict[str, Ranges])
    _touched: dict[int, list[tuple[str, Expr]]] = field(default_factory=dict[int, list[tuple[str, Expr]]])

    def aliases(self, function: Function) -> tuple[Aliases, set[str]]:
        """The alias classes of a function, and those of them that are folded (see `analysis.access`)."""
        self._aliases = self._aliases or analyse(self.module)
        found = self._aliases.aliases[function.name]
        if function.name not in self._folded:
            self._folded[function.name] = folded(function.body, found)
        return found, self._folded[function.name]

    def ranges(self, function: Function) -> Ranges:
        if function.name not in self._ranges:
            self._ranges[function.name] = Ranges(function)
        return self._ranges[function.name]

    def touched(self, stmt: Stmt) -> list[tuple[str, Expr]]:
        """The tapes, and their rows, that a statement is going to use."""
        if self.tapes and not self._touched:
            for name, rows in self.tapes.items():
                for before, row in rows.before:
                    self._touched.setdefault(id(before), []).append((name, row))
        return self._touched.get(id(stmt), [])

    def site(self, span: Span | None) -> str:
        """A pointer to the description of a source position."""
        return "NULL" if span is None else f"&wg_sites[{self.site_number(span)}]"

    def site_number(self, span: Span | None) -> int:
        return self.sites.setdefault(span or Span("", 0), len(self.sites))


@dataclass(frozen=True, slots=True)
class Variable:
    """A C variable that belongs to an IR name; `shared` ones live in the frame."""

    c_type: str
    mutable: bool
    shared: bool


@dataclass(frozen=True, slots=True)
class Place:
    """How C reaches a storage.

    - "cell": `data` is a variable that holds the element; "array": `data` points to the first element, `extents` and
      `strides` (in elements; None: contiguous) are variables or literals; "list": `data` points to a `wg_list`.
    - `block`: a variable that points to the block to hold, or "NULL".
    """

    storage: Storage
    kind: Literal["cell", "array", "list"]
    data: str
    extents: tuple[str, ...] = ()
    strides: tuple[str, ...] | None = None
    block: str = "NULL"


@dataclass(slots=True)
class Team:
    """The threads that run a loop; a part of it ends at `label`. `leaves`: whether any goes there early."""

    label: str
    leaves: bool = False


@dataclass(slots=True)
class Piece:
    """One C function in the making."""

    name: str
    lines: list[str] = field(default_factory=list[str])
    prologue: list[str] = field(default_factory=list[str])
    local: set[str] = field(default_factory=set[str])
    depth: int = 1
    checked: bool = False
    line_shown: tuple[str, int] | None = None


class Writer:
    """Writes one function. Text of finished pieces collects in `finished`, innermost first."""

    def __init__(self, shared: ModuleWriter, function: Function) -> None:
        self.shared = shared
        self.function = function
        self.facts: FunctionFacts = shared.facts.functions[function.name]
        self.framed = framed(function, self.facts, shared.cutter)
        if self.framed is not None:
            self.framed.add(RESULTS)
        self.names = Names(shared.taken)
        self.moving: frozenset[str] = frozenset()  # names by which truths are bytes, see `loops`
        self.c_names: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.places: dict[str, Place] = {}
        self.finished: list[str] = []
        self.base = shared.function_names[function.name]
        self.piece = Piece(self.base)
        self.span: Span | None = None
        self.team: Team | None = None
        self.considered = False  # inside a loop that runs on threads, or would if it had enough to do
        self.streams = False  # stores went past the cache
        self._pieces = 0

    def current_site(self) -> str:
        """The number of the source position of the statement being written."""
        return str(self.shared.site_number(self.span))

    @property
    def frame_type(self) -> str:
        return f"struct {self.base}_frame"

    def is_framed(self, ir_name: str) -> bool:
        """Whether the variables of an IR name live in the frame."""
        return self.framed is not None and ir_name in self.framed

    # -- lines

    def line(self, text: str) -> None:
        self.piece.lines.append(INDENT * self.piece.depth + text)

    def open(self, head: str) -> None:
        self.line(f"{head} {{")
        self.piece.depth += 1

    def close(self, tail: str = "") -> None:
        self.piece.depth -= 1
        self.line("}" + tail)

    def show(self, span: Span | None) -> None:
        """A comment with the user's line, if it is another than before."""
        if span is None or not span.line or (span.file, span.line) == self.piece.line_shown:
            return
        self.piece.line_shown = (span.file, span.line)
        where = f"{span.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{span.line}"
        self.line(comment(f"{where}: {span.text}" if span.text else where))

    # -- variables

    def declare(self, owner: str, name: str, c_type: str, value: str | None, mutable: bool = False) -> str:
        """Declare a C variable of the IR name `owner`; returns `name`."""
        shared = self.is_framed(owner)
        self.variables[name] = Variable(c_type, mutable, shared)
        if shared and mutable:
            if value is not None:
                self.line(f"frame->{name} = {value};")
            return name
        qualifier = "" if mutable else "const "
        spaced = c_type if c_type.endswith("*") else f"{c_type} "
        text = f"{spaced}{qualifier}{name}" if c_type.endswith("*") else f"{qualifier}{spaced}{name}"
        self.line(f"{text} = {value};" if value is not None else f"{text};")
        if shared:
            self.share(name)
        return name

    def share(self, name: str) -> None:
        """Copy an immutable variable of this piece to the frame, if other pieces mention it."""
        if self.variables[name].shared:
            self.piece.local.add(name)
            self.line(f"frame->{name} = {name};")

    def known(self, owner: str, name: str, c_type: str, mutable: bool = False) -> str:
        """Register a variable that exists already (a parameter or loop variable)."""
        self.variables[name] = Variable(c_type, mutable, self.is_framed(owner))
        return name

    def use(self, name: str) -> str:
        """The text for a variable in this piece (or for a literal, as it is)."""
        variable = self.variables.get(name)
        if variable is None or not variable.shared:
            return name
        if variable.mutable:
            return f"frame->{name}"
        if name not in self.piece.local:
            self.piece.local.add(name)
            spaced = f"{variable.c_type}const " if variable.c_type.endswith("*") else f"const {variable.c_type} "
            self.piece.prologue.append(f"{INDENT}{spaced}{name} = frame->{name};")
        return name

    def name_of(self, ir_name: str) -> str:
        """The C name of an IR name, given out at its first mention."""
        found = self.c_names.get(ir_name)
        if found is None:
            found = self.c_names[ir_name] = self.names.fresh(ir_name)
        return found

    # -- places

    def place(self, storage: str) -> Place:
        return self.places[storage]

    def data(self, place: Place) -> str:
        return self.use(place.data)

    def extent(self, place: Place, axis: int) -> str:
        if place.kind == "list":
            return f"{self.data(place)}->length"
        return self.use(place.extents[axis])

    def strides(self, place: Place) -> tuple[str, ...]:
        if place.strides is not None:
            return tuple(map(self.use, place.strides))
        found: list[str] = []
        product: list[str] = []
        for n in reversed(place.extents):
            found.append("*".join(product) or "1")
            product.insert(0, self.use(n))
        return tuple(reversed(found))

    def address(self, place: Place) -> str:
        """A pointer to the first element."""
        if place.kind == "cell":
            return f"&{self.data(place)}"
        if place.kind == "list":
            return f"{self.data(place)}->data"
        return self.data(place)

    def is_ref_stack(self, name: str) -> bool:
        storage = self.facts.storages[name]
        return isinstance(storage, Growable) and storage.ref_rank is not None

    # -- overflow of checked integers

    def overflow_flag(self) -> str:
        self.piece.checked = True
        return "&wg_overflow"

    def settle_overflow(self) -> None:
        """Leave with an error if a checked operation of this piece has overflowed."""
        if self.piece.checked and self.team is None:
            self.line("if (WG_UNLIKELY(wg_overflow)) return wg_overflowed(wg, &wg_sites[wg_overflow - 1]);")

    # -- signals

    def look(self, rarely: str = "") -> None:
        """Leave if a signal handler raised. The clock is looked at every few milliseconds, or where `rarely` holds."""
        if self.team is None:
            self.line(f"if ({f'{rarely} && wg_poll(wg)' if rarely else 'wg_tick(wg)'}) return 1;")
        else:
            self.team.leaves = True
            self.line(f"if ({rarely or '--wg_ticks <= 0'} && wg_look(wg, &wg_ticks)) goto {self.team.label};")

    # -- pieces

    def begin_piece(self) -> Piece:
        """Start another C function; returns the one to come back to."""
        outer = self.piece
        self._pieces += 1
        self.piece = Piece(self.names.fresh(f"{self.base}_part{self._pieces}"))
        return outer

    def end_piece(self, outer: Piece) -> None:
        """Finish the C function, go back to the outer one and call it there."""
        self.settle_overflow()
        name = self.piece.name
        text = self.text(f"static WG_NOINLINE int {name}(wg *wg, {self.frame_type} *frame)")
        self.finished.append(text)
        self.piece = outer
        self.line(f"if ({name}(wg, frame)) return 1;")

    def text(self, head: str) -> str:
        """The current piece as a C function."""
        piece = self.piece
        flag = [f"{INDENT}int32_t wg_overflow = 0;"] if piece.checked else []
        return "\n".join([f"{head} {{", *flag, *piece.prologue, *piece.lines, f"{INDENT}return 0;", "}"])

    def frame_text(self) -> str:
        """The declaration of the frame, empty if there is none."""
        fields = [(n, v) for n, v in self.variables.items() if v.shared]
        if not self.is_cut:
            return ""
        inside = [f"{INDENT}{v.c_type}{'' if v.c_type.endswith('*') else ' '}{n};" for n, v in fields]
        return "\n".join([f"{self.frame_type} {{", *(inside or [f"{INDENT}char unused;"]), "};"])

    @property
    def is_cut(self) -> bool:
        return self.framed is not None

    @property
    def frame_is_large(self) -> bool:
        return sum(v.shared for v in self.variables.values()) > FRAME_ON_STACK


def unparenthesised(text: str) -> str:
    """Without the outermost parentheses, if they enclose everything."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for k, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0 and k < len(text) - 1:
            return text
    return text[1:-1]
