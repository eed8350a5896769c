"""Asian call options by simulated paths of geometric Brownian motion, with rates and volatilities that vary in time.

Source: P. Glasserman, "Monte Carlo Methods in Financial Engineering", sections 3.2 and 7.2 (pathwise derivatives).
"""

import numpy as np

PRESETS = {"S": {"paths": 5000, "steps": 50}, "M": {"paths": 50000, "steps": 100}}


def initialize(paths, steps):
    rng = np.random.default_rng(12)
    rate = 0.02 + 0.01 * rng.uniform(0, 1, steps)
    volatility = 0.2 + 0.05 * rng.uniform(0, 1, steps)
    strikes = np.array([80.0, 90.0, 100.0, 110.0, 120.0])
    return rng.standard_normal((steps, paths)), rate, volatility, strikes, 100.0, 1.0


def option_paths(noise, rate, volatility, strikes, spot, maturity):
    """The price for every strike."""
    steps, paths = noise.shape
    dt = maturity / steps
    price = np.full(paths, spot)
    mean = np.zeros(paths)
    discount = 1.0
    for t in range(steps):
        drift = (rate[t] - 0.5 * volatility[t] ** 2) * dt
        price *= np.exp(drift + volatility[t] * np.sqrt(dt) * noise[t])
        mean += price / steps
        discount *= np.exp(-rate[t] * dt)
    values = np.zeros(len(strikes))
    for k in range(len(strikes)):
        values[k] = discount * np.mean(np.maximum(mean - strikes[k], 0))
    return values
