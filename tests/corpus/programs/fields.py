"""One program from each of many trades."""

import math

import numpy as np

RNG = np.random.default_rng(17)


def american_option(spot, strike, rate, sigma, maturity, n):
    """A binomial tree with early exercise."""
    dt = maturity / n
    up = np.exp(sigma * np.sqrt(dt))
    p = (np.exp(rate * dt) - 1 / up) / (up - 1 / up)
    prices = spot * up ** np.arange(-n, n + 1, 2)
    values = np.maximum(strike - prices, 0)
    for step in range(n - 1, -1, -1):
        values = np.exp(-rate * dt) * (p * values[1:] + (1 - p) * values[:-1])
        prices = spot * up ** np.arange(-step, step + 1, 2)
        values = np.maximum(values, strike - prices)
    return values[0]


def black_scholes(s, k, t, r, sigma):
    """A call through math.erf."""

    def cdf(x):
        return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))

    d1 = (math.log(s / k) + (r + sigma**2 / 2) * t) / (sigma * math.sqrt(t))
    d2 = d1 - sigma * math.sqrt(t)
    return s * cdf(d1) - k * math.exp(-r * t) * cdf(d2)


def kalman(f, h, q, r, observations):
    """The log-likelihood of a linear state space model."""
    x, p = np.zeros(2), np.eye(2)
    total = 0.0
    for y in observations:
        x = f @ x
        p = f @ p @ f.T + q
        s = h @ p @ h + r
        gain = p @ h / s
        innovation = y - h @ x
        x = x + gain * innovation
        p = p - np.outer(gain, h @ p)
        total -= 0.5 * (np.log(2 * np.pi * s) + innovation**2 / s)
    return total


def hidden_markov(log_start, log_transition, log_emission):
    """The forward algorithm in logarithms."""
    alpha = log_start + log_emission[0]
    for t in range(1, len(log_emission)):
        m = alpha[:, None] + log_transition
        top = m.max(axis=0)
        alpha = top + np.log(np.exp(m - top).sum(axis=0)) + log_emission[t]
    return np.logaddexp.reduce(alpha)


def alignment(similarity, gap):
    """Needleman-Wunsch: dynamic programming with three choices a cell."""
    n, m = similarity.shape
    score = np.zeros((n + 1, m + 1))
    score[:, 0] = gap * np.arange(n + 1)
    score[0, :] = gap * np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            score[i, j] = max(
                score[i - 1, j - 1] + similarity[i - 1, j - 1], score[i - 1, j] + gap, score[i, j - 1] + gap
            )
    return score[n, m]


def cubic_spline(knots, values, x):
    """The natural spline: a tridiagonal system, then evaluation by interval."""
    n = len(knots) - 1
    h = knots[1:] - knots[:-1]
    alpha = 3 * ((values[2:] - values[1:-1]) / h[1:] - (values[1:-1] - values[:-2]) / h[:-1])
    low, mu, z = np.ones(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    for i in range(1, n):
        low[i] = 2 * (knots[i + 1] - knots[i - 1]) - h[i - 1] * mu[i - 1]
        mu[i] = h[i] / low[i]
        z[i] = (alpha[i - 1] - h[i - 1] * z[i - 1]) / low[i]
    c = np.zeros(n + 1)
    b, d = np.zeros(n), np.zeros(n)
    for j in range(n - 1, -1, -1):
        c[j] = z[j] - mu[j] * c[j + 1]
        b[j] = (values[j + 1] - values[j]) / h[j] - h[j] * (c[j + 1] + 2 * c[j]) / 3
        d[j] = (c[j + 1] - c[j]) / (3 * h[j])
    out = np.empty_like(x)
    for k in range(len(x)):
        j = 0
        while j < n - 1 and x[k] > knots[j + 1]:
            j += 1
        t = x[k] - knots[j]
        out[k] = values[j] + b[j] * t + c[j] * t**2 + d[j] * t**3
    return out


def de_boor(x, degree, knots, coefficients):
    """A B-spline by de Boor's triangle, in place on a copied slice."""
    k = degree
    while x >= knots[k + 1]:
        k += 1
    d = coefficients[k - degree : k + 1].copy()
    for r in range(1, degree + 1):
        for j in range(degree, r - 1, -1):
            low = knots[j + k - degree]
            alpha = (x - low) / (knots[j + 1 + k - r] - low)
            d[j] = (1 - alpha) * d[j - 1] + alpha * d[j]
    return d[degree]


def lennard_jones(positions, box, cutoff):
    """Pair energies with the nearest image and a cut-off."""
    energy = 0.0
    n = len(positions)
    for i in range(n):
        for j in range(i):
            d = positions[i] - positions[j]
            d -= box * np.rint(d / box)
            r2 = np.sum(d**2)
            if r2 < cutoff**2:
                s6 = 1.0 / r2**3
                energy += 4 * (s6 * s6 - s6)
    return energy


def ray_tracer(origin, direction, centres, radii, depth=2):
    """Nearest sphere by a search, mirrored rays by recursion."""
    nearest, hit = 1e9, -1
    for k in range(len(radii)):
        oc = origin - centres[k]
        b = oc @ direction
        disc = b * b - (oc @ oc - radii[k] ** 2)
        if disc > 0:
            t = -b - np.sqrt(disc)
            if 1e-6 < t < nearest:
                nearest, hit = t, k
    if hit < 0:
        return 0.5 * (direction[2] + 1.0)
    point = origin + nearest * direction
    normal = (point - centres[hit]) / radii[hit]
    light = max(0.0, normal @ np.array([0.6, 0.0, 0.8]))
    if depth == 0:
        return 0.8 * light
    mirrored = direction - 2 * (direction @ normal) * normal
    return 0.6 * light + 0.4 * ray_tracer(point, mirrored, centres, radii, depth - 1)


def plasticity(strain, modulus, yield_stress, hardening):
    """Return mapping along a strain path: elastic or plastic at every step."""
    plastic, internal = 0.0, 0.0
    stress = np.zeros_like(strain)
    for k in range(len(strain)):
        trial = modulus * (strain[k] - plastic)
        f = abs(trial) - (yield_stress + hardening * internal)
        if f <= 0:
            stress[k] = trial
        else:
            flow = f / (modulus + hardening)
            plastic += flow * np.sign(trial)
            internal += flow
            stress[k] = trial - modulus * flow * np.sign(trial)
    return stress


def flash(z, k):
    """The vapour fraction of a mixture by Rachford-Rice, Newton inside bounds."""
    low, high = 0.0, 1.0
    v = 0.5
    for _ in range(50):
        g = np.sum(z * (k - 1) / (1 + v * (k - 1)))
        dg = -np.sum(z * (k - 1) ** 2 / (1 + v * (k - 1)) ** 2)
        if g > 0:
            low = v
        else:
            high = v
        new = v - g / dg
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - v) < 1e-14:
            v = new
            break
        v = new
    x = z / (1 + v * (k - 1))
    return v, x, k * x


def garch(returns, omega, alpha, beta):
    """The negative log-likelihood of a GARCH(1, 1) model."""
    variance = np.var(returns)
    total = 0.0
    for r in returns:
        total += 0.5 * (math.log(2 * math.pi * variance) + r * r / variance)
        variance = omega + alpha * r * r + beta * variance
    return total


def page_rank(weights, damping):
    """Fixed point to a tolerance, rows normalised in place."""
    n = weights.shape[0]
    weights /= weights.sum(axis=0)
    rank = np.full(n, 1.0 / n)
    change = 1.0
    while change > 1e-12:
        fresh = (1 - damping) / n + damping * (weights @ rank)
        change = np.abs(fresh - rank).max()
        rank = fresh
    return rank


def time_warping(a, b):
    """Dynamic time warping with a list of rows."""
    rows = [[0.0] + [float("inf")] * len(b)]
    for i in range(len(a)):
        row = [float("inf")]
        for j in range(len(b)):
            cost = (a[i] - b[j]) ** 2
            row.append(cost + min(rows[i][j + 1], row[j], rows[i][j]))
        rows.append(row)
    return rows[-1][-1]


def soft_clusters(points, centres, beta, rounds):
    """Soft k-means: distances by broadcasting, weights by softmax."""
    for _ in range(rounds):
        d2 = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        w = np.exp(-beta * (d2 - d2.min(axis=1, keepdims=True)))
        w /= w.sum(axis=1, keepdims=True)
        centres = (w[:, :, None] * points[:, None, :]).sum(axis=0) / w.sum(axis=0)[:, None]
    return centres


def atmosphere(altitude):
    """The standard atmosphere: a static table of layers, searched."""
    layers = [(0.0, 288.15, -6.5e-3), (11000.0, 216.65, 0.0), (20000.0, 216.65, 1e-3), (32000.0, 228.65, 2.8e-3)]
    pressure = 101325.0
    for (base, temperature, lapse), above in zip(layers, layers[1:] + [(1e9, 0.0, 0.0)]):
        top = min(altitude, above[0])
        if lapse == 0.0:
            pressure *= math.exp(-0.0341632 * (top - base) / temperature)
        else:
            pressure *= (1 + lapse * (top - base) / temperature) ** (-0.0341632 / lapse)
        if altitude <= above[0]:
            break
    return pressure


def epidemic(beta, gamma, mobility, infected, days):
    """SIR in connected cities; a lockdown when too many are ill."""
    n = len(infected)
    s, i, r = 1.0 - infected, infected.copy(), np.zeros(n)
    peak = 0.0
    for day in range(days):
        contact = beta * (0.4 if i.max() > 0.2 else 1.0)
        force = contact * (i + 0.1 * mobility @ i)
        new, healed = force * s, gamma * i
        s -= new
        i += new - healed
        r += healed
        peak = max(peak, i.sum())
    return peak, r


CASES = {
    american_option: (100.0, 105.0, 0.05, 0.3, 1.0, 8),
    black_scholes: (100.0, 95.0, 0.5, 0.02, 0.25),
    kalman: (np.array([[1.0, 0.5], [0.0, 0.9]]), np.array([1.0, 0.2]), 0.1 * np.eye(2) + 0.01, 0.3, RNG.random(6)),
    hidden_markov: (np.log([0.6, 0.4]), np.log([[0.7, 0.3], [0.2, 0.8]]), np.log(0.1 + RNG.random((5, 2)))),
    alignment: (RNG.standard_normal((4, 5)), -0.4),
    cubic_spline: (np.array([0.0, 0.8, 1.5, 2.6, 3.0]), RNG.random(5), np.array([0.3, 1.1, 2.0, 2.9])),
    de_boor: (1.3, 2, np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0]), RNG.random(5)),
    lennard_jones: (np.array([[0.1, 0.2], [1.3, 0.4], [2.9, 1.8], [0.5, 1.5]]), 3.1, 1.5),
    ray_tracer: (
        np.array([0.0, 0.0, 0.0]),
        np.array([0.96, 0.0, 0.28]),
        np.array([[3.0, 0.1, 0.9], [-2.0, 0.3, 1.6]]),
        np.array([1.0, 1.4]),
    ),
    plasticity: (np.array([0.001, 0.004, 0.002, -0.003, -0.006]), 200.0, 0.5, 20.0),
    flash: (np.array([0.3, 0.4, 0.3]), np.array([2.5, 1.1, 0.3])),
    garch: (0.02 * RNG.standard_normal(8), 1e-5, 0.1, 0.85),
    page_rank: (0.1 + RNG.random((4, 4)), 0.85),
    time_warping: (RNG.random(4), RNG.random(5)),
    soft_clusters: (RNG.random((6, 2)), RNG.random((3, 2)), 2.0, 3),
    atmosphere: (23456.0,),
    epidemic: (0.5, 0.1, RNG.random((3, 3)), np.array([0.05, 0.01, 0.02]), 20),
}
