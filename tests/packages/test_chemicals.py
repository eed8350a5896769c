"""Property correlations of `chemicals`, unmodified: branches, iterations, polynomials of hundreds of terms."""

from __future__ import annotations

from typing import Any

import pytest
from chemicals import (
    COSTALD,
    Ambrose_Walton,
    Antoine,
    Brokaw,
    COSTALD_mixture,
    Lee_Kesler,
    Letsou_Stiel,
    Lucas,
    Lucas_gas,
    Psat_IAPWS,
    Rachford_Rice_solution,
    Tsat_IAPWS,
    Twu_1985,
    Wagner,
    Wilke,
    flash_wilson,
    mu_IAPWS,
)
from chemicals.air import lemmon2000_P, lemmon2000_rho
from chemicals.heat_capacity import Cpg_statistical_mechanics, Lastovka_Shaw
from chemicals.iapws import iapws95_Ar, iapws95_P, iapws95_properties, iapws95_rho, iapws97_rho
from chemicals.virial import BVirial_Pitzer_Curl, BVirial_Tsonopoulos_extended

import wengert as wg
from amount import LONG
from derivatives import Tolerances, assert_derivatives


def ketone_virial(T, Tc, Pc, omega, dipole):
    return BVirial_Tsonopoulos_extended(T, Tc, Pc, omega, species_type="ketone", dipole=dipole)


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "Antoine": (Antoine, (100.0, 8.7687, 395.744, -6.469)),
    "Antoine below its pole": (Antoine, (5.0, 8.7687, 395.744, -6.469)),
    "Wagner": (Wagner, (100.0, 190.551, 4599200.0, -6.02242, 1.26652, -0.5707, -1.366)),
    "Lee_Kesler": (Lee_Kesler, (347.2, 617.1, 36e5, 0.299)),
    "Ambrose_Walton": (Ambrose_Walton, (347.25, 617.15, 36.09e5, 0.304)),
    "Psat_IAPWS": (Psat_IAPWS, (300.0,)),
    "Tsat_IAPWS": (Tsat_IAPWS, (1e5,)),
    "COSTALD": (COSTALD, (272.03889, 369.83333, 0.20008161e-3, 0.1532)),
    "COSTALD_mixture": (
        COSTALD_mixture,
        ([0.4576, 0.5424], 298.0, [512.58, 647.29], [0.000117, 5.6e-05], [0.559, 0.344]),
    ),
    "mu_IAPWS": (mu_IAPWS, (298.15, 998.0)),
    "mu_IAPWS near the critical point": (mu_IAPWS, (647.35, 322.0, 1.213641949033e-2)),
    "Letsou_Stiel": (Letsou_Stiel, (400.0, 46.07, 516.25, 6.383e6, 0.6371)),
    "Lucas": (Lucas, (300.0, 500e5, 572.2, 34.7e5, 0.236, 0.0, 0.00068)),
    "Lucas_gas": (Lucas_gas, (550.0, 512.6, 80.9e5, 0.224, 32.042, 1.7)),
    "Wilke": (Wilke, ([0.05, 0.95], [1.34e-5, 9.5029e-6], [64.06, 46.07])),
    "Brokaw": (Brokaw, (308.2, [0.05, 0.95], [1.34e-5, 9.5029e-6], [64.06, 46.07], [0.42, 0.19], [347.0, 432.0])),
    "Twu_1985": (Twu_1985, (338.7055, 672.3166, 895.5189)),
    "Rachford_Rice_solution of 3": (Rachford_Rice_solution, ([0.5, 0.3, 0.2], [1.685, 0.742, 0.532])),
    "flash_wilson": (
        flash_wilson,
        ([0.4, 0.6], [305.322, 540.13], [4872200.0, 2736000.0], [0.099, 0.349], 270.0, 2.7e5),
    ),
    "lemmon2000_P": (lemmon2000_P, (330.0, 41.2)),
    "lemmon2000_rho": (lemmon2000_rho, (300.0, 1e5)),
    "Cpg_statistical_mechanics": (Cpg_statistical_mechanics, (300.0, [1360.0, 2330.0, 4800.0, 4880.0])),
    "Lastovka_Shaw": (Lastovka_Shaw, (1000.0, 0.1333, True)),
    "BVirial_Pitzer_Curl": (BVirial_Pitzer_Curl, (510.0, 425.2, 38e5, 0.193)),
    "BVirial_Tsonopoulos_extended": (ketone_virial, (430.0, 405.65, 11.28e6, 0.252608, 1.469)),
    "iapws97_rho in region 1": (iapws97_rho, (330.0, 6e5)),
    "iapws97_rho in region 2": (iapws97_rho, (700.0, 5e5)),
    "iapws97_rho in region 3": (iapws97_rho, (660.0, 30e6)),
    "iapws95_Ar": (iapws95_Ar, (647.096 / 300.0, 996.5 / 322.0)),
    "iapws95_P": (iapws95_P, (300.0, 998.0)),
    "iapws95_rho of the liquid": (iapws95_rho, (300.0, 1e6)),
    "iapws95_rho of the vapour": (iapws95_rho, (500.0, 1e5)),
    "iapws95_rho above the critical point": (iapws95_rho, (800.0, 3e7)),
    "iapws95_properties": (iapws95_properties, (300.0, 1e6)),
}


LARGE = {"iapws95_properties", "iapws95_rho of the liquid", "iapws97_rho in region 1"}
"""Hundreds of terms under iterations: minutes of the C compiler each."""


@pytest.mark.parametrize("name", [name for name in CASES if LONG or name not in LARGE])
def test_chemicals(name: str) -> None:
    f, args = CASES[name]
    iterates = name == "Rachford_Rice_solution of 5"  # to a tolerance of its own, which is all that differences see
    assert_derivatives(f, *args, seeds=(0,), tolerances=Tolerances(derivative=1e-5 if iterates else 1e-6))


class Dual:
    """A number and its derivative: what forward differentiation of plain Python gives."""

    def __init__(self, value: float, slope: float = 0.0) -> None:
        self.value, self.slope = float(value), slope

    def __float__(self) -> float:
        return self.value

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __abs__(self) -> Dual:
        return self if self.value >= 0.0 else -self

    def __add__(self, other: Any) -> Dual:
        return Dual(self.value + float(other), self.slope + getattr(other, "slope", 0.0))

    def __sub__(self, other: Any) -> Dual:
        return Dual(self.value - float(other), self.slope - getattr(other, "slope", 0.0))

    def __rsub__(self, other: Any) -> Dual:
        return Dual(float(other)) - self

    def __mul__(self, other: Any) -> Dual:
        return Dual(self.value * float(other), self.slope * float(other) + self.value * getattr(other, "slope", 0.0))

    def __truediv__(self, other: Any) -> Dual:
        ratio = self.value / float(other)
        return Dual(ratio, (self.slope - ratio * getattr(other, "slope", 0.0)) / float(other))

    def __rtruediv__(self, other: Any) -> Dual:
        return Dual(float(other)) / self

    def __lt__(self, other: Any) -> bool:
        return self.value < float(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= float(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > float(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= float(other)

    def __eq__(self, other: object) -> bool:
        return self.value == float(other)  # type: ignore[arg-type]

    __radd__ = __add__
    __rmul__ = __mul__
    __hash__ = None  # type: ignore[assignment]


def test_a_secant_iteration_is_differentiated_as_written() -> None:
    """It stops when the value has converged, which its derivative has not: differences tell something else."""
    zs, ks = [0.2, 0.2, 0.25, 0.15, 0.2], [1.685, 0.742, 0.532, 1.3, 0.9]
    dzs, dks = [0.1, -0.1, 0.6, -0.5, 0.3], [0.4, 1.3, 0.9, -0.7, -1.2]
    duals = [[Dual(*p) for p in zip(x, d, strict=True)] for x, d in ((zs, dzs), (ks, dks))]
    expected = Rachford_Rice_solution(*duals)
    value, tangent = wg.jvp(Rachford_Rice_solution, (zs, ks), (dzs, dks))
    assert value[0] == float(expected[0])
    assert tangent[0] == pytest.approx(expected[0].slope, rel=1e-13)
    for found, part in zip((*tangent[1], *tangent[2]), (*expected[1], *expected[2]), strict=True):
        assert found == pytest.approx(part.slope, rel=1e-12)
