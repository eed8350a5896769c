"""Programs whose gradients take more memory than time: what `wengert bench memory` runs.

PROGRAMS has, by name, the function and a maker of its arguments; the gradient is with respect to argument 0.
"""

import numpy as np


def burgers(u, v, nu, steps):
    """Burgers' equation in two dimensions, upwind and central differences."""
    for _ in range(steps):
        p, q = u.copy(), v.copy()
        a, b = p[1:-1, 1:-1], q[1:-1, 1:-1]
        u[1:-1, 1:-1] = (
            a
            - 0.1 * a * (a - p[1:-1, :-2])
            - 0.1 * b * (a - p[:-2, 1:-1])
            + nu * (p[1:-1, 2:] + p[1:-1, :-2] + p[2:, 1:-1] + p[:-2, 1:-1] - 4 * a)
        )
        v[1:-1, 1:-1] = (
            b
            - 0.1 * a * (b - q[1:-1, :-2])
            - 0.1 * b * (b - q[:-2, 1:-1])
            + nu * (q[1:-1, 2:] + q[1:-1, :-2] + q[2:, 1:-1] + q[:-2, 1:-1] - 4 * b)
        )
    return np.sum(u * u) + np.sum(v * v)


def shallow_water(h, u, v, dt, steps):
    """The shallow-water equations on a torus."""
    for _ in range(steps):
        hx = 0.5 * (np.roll(h, -1, 0) - np.roll(h, 1, 0))
        hy = 0.5 * (np.roll(h, -1, 1) - np.roll(h, 1, 1))
        u = u - dt * (hx + 0.1 * u * u)
        v = v - dt * (hy + 0.1 * v * v)
        a, b = h * u, h * v
        h = h - dt * 0.5 * (np.roll(a, -1, 0) - np.roll(a, 1, 0) + np.roll(b, -1, 1) - np.roll(b, 1, 1))
    return np.sum(h * h) + np.sum(u * v)


def lstm(w, x, r, b):
    """A long short-term memory over a sequence."""
    k = r.shape[1]
    h, c = np.zeros(k), np.zeros(k)
    loss = 0.0
    for t in range(x.shape[0]):
        z = w @ x[t] + r @ h + b
        i, f, o = (1 / (1 + np.exp(-z[j * k : (j + 1) * k])) for j in range(3))
        c = f * c + i * np.tanh(z[3 * k :])
        h = o * np.tanh(c)
        loss += np.sum(h * h)
    return loss


def vertical_advection(u, w, dt, steps):
    """Implicit advection along columns: a tridiagonal system for each, in every step."""
    k = u.shape[0]
    for _ in range(steps):
        c, d = np.zeros_like(u), np.zeros_like(u)
        c[0] = 0.5 * dt * w[0]
        d[0] = u[0]
        for j in range(1, k):
            g = 0.5 * dt * w[j] * np.cos(u[j])
            m = 1.0 / (1.0 + g * c[j - 1] + 0.1 * g * g)
            c[j] = g * m
            d[j] = (u[j] + g * d[j - 1]) * m
        x = np.zeros_like(u)
        x[k - 1] = d[k - 1]
        for j in range(k - 2, -1, -1):
            x[j] = d[j] - c[j] * x[j + 1]
        u = x
    return np.sum(u * u)


def cavity(u, v, dt, steps, sweeps):
    """Flow driven by a lid: in every step, sweeps for the pressure."""
    p = np.zeros_like(u)
    for _ in range(steps):
        s = np.zeros_like(u)
        s[1:-1, 1:-1] = 0.5 * (u[1:-1, 2:] - u[1:-1, :-2] + v[2:, 1:-1] - v[:-2, 1:-1])
        s = s * np.sqrt(1.0 + s * s)
        for _ in range(sweeps):
            q = p.copy()
            p[1:-1, 1:-1] = 0.25 * (q[1:-1, 2:] + q[1:-1, :-2] + q[2:, 1:-1] + q[:-2, 1:-1]) - 0.25 * s[1:-1, 1:-1]
            p[:, -1] = p[:, -2]
            p[0] = p[1]
        a, b = u.copy(), v.copy()
        u[1:-1, 1:-1] = (
            a[1:-1, 1:-1]
            - dt * a[1:-1, 1:-1] * (a[1:-1, 1:-1] - a[1:-1, :-2])
            - dt * b[1:-1, 1:-1] * (a[1:-1, 1:-1] - a[:-2, 1:-1])
            - 0.5 * dt * (p[1:-1, 2:] - p[1:-1, :-2])
        )
        v[1:-1, 1:-1] = (
            b[1:-1, 1:-1]
            - dt * a[1:-1, 1:-1] * (b[1:-1, 1:-1] - b[1:-1, :-2])
            - dt * b[1:-1, 1:-1] * (b[1:-1, 1:-1] - b[:-2, 1:-1])
            - 0.5 * dt * (p[2:, 1:-1] - p[:-2, 1:-1])
        )
        u[-1] = 1.0
    return np.sum(u * u) + np.sum(v * v)


def nbody(x, v, m, dt, steps):
    """Gravity among all pairs, leapfrog."""
    for _ in range(steps):
        d = x[:, None, :] - x[None, :, :]
        r = np.sum(d * d, 2) + 0.01
        a = -np.sum(d * (m[None, :] / (r * np.sqrt(r)))[:, :, None], 1)
        v = v + dt * a
        x = x + dt * v
    return np.sum(x * x) + np.sum(v * v)


def channel(u, dt, tolerance):
    """Steps until the flow no longer changes: nobody knows how many."""
    change = 1.0
    while change > tolerance:
        new = u.copy()
        new[1:-1, 1:-1] = (
            u[1:-1, 1:-1]
            + dt * (u[1:-1, 2:] + u[1:-1, :-2] + u[2:, 1:-1] + u[:-2, 1:-1] - 4 * u[1:-1, 1:-1])
            - 0.1 * dt * u[1:-1, 1:-1] * (u[1:-1, 1:-1] - u[1:-1, :-2])
        )
        change = np.max(np.abs(new - u))
        u = new
    return np.sum(u * u)


def perceptron(x, w, b, layers):
    """Many layers that share their weights."""
    for k in range(layers):
        x = x + 0.1 * np.tanh(x @ w + b[k])
    return np.sum(x * x)


def layers(x, weights, biases):
    """A network without a loop over time: its layers have arrays of their own."""
    for w, b in zip(weights, biases, strict=True):
        x = np.tanh(x @ w + b)
    return np.sum(x * x)


def stages(x):
    """A long expression, of stages that are dear and cheap."""
    a = np.exp(np.sin(x))
    b = a * x + 1.0
    c = np.sqrt(b * b + 1.0)
    d = c * np.cos(b)
    e = d / (1.0 + d * d)
    f = np.log(1.0 + e * e) * a
    g = np.tanh(f) + 0.1 * e
    return np.sum(g * f) + np.sum(d[1:] * c[:-1])


def outer(x, w):
    """Large arrays and small ones, dear and cheap."""
    a = np.sin(x) * np.exp(-x * x)
    wide = np.outer(a, w)
    p = np.tanh(wide)
    q = wide * wide + p
    s = q.sum(axis=1)
    t = np.exp(s * 1e-3)
    r = np.outer(t, np.sqrt(w * w + 1.0)) * p
    z = np.log(1.0 + r * r)
    return np.sum(z * q) + np.sum(t * a)


def nested_times(u, years, days, hours):
    """Three time loops in one another."""
    for _ in range(years):
        s = u.copy()
        for _ in range(days):
            w = np.sin(s)
            for _ in range(hours):
                w = w + 0.01 * np.cos(w) * s
            s = s + 0.1 * w
        u = 0.5 * (u + s)
    return np.sum(u * u)


def _field(n, seed):
    return np.random.default_rng(seed).random((n, n))


def _lstm():
    rng = np.random.default_rng(1)
    return (
        rng.random((192, 24)) - 0.5,
        rng.random((4096, 24)),
        (rng.random((192, 48)) - 0.5) / 4,
        rng.random(192) - 0.5,
    )


def _nbody():
    rng = np.random.default_rng(2)
    return rng.random((48, 3)), rng.random((48, 3)) - 0.5, rng.random(48), 0.001, 300


def _layers():
    rng = np.random.default_rng(8)
    weights = [(rng.random((96, 96)) - 0.5) / 4 for _ in range(14)]
    return rng.random((1024, 96)) - 0.5, weights, [rng.random(96) - 0.5 for _ in weights]


def _outer():
    rng = np.random.default_rng(9)
    return rng.random(1000) - 0.5, rng.random(800)


def _perceptron():
    rng = np.random.default_rng(3)
    return rng.random((64, 96)) - 0.5, (rng.random((96, 96)) - 0.5) / 8, rng.random((400, 96)) - 0.5, 400


PROGRAMS = {
    "burgers": (burgers, lambda: (_field(96, 1), _field(96, 2), 0.05, 250)),
    "shallow_water": (
        shallow_water,
        lambda: (1 + 0.1 * _field(96, 1), 0.1 * _field(96, 2), 0.1 * _field(96, 3), 0.05, 120),
    ),
    "lstm": (lstm, _lstm),
    "vertical_advection": (
        vertical_advection,
        lambda: (np.random.default_rng(4).random((24, 600)), np.random.default_rng(5).random((24, 600)), 0.1, 100),
    ),
    "cavity": (cavity, lambda: (0.1 * _field(64, 1), 0.1 * _field(64, 2), 0.02, 60, 20)),
    "nbody": (nbody, _nbody),
    "channel": (channel, lambda: (_field(96, 6), 0.2, 2e-4)),
    "perceptron": (perceptron, _perceptron),
    "layers": (layers, _layers),
    "stages": (stages, lambda: (np.random.default_rng(10).random(400_000),)),
    "outer": (outer, _outer),
    "nested_times": (nested_times, lambda: (np.random.default_rng(7).random(6000), 8, 10, 12)),
}
