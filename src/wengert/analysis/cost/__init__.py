"""The cost model: seconds and bytes of IR on a machine, before it runs. See docs/cost_model.md.

predict(module, {"n": 1000.0}).seconds          # a call of the root, on the default machine
Model(module, machine).of("f", loop, known)     # a statement
machine.stored(size)                            # writing a value and reading it later
"""

from __future__ import annotations

from wengert.analysis.cost.machine import DEFAULT, Machine
from wengert.analysis.cost.model import Cost, Model, Prediction, predict
from wengert.analysis.cost.profile import Profile

__all__ = ["DEFAULT", "Cost", "Machine", "Model", "Prediction", "Profile", "predict"]
