"""The catalogue of refusals: each class of them has a code that stays what it is, a reason and a way out.

An error names its place, its own reason and its own way out; the code leads to what the class has in common:
`wengert errors WG103`, or docs/errors.md, which `wengert errors --markdown` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from textwrap import TextWrapper

LINE = 118


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of a class of refusals."""

    code: str
    title: str
    reason: str
    way_out: str


class Code(Enum):
    """The classes. WG1xx: a program cannot be compiled; WG2xx: a derivative is asked for wrongly; WG3xx: there is no
    derivative; WG4xx: memory limits; WG5xx: what is around wengert; WG6xx: the command line."""

    OPERATION = Entry(
        "WG101",
        "An operation, a method or an argument of one is not supported",
        "The function has no native counterpart for run-time data, or not with these arguments, dtypes or ranks. It "
        "is not run by Python instead: its derivative would be missing.",
        "`wengert supported NAME` says what there is (docs/numpy.md). Mostly another spelling does: loop over a "
        "stack of matrices, use the real part, leave out an option, write the function in Python. What does not "
        "depend on the differentiated arguments can be computed outside and passed in.",
    )
    SYNTAX = Entry(
        "WG102",
        "A form of statement or expression is not supported",
        "A few forms of Python have no meaning in the compiled program: `async`, `yield` inside `try ... finally`, "
        "some targets of assignment and `del`, some patterns.",
        "Write the same with loops, branches, functions and lists.",
    )
    STATIC = Entry(
        "WG103",
        "Something must be known before the program runs",
        "The rank of an array, an axis, the number of values to unpack, a key of a dict or the length of a Python "
        "list shape the code that is made. Here it is computed from run-time data.",
        "Compute it from shapes and constants, or pass it as an argument of its own: integers that are arguments "
        "are taken as constants where they must be, and another value compiles again. Use an array instead of a "
        "list.",
    )
    KIND = Entry(
        "WG104",
        "A variable or a result may be of several kinds",
        "Run-time data decide whether it is, say, None or an array, a real or a complex matrix, an object of this "
        "or of that class, and it is used where the kinds differ. A derivative needs one kind.",
        "Give it the same kind on all paths and in every turn of a loop, or test its kind first (`is None`, "
        "`isinstance`). Make a matrix complex before `eig`, if its eigenvalues may be.",
    )
    CONTAINER = Entry(
        "WG105",
        "A list, dict or set changes with run-time data in a way that has no native form",
        "Lists may grow while the program runs if their elements are numbers, arrays of one shape or tuples of "
        "them. Sets, dicts whose keys run-time data decide, and lists of other things cannot.",
        "Keep elements of one kind in a list, use an array of the largest size, or give every key a value beforehand.",
    )
    WORLD = Entry(
        "WG106",
        "The program depends on the world outside, or changes it",
        "Files, random numbers, clocks, the environment, global variables and iterators that exist outside would "
        "give something else at every call, so neither a compiled call nor a derivative would mean anything.",
        "Do it outside: draw the numbers or read the file first and pass the values as arguments; return what changes.",
    )
    MEMORY = Entry(
        "WG107",
        "Memory that two names share is changed",
        "An array is changed in place where wengert cannot say who else sees the change: a temporary, an element of "
        "a list that grows, an object that may or may not be another one, arguments that overlap.",
        "Change a copy, or through one name only; pass copies of arguments that overlap.",
    )
    DTYPE = Entry(
        "WG108",
        "An array of a dtype or class without native counterpart",
        "Native arrays hold bool, integers, float32, float64, complex64 or complex128. Strings, objects, dates, "
        "float16, longdouble, masked arrays and sparse matrices are not among them.",
        "Convert with `.astype(float)`, pass data and mask of a masked array as two arrays, use `np.asarray`.",
    )
    SOURCE = Entry(
        "WG109",
        "The source of a function cannot be found",
        "wengert reads programs from their source. Functions made by `exec` or typed into a plain `python -i` have "
        "none.",
        "Define the function in a file, in a notebook or in IPython.",
    )
    ENDLESS = Entry(
        "WG110",
        "Compiling would not end",
        "A loop over Python objects is run while compiling and would become too much code, a loop cannot end, or "
        "the kinds of its variables change from turn to turn.",
        "Loop over an array or a range, and keep the kind of each variable the same.",
    )
    FLOAT_ERRORS = Entry(
        "WG111",
        "NumPy's handling of floating-point errors is changed in a way that is not followed",
        "`np.errstate(...='raise')` is followed for elementwise operations; callbacks, logs and settings for good "
        "are not.",
        "Use `with np.errstate(...)`, and test the values with `np.isfinite`.",
    )
    NESTED = Entry(
        "WG112",
        "A derivative inside a program cannot be compiled",
        "The transforms may be called inside a program, with positional arguments, numbers and arrays.",
        "Pass arguments by position, name `wrt` by position, return one real float from what `grad` differentiates; "
        "put a memory limit on the outermost derivative.",
    )
    RESULT = Entry(
        "WG113",
        "What is returned cannot be given back",
        "Results are numbers, arrays, and tuples, lists, dicts and objects of them. Functions and objects of other "
        "libraries that hold run-time data are not.",
        "Return the numbers and arrays, and make the object of them outside.",
    )
    OBJECT = Entry(
        "WG114",
        "An object is used in a way that is not supported",
        "Instances of classes written in Python are followed: their attributes and methods. Assigned attributes of "
        "classes themselves, the layout of arrays and instances of compiled classes are not, nor are objects that "
        "Python itself would change on one side of a branch or in a loop.",
        "Keep state in attributes of instances, and numbers and arrays in those.",
    )

    ARGUMENT = Entry(
        "WG201",
        "A transform is called with something it does not take",
        "The message says which argument, and what there may be.",
        "`help(wengert.grad)` and the API reference say what each transform takes.",
    )
    WRT = Entry(
        "WG202",
        "`wrt` or `of` names nothing that can be differentiated",
        "It must be the position or the name of an argument that holds floats, in this call. Integers and booleans "
        "have no derivatives, and are not converted silently.",
        "Name an argument, and pass it as floats: `3.0`, `.astype(float)`.",
    )
    OBJECTIVE = Entry(
        "WG203",
        "A gradient needs one real float",
        "`grad` and `hessian` are of functions with one real number as a result. The sum of an array's elements is "
        "not taken silently.",
        "Return the objective: a sum with weights, the real part, `abs(z)**2`; or use `wg.vjp` and `wg.jacobian`, "
        "which take any outputs.",
    )
    SEED = Entry(
        "WG204",
        "A tangent, a cotangent or a vector does not fit",
        "Tangents have the structure and shapes of the arguments, cotangents those of the outputs; nothing is "
        "broadcast.",
        "Make it with `np.zeros_like` or `np.ones_like` of what it belongs to.",
    )

    NO_DERIVATIVE = Entry(
        "WG301",
        "There is no derivative",
        "The operation has no derivative rule, or not for this dtype, or an array is accessed in a way that cannot "
        "be reversed. A zero would be wrong, so it is refused.",
        "Keep it out of the differentiated part, or write it out in loops. `docs/kinks.md` says where derivatives "
        "are zero on purpose.",
    )

    LIMIT = Entry(
        "WG401",
        "A derivative does not fit in its memory limit",
        "No plan stays within it. The message names the smallest limit for which one was found and what is held then.",
        "Raise the limit, or take fewer arrays as `wrt`. `wengert explain --memory-limit SIZE` shows plans.",
    )
    UNBOUNDED = Entry(
        "WG402",
        "The memory that a program needs is not known before it runs",
        "A loop of unknown length keeps something for every turn, or extents depend on the data, so no limit can be "
        "promised.",
        "Bound the loop (`for` with a break), or call without `memory_limit`.",
    )

    PIN = Entry(
        "WG403",
        "A value cannot be stored or recomputed as asked",
        "`store` and `recompute` name variables or source lines. The derivative needs no such value, or nothing that "
        "is left in the reverse sweep gives it again (states that a loop carries), or two pins exclude one another.",
        "`wengert explain --all` lists what is stored, kept and recomputed, with names and lines.",
    )
    DISK = Entry(
        "WG404",
        "Tapes cannot lie on disk",
        "The directory that `disk` names does not exist, cannot be written, or has less room than the tapes need. "
        "Nothing has run, or nothing is left of it: the files have no names and vanish with the call.",
        "Name another directory, free some of it, or raise `memory_limit`, so that less lies on disk.",
    )

    COMPILER = Entry(
        "WG501",
        "No C compiler was found",
        "wengert prints C and compiles it.",
        "Install gcc or clang, or `pip install ziglang`; or name one by the environment variable CC. `wengert "
        "doctor` tries.",
    )
    COMPILATION = Entry(
        "WG502",
        "The C compiler rejected a program",
        "A fault of wengert, or a compiler without C11.",
        "Please report it with the output of `wengert doctor` and of `wengert emit --whole`.",
    )
    SETTING = Entry(
        "WG503",
        "A setting or a library of this machine cannot be used",
        "An environment variable has a value that is none, or a library is of an unknown build.",
        "The message names it; `wengert doctor` looks at all of them.",
    )
    FAULT = Entry(
        "WG504",
        "A fault of wengert",
        "Something that cannot be, was.",
        "Please report the program with the output of `wengert doctor`.",
    )

    TARGET = Entry(
        "WG601",
        "The function to look at, or its arguments, cannot be found",
        "Commands take FILE.py:FUNC and run it with `--args`, with FUNC_args or with example_args of the file.",
        "Write `wengert check program.py:energy --args '(np.ones(3), 0.1)'`.",
    )
    NAME = Entry(
        "WG602",
        "A name on the command line is none",
        "There is no such pass, error, program or competitor, or no derivative to print.",
        "The message lists the names there are.",
    )
    SUITE = Entry(
        "WG603",
        "The programs or the results of a benchmark cannot be used",
        "A checkout, a file or a preset is not there, or results are of another setting.",
        "`wengert bench --help` says what each suite needs.",
    )

    def __str__(self) -> str:
        return self.value.code


GROUPS = {
    "1": "A program cannot be compiled",
    "2": "A derivative is asked for wrongly",
    "3": "There is no derivative",
    "4": "Memory limits",
    "5": "What is around wengert",
    "6": "The command line",
}


def describe(code: Code) -> str:
    """An entry as text."""
    entry = code.value
    parts = (entry.reason, f"way out: {entry.way_out}")
    return "\n".join((f"{entry.code}: {entry.title}", *(_wrapped(part, "  ") for part in parts)))


def _wrapped(text: str, margin: str = "") -> str:
    wrapper = TextWrapper(LINE, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
    return wrapper.fill(text)


def markdown() -> str:
    """The page docs/errors.md."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# Error catalogue"
    yield ""
    yield "Every refusal has a code in brackets. It says where, why and what to do in terms of the program; this page"
    yield "says what refusals of a class have in common. `wengert errors WG103` prints one;"
    yield "an exception has its code as `.code`."
    yield ""
    yield "Written by `wengert errors --markdown` from `src/wengert/codes.py`; every entry is shown by a program in"
    yield "`tests/acceptance/test_codes.py`."
    for digit, heading in GROUPS.items():
        yield ""
        yield f"## {heading}"
        for code in Code:
            entry = code.value
            if entry.code[2] == digit:
                yield from ("", f"({entry.code.lower()})=", f"### {entry.code}: {entry.title}", "")
                yield from (_wrapped(entry.reason), "", _wrapped(f"**Way out.** {entry.way_out}"))
