"""Faults to plant in the package, one at a time, and the tests that must notice each.

A mutant replaces what a regular expression finds in one file, exactly once. The expressions say as little as
identifies the place, so that they survive changes around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "wengert"

SCALARS = ("tests/ir/test_ops.py",)
DERIVATIVES = ("tests/ad/test_constructs.py", "tests/ad/test_library.py", "tests/ad/test_random.py")
LIBRARY = ("tests/ad/test_library.py",)
INVERSION = ("tests/ad/test_inversion.py",)
PASSES = ("tests/optimise", "tests/analysis", *DERIVATIVES)


@dataclass(frozen=True)
class Mutant:
    """One fault: in `file`, `pattern` becomes `replacement` (a template of `re`); `tests` must fail."""

    name: str
    file: str
    pattern: str
    replacement: str
    tests: tuple[str, ...] = DERIVATIVES

    def applied(self, package: Path = PACKAGE) -> str:
        """The text of the file with the fault; raises ValueError unless its place is found exactly once."""
        text, count = re.subn(self.pattern, self.replacement, (package / self.file).read_text())
        if count != 1:
            raise ValueError(f"{self.name}: {self.pattern!r} is found {count} times in {self.file}")
        return text


MUTANTS = (
    # rules of scalar operations
    Mutant("sign of cos", "ir/ops.py", r'b\.neg\(b\.op\("sin", x\)\)', 'b.op("sin", x)', SCALARS),
    Mutant("factor of tanh", "ir/ops.py", r"b\.sub\(1, b\.mul\(ans, ans\)\)", "b.sub(1, ans)", SCALARS),
    Mutant(
        "ties go to the second",
        "ir/ops.py",
        r"b\.or_\(b\.ge\(x, y\), b\.op\(\"isnan\", x\)\)",
        'b.or_(b.gt(x, y), b.op("isnan", x))',
        SCALARS,
    ),
    Mutant("conj dropped", "ad/rules/scalar.py", r'partial = b\.op\("conj", partial\)', "pass"),
    Mutant("adjoint of conj", "ad/rules/scalar.py", r'return \(b\.op\("conj", adj\),\)', "return (adj,)"),
    Mutant(
        "adjoint of a cast to complex", "ad/rules/scalar.py", r'adj = b\.op\("real", adj\)', 'adj = b.op("imag", adj)'
    ),
    Mutant(
        "select takes the other side",
        "ad/rules/scalar.py",
        r"\(1, b\.select\(cond, adj, zero\)\), \(2, b\.select\(cond, zero, adj\)\)",
        "(1, b.select(cond, zero, adj)), (2, b.select(cond, adj, zero))",
    ),
    Mutant(
        "zero times infinity",
        "ad/rules/scalar.py",
        r"partial = b\.select\(.*isfinite.*, partial, 0\)+",
        "pass",
        ("tests/ad/test_singular.py",),
    ),
    # rules of library operations
    Mutant(
        "sign of solve",
        "ad/rules/linear.py",
        r"(term = m\.product\(e, s, m\.adjoint\(e, x\.primal\)\)\n.*)b\.neg\(b\.load\(term, i\)\)",
        r"\1b.load(term, i)",
        LIBRARY,
    ),
    Mutant(
        "matmul without transpose",
        "ad/rules/linear.py",
        r"m\.product\(e, m\.adjoint\(e, left\.primal\), c_adj\)",
        "m.product(e, left.primal, c_adj)",
        LIBRARY,
    ),
    Mutant(
        "inverse transform not scaled",
        "ad/rules/linear.py",
        r'scale = b\.div if attrs\["inverse"\] else b\.mul',
        "scale = b.mul",
        LIBRARY,
    ),
    Mutant(
        "det not transposed",
        "ad/rules/linear.py",
        r"b\.load\(x, \(i\[1\], i\[0\]\)\)",
        "b.load(x, (i[0], i[1]))",
        LIBRARY,
    ),
    Mutant("cholesky's diagonal not halved", "ad/rules/decomposition.py", r"b\.mul\(own, 0\.5\)", "own", LIBRARY),
    Mutant(
        "sign of eigh's gaps",
        "ad/rules/decomposition.py",
        r"b\.sub\(b\.load\(w, \(j,\)\), b\.load\(w, \(i,\)\)\)",
        "b.sub(b.load(w, (i,)), b.load(w, (j,)))",
        LIBRARY,
    ),
    Mutant(
        "sort without its permutation",
        "ad/rules/decomposition.py",
        r"e\.accumulate\(x_adj, \(b\.load\(order\.primal, \(i,\)\),\)",
        "e.accumulate(x_adj, (i,)",
        LIBRARY,
    ),
    # forward mode
    Mutant(
        "tangent of an inactive store kept",
        "ad/forward.py",
        r"(case Store\(storage, index, value\):\n.*\n +)if self\._is_active\(storage\):",
        r"\1if self._is_active(storage) and self._dot(value) is not None:",
    ),
    Mutant("tangent of += dropped", "ad/forward.py", r"self\.e\.accumulate\(twin, index, dot\)", "pass"),
    # reverse mode
    Mutant(
        "adjoint not zeroed after a store",
        "ad/reverse/store.py",
        r"sweep\.e\.store\(target, index, b\.zero\(stmt\.value\.dtype\)\)",
        "pass",
    ),
    Mutant(
        "every store is the first",
        "ad/reverse/kept.py",
        r"return \(\n +local\n +and not[^)]*?\(storage\)\n +and .*\n +\)",
        "return True",
    ),
    Mutant(
        "every value is final", "ad/reverse/kept.py", r"return (self\._is_untouched\(.*, AFTER\))", r"return True or \1"
    ),
    Mutant(
        "pops in the order of pushes",
        "ad/reverse/tape.py",
        r"reversed\(self\.layout\.pushed\(region\)\)",
        "self.layout.pushed(region)",
    ),
    Mutant("wrong index on a tape", "ad/reverse/tape.py", r"b\.add\(b\.mul\(position, n\), i\)", "b.add(position, i)"),
    Mutant(
        "a sequential loop reversed forwards",
        "ad/reverse/loop.py",
        r"first, last, step = .*",
        "first, last, step = start, stop, stmt.step",
    ),
    Mutant("trip count too small", "ad/reverse/loop.py", r"abs\(stmt\.step\) - 1\), abs", "0), abs"),
    Mutant("adjoint of resize not undone", "ad/reverse/sequence.py", r"b\.neg\((sweep\.at\(stmt\.delta\))\)", r"\1"),
    Mutant(
        "the other side of a branch",
        "ad/reverse/branch.py",
        r"If\(sweep\.at\(stmt\.cond\), first, second",
        "If(sweep.at(stmt.cond), second, first",
    ),
    Mutant(
        "max= passes on when it kept",
        "ad/reverse/store.py",
        r"b\.select\(taken, adj, zero\)",
        "b.select(taken, zero, adj)",
    ),
    Mutant(
        "colliding max= left unordered",
        "ad/extrema.py",
        r"stmt\.order == \"any\" and meets\(stmt\)",
        "False",
        (*DERIVATIVES, "tests/ad/test_structure.py"),
    ),
    Mutant(
        "shadows of refs not restored",
        "ad/reverse/refs.py",
        r"sweep\.e\.pop_ref\(sweep\.adj\(ref\)\.name, stack\)",
        "pass",
    ),
    # updates that are undone
    Mutant(
        "undone too early",
        "ad/reverse/inversion.py",
        r"if any\(self\._touches\(w, o, region, point\)",
        "if any(False and self._touches(w, o, region, point)",
        INVERSION,
    ),
    Mutant("undone past a store", "ad/reverse/inversion.py", r"end = min\(end, at\)", "pass", INVERSION),
    Mutant(
        "an older element taken for the last",
        "ad/reverse/inversion.py",
        r"if at < w\.position and not self\.kept",
        "if False and not self.kept",
        INVERSION,
    ),
    Mutant(
        "memory of the caller taken back",
        "ad/reverse/inversion.py",
        r"any\(self\.p\.aliases\.may_overlap\(storage, name\)",
        "any(False and self.p.aliases.may_overlap(storage, name)",
        INVERSION,
    ),
    Mutant(
        "nothing is late",
        "ad/reverse/solve.py",
        r"self\.values\.inversion\.points\[name\]\[home\]",
        "len(home.stmts)",
        INVERSION,
    ),
    # passes
    Mutant(
        "activity misses calls",
        "analysis/activity.py",
        r"targets in self\.through\[call\.function\]\.items\(\)",
        "targets in ()",
        PASSES,
    ),
    Mutant(
        "activity misses accumulation",
        "analysis/activity.py",
        r"Store\(storage, _, value\) \| Accumulate\(storage, _, value\) \|",
        "Store(storage, _, value) |",
        PASSES,
    ),
    Mutant("views are no aliases", "analysis/alias.py", r"case View\(\) \| Reshape\(\):", "case Reshape():", PASSES),
    Mutant(
        "less means less or equal",
        "analysis/affine.py",
        r"isub\(isub\(b, a\), Const\(1, I64\)\)",
        "isub(b, a)",
        PASSES,
    ),
    Mutant(
        "a live store is removed", "optimise/dce.py", r"case Store\(storage\) \| Accumulate", "case Accumulate", PASSES
    ),
    Mutant("what a ref names is removed", "optimise/dce.py", r"aliases\.append\(\(target, ref\)\)", "pass", PASSES),
    Mutant(
        "neighbours on threads at once",
        "analysis/parallel.py",
        r"return max\(highs\) - min\(lows\)",
        "return 0",
        ("tests/analysis/test_parallel.py",),
    ),
    Mutant(
        "threads see two names of an array as two",
        "analysis/parallel.py",
        r"any\(x\.storage != first\.storage for x in mine\)",
        "False",
        ("tests/analysis/test_parallel.py",),
    ),
    Mutant("loads are reused after writes", "optimise/flatten.py", r"known\.pop\(key, None\)", "pass", PASSES),
)
