"""Heat conduction in a plate of unknown material, and how far a guess of the material is from what was measured.

An ordinary NumPy solver, explicit in time on an n x n grid of square cells. One side at a time is heated and the
opposite side is cooled; the other two are insulated. Thermometers sit in every fourth cell and are read now and then.
"""

import numpy as np

SIDES = ("north", "east", "south", "west")


def conduct(T, kappa, dt, h):
    """One step of dT/dt = div(kappa grad T), in place, with the harmonic mean of kappa on cell faces."""
    across = 2.0 * kappa[1:, :] * kappa[:-1, :] / (kappa[1:, :] + kappa[:-1, :])
    flux = across * (T[1:, :] - T[:-1, :]) * (dt / h**2)
    along = 2.0 * kappa[:, 1:] * kappa[:, :-1] / (kappa[:, 1:] + kappa[:, :-1])
    flow = along * (T[:, 1:] - T[:, :-1]) * (dt / h**2)
    T[:-1, :] += flux
    T[1:, :] -= flux
    T[:, :-1] += flow
    T[:, 1:] -= flow


def hold(T, side, time):
    """The boundary: a heater that comes on slowly on one side, ice on the other."""
    warm = 1.0 - np.exp(-20.0 * time)
    if side == "north":
        T[0, :] = warm
        T[-1, :] = 0.0
    elif side == "south":
        T[-1, :] = warm
        T[0, :] = 0.0
    elif side == "west":
        T[:, 0] = warm
        T[:, -1] = 0.0
    else:
        T[:, -1] = warm
        T[:, 0] = 0.0


def measure(kappa, steps, every, dt, h):
    """The thermometers' readings: one array per heated side and reading."""
    n = kappa.shape[0]
    readings = np.zeros((len(SIDES), steps // every, len(range(2, n, 4)), len(range(2, n, 4))))
    for s, side in enumerate(SIDES):
        T = np.zeros_like(kappa)
        for t in range(1, steps + 1):
            conduct(T, kappa, dt, h)
            hold(T, side, t * dt)
            if t % every == 0:
                readings[s, t // every - 1] = T[2::4, 2::4]
    return readings


def roughness(kappa, h):
    """The total variation of the material, rounded off at zero."""
    dx = kappa[1:, :-1] - kappa[:-1, :-1]
    dy = kappa[:-1, 1:] - kappa[:-1, :-1]
    return h * np.sum(np.sqrt(dx**2 + dy**2 + 1e-4))


def misfit(kappa, readings, steps, every, dt, h, weight):
    """Half the sum of squared differences to the readings, and a penalty on rough materials."""
    loss = weight * roughness(kappa, h)
    for s, side in enumerate(SIDES):
        T = np.zeros_like(kappa)
        for t in range(1, steps + 1):
            conduct(T, kappa, dt, h)
            hold(T, side, t * dt)
            if t % every == 0:
                r = T[2::4, 2::4] - readings[s, t // every - 1]
                loss += 0.5 * np.sum(r * r)
    return loss
