"""Differentiation: an ordinary pass, IR to the same IR."""

from wengert.ad.forward import jvp
from wengert.ad.reverse.driver import vjp
from wengert.ad.reverse.record import Decision, Record

__all__ = ["Decision", "Record", "jvp", "vjp"]
