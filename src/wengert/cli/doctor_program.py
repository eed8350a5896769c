"""The program that `wengert doctor` differentiates."""

from typing import Any

import numpy as np


def speed(x: Any) -> Any:
    """sum_i x_i**2 / 2**(n-i) by a recurrence that overwrites its state; the gradient is 2 x_i / 2**(n-i)."""
    state = np.zeros(1)
    for i in range(x.shape[0]):
        state[0] = 0.5 * state[0] + 0.5 * x[i] ** 2
    return state[0]
