"""Differentiation: an ordinary pass, IR to the same IR."""

from wengert.ad.forward import jvp
from wengert.ad.reverse.driver import vjp

__all__ = ["jvp", "vjp"]
