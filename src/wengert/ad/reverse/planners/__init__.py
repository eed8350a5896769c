"""The planners: one file each, a pure function from a storage problem to a schedule."""

from wengert.ad.reverse.planners.minimum_cut import minimum_cut
from wengert.ad.reverse.planners.store_all import store_all

__all__ = ["minimum_cut", "store_all"]
