# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scipy.spatial.distance: between vectors, and between all of one or two sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import scipy.spatial.distance

from . import scipy_c_programs
from .numpy_api.extra import programmed
from .registry import HANDLERS, handles

if TYPE_CHECKING:
    from .interp import Interp

METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "minkowski", "cosine")


def _metric(interp: Interp, metric: Any) -> Any:
    name = getattr(metric, "__name__", metric)
    if name not in METRICS:
        raise interp.stage.refuse(f"distances by {name!r}", f"use one of {', '.join(METRICS)}, or write it out")
    return name


@handles(scipy.spatial.distance.cdist)
def cdist(interp: Interp, XA: Any, XB: Any, metric: Any = "euclidean", *, out: Any = None, p: Any = 2.0) -> Any:
    if interp.resolve(out) is not None:
        raise interp.stage.refuse("cdist with out=", "assign its result")
    return programmed(interp, scipy_c_programs.cdist, XA, XB, _metric(interp, metric), p)


@handles(scipy.spatial.distance.pdist)
def pdist(interp: Interp, X: Any, metric: Any = "euclidean", *, out: Any = None, p: Any = 2.0) -> Any:
    if interp.resolve(out) is not None:
        raise interp.stage.refuse("pdist with out=", "assign its result")
    return programmed(interp, scipy_c_programs.pdist, X, _metric(interp, metric), p)


def _between(name: str) -> None:
    def handler(interp: Interp, u: Any, v: Any, p: Any = 2.0, w: Any = None) -> Any:
        if interp.resolve(w) is not None:
            raise interp.stage.refuse(f"{name} with weights", "multiply the vectors by their roots")
        return programmed(interp, scipy_c_programs.distance, u, v, name, p)

    HANDLERS[getattr(scipy.spatial.distance, name)] = handler


for _name in METRICS:
    _between(_name)
