"""Library calls."""

from __future__ import annotations

from ...ir.nodes import LibCall
from ...ir.types import DType
from .writer import Place, Writer

LINEAR_ALGEBRA = "linear_algebra.h"
_COMPLEX = (DType.C64, DType.C128)
_LINEAR = (DType.F32, DType.F64, *_COMPLEX)


def call(w: Writer, stmt: LibCall) -> None:
    """Raises ValueError for an operation or dtype that the run-time library does not have."""
    outs = [w.place(o) for o in stmt.outs]
    ins = [w.place(i) for i in stmt.ins if isinstance(i, str)]
    dtype = ins[0].storage.dtype
    site = w.shared.site(stmt.span)
    match stmt.op:
        case "matmul" | "cholesky_adjoint":
            args = ["wg", *(matrix(w, p) for p in (*outs, *ins))]
        case "add_matmul":
            negative = "true" if dict(stmt.attrs)["negative"] else "false"
            args = ["wg", *(matrix(w, p) for p in ins), negative]
        case "ranged_matmul":
            side, axis = dict(stmt.attrs)["side"], dict(stmt.attrs)["axis"]
            operands = [*(matrix(w, p) for p in (*outs, *ins[:2])), *(vector(w, p) for p in ins[2:])]
            args = ["wg", *operands, f"{side}", f"{axis}"]
        case "guarded_matmul":
            guarded = "true" if dict(stmt.attrs)["guarded"] else "false"
            args = ["wg", *(matrix(w, p) for p in (*outs, *ins)), guarded]
        case "solve" | "inv" | "cholesky" | "qr":
            args = ["wg", site, *(matrix(w, p) for p in (*outs, *ins))]
        case "det":
            args = ["wg", w.address(outs[0]), matrix(w, ins[0])]
        case "eigh":
            args = ["wg", site, vector(w, outs[0]), matrix(w, outs[1]), matrix(w, ins[0])]
        case "svd" | "full_svd":
            args = ["wg", site, matrix(w, outs[0]), vector(w, outs[1]), matrix(w, outs[2]), matrix(w, ins[0])]
        case "pinv":
            args = ["wg", site, matrix(w, outs[0]), matrix(w, ins[0]), f"*(const double *){w.address(ins[1])}"]
        case "eig":
            real = "true" if dict(stmt.attrs)["real"] else "false"
            args = ["wg", site, vector(w, outs[0]), matrix(w, outs[1]), vector(w, outs[2]), matrix(w, ins[0]), real]
        case "sort":
            args = ["wg", vector(w, outs[0]), vector(w, outs[1]), vector(w, ins[0])]
        case "fft":
            inverse = "true" if dict(stmt.attrs)["inverse"] else "false"
            args = ["wg", vector(w, outs[0]), vector(w, ins[0]), inverse]
        case _:
            raise ValueError(f"the C backend has no library operation {stmt.op}")
    supported = {
        "sort": tuple(d for d in DType if not d.is_complex),
        "fft": _COMPLEX,
        "eig": _COMPLEX,
        "cholesky_adjoint": _LINEAR[:2],
    }
    if dtype not in supported.get(stmt.op, _LINEAR):
        raise ValueError(f"the C backend has no {stmt.op} of {dtype.value}")
    if stmt.op != "fft":
        w.shared.headers.add("sort.h" if stmt.op == "sort" else LINEAR_ALGEBRA)
    w.line(f"if (wg_{stmt.op}_{dtype.value}({', '.join(args)})) return 1;")


def matrix(w: Writer, place: Place) -> str:
    ns = [w.extent(place, k) for k in range(2)]
    strides = w.strides(place)
    return f"(wg_matrix){{{w.address(place)}, {{{', '.join(ns)}}}, {{{', '.join(strides)}}}}}"


def vector(w: Writer, place: Place) -> str:
    stride = "1" if place.kind == "list" else w.strides(place)[0]
    return f"(wg_vector){{{w.address(place)}, {w.extent(place, 0)}, {stride}}}"
