"""A long short-term memory over a batch of sequences, step by step.

Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with the forget gate of
F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12 (2000).
"""

import numpy as np

PRESETS = {
    "S": {"steps": 60, "batch": 16, "inputs": 16, "hidden": 32},
    "M": {"steps": 150, "batch": 32, "inputs": 32, "hidden": 64},
}


def initialize(steps, batch, inputs, hidden):
    rng = np.random.default_rng(9)
    scale = 1 / np.sqrt(hidden)
    w = scale * rng.standard_normal((inputs, 4 * hidden))
    u = scale * rng.standard_normal((hidden, 4 * hidden))
    b = 0.1 * rng.standard_normal(4 * hidden)
    return rng.standard_normal((steps, batch, inputs)), w, u, b


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, w, u, b):
    """The hidden state after every step."""
    steps, batch, _ = x.shape
    hidden = len(u)
    h, c = np.zeros((batch, hidden)), np.zeros((batch, hidden))
    out = np.zeros((steps, batch, hidden))
    for t in range(steps):
        z = x[t] @ w + h @ u + b
        enter = sigmoid(z[:, :hidden])
        forget = sigmoid(z[:, hidden : 2 * hidden])
        leave = sigmoid(z[:, 2 * hidden : 3 * hidden])
        c = forget * c + enter * np.tanh(z[:, 3 * hidden :])
        h = leave * np.tanh(c)
        out[t] = h
    return out
