"""Texts with run-time numbers in them, by f-strings, % and format: known if they must be and the numbers can be."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any

from wengert.codes import Code
from wengert.ir.types import I64

from .python_values import is_tuple
from .values import RScalar, RuntimeString, contains_runtime, template_of

if TYPE_CHECKING:
    from .interp import Interp

_SPEC = re.compile(r"%(?:\((\w+)\))?([-+ 0#]*(?:\d+)?(?:\.\d+)?[a-zA-Z%])")


VAGUE = RuntimeString("...", (), (), vague=True)


class Text:
    """A text that is put together."""

    def __init__(self) -> None:
        self.made = RuntimeString("", (), ())

    def add(self, piece: RuntimeString) -> None:
        m = self.made
        vague, text = m.vague or piece.vague, m.template + piece.template
        self.made = RuntimeString(text, (*m.args, *piece.args), (*m.forms, *piece.forms), vague)

    def result(self) -> str | RuntimeString:
        return self.made if self.made.args or self.made.vague else self.made.template.format()


def piece(interp: Interp, value: Any, form: str = "", conversion: str = "") -> RuntimeString:
    """A value as a piece of a text; `form` as in format(), or from a percent sign on."""
    value = interp.resolve(value)
    if isinstance(value, BaseException):
        value = interp.call(str, [value], {})
    if isinstance(value, RScalar):
        return RuntimeString("{}", (value.expr,), (form,))
    if isinstance(value, RuntimeString):
        return value
    if contains_runtime(value):
        return VAGUE
    if conversion == "r":
        value = repr(value)
    if form.startswith("%"):
        return RuntimeString(template_of(interp.native(lambda: form % (value,))), (), ())
    return RuntimeString(template_of(interp.native(lambda: format(value, form))), (), ())


def known(interp: Interp, value: Any) -> Any:
    """A text as Python's own, where staging needs it: run-time integers in it become static."""
    if not isinstance(value, RuntimeString):
        return value
    unknown = value.vague or len(value.forms) != len(value.args)
    if unknown or any(arg.dtype is not I64 for arg in value.args):
        reason = "a text with run-time numbers in it decides something"
        raise interp.stage.refuse(reason, "use texts that are known beforehand, or with integers in them", Code.STATIC)
    numbers = [interp.stage.static_int(arg, "a number in a text") for arg in value.args]
    made = [f % n if f.startswith("%") else format(n, f) for n, f in zip(numbers, value.forms, strict=True)]
    return value.template.format(*made)


def percent(interp: Interp, template: str, value: Any) -> str | RuntimeString:
    """template % value."""
    if not contains_runtime(value):
        return interp.native(lambda: template % value)
    values = list(value) if is_tuple(value) else [value]
    text, end = Text(), 0
    for found in _SPEC.finditer(template):
        text.add(RuntimeString(template_of(template[end : found.start()]), (), ()))
        end = found.end()
        name, spec = found.groups()
        if spec == "%":
            text.add(RuntimeString("%", (), ()))
        elif name or not values:
            text.add(VAGUE)
        else:
            text.add(piece(interp, values.pop(0), "%" + spec))
    text.add(RuntimeString(template_of(template[end:]), (), ()))
    return text.result()


def formatted(interp: Interp, template: str, args: list[Any], kwargs: dict[str, Any]) -> str | RuntimeString:
    """template.format(*args, **kwargs)."""
    if not contains_runtime(args) and not contains_runtime(kwargs):
        return interp.native(lambda: template.format(*args, **kwargs))
    text, position = Text(), 0
    for literal, name, form, conversion in string.Formatter().parse(template):
        text.add(RuntimeString(template_of(literal), (), ()))
        if name is None:
            continue
        place, position = (position, position + 1) if name == "" else (int(name) if name.isdigit() else -1, position)
        if 0 <= place < len(args):
            text.add(piece(interp, args[place], form or "", conversion or ""))
        elif name in kwargs:
            text.add(piece(interp, kwargs[name], form or "", conversion or ""))
        else:
            text.add(VAGUE)
    return text.result()
