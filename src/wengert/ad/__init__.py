"""Differentiation: an ordinary pass, IR to the same IR."""

from wengert.ad.attach import is_attached
from wengert.ad.forward import jvp
from wengert.ad.reverse.checkpoints import Choice, LoopOf, NotCheckpointable, run_again
from wengert.ad.reverse.driver import loops_of, vjp
from wengert.ad.reverse.pins import NO_PINS, Pin, Pins
from wengert.ad.reverse.planners import minimum_cut, store_all
from wengert.ad.reverse.problem import Planner
from wengert.ad.reverse.record import Decision, Record

__all__ = [
    "NO_PINS",
    "Choice",
    "Decision",
    "LoopOf",
    "NotCheckpointable",
    "Pin",
    "Pins",
    "Planner",
    "Record",
    "is_attached",
    "jvp",
    "loops_of",
    "minimum_cut",
    "run_again",
    "store_all",
    "vjp",
]
