"""C identifiers, types and literals."""

from __future__ import annotations

import math
import re

import numpy as np

from ...ir.types import DType

C_TYPE: dict[DType, str] = {
    DType.BOOL: "bool",
    DType.I8: "int8_t",
    DType.I16: "int16_t",
    DType.I32: "int32_t",
    DType.I64: "int64_t",
    DType.U8: "uint8_t",
    DType.U16: "uint16_t",
    DType.U32: "uint32_t",
    DType.U64: "uint64_t",
    DType.F32: "float",
    DType.F64: "double",
    DType.C64: "float _Complex",
    DType.C128: "double _Complex",
}

_KEYWORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
asm typeof bool true false complex imaginary NULL main linux unix frame"""
_LIBRARY = """abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim
floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan
nearbyint nextafter nexttoward pow remainder remquo rint round scalbln scalbn sin sinh sqrt tan tanh tgamma trunc
carg cimag conj cproj creal cabs cacos cacosh casin casinh catan catanh ccos ccosh cexp clog cpow csin csinh csqrt ctan
ctanh isnan isinf isfinite isnormal signbit fpclassify isgreater isless isunordered islessequal isgreaterequal
islessgreater j0 j1 jn y0 y1 yn gamma drem significand signgam exp10 pow10 sincos
abort atexit atof atoi atol calloc exit free getenv labs div ldiv malloc qsort rand realloc srand strtod strtol system
bsearch memchr memcmp memcpy memmove memset strcat strchr strcmp strcpy strlen strncmp strncpy strstr strtok strdup
index rindex bcopy bzero random select alloca ptrdiff_t size_t wchar_t div_t math_errhandling"""
_LIMITS = "INFINITY NAN HUGE_VAL HUGE_VALF HUGE_VALL FLT_MAX DBL_MAX RAND_MAX EXIT_SUCCESS EXIT_FAILURE MB_CUR_MAX"
_RESERVED = frozenset(
    _KEYWORDS.split() + _LIMITS.split() + [name + suffix for name in _LIBRARY.split() for suffix in ("", "f", "l")]
)


def _reserved(name: str) -> bool:
    return (
        name in _RESERVED
        or name.startswith(("wg_", "WG_", "__"))
        or name == "wg"
        or re.fullmatch(r"_[A-Z].*|(u?int(_least|_fast)?(\d+|ptr|max)(_t|_MAX|_MIN|_C)?)", name, re.IGNORECASE)
        is not None
        or re.fullmatch(r"(FP|FLT|DBL|LDBL|INT|UINT|SIZE|M)_[A-Z0-9_]+", name) is not None
    )


class Names:
    """Gives out C identifiers, each once, as like the wanted name as C allows."""

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self._taken = set(taken)

    def fresh(self, wanted: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_]", lambda m: "_" if m.group().isascii() else f"u{ord(m.group()):x}", wanted)
        if not plain or plain[0].isdigit():
            plain = "_" + plain
        if _reserved(plain):
            plain = f"u{plain}" if plain.startswith(("_", "wg_", "WG_")) else f"{plain}_"
        name, count = plain, 2
        while name in self._taken:
            name, count = f"{plain}_{count}", count + 1
        self._taken.add(name)
        return name

    @property
    def taken(self) -> frozenset[str]:
        return frozenset(self._taken)


def literal(value: bool | int | float | complex, dtype: DType, plain: bool = False) -> str:
    """A constant of exactly this dtype; `plain` allows a small i64 constant to be an `int`."""
    match dtype:
        case DType.BOOL:
            return "true" if value else "false"
        case DType.F32 | DType.F64:
            return _float_literal(float(value.real), dtype)
        case DType.C64 | DType.C128:
            number, part = complex(value), dtype.real
            return f"wg_complex_{part.value}({_float_literal(number.real, part)}, {_float_literal(number.imag, part)})"
        case DType.U64:
            return f"UINT64_C({int(value.real)})"
        case DType.U32:
            return f"{int(value.real)}U"
        case _:
            return _signed_literal(int(value.real), dtype, plain)


def _signed_literal(value: int, dtype: DType, plain: bool) -> str:
    if dtype is DType.I64 and value == -(2**63):
        return "INT64_MIN"
    if dtype is DType.I32 and value == -(2**31):
        return "INT32_MIN"
    text = str(value) if dtype is not DType.I64 or (plain and abs(value) < 2**31) else f"INT64_C({abs(value)})"
    if dtype is DType.I64 and not text.startswith("INT64"):
        return text if value >= 0 else f"({text})"
    return f"(-{text.lstrip('-')})" if value < 0 else text


def _float_literal(value: float, dtype: DType) -> str:
    single = dtype is DType.F32
    if math.isnan(value):
        return "NAN" if single else "((double)NAN)"
    if math.isinf(value):
        text = "INFINITY" if single else "((double)INFINITY)"
        return f"(-{text})" if value < 0 else text
    text = str(np.float32(value)) if single else repr(value)
    if "e" not in text and "." not in text:
        text += ".0"
    text += "f" if single else ""
    return f"({text})" if text.startswith("-") else text


def text_literal(text: str) -> str:
    """A C string of UTF-8 bytes."""
    out: list[str] = []
    for byte in text.encode("utf-8", "replace"):
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= byte < 127 and char != "?":
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def comment(text: str) -> str:
    """A C comment; what would end or nest it is defused."""
    return f"/* {text.replace('*/', '* /').replace('/*', '/ *')} */"
