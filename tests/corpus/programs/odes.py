"""Initial value problems, quadrature and root finding: closures, adaptive steps, events, recursion, growing lists."""

import math

import numpy as np


def rk4(y, mu, t_end, n):
    """The van der Pol oscillator by classical Runge-Kutta, the right side a closure."""

    def rhs(t, y):
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0] + 0.1 * np.sin(t)])

    h = t_end / n
    t = 0.0
    for _ in range(n):
        k1 = rhs(t, y)
        k2 = rhs(t + h / 2, y + h / 2 * k1)
        k3 = rhs(t + h / 2, y + h / 2 * k2)
        k4 = rhs(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
    return y


def adaptive(y0, rate, t_end, tol):
    """Heun with Euler inside: steps are rejected, accepted ones are collected in lists."""
    t, y, h = 0.0, y0, 0.1
    times, values = [t], [y]
    while t < t_end:
        h = min(h, t_end - t)
        k1 = -rate * y + np.cos(t)
        k2 = -rate * (y + h * k1) + np.cos(t + h)
        error = abs(0.5 * h * (k2 - k1))
        if error > tol:
            h *= 0.5
            continue
        t += h
        y += 0.5 * h * (k1 + k2)
        times.append(t)
        values.append(y)
        if error < 0.1 * tol:
            h *= 1.7
    area = 0.0
    for i in range(1, len(times)):
        area += 0.5 * (times[i] - times[i - 1]) * (values[i] + values[i - 1])
    return area, values[-1]


def three_body(masses, pos, vel, dt, steps):
    """Velocity Verlet in place, forces by a double loop with Newton's third law."""

    def forces(x):
        f = np.zeros_like(x)
        for i in range(len(masses)):
            for j in range(i + 1, len(masses)):
                d = x[j] - x[i]
                r2 = d @ d + 0.01
                pull = masses[i] * masses[j] / (r2 * math.sqrt(r2)) * d
                f[i] += pull
                f[j] -= pull
        return f

    a = forces(pos) / masses[:, None]
    for _ in range(steps):
        pos += dt * vel + 0.5 * dt**2 * a
        new = forces(pos) / masses[:, None]
        vel += 0.5 * dt * (a + new)
        a = new
    return 0.5 * np.sum(masses * np.sum(vel**2, axis=1))


def bouncing_ball(height, speed, restitution):
    """An event loop: free flight until the ground is hit, at most five bounces, a break when it is slow."""
    g = 9.81
    total = 0.0
    for bounce in range(5):
        flight = (speed + math.sqrt(speed * speed + 2 * g * height)) / g
        total += flight
        impact = g * flight - speed
        speed = restitution * impact
        height = 0.0
        if speed < 0.5:
            break
    else:
        total += 0.01 * speed
    return total


def implicit_euler(y, k, h, steps):
    """Robertson-like kinetics; Newton's method inside each step, to convergence."""
    for _ in range(steps):
        z = y.copy()
        for _ in range(20):
            f = np.array(
                [
                    -k[0] * z[0] + k[1] * z[1] * z[2],
                    k[0] * z[0] - k[1] * z[1] * z[2] - k[2] * z[1] ** 2,
                    k[2] * z[1] ** 2,
                ]
            )
            jac = np.array(
                [
                    [-k[0], k[1] * z[2], k[1] * z[1]],
                    [k[0], -k[1] * z[2] - 2 * k[2] * z[1], -k[1] * z[1]],
                    [0.0, 2 * k[2] * z[1], 0.0],
                ]
            )
            residual = z - y - h * f
            dz = np.linalg.solve(np.eye(3) - h * jac, -residual)
            z = z + dz
            if np.max(np.abs(dz)) < 1e-13:
                break
        y = z
    return y


def simpson(a, b, w):
    """Adaptive Simpson quadrature by recursion."""

    def f(x):
        return math.exp(-w * x) * math.sin(3 * x)

    def rule(fa, fm, fb, width):
        return width / 6 * (fa + 4 * fm + fb)

    def refine(a, b, fa, fm, fb, whole, tol):
        m = 0.5 * (a + b)
        fl, fr = f(0.5 * (a + m)), f(0.5 * (m + b))
        left, right = rule(fa, fl, fm, m - a), rule(fm, fr, fb, b - m)
        gap = left + right - whole
        if abs(gap) <= 15 * tol:
            return left + right + gap / 15
        return refine(a, m, fa, fl, fm, left, tol / 2) + refine(m, b, fm, fr, fb, right, tol / 2)

    fa, fm, fb = f(a), f(0.5 * (a + b)), f(b)
    return refine(a, b, fa, fm, fb, rule(fa, fm, fb, b - a), 1e-5)


def romberg(a, b, p):
    """Romberg's table as a list of lists."""

    def f(x):
        return x**p / (1 + x)

    h = b - a
    table = [[0.5 * h * (f(a) + f(b))]]
    for level in range(1, 5):
        h /= 2
        s = sum(f(a + (2 * i + 1) * h) for i in range(2 ** (level - 1)))
        row = [0.5 * table[-1][0] + h * s]
        for j in range(1, level + 1):
            row.append(row[j - 1] + (row[j - 1] - table[-1][j - 1]) / (4**j - 1))
        table.append(row)
    return table[-1][-1]


def shooting(target, drag):
    """The launch slope that hits the target, by secants until the miss is small."""

    def miss(slope):
        x, y, vx, vy = 0.0, 0.0, 1.0, slope
        for _ in range(20):
            speed = math.sqrt(vx * vx + vy * vy)
            vx -= 0.05 * drag * speed * vx
            vy -= 0.05 * (1.0 + drag * speed * vy)
            x += 0.05 * vx
            y += 0.05 * vy
        return y - target

    s0, s1 = 0.4, 1.2
    m0, m1 = miss(s0), miss(s1)
    iterations = 0
    while abs(m1) > 1e-12 and iterations < 30:
        s0, s1, m0 = s1, s1 - m1 * (s1 - s0) / (m1 - m0), m1
        m1 = miss(s1)
        iterations += 1
    return s1


def kepler(mean_anomaly, e):
    """Newton's method on Kepler's equation, then the true anomaly."""
    if e < 0 or e >= 1:
        raise ValueError("only ellipses")
    anomaly = mean_anomaly if e < 0.8 else math.pi
    while True:
        step = (anomaly - e * math.sin(anomaly) - mean_anomaly) / (1 - e * math.cos(anomaly))
        anomaly -= step
        if abs(step) < 1e-13:
            break
    return 2 * math.atan2(math.sqrt(1 + e) * math.sin(anomaly / 2), math.sqrt(1 - e) * math.cos(anomaly / 2))


def bisection(c):
    """A root by bisection and a final Newton polish: the polish carries the derivative."""
    low, high = 0.0, 3.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if middle**3 + middle - c < 0:
            low = middle
        else:
            high = middle
    x = (low + high) / 2
    for _ in range(3):
        x -= (x**3 + x - c) / (3 * x**2 + 1)
    return x


def hodgkin_huxley(current, g, dt, steps):
    """A neuron: gates with removable singularities guarded by branches."""

    def linoid(x, y):
        if abs(x / y) < 1e-6:
            return y * (1 - x / y / 2)
        return x / (1 - math.exp(-x / y))

    v, m, h, n = -65.0, 0.05, 0.6, 0.32
    for _ in range(steps):
        am, bm = 0.1 * linoid(v + 40, 10.0), 4 * math.exp(-(v + 65) / 18)
        ah, bh = 0.07 * math.exp(-(v + 65) / 20), 1 / (1 + math.exp(-(v + 35) / 10))
        an, bn = 0.01 * linoid(v + 55, 10.0), 0.125 * math.exp(-(v + 65) / 80)
        m += dt * (am * (1 - m) - bm * m)
        h += dt * (ah * (1 - h) - bh * h)
        n += dt * (an * (1 - n) - bn * n)
        v += dt * (current - g[0] * m**3 * h * (v - 50) - g[1] * n**4 * (v + 77) - g[2] * (v + 54.387))
    return v


CASES = {
    rk4: (np.array([1.2, -0.3]), 0.8, 1.5, 12),
    adaptive: (1.3, 2.0, 1.0, 1e-2),
    three_body: (
        np.array([1.0, 0.8, 1.3]),
        np.array([[0.0, 0], [1, 0.2], [-0.3, 0.9]]),
        np.array([[0.1, 0], [0, 0.3], [0.2, -0.1]]),
        0.05,
        6,
    ),
    bouncing_ball: (1.7, 0.4, 0.55),
    implicit_euler: (np.array([1.0, 0.1, 0.05]), np.array([0.4, 10.0, 3.0]), 0.1, 4),
    simpson: (0.1, 1.9, 0.7),
    romberg: (0.2, 1.4, 2.5),
    shooting: (0.3, 0.4),
    kepler: (1.1, 0.35),
    bisection: (2.3,),
    hodgkin_huxley: (12.0, np.array([120.0, 36.0, 0.3]), 0.02, 25),
}
