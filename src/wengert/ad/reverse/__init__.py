"""Reverse mode."""

from wengert.ad.reverse.driver import vjp

__all__ = ["vjp"]
