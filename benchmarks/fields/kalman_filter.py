"""Filtering of a linear system with noise: means, and the likelihood of the observations.

Source: R. E. Kalman, "A new approach to linear filtering and prediction problems", Journal of Basic Engineering 82
(1960); the likelihood by innovations, F. C. Schweppe, IEEE Trans. Inf. Theory 11 (1965).
"""

import numpy as np

PRESETS = {"S": {"steps": 200, "states": 6, "sensors": 3}, "M": {"steps": 2000, "states": 12, "sensors": 6}}


def initialize(steps, states, sensors):
    rng = np.random.default_rng(7)
    transition = 0.95 * np.linalg.qr(rng.standard_normal((states, states)))[0]
    sensor = rng.standard_normal((sensors, states))
    root = rng.standard_normal((states, states))
    process = 0.1 * np.eye(states) + 0.02 * root @ root.T
    noise = np.diag(rng.uniform(0.5, 1.0, sensors))
    return transition, sensor, process, noise, rng.standard_normal((steps, sensors))


def kalman_filter(transition, sensor, process, noise, observed):
    """The filtered means and the log-likelihood."""
    steps, m = observed.shape
    n = len(transition)
    mean, covariance = np.zeros(n), np.eye(n)
    means = np.zeros((steps, n))
    likelihood = 0.0
    for t in range(steps):
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        innovation = observed[t] - sensor @ mean
        spread = sensor @ covariance @ sensor.T + noise
        gain = np.linalg.solve(spread, sensor @ covariance).T
        likelihood -= 0.5 * (innovation @ np.linalg.solve(spread, innovation))
        likelihood -= 0.5 * (np.log(np.linalg.det(spread)) + m * np.log(2 * np.pi))
        mean = mean + gain @ innovation
        covariance = covariance - gain @ sensor @ covariance
        means[t] = mean
    return means, likelihood
