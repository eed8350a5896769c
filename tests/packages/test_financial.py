"""`numpy_financial` and `pykalman`, unmodified."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy_financial as npf
import pytest
from pykalman.standard import _filter, _filter_correct, _filter_predict, _smooth, _smooth_update

import wengert as wg
from derivatives import assert_derivatives

RNG = np.random.default_rng(6)
F = np.array([[1.0, 0.4], [-0.2, 0.9]])
H = np.array([[1.0, 0.3]])
Q = 0.1 * np.eye(2) + 0.01
R = np.array([[0.2]])
B, D = np.array([0.1, -0.05]), np.array([0.02])
MEAN, COV = np.array([0.2, 0.1]), np.array([[0.5, 0.1], [0.1, 0.4]])


def future_value(rate, pmt, pv):
    return npf.fv(rate, 12.0, pmt, pv), npf.fv(rate, 10, pmt, pv, when="begin")


def present_value(rate, pmt, fv):
    return npf.pv(rate, 15, pmt, fv)


def payment(rate, pv):
    return npf.pmt(rate, 180, pv), npf.nper(rate, -0.012 * pv, pv)


def interest(rate, pv):
    return npf.ipmt(rate, 3, 24, pv), npf.ppmt(rate, 3, 24, pv)


def net_present_value(rate, values):
    return npf.npv(rate, values)


def internal_rate(pmt, pv, fv):
    return npf.rate(10.0, pmt, pv, fv)


def modified_internal_rate(values, finance, reinvest):
    return npf.mirr(values, finance, reinvest)


def kalman_filter(f, h, q, r, mean, cov, observations):
    return _filter(f, h, q, r, B, D, mean, cov, observations)


def kalman_smoother(f, q, mean, cov, observations):
    predicted, predicted_cov, _, filtered, filtered_cov = _filter(f, H, q, R, B, D, mean, cov, observations)
    return _smooth(f, filtered, filtered_cov, predicted, predicted_cov)


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "fv": (future_value, (0.05 / 12, -100.0, -1000.0)),
    "fv of rates": (future_value, (np.array([0.05, 0.06, 0.07]) / 12, -100.0, -1000.0)),
    "pv": (present_value, (0.04, -100.0, 1500.0)),
    "pmt": (payment, (0.075 / 12, 20000.0)),
    "ipmt": (interest, (0.0824 / 12, 2500.0)),
    "npv": (net_present_value, (0.281, np.array([-100.0, 39.0, 59.0, 55.0, 20.0]))),
    "rate": (internal_rate, (-2.0, -3500.0, 10000.0)),
    "mirr": (modified_internal_rate, (np.array([-4500.0, -800.0, 800.0, 2500.0, 3100.0]), 0.08, 0.055)),
    "_filter_predict": (_filter_predict, (F, Q, B, MEAN, COV)),
    "_filter_correct": (_filter_correct, (H, R, D, MEAN, COV, np.array([0.7]))),
    "_filter": (kalman_filter, (F, H, Q, R, MEAN, COV, RNG.random((4, 1)))),
    "_smooth_update": (_smooth_update, (F, MEAN, COV, MEAN + 0.1, COV + 0.2 * np.eye(2), MEAN - 0.3, 0.8 * COV)),
    "_smooth": (kalman_smoother, (F, Q, MEAN, COV, RNG.random((4, 1)))),
}


IN_C = ("pmt", "npv", "mirr")
"""What later versions of numpy_financial (from 1.1 on) have in C."""


@pytest.mark.parametrize("name", CASES)
def test_financial(name: str) -> None:
    f, args = CASES[name]
    if name in IN_C and hasattr(npf._financial, "_cfinancial"):
        with pytest.raises(wg.Unsupported, match="_cfinancial"):
            wg.compile(f)(*args)
    else:
        assert_derivatives(f, *args, seeds=(0,))
