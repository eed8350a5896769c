"""Scalar types of the IR."""

from __future__ import annotations

from enum import Enum

import numpy as np


class DType(Enum):
    """The element types; the value is the name used in the text form."""

    BOOL = "bool"
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    F32 = "f32"
    F64 = "f64"
    C64 = "c64"
    C128 = "c128"

    __hash__ = object.__hash__  # members are unique; that of Enum is Python code, and asked for often

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype with the same values."""
        return _TO_NUMPY[self]

    @property
    def is_float(self) -> bool:
        return self in (DType.F32, DType.F64)

    @property
    def is_complex(self) -> bool:
        return self in (DType.C64, DType.C128)

    @property
    def is_inexact(self) -> bool:
        """Real or complex floating point: the only types that carry derivatives."""
        return self.is_float or self.is_complex

    @property
    def is_integer(self) -> bool:
        return not self.is_inexact and self is not DType.BOOL

    @property
    def real(self) -> DType:
        """The real type of the same precision (itself unless complex)."""
        return {DType.C64: DType.F32, DType.C128: DType.F64}.get(self, self)

    @property
    def complex(self) -> DType:
        """The complex type of the same precision."""
        return {DType.F32: DType.C64, DType.F64: DType.C128}.get(self, self)

    @staticmethod
    def of(dtype: np.typing.DTypeLike) -> DType:
        """The IR type of a NumPy dtype; raises KeyError for any other (object, string, half, longdouble)."""
        return _FROM_NUMPY[np.dtype(dtype).newbyteorder("=")]


_TO_NUMPY: dict[DType, np.dtype] = {
    DType.BOOL: np.dtype(np.bool_),
    DType.I8: np.dtype(np.int8),
    DType.I16: np.dtype(np.int16),
    DType.I32: np.dtype(np.int32),
    DType.I64: np.dtype(np.int64),
    DType.U8: np.dtype(np.uint8),
    DType.U16: np.dtype(np.uint16),
    DType.U32: np.dtype(np.uint32),
    DType.U64: np.dtype(np.uint64),
    DType.F32: np.dtype(np.float32),
    DType.F64: np.dtype(np.float64),
    DType.C64: np.dtype(np.complex64),
    DType.C128: np.dtype(np.complex128),
}
_FROM_NUMPY = {v: k for k, v in _TO_NUMPY.items()}
BOOL, I8, I16, I32, I64 = DType.BOOL, DType.I8, DType.I16, DType.I32, DType.I64
U8, U16, U32, U64 = DType.U8, DType.U16, DType.U32, DType.U64
F32, F64, C64, C128 = DType.F32, DType.F64, DType.C64, DType.C128
