"""Complex numbers: transforms, optics, polynomials, impedances."""

import cmath

import numpy as np

RNG = np.random.default_rng(16)


def _complex(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def dft(x):
    """The transform by its definition, and its power spectrum."""
    n = len(x)
    y = np.zeros(n, dtype=complex)
    for k in range(n):
        for j in range(n):
            y[k] += x[j] * np.exp(-2j * np.pi * j * k / n)
    return np.abs(y) ** 2


def fft_recursive(x):
    """Cooley-Tukey by recursion on strided views."""
    n = len(x)
    if n == 1:
        return x.copy()
    even, odd = fft_recursive(x[::2]), fft_recursive(x[1::2])
    twiddle = np.exp(-2j * np.pi * np.arange(n // 2) / n)
    return np.concatenate([even + twiddle * odd, even - twiddle * odd])


def thin_film(thickness, index, absorption, wavelength):
    """Reflectance of a stack of films by characteristic matrices."""
    m = np.eye(2, dtype=np.complex128)
    for k in range(len(thickness)):
        n = index[k] - 1j * absorption[k]
        delta = 2 * np.pi * n * thickness[k] / wavelength
        layer = np.array([[np.cos(delta), 1j * np.sin(delta) / n], [1j * n * np.sin(delta), np.cos(delta)]])
        m = m @ layer
    b, c = m[0, 0] + 1.5 * m[0, 1], m[1, 0] + 1.5 * m[1, 1]
    r = (b - c) / (b + c)
    return (r * r.conjugate()).real


def impedance(resistance, inductance, capacity, omega):
    """A ladder of series and parallel elements, gain in decibels and phase."""
    z = complex(resistance)
    for k in range(1, 4):
        z = 1 / (1 / (z + 1j * omega * inductance * k) + 1j * omega * capacity)
    return 20 * np.log10(abs(z)), cmath.phase(z)


def newton_root(coefficients, z):
    """A complex root by Newton's method until it stands."""
    for _ in range(60):
        p, dp = 0j, 0j
        for c in coefficients:
            dp = dp * z + p
            p = p * z + c
        step = p / dp
        z = z - step
        if abs(step) < 1e-14:
            break
    return z


def julia(c, z, escape):
    """Escape times as integers, the last iterates as complex floats."""
    count = np.zeros(z.shape, dtype=np.int64)
    for n in range(6):
        inside = np.abs(z) < escape
        z[inside] = z[inside] ** 2 + c
        count[inside] = n
    return z, count


def schroedinger(psi, potential, dt, steps):
    """Split steps with np.fft; the norm in a region and the mean position."""
    n = len(psi)
    k = 2 * np.pi * np.fft.fftfreq(n)
    kinetic = np.exp(-0.5j * dt * k**2)
    for _ in range(steps):
        psi = np.exp(-1j * dt * potential) * psi
        psi = np.fft.ifft(kinetic * np.fft.fft(psi))
    density = np.abs(psi) ** 2
    return density[: n // 2].sum(), np.sum(np.arange(n) * density)


def bridges(z, x):
    """Between real and complex: parts, conjugates, angles, assembling."""
    w = z * np.conj(z[::-1]) + 1j * x
    w.imag[0] += x[0]
    return np.angle(w), w.real * z.imag, np.abs(w), np.real(np.exp(1j * x) * z)


CASES = {
    dft: (RNG.standard_normal(6),),
    fft_recursive: (_complex(8),),
    thin_film: (np.array([0.1, 0.25, 0.08]), np.array([1.38, 2.3, 1.7]), np.array([0.0, 0.01, 0.02]), 0.55),
    impedance: (50.0, 0.01, 1e-4, 300.0),
    newton_root: (np.array([1.0 + 0j, -2.0, 3.0 + 1j, -0.5j]), 0.4 + 1.1j),
    julia: (-0.3 + 0.6j, 0.7 * _complex(7), 2.0),
    schroedinger: (_complex(8), RNG.random(8), 0.1, 3),
    bridges: (_complex(5), RNG.random(5)),
}
