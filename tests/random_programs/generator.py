"""Random Python programs: nested control flow over scalars, arrays, views and lists, tame and nearly everywhere smooth.

`Generator(draw).program()` writes the text of a module with functions `helper*` and `program(x, y, m, s, t, n)`, where
x and y are arrays of `SIZE`, m is a matrix, s and t floats and n an integer. Every float stays within `BOUND` in
modulus: expressions carry a bound, and what would exceed it is squashed before it is stored. Divisors stay away from
zero, indices in range, loops end. Nothing raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")
BOUND = 2.0
SIZE = 9
ROWS, COLUMNS = 3, 4


class Draw(Protocol):
    """The source of randomness: integers between two bounds, inclusive."""

    def __call__(self, low: int, high: int) -> int: ...


@dataclass
class Expression:
    """A Python expression and a bound of its modulus."""

    text: str
    bound: float = BOUND


@dataclass
class Scope:
    """The names that are defined: floats, integers in 0..bound, vectors, matrices, lists that hold a float or more."""

    scalars: list[str] = field(default_factory=list)
    integers: dict[str, int] = field(default_factory=dict)
    vectors: list[str] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)

    def copy(self) -> Scope:
        return Scope(list(self.scalars), dict(self.integers), list(self.vectors), list(self.matrices), list(self.lists))


class Generator:
    """Writes one program; all choices come from `draw`."""

    def __init__(self, draw: Draw, statements: int = 9, helpers: Sequence[tuple[str, str]] | None = None) -> None:
        self.draw = draw
        self.budget = statements
        self.lines: list[str] = []
        self.indent = 1
        self.count = 0
        self.inside_helper = helpers is not None
        self.helpers: list[tuple[str, str]] = list(helpers or [])
        self.helper_lines: list[str] = []

    # -- choices -----------------------------------------------------------------------------------------------

    def choose(self, options: Sequence[T]) -> T:
        return options[self.draw(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        return self.draw(1, 100) <= percent

    def constant(self, low: int = -170, high: int = 170) -> str:
        """A constant that is never a special value."""
        return repr(round((self.draw(low, high) + 0.37) / 100, 4))

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    # -- expressions -------------------------------------------------------------------------------------------

    def fit(self, e: Expression, bound: float = BOUND) -> str:
        """The expression, squashed if it could exceed the bound."""
        if e.bound <= bound:
            return e.text
        if self.chance(50):
            return f"{round(0.98 * bound / e.bound, 6)} * ({e.text})"
        return f"{round(0.98 * bound, 6)} * np.{self.choose(['tanh', 'sin'])}({e.text})"

    def combine(self, leaf: Callable[[], Expression], depth: int, elementwise: bool) -> Expression:
        """A random expression over leaves; `elementwise` for arrays, where min, max and branches are NumPy's."""
        if depth == 0 or self.chance(20):
            return leaf() if self.chance(85) else Expression(self.constant(), 1.71)
        kind = self.draw(0, 9)
        a = self.combine(leaf, depth - 1, elementwise)
        if kind <= 5:
            b = self.combine(leaf, depth - 1, elementwise)
            match kind:
                case 0 | 1:
                    return Expression(f"({a.text} + {b.text})", a.bound + b.bound)
                case 2:
                    return Expression(f"({a.text} - {b.text})", a.bound + b.bound)
                case 3 | 4:
                    return Expression(f"({a.text} * {b.text})", a.bound * b.bound)
                case _:
                    return Expression(f"({a.text} / (1.25 + ({b.text}) ** 2))", a.bound / 1.25)
        match kind:
            case 6:
                name = self.choose(["sin", "cos", "tanh", "arctan"])
                return Expression(f"np.{name}({a.text})", 1.6)
            case 7:
                return Expression(f"np.exp(-({a.text}) ** 2)", 1.0)
            case 8 if elementwise:
                b = self.combine(leaf, depth - 1, elementwise)
                bound = max(a.bound, b.bound)
                if self.chance(50):
                    return Expression(f"np.where({a.text} > {self.constant()}, {b.text}, {a.text})", bound)
                return Expression(f"np.{self.choose(['maximum', 'minimum'])}({a.text}, {b.text})", bound)
            case 8:
                b = self.combine(leaf, depth - 1, elementwise)
                bound = max(a.bound, b.bound)
                if self.chance(50):
                    return Expression(f"({b.text} if {a.text} > {self.constant()} else {a.text})", bound)
                return Expression(f"{self.choose(['max', 'min'])}({a.text}, {b.text})", bound)
            case _:
                return Expression(f"np.sqrt(0.5 + ({a.text}) ** 2)", (0.5 + a.bound**2) ** 0.5)

    def scalar(self, scope: Scope, depth: int = 2) -> Expression:
        return self.combine(lambda: self.scalar_leaf(scope), depth, False)

    def scalar_leaf(self, scope: Scope) -> Expression:
        kind = self.draw(0, 9)
        if kind <= 3 and scope.scalars:
            return Expression(self.choose(scope.scalars))
        if kind <= 5:
            return Expression(f"{self.choose(scope.vectors)}[{self.index(scope, SIZE)}]")
        if kind == 6:
            m = self.choose(scope.matrices)
            return Expression(f"{m}[{self.index(scope, ROWS)}, {self.index(scope, COLUMNS)}]")
        if kind == 7:
            v = self.choose(scope.vectors)
            form = self.choose(
                ["np.mean({v})", "np.max({v})", "np.min({v})", "np.sum({v}) / 9.0", "{v}[np.argmax({w})]"]
            )
            return Expression(form.format(v=v, w=self.choose(scope.vectors)))
        if kind == 8 and scope.lists:
            name = self.choose(scope.lists)
            return Expression(self.choose([f"{name}[-1]", f"{name}[0]", f"sum({name}) / len({name})"]))
        if scope.integers and self.chance(50):
            name = self.choose(list(scope.integers))
            return Expression(f"{name} / {max(scope.integers[name], 1)}.0", 1.0)
        v, w = self.choose(scope.vectors), self.choose(scope.vectors)
        return Expression(f"({v} @ {w}) / 18.0", 2.0)

    def index(self, scope: Scope, size: int) -> str:
        """An integer expression that is a valid index of an axis."""
        name = self.choose(list(scope.integers)) if scope.integers and self.chance(75) else ""
        if name and scope.integers[name] < size and self.chance(70):
            return self.choose([name, name, f"-{name} - 1", f"{size - 1} - {name}"])
        if name:
            return f"({name} + {self.draw(0, 5)}) % {size}"
        return str(self.draw(-size, size - 1))

    def vector(self, scope: Scope, depth: int = 2) -> Expression:
        return self.combine(lambda: self.vector_leaf(scope), depth, True)

    def vector_leaf(self, scope: Scope) -> Expression:
        v = self.choose(scope.vectors)
        match self.draw(0, 7):
            case 0:
                return Expression(f"{v}[::-1]")
            case 1:
                return Expression(f"np.roll({v}, {self.draw(-3, 3)})")
            case 2 if scope.scalars:
                return Expression(self.choose(scope.scalars))
            case 3:
                return Expression(f"{v}[ORDER]")
            case 4:
                return Expression(f"np.cumsum({v}) / 9.0")
            case _:
                return Expression(v)

    def sliced(self, scope: Scope, cut: str, other: str) -> Expression:
        """An expression of the length of `cut`, which `other` has too."""

        def leaf() -> Expression:
            return Expression(f"{self.choose(scope.vectors)}[{self.choose([cut, other])}]")

        return self.combine(leaf, 1, True)

    def matrix(self, scope: Scope, depth: int = 1) -> Expression:
        def leaf() -> Expression:
            m = self.choose(scope.matrices)
            match self.draw(0, 5):
                case 0:
                    return Expression(f"{m}[::-1]")
                case 1:
                    return Expression(f"{m}[{self.index(scope, ROWS)}]")
                case 2:
                    return Expression(f"{m}[:, {self.index(scope, COLUMNS)}][:, None]")
                case 3:
                    return Expression(f"np.mean({m}, axis=0)")
                case _:
                    return Expression(m)

        return self.combine(leaf, depth, True)

    def condition(self, scope: Scope) -> str:
        if scope.integers and self.chance(25):
            name = self.choose(list(scope.integers))
            return self.choose([f"{name} % 2 == 0", f"{name} > 1", f"{name} != 2", f"0 < {name} <= 3"])
        text = f"{self.scalar(scope, 1).text} {self.choose(['>', '<'])} {self.constant(-80, 80)}"
        if self.chance(15):
            second = f"{self.choose(['not ', ''])}({self.scalar_leaf(scope).text} < 0.0537)"
            return f"{text} {self.choose(['and', 'or'])} {second}"
        return text

    # -- statements --------------------------------------------------------------------------------------------

    def block(self, scope: Scope, length: int) -> None:
        """Statements one level deeper; names made inside stay inside."""
        self.indent += 1
        inner = scope.copy()
        start = len(self.lines)
        for _ in range(length):
            self.statement(inner)
        if len(self.lines) == start:
            self.emit("pass")
        self.indent -= 1

    def statement(self, scope: Scope) -> None:
        if self.budget <= 0:
            return
        self.budget -= 1
        options: list[Callable[[Scope], None]] = [
            self.assign_scalar,
            self.assign_scalar,
            self.update_scalar,
            self.store_element,
            self.store_element,
            self.store_slice,
            self.store_row,
            self.make_vector,
            self.make_view,
            self.swap,
            self.mask,
            self.call,
            self.grow,
        ]
        if self.indent < 4:
            options += [self.branch, self.branch, self.loop, self.loop, self.loop, self.while_loop]
        self.choose(options)(scope)

    def assign_scalar(self, scope: Scope) -> None:
        e = self.fit(self.scalar(scope, 3))
        name = self.choose(scope.scalars) if scope.scalars and self.chance(60) else self.fresh("a")
        self.emit(f"{name} = {e}")
        if name not in scope.scalars:
            scope.scalars.append(name)

    def update_scalar(self, scope: Scope) -> None:
        name = self.choose(scope.scalars)
        match self.draw(0, 2):
            case 0:
                self.emit(f"{name} += {self.fit(self.scalar(scope), 1.0)}")
                self.emit(f"{name} *= 0.6")
            case 1:
                self.emit(f"{name} *= {self.fit(self.scalar(scope), 1.0)}")
            case _:
                self.emit(f"{name} -= 0.4 * {name} + {self.fit(self.scalar(scope), 0.8)}")

    def store_element(self, scope: Scope) -> None:
        if self.chance(70):
            place = f"{self.choose(scope.vectors)}[{self.index(scope, SIZE)}]"
        else:
            place = f"{self.choose(scope.matrices)}[{self.index(scope, ROWS)}, {self.index(scope, COLUMNS)}]"
        match self.draw(0, 2):
            case 0:
                self.emit(f"{place} *= {self.fit(self.scalar(scope), 1.0)}")
            case 1:
                self.emit(f"{place} = 0.5 * {place} + {self.fit(self.scalar(scope), 1.0)}")
            case _:
                self.emit(f"{place} = {self.fit(self.scalar(scope, 3))}")

    def store_slice(self, scope: Scope) -> None:
        v = self.choose(scope.vectors)
        cut, other = self.choose([("1:", ":-1"), (":-1", "1:"), ("2:-1", "1:-2"), ("::2", "::-2"), (":4", "-4:")])
        if self.chance(30):
            self.emit(f"{v}[{cut}] *= {self.fit(self.sliced(scope, cut, other), 1.0)}")
        else:
            self.emit(f"{v}[{cut}] = {self.fit(self.sliced(scope, cut, other))}")

    def store_row(self, scope: Scope) -> None:
        m = self.choose(scope.matrices)
        match self.draw(0, 3):
            case 0:
                self.emit(f"{m}[{self.index(scope, ROWS)}] = {self.fit(Expression(f'{m}[{self.index(scope, ROWS)}]'))}")
            case 1:
                row = Expression(f"({self.choose(scope.vectors)}[1:4] * {m}[:, {self.index(scope, COLUMNS)}])", 4.0)
                self.emit(f"{m}[:, {self.index(scope, COLUMNS)}] = {self.fit(row)}")
            case 2:
                self.emit(f"{m}[1:, :-1] = {self.fit(Expression(f'({m}[:-1, 1:] + {m}[1:, 1:])', 4.0))}")
            case _:
                self.emit(f"{m}[:] = {self.fit(self.matrix(scope))}")

    def make_vector(self, scope: Scope) -> None:
        e = self.vector(scope)
        name = self.choose(scope.vectors) if self.chance(40) else self.fresh("v")
        base = self.choose(scope.vectors)
        self.emit(f"{name} = {self.fit(Expression(f'({e.text} + 0.25 * {base})', e.bound + 0.5))}")
        if name not in scope.vectors:
            scope.vectors.append(name)

    def make_view(self, scope: Scope) -> None:
        """A view or a copy under a new name, written through."""
        v, m = self.choose(scope.vectors), self.choose(scope.matrices)
        name = self.fresh("w")
        match self.draw(0, 5):
            case 0:
                self.emit(f"{name} = {v}[1:5]")
            case 1:
                self.emit(f"{name} = {v}[::-2]")
            case 2:
                self.emit(f"{name} = {m}[{self.index(scope, ROWS)}]")
            case 3:
                self.emit(f"{name} = {m}.T[{self.index(scope, COLUMNS)}]")
            case 4:
                self.emit(f"{name} = {m}.reshape(-1)[2:7]")
            case _:
                self.emit(f"{name} = {v}{self.choose(['', '.copy()'])}")
                scope.vectors.append(name)
        match self.draw(0, 2):
            case 0:
                self.emit(f"{name} *= {self.fit(self.scalar(scope), 1.0)}")
            case 1:
                self.emit(f"{name}[1] = {self.fit(self.scalar(scope))}")
            case _:
                self.emit(f"{name}[:] = 0.5 * {name}[::-1] + {self.fit(self.scalar(scope), 1.0)}")

    def swap(self, scope: Scope) -> None:
        kind = self.draw(0, 2)
        names = (scope.scalars, scope.vectors, scope.matrices)[kind]
        a, b = self.choose(names), self.choose(names)
        if a != b:
            self.emit(f"{a}, {b} = {b}, {a}" if self.chance(70) else f"{a} = {b}" + (".copy()" if kind else ""))

    def mask(self, scope: Scope) -> None:
        v, w = self.choose(scope.vectors), self.choose(scope.vectors)
        test = f"{w} > {self.constant(-80, 80)}"
        match self.draw(0, 2):
            case 0:
                self.emit(f"{v}[{test}] *= {self.fit(self.scalar(scope), 1.0)}")
            case 1:
                self.emit(f"{v}[{test}] = np.sin({v}[{test}])")
            case _:
                name = self.choose(scope.scalars)
                self.emit(f"{name} = 0.5 * {name} + np.sum({v}[{test}]) / 18.0")

    def call(self, scope: Scope) -> None:
        if not self.inside_helper and len(self.helpers) < 3 and (not self.helpers or self.chance(50)):
            self.make_helper()
        if not self.helpers:
            self.assign_scalar(scope)
            return
        name, kind = self.choose(self.helpers)
        if kind == "scalar":
            target = self.choose(scope.scalars)
            a, b = self.fit(self.scalar(scope, 1)), self.fit(self.scalar(scope, 1))
            self.emit(f"{target} = {name}({a}, {b})")
        elif kind == "vector":
            target = self.choose(scope.vectors)
            self.emit(f"{target} = {name}({self.choose(scope.vectors)}, {self.fit(self.scalar(scope, 1))})")
        else:
            v, w = self.choose(scope.vectors), self.choose(scope.vectors)
            self.emit(f"{name}({v}, {w}{'.copy()' if v == w else ''})")

    def make_helper(self) -> None:
        """A function of scalars, of a vector and a scalar, or one that changes its first argument."""
        kind = self.choose(["scalar", "vector", "change"])
        name = f"helper{len(self.helpers)}"
        writer = Generator(self.draw, self.draw(1, 4), self.helpers)
        rest = Scope(scalars=["p", "q"], vectors=["u"], matrices=["k"])
        match kind:
            case "scalar":
                writer.emit("u = np.linspace(p, 0.3 * q, 9)")
                writer.emit("k = np.outer(np.array([p, 0.5, q]), np.array([0.4, 0.3, 0.2, 0.5]))")
                head, end = f"def {name}(p, q):", "return {}"
            case "vector":
                writer.emit("q = np.mean(u)")
                writer.emit("u = u * 0.9")
                writer.emit("k = np.outer(u[:3], u[3:7]) / 2.0")
                head, end = f"def {name}(u, p):", ""
            case _:
                writer.emit("p, q = u[0], w[1]")
                writer.emit("k = np.outer(u[:3], w[3:7]) / 2.0")
                rest.vectors.append("w")
                head, end = f"def {name}(u, w):", ""
        while writer.budget > 0:
            writer.statement(rest)
        if kind == "scalar":
            if self.chance(50):
                writer.emit(f"if {writer.condition(rest)}:")
                writer.emit("    return 0.5 * q")
            writer.emit(end.format(writer.fit(writer.scalar(rest))))
        elif kind == "vector":
            writer.emit(f"return {writer.fit(Expression(f'({writer.choose(rest.vectors)} + 0.1 * u)', 2.2))}")
        else:
            writer.emit(f"u[{self.draw(0, 8)}] = {writer.fit(writer.scalar(rest))}")
        self.helper_lines += [head, *writer.lines, "", ""]
        self.helpers.append((name, kind))

    def grow(self, scope: Scope) -> None:
        if scope.lists and self.chance(60):
            name = self.choose(scope.lists)
            self.emit(f"{name}.append({self.fit(self.scalar(scope))})")
            if self.chance(25):
                self.emit(f"if len({name}) > 3:")
                self.emit(f"    {self.choose(scope.scalars)} = {name}.pop()")
        else:
            name = self.fresh("items")
            self.emit(f"{name} = [{self.fit(self.scalar(scope))}]")
            scope.lists.append(name)

    def branch(self, scope: Scope) -> None:
        self.emit(f"if {self.condition(scope)}:")
        self.block(scope, self.draw(1, 3))
        if self.chance(25):
            self.emit(f"elif {self.condition(scope)}:")
            self.block(scope, self.draw(1, 2))
        if self.chance(60):
            self.emit("else:")
            self.block(scope, self.draw(1, 2))

    def loop(self, scope: Scope) -> None:
        inner = scope.copy()
        i = self.fresh("i")
        match self.draw(0, 6):
            case 0 | 1:
                count = self.draw(2, 5)
                head, inner.integers[i] = f"for {i} in range({count}):", count - 1
            case 2:
                head, inner.integers[i] = f"for {i} in range(1, {SIZE}, {self.draw(1, 3)}):", SIZE - 1
            case 3:
                head, inner.integers[i] = f"for {i} in range({SIZE - 1}, -1, {-self.draw(1, 3)}):", SIZE - 1
            case 4:
                head, inner.integers[i] = f"for {i} in range({'n' if 'n' in scope.integers else 2}):", 4
            case 5:
                head = f"for {i} in {self.choose(scope.vectors)}.copy():"
                inner.scalars.append(i)
            case _:
                value = self.fresh("b")
                head, inner.integers[i] = (
                    f"for {i}, {value} in enumerate({self.choose(scope.matrices)}[:, 1]):",
                    ROWS - 1,
                )
                inner.scalars.append(value)
        self.emit(head)
        self.exits(inner)
        self.block(inner, self.draw(1, 4))
        if self.chance(10):
            self.emit("else:")
            self.block(scope, 1)

    def exits(self, scope: Scope) -> None:
        """Now and then a break or continue under a condition, before the body."""
        if self.chance(25):
            self.indent += 1
            self.emit(f"if {self.condition(scope)}:")
            self.emit(f"    {self.choose(['break', 'continue'])}")
            self.indent -= 1

    def while_loop(self, scope: Scope) -> None:
        k = self.fresh("k")
        inner = scope.copy()
        limit = self.draw(3, 8)
        inner.integers[k] = limit
        self.emit(f"{k} = 0")
        self.emit(f"while {k} < {limit} and ({self.condition(scope)}):")
        self.indent += 1
        self.emit(f"{k} += 1")
        self.indent -= 1
        if self.chance(20):
            self.indent += 1
            self.emit(f"if {self.condition(inner)}:")
            self.emit("    break")
            self.indent -= 1
        self.block(inner, self.draw(1, 3))
        scope.integers[k] = limit

    # -- the whole ---------------------------------------------------------------------------------------------

    def program(self) -> str:
        """The text of the module."""
        scope = Scope(scalars=["s", "t"], integers={"n": 4}, vectors=["x", "y"], matrices=["m"])
        while self.budget > 0:
            self.statement(scope)
        results = [self.choose(scope.scalars), f"np.sum({self.choose(scope.vectors)} * WEIGHTS)", scope.vectors[-1]]
        results += [f"sum({name})" for name in scope.lists] + [f"{scope.matrices[0]}[1]"]
        self.emit(f"return {', '.join(results)}")
        head = ["import numpy as np", "", "ORDER = np.array([3, 0, 7, 7, 1, 8, 2, 5, 5])"]
        head += ["WEIGHTS = np.linspace(0.2, 1.1, 9)", "", ""]
        body = ["def program(x, y, m, s, t, n):", *self.lines, ""]
        return "\n".join([*head, *self.helper_lines, *body])
