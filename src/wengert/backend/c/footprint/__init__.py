"""How many bytes a call of a compiled module will have allocated at its peak, found without running it.

The statements are followed as the C code runs them, with what the arena counts: every allocation, rounded to 64 bytes,
from where it is made to its last use (results, and what refs may hold: to the end of their block), lists with the room
that they reserve, work space of library operations, arrays that are made for results. Integers are kept as sums of
multiples of unknowns with known ranges, so that `t + k - t` is `k`; what depends on them is bounded from above. The
bound is reached where extents and trip counts follow from the arguments' sizes; it is never below what the arena will
count.

Raises Unbounded where there is no bound: what a loop of unknown length keeps, an extent that only the values of the
arguments decide.
"""

from .account import Held
from .results import Footprint, Moment, Unbounded
from .walk import Footprints, footprint

__all__ = ["Footprint", "Footprints", "Held", "Moment", "Unbounded", "footprint"]
