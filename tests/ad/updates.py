"""Random programs that update arrays: time loops over additions to elements, with all that may stand in the way of
undoing them (stores, summands that read what they change, elements read too early, branches, nests, views)."""

from __future__ import annotations

from typing import Any

import numpy as np

ARRAYS = ("x", "v", "w", "u")
N = 4


class Updates:
    """Writes one program; `text` is IR."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.count = 0
        self.scalars = ["c"]
        self.arrays = list(ARRAYS)
        self.depth = 1

    def text(self) -> str:
        self.lines = [
            "entry f",
            "",
            "func f(n: i64, m: i64, x: f64[n] inout, v: f64[n] inout, w: f64[n] inout, k: i64[n], c: f64) -> (s) {",
        ]
        self.put("alloc u: f64[n] zero")
        self.put("alloc s: f64[]")
        self.items(int(self.rng.integers(0, 2)))
        for _ in range(int(self.rng.integers(1, 3))):
            self.loop()
            self.items(int(self.rng.integers(0, 2)))
        self.put("s[] = c")
        for a in ARRAYS:
            i = self.new("i")
            self.put(f"for {i} in 0:n any {{")
            self.depth += 1
            t = self.load(a, i)
            square = self.let(f"{t} * {t}")
            self.put(f"s[] += {square}")
            self.close()
        self.lines.append("}")
        return "\n".join(self.lines)

    def args(self) -> dict[str, Any]:
        arrays = {a: self.rng.uniform(-1, 1, N) for a in ARRAYS[:3]}
        return {"n": N, "m": 3, **arrays, "k": self.rng.integers(0, N, N), "c": 0.7}

    # -- lines

    def new(self, hint: str) -> str:
        self.count += 1
        return f"{hint}{self.count}"

    def put(self, line: str) -> None:
        self.lines.append("  " * self.depth + line)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def array(self, *others: str) -> str:
        return self.pick(*(a for a in self.arrays if a not in others))

    def let(self, value: str) -> str:
        name = self.new("t")
        self.put(f"let {name} = {value}")
        return name

    def open(self, line: str) -> None:
        self.put(f"{line} {{")
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        self.put("}")

    def smooth(self, *names: str) -> str:
        """A bounded function of some numbers."""
        total = names[0]
        for other in names[1:]:
            total = self.let(self.pick(f"{total} * {other}", f"{total} + {other}", f"{total} - {other}"))
        factor = self.pick("0.3", "-0.4", *self.scalars)
        bounded = self.let(f"{self.pick('sin', 'cos', 'tanh')}({total})")
        return self.let(f"{factor} * {bounded}")

    def load(self, array: str, index: str) -> str:
        return self.let(f"{array}[{index}]")

    def add(self, array: str, index: str, value: str) -> None:
        self.put(f"{array}[{index}] += {value}")

    # -- statements

    def loop(self) -> None:
        before = list(self.scalars)
        self.open(f"for {self.new('t')} in 0:m" if self.pick(True, True, False) else f"for {self.new('t')} in 0:3")
        self.items(int(self.rng.integers(2, 5)))
        self.close()
        self.scalars = before

    def items(self, count: int) -> None:
        for _ in range(count):
            self.item()

    def item(self) -> None:
        kinds = [self.update] * 4 + [self.stencil, self.fused, self.sweep, self.scatter, self.local, self.store]
        kinds += [self.scale, self.number, self.sum, self.branch, self.assigned, self.view, self.element, self.carried]
        if self.depth < 4:
            kinds += [self.nest, self.inner]
        self.pick(*kinds)()

    def update(self) -> None:
        a = self.array()
        i = self.new("i")
        self.open(f"for {i} in 0:n any")
        others = [self.array(a) for _ in range(int(self.rng.integers(1, 3)))]
        if self.rng.random() < 0.1:
            others.append(a)
        self.add(a, i, self.smooth(*[self.load(b, i) for b in others]))
        self.close()

    def stencil(self) -> None:
        a = self.array()
        b, i = self.array(a), self.new("i")
        self.open(f"for {i} in 1:n - 1 any")
        self.add(a, i, self.smooth(self.load(b, f"{i} - 1"), self.load(b, f"{i} + 1")))
        self.close()

    def fused(self) -> None:
        a = self.array()
        b, i = self.array(a), self.new("i")
        self.open(f"for {i} in 0:n any")
        self.add(a, i, self.smooth(self.load(b, i)))
        self.add(b, i, self.smooth(self.load(a, i)))
        self.close()

    def sweep(self) -> None:
        """In sequence: an element depends on one that was updated before, or will be."""
        a, i = self.array(), self.new("i")
        self.open(self.pick(f"for {i} in 1:n - 1", f"for {i} in n - 2:0 step -1"))
        other = self.load(a, f"{i} {self.pick('+', '-')} 1")
        self.add(a, i, self.smooth(other, self.load(self.array(a), i)))
        self.close()

    def scatter(self) -> None:
        a = self.array()
        b, i = self.array(a), self.new("i")
        self.open(f"for {i} in 0:n any")
        j = self.load("k", i)
        self.add(a, j, self.smooth(self.load(b, i)))
        self.close()

    def local(self) -> None:
        """A temporary array, used now or after more statements."""
        a, h = self.array(), self.new("h")
        b, i, j = self.array(a), self.new("i"), self.new("i")
        self.put(f"alloc {h}: f64[n]")
        self.open(f"for {i} in 0:n any")
        self.put(f"{h}[{i}] = {self.smooth(self.load(b, i))}")
        self.close()
        if self.rng.random() < 0.4:
            self.item()
        self.open(f"for {j} in 0:n any")
        self.add(a, j, self.smooth(self.load(h, j)))
        self.close()

    def store(self) -> None:
        a = self.array()
        value = self.smooth(self.load(self.array(), "1"))
        self.put(f"{a}[{self.pick('0', 'n - 1')}] = {value}")

    def scale(self) -> None:
        if self.rng.random() < 0.5:
            return
        a, i = self.array(), self.new("i")
        self.open(f"for {i} in 0:n any")
        scaled = self.let(f"0.9 * {self.load(a, i)}")
        self.put(f"{a}[{i}] = {scaled}")
        self.close()

    def number(self) -> None:
        self.scalars.append(self.smooth(self.load(self.array(), self.pick("0", "1", "n - 1"))))

    def sum(self) -> None:
        d, i = self.new("d"), self.new("i")
        self.put(f"alloc {d}: f64[]")
        self.put(f"{d}[] = 0.0")
        self.open(f"for {i} in 0:n any")
        product = self.let(f"{self.load(self.array(), i)} * {self.load(self.array(), i)}")
        self.put(f"{d}[] += {product}")
        self.close()
        total = self.load(d, "")
        self.scalars.append(self.let(f"tanh({total})"))

    def branch(self) -> None:
        t = self.let(f"{self.load(self.array(), self.pick('0', '2'))} > 0.1")
        before = list(self.scalars)
        self.open(f"if {t}")
        self.items(int(self.rng.integers(1, 3)))
        self.close()
        self.scalars = before

    def nest(self) -> None:
        before = list(self.scalars)
        self.open(f"for {self.new('j')} in 0:2")
        self.items(int(self.rng.integers(1, 3)))
        self.close()
        self.scalars = before

    def inner(self) -> None:
        """An array of this block that is updated in a loop of its own."""
        q, i = self.new("q"), self.new("i")
        before = list(self.scalars)
        self.open("if c > 0.0" if self.rng.random() < 0.2 else f"for {self.new('o')} in 0:2")
        self.put(f"alloc {q}: f64[n]")
        self.open(f"for {i} in 0:n any")
        self.put(f"{q}[{i}] = {self.load(self.array(), i)}")
        self.close()
        self.arrays += [q, q]
        self.loop()
        self.arrays = self.arrays[:-2]
        last = self.new("i")
        self.open(f"for {last} in 0:n any")
        self.add(self.array(), last, self.smooth(self.load(q, last)))
        self.close()
        self.close()
        self.scalars = before

    def assigned(self) -> None:
        """The update is a store of what was there, plus something."""
        a, i = self.array(), self.new("i")
        self.open(f"for {i} in 0:n any")
        t = self.load(a, i)
        g = self.smooth(self.load(self.array(a), i), *([t] if self.rng.random() < 0.1 else []))
        total = self.let(self.pick(f"{t} + {g}", f"{g} + {t}", f"{t} - {g}"))
        if self.rng.random() < 0.3:
            total = self.let(f"{total} + {self.smooth(self.load(self.array(a), i))}")
        self.put(f"{a}[{i}] = {total}")
        if self.rng.random() < 0.3:
            b = self.array(a)
            self.add(b, i, self.smooth(total))
        self.close()

    def carried(self) -> None:
        """What the element will be is used before it is."""
        a, i = self.array(), self.new("i")
        b = self.array(a)
        self.open(f"for {i} in 0:n any")
        t, g = self.load(a, i), self.smooth(self.load(b, i))
        total = self.let(self.pick(f"{t} + {g}", f"{g} + {t}"))
        other = self.smooth(total)
        for target, value in self.pick(((a, g), (b, other)), ((b, other), (a, g))):
            self.add(target, i, value)
        self.close()

    def element(self) -> None:
        """In the block itself: no loop around it."""
        a = self.array()
        value = self.smooth(self.load(self.array(a), self.pick("0", "1", "n - 1")))
        self.add(a, self.pick("0", "1", "n - 1"), value)

    def view(self) -> None:
        a, i, y = self.array(), self.new("i"), self.new("y")
        b = self.array(a)
        self.put(f"view {y}: f64[n - 1] = {a}[1] along (0: 1)")
        self.open(f"for {i} in 0:n - 1 any")
        self.add(y, i, self.smooth(self.load(b, i)))
        self.close()
