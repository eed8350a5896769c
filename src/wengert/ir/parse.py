"""Reading the text form of the IR; `text` writes it and describes it."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from .nodes import (
    Accumulate,
    AccumulateOp,
    Alloc,
    Block,
    Buffer,
    Call,
    Cast,
    Const,
    Declare,
    Expr,
    Extent,
    Fail,
    Function,
    Growable,
    If,
    Intent,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Param,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Scalar,
    Select,
    Span,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from .ops import OPS
from .types import BOOL, F64, I64, DType

T = TypeVar("T")

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
SUMS = {"add": "+", "sub": "-"}
PRODUCTS = {"mul": "*", "div": "/"}
LEVELS: tuple[dict[str, str], ...] = ({"or": "or"}, {"and": "and"}, COMPARISONS, SUMS, PRODUCTS)
"""Infix operations, loosest first; all associate to the left."""

RESERVED = frozenset({
    "entry", "func", "alloc", "zero", "strided", "contiguous", "declare", "ref", "growable", "rank", "view",
    "along", "reshape", "rebind", "let", "for", "in", "step", "any", "while", "if", "else", "lib", "call",
    "push", "pop", "resize", "pushref", "popref", "fail", "true", "false", "and", "or", "not", "none",
    "inout", "local", "max", "min",
})  # fmt: skip
"""Words that a name must be quoted not to be taken for: `step`."""

DTYPES = {d.value: d for d in DType}

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r]+) | (?P<newline>\n) | (?P<comment>\#[^\n]*)
    | (?P<number>(?:@inf|@nan|\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:[iufc]\d+)?)
    | (?P<quoted>`[^`]+`) | (?P<name>[^\W\d]\w*)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<mark>\+=|->|==|!=|<=|>=|[-+*/<>=()\[\]{},;:])
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"(@inf|@nan|\d+(?:\.\d+)?(?:e[+-]?\d+)?)([iufc]\d+)?")
_SPAN = re.compile(r"#\s*(.+):(\d+):(\d+)-(\d+)(?: in (.*))?")


class ParseError(ValueError):
    """The text is not IR; the message names the line."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    line: int


def parse(text: str) -> Module:
    """The module that `text.show` would show so; raises ParseError."""
    return _Parser(text).module()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[Token] = []
        self.spans: dict[int, Span] = {}
        self.position = 0
        self.scalars: dict[str, DType] = {}
        self.storages: dict[str, Storage] = {}
        self._tokenize(text)

    # -- tokens

    def _tokenize(self, text: str) -> None:
        line, place = 1, 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ParseError(f"line {line}: unexpected {text[place]!r}")
            kind, place = match.lastgroup or "", match.end()
            match kind:
                case "newline":
                    line += 1
                case "comment":
                    if span := _SPAN.fullmatch(match.group()):
                        file, row, col, end, function = span.groups()
                        self.spans[line] = Span(file, int(row), int(col), int(end), function or "")
                case "space":
                    pass
                case "quoted":
                    self.tokens.append(Token("quoted", match.group()[1:-1], line))
                case _:
                    self.tokens.append(Token(kind, match.group(), line))
        self.tokens.append(Token("end", "the end", line))

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def _fail(self, message: str) -> NoReturn:
        raise ParseError(f"line {self.token.line}: {message}, found {self.token.text!r}")

    def _reject(self, message: str) -> NoReturn:
        """Fail over what was just read."""
        raise ParseError(f"line {self.tokens[self.position - 1].line}: {message}")

    def _next(self) -> Token:
        token = self.token
        if token.kind == "end":
            self._fail("the text ends too early")
        self.position += 1
        return token

    def _at(self, *texts: str) -> bool:
        return self.token.kind in ("mark", "name") and self.token.text in texts

    def _accept(self, text: str) -> bool:
        found = self._at(text)
        self.position += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail(f"expected {text!r}")

    def _name(self) -> str:
        token = self.token
        if token.kind != "quoted" and (token.kind != "name" or token.text in RESERVED):
            self._fail("expected a name")
        return self._next().text

    def _integer(self) -> int:
        if self.token.kind != "number":
            self._fail("expected a number")
        return int(self._next().text)

    def _span(self) -> Span | None:
        """The span noted at the end of the line of the last token read."""
        return self.spans.get(self.tokens[self.position - 1].line)

    def _list(self, close: str, item: Callable[[], T]) -> tuple[T, ...]:
        """Items separated by commas, up to and with the closing mark."""
        items: list[T] = []
        while not self._accept(close):
            if items:
                self._expect(",")
            items.append(item())
        return tuple(items)

    # -- functions

    def module(self) -> Module:
        self._expect("entry")
        entry = "" if self._at("func") or self.token.kind == "end" else self._name()
        functions: dict[str, Function] = {}
        while self.token.kind != "end":
            function = self._function()
            functions[function.name] = function
        return Module(functions, entry)

    def _function(self) -> Function:
        self._expect("func")
        name = self._name()
        self._expect("(")
        self.scalars, self.storages = {}, {}
        start = self.position
        self._list(")", self._skip_param)
        end, self.position = self.position, start
        params = self._list(")", self._param)
        assert self.position == end
        results: tuple[str, ...] = ()
        if self._accept("->"):
            self._expect("(")
            results = self._list(")", self._name)
        attached = ""
        if self._accept("attached"):
            self._expect("by")
            attached = self._name()
        self._expect("{")
        span = self._span()
        return Function(name, params, self._block(), results, span, attached)

    def _skip_param(self) -> None:
        """Note the scalar parameters, which extents before them may name; skip the rest."""
        name = self._name()
        self._expect(":")
        if self.token.text in DTYPES and self.tokens[self.position + 1].text in (",", ")"):
            self.scalars[name] = DTYPES[self.token.text]
        depth = 0
        while depth or not self._at(",", ")"):
            depth += self._at("(", "[") - self._at(")", "]")
            if self.token.kind == "end":
                self._fail("the parameters do not end")
            self.position += 1

    def _param(self) -> Param:
        name = self._name()
        self._expect(":")
        if name in self.scalars:
            self._next()
            return Scalar(name, self.scalars[name])
        storage = self._storage(name, strided=False, intent="in")
        if isinstance(storage, Ref):
            self._reject("a ref cannot be a parameter")
        return storage

    def _storage(self, name: str, strided: bool, intent: Intent) -> Storage:
        """A storage's type, declaring it."""
        storage: Storage
        if self._accept("ref"):
            dtype = self._dtype()
            self._expect("rank")
            storage = Ref(name, dtype, self._integer())
        elif self._accept("growable"):
            storage = Growable(name, self._dtype(), self._integer() if self._accept("rank") else None)
        else:
            dtype = self._dtype()
            self._expect("[")
            shape = self._list("]", self._expr)
            if self._at("strided", "contiguous"):
                strided = self._next().text == "strided"
            if self._accept("inout"):
                intent = "inout"
            elif self._accept("local"):
                intent = "local"
            elif self._accept("in"):
                intent = "in"
            storage = Buffer(name, dtype, shape, strided, intent)
        self.storages[name] = storage
        return storage

    def _buffer(self, strided: bool = False) -> Buffer:
        name = self._name()
        self._expect(":")
        storage = self._storage(name, strided, "local")
        if not isinstance(storage, Buffer):
            self._reject("expected a buffer")
        return storage

    def _dtype(self) -> DType:
        if self.token.text not in DTYPES:
            self._fail("expected a dtype")
        return DTYPES[self._next().text]

    # -- statements

    def _block(self) -> Block:
        """Statements up to and with the closing brace."""
        stmts: list[Stmt] = []
        while not self._accept("}"):
            stmts.append(self._statement())
        return tuple(stmts)

    def _statement(self) -> Stmt:
        if self.token.kind == "quoted" or self.token.text not in RESERVED:
            return self._assignment()
        match self._next().text:
            case "let":
                name = self._name()
                self._expect("=")
                value = self._expr()
                self.scalars[name] = value.dtype
                return Let(name, value, self._span())
            case "for":
                return self._loop()
            case "if":
                return self._if()
            case "lib":
                return self._lib()
            case "call":
                function = self._name()
                self._expect("(")
                return Call(function, self._list(")", self._argument), self._span())
            case "fail":
                exception = self._name()
                self._expect("(")
                message, *args = self._list(")", self._fail_part)
                return Fail(exception, str(message), tuple(a for a in args if not isinstance(a, str)), self._span())
            case keyword:
                return self._storage_statement(keyword)

    def _storage_statement(self, keyword: str) -> Stmt:
        match keyword:
            case "alloc":
                buffer, zero = self._buffer(), self._accept("zero")
                return Alloc(buffer, zero, self._span())
            case "declare":
                name = self._name()
                self._expect(":")
                storage = self._storage(name, False, "local")
                if isinstance(storage, Buffer):
                    self._reject("expected a ref or growable")
                return Declare(storage, self._span())
            case "view":
                buffer, base = self._buffer(strided=True), self._after("=")
                self._expect("[")
                start = self._list("]", self._expr)
                self._expect("along")
                self._expect("(")
                axes = self._list(")", self._axis)
                return View(buffer, base, start, axes, self._span())
            case "reshape":
                buffer, base = self._buffer(), self._after("=")
                return Reshape(buffer, base, self._span())
            case "rebind":
                ref, target = self._name(), self._after("=")
                return Rebind(ref, target, self._span())
            case "push" | "resize":
                name = self._name()
                self._expect(":")
                value = self._expr()
                return Push(name, value, self._span()) if keyword == "push" else Resize(name, value, self._span())
            case "pop":
                name, growable = self._name(), self._after("=")
                self.scalars[name] = self._declared(growable).dtype
                return Pop(name, growable, self.scalars[name], self._span())
            case "pushref":
                growable, ref = self._name(), self._after(":")
                return PushRef(growable, ref, self._span())
            case "popref":
                ref, growable = self._name(), self._after("=")
                return PopRef(ref, growable, self._span())
            case _:
                raise ParseError(f"line {self.tokens[self.position - 1].line}: no statement starts with {keyword!r}")

    def _after(self, mark: str) -> str:
        self._expect(mark)
        return self._name()

    def _axis(self) -> tuple[int | None, Expr]:
        axis = None if self._accept("none") else self._integer()
        self._expect(":")
        return axis, self._expr()

    def _assignment(self) -> Stmt:
        storage = self._name()
        self._expect("[")
        index = self._list("]", self._expr)
        if self._accept("="):
            return Store(storage, index, self._expr(), self._span())
        op: AccumulateOp = "add"
        if self._at("max", "min"):
            op = "max" if self._next().text == "max" else "min"
            self._expect("=")
        else:
            self._expect("+=")
        return Accumulate(storage, index, self._expr(), op, self._span())

    def _loop(self) -> Loop:
        var = self._name()
        self._expect("in")
        start = self._expr()
        self._expect(":")
        stop = None if self._at("step", "any", "while", "{") else self._expr()
        step = self._signed() if self._accept("step") else 1
        order = "any" if self._accept("any") else "sequential"
        self.scalars[var] = I64
        cond = self._expr() if self._accept("while") else None
        self._expect("{")
        span = self._span()
        return Loop(var, start, stop, self._block(), step, order, cond, span)

    def _signed(self) -> int:
        return -self._integer() if self._accept("-") else self._integer()

    def _if(self) -> If:
        cond = self._expr()
        self._expect("{")
        span = self._span()
        then = self._block()
        orelse: Block = ()
        if self._accept("else"):
            self._expect("{")
            orelse = self._block()
        return If(cond, then, orelse, span)

    def _lib(self) -> LibCall:
        op = self._name()
        self._expect("(")
        outs = self._list(";", self._name)
        ins: list[str | Expr] = []
        attrs: list[tuple[str, object]] = []
        for part in self._list(")", self._lib_part):
            if isinstance(part, tuple):
                attrs.append(part)
            else:
                ins.append(part)
        return LibCall(op, outs, tuple(ins), tuple(attrs), self._span())

    def _lib_part(self) -> str | Expr | tuple[str, object]:
        if self.tokens[self.position + 1].text != "=":
            return self._argument()
        name = self._name()
        self._expect("=")
        sign = "-" if self._accept("-") else ""
        return name, ast.literal_eval(sign + self._next().text)

    def _argument(self) -> str | Expr:
        """A storage's name standing alone, or an expression."""
        alone = self.tokens[self.position + 1].text in (",", ")")
        if alone and self.token.kind in ("name", "quoted") and self.token.text in self.storages:
            return self._name()
        return self._expr()

    def _fail_part(self) -> str | Expr:
        return str(ast.literal_eval(self._next().text)) if self.token.kind == "string" else self._expr()

    # -- expressions

    def _expr(self, level: int = 0) -> Expr:
        if level == len(LEVELS):
            return self._unary()
        names = {symbol: name for name, symbol in LEVELS[level].items()}
        left = self._expr(level + 1)
        while self.token.kind in ("mark", "name") and self.token.text in names:
            name = names[self._next().text]
            left = self._op(name, (left, self._expr(level + 1)))
        return left

    def _unary(self) -> Expr:
        if self._accept("not"):
            return self._op("not", (self._unary(),))
        if self._accept("-"):
            return self._number(-1) if self.token.kind == "number" else self._op("neg", (self._unary(),))
        if self.token.kind == "number":
            return self._number(1)
        if self._accept("("):
            e = self._expr()
            self._expect(")")
            return e
        if self._accept("{"):
            real, imag = self._list("}", self._expr)
            dtype = self._dtype()
            if not (isinstance(real, Const) and isinstance(imag, Const)):
                self._reject("expected numbers")
            return Const(complex(real.value.real, imag.value.real), dtype)
        if self._at("true", "false"):
            return Const(self._next().text == "true", BOOL)
        if self.tokens[self.position + 1].text == "(" and self.token.kind == "name":
            return self._application()
        name = self._name()
        if self._accept("["):
            return Load(name, self._list("]", self._expr), self._declared(name).dtype)
        if name not in self.scalars:
            self._reject(f"{name} is not a scalar")
        return Var(name, self.scalars[name])

    def _number(self, sign: int) -> Const:
        match = _NUMBER.fullmatch(self._next().text)
        assert match is not None
        digits, suffix = match.groups()
        if suffix is not None and suffix not in DTYPES:
            self._reject(f"{suffix} is not a dtype")
        dtype = DTYPES[suffix] if suffix else I64 if digits.isdigit() else F64
        if digits == "@nan":
            return Const(math.nan, dtype)  # that very object: NaNs differ otherwise
        return Const(sign * (int(digits) if digits.isdigit() else float(digits.lstrip("@"))), dtype)

    def _application(self) -> Expr:
        name = self._next().text
        self._expect("(")
        if name == "extent":
            storage = self._name()
            self._expect(",")
            axis = self._integer()
            self._expect(")")
            return Extent(storage, axis)
        args = self._list(")", self._expr)
        if name == "select":
            cond, then, orelse = args
            return Select(cond, then, orelse)
        if name in DTYPES:
            return Cast(args[0], DTYPES[name])
        return self._op(name, args)

    def _op(self, name: str, args: tuple[Expr, ...]) -> Op:
        if name not in OPS or len(args) != OPS[name].arity:
            self._reject(f"no operation {name} of {len(args)} operands")
        try:
            return Op(name, args, OPS[name].result_dtype(tuple(a.dtype for a in args)))
        except TypeError as error:
            self._reject(str(error))

    def _declared(self, name: str) -> Storage:
        if name not in self.storages:
            self._reject(f"{name} is not a storage")
        return self.storages[name]
