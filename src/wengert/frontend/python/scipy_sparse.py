"""scipy.sparse: products with dense arrays. SciPy's own source is staged; what it calls in C is here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.ir.types import I64

from . import sparse_programs
from .numpy_api.common import only_default
from .python_values import class_of, real_class
from .registry import HANDLERS, attribute, handles
from .values import RArray, RScalar

if TYPE_CHECKING:
    from .interp import Interp

_util: Any = importlib.import_module("scipy._lib._util")
_sparse: Any = importlib.import_module("scipy.sparse")
_coo: Any = importlib.import_module("scipy.sparse._coo")
_sputils: Any = importlib.import_module("scipy.sparse._sputils")
_tools: Any = importlib.import_module("scipy.sparse._sparsetools")


def _register(name: str) -> None:
    program: Any = getattr(sparse_programs, name)

    def handler(interp: Interp, *args: Any) -> Any:
        return interp.call(program, list(args), {})

    HANDLERS[getattr(_tools, name)] = handler


for _name in ("csr_matvec", "csr_matvecs", "csc_matvec", "csc_matvecs", "coo_matvec", "coo_matmat_dense"):
    _register(_name)


@handles(_sputils.get_index_dtype)
def get_index_dtype(interp: Interp, arrays: Any = (), maxval: Any = None, check_contents: Any = False) -> type[Any]:
    """Of indices that exist: 32 bits stay so, wide ones stay wide."""
    given: Any = (arrays,) if isinstance(arrays, (RArray, np.ndarray)) else arrays
    wide = any(interp.as_array(a).dtype is I64 for a in given)
    return np.int64 if wide or (not given and maxval is not None) else np.int32


@handles(_util._prune_array)
def prune_array(interp: Interp, array: Any) -> Any:
    """SciPy's way to let go of the memory around a view."""
    return array


@attribute("__class__")
def class_of_array(interp: Interp, a: RArray | RScalar) -> type[Any]:
    return interp.call(type, [a], {})


# -- matrices made of others: SciPy's constructors look at all they are given -----------------------------------


def _made(interp: Interp, cls: type[Any], owner: Any, **parts: Any) -> Any:
    """A matrix with the attributes of another, but those given."""
    made = interp.native(lambda: object.__new__(cls))
    interp.stage.note_created(made.__dict__)
    interp.stage.keep_alive.append(made)
    for name in ("_shape", "maxprint", *(("coords",) if owner.format == "coo" else ("indices", "indptr")), "data"):
        value = parts[name] if name in parts else interp.get_attribute(owner, name)
        interp.stage.write(made.__dict__, name, value)
    return made


def transpose(interp: Interp, a: Any, axes: Any = None, copy: Any = False) -> Any:
    if (axes is not None and tuple(axes) != (1, 0)) or copy:
        raise interp.stage.refuse("transposing a sparse matrix with axes or copy is not supported", "write A.T")
    shape = interp.get_attribute(a, "_shape")
    turned = {"csr": "_csc_container", "csc": "_csr_container"}.get(a.format)
    if turned is None:
        coords = interp.get_attribute(a, "coords")
        return _made(interp, real_class(class_of(a)), a, _shape=shape[::-1], coords=coords[::-1])
    return _made(interp, interp.get_attribute(a, turned), a, _shape=shape[::-1])


def with_data(interp: Interp, a: Any, data: Any, copy: Any = True) -> Any:
    return _made(interp, real_class(class_of(a)), a, data=data)


def toarray(interp: Interp, a: Any, order: Any = None, out: Any = None) -> Any:
    only_default(interp, "toarray", out=(out, None))
    names = ("shape", "dtype", "data", *(("coords",) if a.format == "coo" else ("indices", "indptr")))
    shape, dtype, data, *places = (interp.get_attribute(a, name) for name in names)
    dense = interp.call(np.zeros, [shape], {"dtype": dtype})
    program: Any = getattr(sparse_programs, f"{a.format}_todense")
    interp.call(program, [*places, data, dense], {})
    return dense


def times_matrix(interp: Interp, a: Any, other: Any) -> Any:
    return interp.call(sparse_programs.times_matrix, [other, a], {})


def coo_times_vector(interp: Interp, a: Any, x: Any) -> Any:
    """SciPy gives a number where a coo_array has one row."""
    row, column = interp.get_attribute(a, "coords")
    rows, _ = interp.get_attribute(a, "shape")
    if isinstance(a, _sparse.sparray) and interp.truth(interp.relation("==", rows, 1)) is not False:
        one = interp.truth(interp.relation("==", rows, 1))
        if isinstance(one, bool):
            raise interp.stage.refuse("the product of a coo_array of one row is a number", "use tocsr()")
        interp.stage.refuse_if(one, "the product of a coo_array of one row is a number, use tocsr()")
    return interp.call(sparse_programs.coo_times_vector, [rows, row, column, interp.get_attribute(a, "data"), x], {})


def refused(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    raise interp.stage.refuse(
        "sparse matrices have products with dense arrays only: csr, csc and coo, their transposes and multiples",
        "make the matrix outside; its numbers are A.data, and A.toarray() is dense",
    )


HANDLERS[_coo._coo_base._matmul_vector] = coo_times_vector
for _kind in ("csr", "csc", "coo"):
    _base: Any = getattr(importlib.import_module(f"scipy.sparse._{_kind}"), f"_{_kind}_base")
    HANDLERS[_base.transpose] = transpose
    HANDLERS[_base._with_data] = with_data
    HANDLERS[_base.toarray] = toarray
    HANDLERS[_base.__rmatmul__] = times_matrix
    for _name in ("__init__", "_matmul_sparse", "_add_dense", "_binopt", "_add_sparse", "__getitem__", "__setitem__"):
        if hasattr(_base, _name):
            HANDLERS[getattr(_base, _name)] = refused
