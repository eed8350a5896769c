"""What NumPy programs do with arrays: views, overlap, masks, gathers, reductions, broadcasting, out arguments."""

import numpy as np

RNG = np.random.default_rng(15)


def reversed_views(x):
    """Negative steps, views of views, writes through them."""
    y = x.copy()
    back = y[::-2]
    back *= 2.0
    inner = y[1:-1][::-1]
    inner[0] += x[0] * x[1]
    y[-2:1:-1] -= 0.5 * y[1:-2]
    return y


def overlapping(x, alpha):
    """Right sides are read before left sides are written."""
    x[1:] += x[:-1]
    x[:-1] = x[1:] * alpha
    x[2:] = x[:-2] - alpha * x[2:]
    x[:3] += alpha * np.flip(x[:3])
    return x


def broadcasting(a, b, c):
    """Shapes (4, 1, 3), (5, 1) and () meet; the result is reduced over two axes."""
    table = a[:, None, :] * b[None, :, None] + c
    table /= 1 + np.abs(table).sum(axis=1, keepdims=True)
    return table.mean(axis=(0, 2))


def masks(x, y):
    """Boolean gathers and scatters, where with guarded branches, select."""
    z = np.where(x > 0.5, np.sqrt(np.abs(x - 0.5)), x**2)
    positive = y > 0.3
    z[positive] = z[positive] ** 1.5 + y[positive]
    z[~positive] *= 0.1
    chosen = np.select([x < 0.2, x < 0.6], [x, 2 * x], default=y)
    return z, chosen, np.sum(x[x > y])


def gathers(table, rows, columns):
    """Fancy indexing with repeats, on both sides, and unbuffered scatter."""
    picked = table[rows, columns] ** 2
    table[rows[:3]] *= 0.5
    np.add.at(table, (rows, columns), picked)
    order = np.argsort(table[:, 0])
    return table[order], table[:, [2, 0]].sum(axis=0)


def reductions(x):
    """Sums, products, extrema and moments along axes, and what follows from them."""
    centred = x - x.mean(axis=0)
    spread = np.std(x, axis=0, ddof=1)
    scaled = centred / spread
    top = np.max(scaled, axis=1) - np.min(scaled, axis=1)
    return np.prod(top), np.var(x), np.cumsum(x[:, 0]), np.linalg.norm(x, axis=1), np.median(x[:, 1])


def shapes(x):
    """Reshape, transpose, ravel, stack, concatenate, split, tile, repeat."""
    m = x.reshape(3, 4)
    t = m.T
    t[0] += 1.0
    wide = np.concatenate([m, 2 * m[:, :2]], axis=1)
    tall = np.vstack([wide, wide[:1] ** 2])
    left, right = np.split(tall, 2, axis=1)
    mixed = np.tile(left[0], 2) * np.repeat(right[-1], 2)
    return np.hstack([mixed, tall.ravel()[::5], np.stack([m, m * m], axis=-1)[1, :, 1]])


def out_arguments(x, y):
    """Results written where the program says."""
    buffer = np.empty_like(x)
    np.multiply(x, y, out=buffer)
    np.add(buffer, x, buffer)
    np.exp(buffer * 0.1, out=buffer[:])
    total = np.zeros(x.shape[1])
    np.sum(buffer, axis=0, out=total)
    return buffer, total


def softmax_loss(logits, labels, weights):
    """Stable log-sum-exp, labels as integer gathers, class weights."""
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    picked = log_probabilities[np.arange(len(labels)), labels]
    return -np.sum(weights[labels] * picked) / np.sum(weights[labels])


def interpolation(x, knots, values):
    """Piecewise linear by searchsorted, against np.interp."""
    i = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
    t = (x - knots[i]) / (knots[i + 1] - knots[i])
    mine = (1 - t) * values[i] + t * values[i + 1]
    return mine, np.interp(x, knots, values)


def products(a, b, v):
    """All the ways to multiply: @, dot, outer, einsum, cross, tensordot, trace, inner."""
    c = a @ b
    d = np.dot(v, c) + np.einsum("ij,jk,k->i", a, b, v)
    e = np.outer(d, v)
    return np.trace(e @ c), np.cross(d, v), np.einsum("ij,ij", a, e), np.inner(v, d) * np.vdot(v, v)


def dynamic(x):
    """Arrays whose size depends on the data: compress, concatenate in a loop, nonzero."""
    z = x.copy()
    kept = np.zeros(0)
    while len(z) > 1:
        kept = np.concatenate([kept, z[z > z.mean()] ** 2])
        z = z[z <= z.mean()] * 1.1
        if len(kept) > 5:
            break
    (where,) = np.nonzero(x > 0.5)
    return np.sum(kept) + np.sum(x[where] * where)


def mixed_dtypes(x, n, single):
    """float64, float32, integers and booleans in one expression, with NumPy's promotions."""
    counts = np.arange(n) % 3
    weights = counts.astype(np.float64) / 2
    flags = counts == 1
    y = x * counts + flags * weights
    z = (single * np.float32(2)).astype(np.float64)
    return np.sum(y * z) * n // 1 * 0 + np.sum(y) + np.sum(z**2)


def signals(x, kernel):
    """Convolution, differences, cumulative sums, rolling, trapezoids, gradients."""
    smooth = np.convolve(x, kernel, mode="same")
    slope = np.diff(smooth, n=1)
    total = np.cumsum(slope) + np.roll(smooth, 2)[1:]
    return np.trapezoid(total, dx=0.1), np.gradient(x), np.polyval(kernel, x)


def elementary(x, y):
    """A tour of the elementary functions."""
    a = np.arctan2(y, x) + np.hypot(x, y) + np.log1p(x) - np.expm1(-y)
    b = np.tanh(x) * np.arcsinh(y) + np.arccos(x / 3) * np.cbrt(y)
    c = np.logaddexp(x, y) + np.sinc(x) + np.exp2(-x) + np.log10(y + 1)
    return a * b + c, np.clip(x, 0.3, 0.8) + np.maximum(x, y) - np.fmin(x, 0.5) + np.abs(x - y) ** 1.5


def triangles(a):
    """Triangles, diagonals and identities, read and written."""
    lower = np.tril(a, -1)
    s = lower + lower.T + np.diag(np.diag(a) ** 2)
    np.fill_diagonal(s, np.diag(s) + 1.0)
    i, j = np.triu_indices(3, 1)
    return s @ s, a[i, j], np.linalg.det(s), np.linalg.inv(s + 3 * np.eye(3))


CASES = {
    reversed_views: (RNG.random(7),),
    overlapping: (RNG.random(8), 0.7),
    broadcasting: (RNG.random((4, 3)), RNG.random(5), 0.3),
    masks: (RNG.random(7), RNG.random(7)),
    gathers: (RNG.random((4, 3)), np.array([0, 2, 2, 3, 0]), np.array([1, 1, 1, 0, 2])),
    reductions: (RNG.random((5, 3)),),
    shapes: (RNG.random(12),),
    out_arguments: (RNG.random((3, 4)), RNG.random((3, 4))),
    softmax_loss: (RNG.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0]), np.array([1.0, 2.0, 0.5])),
    interpolation: (np.array([0.1, 0.77, 1.43, 2.9]), np.array([0.0, 0.5, 1.2, 2.0, 3.0]), RNG.random(5)),
    products: (RNG.random((3, 3)), RNG.random((3, 3)), RNG.random(3)),
    dynamic: (RNG.random(11),),
    mixed_dtypes: (RNG.random(5), 5, RNG.random(5).astype(np.float32)),
    signals: (RNG.random(9), RNG.random(3)),
    elementary: (0.1 + 0.8 * RNG.random(6), 0.1 + RNG.random(6)),
    triangles: (RNG.random((3, 3)),),
}
