"""Differentiation: an ordinary pass, IR to the same IR."""

from wengert.ad.forward import jvp
from wengert.ad.reverse.checkpoints import Choice, LoopOf, NotCheckpointable
from wengert.ad.reverse.driver import loops_of, vjp
from wengert.ad.reverse.record import Decision, Record

__all__ = ["Choice", "Decision", "LoopOf", "NotCheckpointable", "Record", "jvp", "loops_of", "vjp"]
