"""Counterparts of programs in memory_programs.py in JAX, with `jax.checkpoint`: as someone who knows JAX would.

PROGRAMS has, by name, a maker: from the arguments and a number of segments to the gradient as a function without
arguments to be jitted. With s segments of equal length, each segment is a checkpointed `scan` (its states are stored,
its steps run again), within a `scan`; a step that keeps nothing but its state is one more checkpoint (`steps`).
"""

import jax
import jax.numpy as jnp


def _scanned(step, state, count, segments, steps):
    """`count` steps from a state, in segments."""
    one = jax.checkpoint(step) if steps else step
    if segments <= 1:
        return jax.lax.scan(one, state, None, count)[0]
    length = count // segments

    @jax.checkpoint
    def segment(s, _):
        return jax.lax.scan(one, s, None, length)[0], None

    state = jax.lax.scan(segment, state, None, segments)[0]
    return jax.lax.scan(one, state, None, count - segments * length)[0]


def burgers(args, segments, steps):
    u, v, nu, count = args

    def step(state, _):
        p, q = state
        a, b = p[1:-1, 1:-1], q[1:-1, 1:-1]
        new_u = p.at[1:-1, 1:-1].set(
            a
            - 0.1 * a * (a - p[1:-1, :-2])
            - 0.1 * b * (a - p[:-2, 1:-1])
            + nu * (p[1:-1, 2:] + p[1:-1, :-2] + p[2:, 1:-1] + p[:-2, 1:-1] - 4 * a)
        )
        new_v = q.at[1:-1, 1:-1].set(
            b
            - 0.1 * a * (b - q[1:-1, :-2])
            - 0.1 * b * (b - q[:-2, 1:-1])
            + nu * (q[1:-1, 2:] + q[1:-1, :-2] + q[2:, 1:-1] + q[:-2, 1:-1] - 4 * b)
        )
        return (new_u, new_v), None

    def loss(u, v):
        u, v = _scanned(step, (u, v), count, segments, steps)
        return jnp.sum(u * u) + jnp.sum(v * v)

    return jax.grad(loss), (u, v)


def lstm(args, segments, steps):
    w, x, r, b = args
    k = r.shape[1]

    def loss(w, x, r, b):
        def step(state, xt):
            h, c, total = state
            z = w @ xt + r @ h + b
            i, f, o = (1 / (1 + jnp.exp(-z[j * k : (j + 1) * k])) for j in range(3))
            c = f * c + i * jnp.tanh(z[3 * k :])
            h = o * jnp.tanh(c)
            return (h, c, total + jnp.sum(h * h)), None

        one = jax.checkpoint(step) if steps else step
        state = (jnp.zeros(k), jnp.zeros(k), 0.0)
        if segments <= 1:
            return jax.lax.scan(one, state, x)[0][2]
        length = x.shape[0] // segments

        @jax.checkpoint
        def segment(s, xs):
            return jax.lax.scan(one, s, xs)[0], None

        cut = segments * length
        state = jax.lax.scan(segment, state, x[:cut].reshape(segments, length, -1))[0]
        return jax.lax.scan(one, state, x[cut:])[0][2]

    return jax.grad(loss), (w, x, r, b)


PROGRAMS = {"burgers": burgers, "lstm": lstm}
