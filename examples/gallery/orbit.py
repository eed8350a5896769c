"""Astronomy: the orbit of an asteroid from a few directions in the sky.

An observer on the Earth sees in which direction a body stands, not how far it is. Positions of Sun, Jupiter and
asteroid are integrated by leapfrog; position and velocity at the first night (six numbers) are found by
Gauss-Newton, with the exact Jacobian of all observed angles.

    python examples/gallery/orbit.py [--nights N] [--plot FILE]
"""

import argparse

import numpy as np
from scipy.optimize import least_squares

import wengert as wg

GM_SUN = 4 * np.pi**2  # au^3 / year^2
GM_JUPITER = GM_SUN / 1047.35
ARCSECOND = np.pi / 180 / 3600


def circular(radius, time):
    """The position of a planet on a circle in the ecliptic."""
    angle = 2 * np.pi * time / radius**1.5
    return radius * np.array([np.cos(angle), np.sin(angle), 0.0])


def pull(x, time):
    """The acceleration at x by the Sun, at the origin, and by Jupiter."""
    to_jupiter = circular(5.2, time) - x
    return -GM_SUN * x / np.sum(x * x) ** 1.5 + GM_JUPITER * to_jupiter / np.sum(to_jupiter**2) ** 1.5


def orbit(state, times, per_night):
    """The positions at the times, by leapfrog."""
    x, v = state[:3].copy(), state[3:].copy()
    found = np.zeros((len(times), 3))
    time = 0.0
    for k in range(len(times)):
        dt = (times[k] - time) / per_night
        for _ in range(per_night):
            x += 0.5 * dt * v
            v += dt * pull(x, time + 0.5 * dt)
            x += 0.5 * dt * v
            time += dt
        found[k] = x
    return found


def sky(state, times, per_night):
    """Right ascension and declination, as seen from the Earth."""
    places = orbit(state, times, per_night)
    angles = np.zeros((len(times), 2))
    for k, place in enumerate(places):
        seen = place - circular(1.0, times[k])
        angles[k, 0] = np.arctan2(seen[1], seen[0])
        angles[k, 1] = np.arcsin(seen[2] / np.sqrt(np.sum(seen * seen)))
    return angles.ravel()


def main(argv=None):
    parser = argparse.ArgumentParser(description="Determine the orbit of an asteroid.")
    parser.add_argument("--nights", type=int, default=12)
    parser.add_argument("--plot", help="the file of a picture")
    options = parser.parse_args(argv)

    times = np.linspace(0.02, 0.35, options.nights)
    truth = np.array([2.1, 0.6, 0.1, -1.0, 3.9, 0.4])
    seen = sky(truth, times, 40) + ARCSECOND * np.random.default_rng(0).standard_normal(2 * options.nights)

    guess = np.array([2.8, 0.8, 0.0, -1.2, 3.2, 0.0])
    derivative = wg.jacobian(sky)
    found = least_squares(
        lambda state: (sky(state, times, 40) - seen) / ARCSECOND,
        guess,
        jac=lambda state: derivative(state, times, 40) / ARCSECOND,
        x_scale=[1, 1, 0.1, 1, 1, 0.1],
        method="lm",
    )
    error = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    print(f"{options.nights} nights, {found.nfev} evaluations, {found.njev} Jacobians")
    for name, value, sigma, true in zip(("x", "y", "z", "vx", "vy", "vz"), found.x, error, truth, strict=True):
        print(f"  {name:2} {value:9.5f} +- {sigma:.5f}   (true {true:7.3f})")
    print(f"residuals {np.sqrt(np.mean(found.fun**2)):.2f} arc seconds")
    if options.plot:
        picture(options.plot, found.x, truth, guess, times)
    return found.x, error, truth


def picture(path, found, truth, guess, times):
    from matplotlib import pyplot as plt

    around = np.linspace(0.01, 5.0, 400)
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    for state, style, name in ((guess, "C7:", "first guess"), (truth, "C0-", "true"), (found, "C1--", "found")):
        axes.plot(*orbit(state, around, 20).T[:2], style, label=name)
    earth = np.array([circular(1.0, t) for t in around])
    jupiter = np.array([circular(5.2, t) for t in np.linspace(0, 11.9, 200)])
    axes.plot(*earth.T[:2], "C2", linewidth=0.8, label="Earth")
    axes.plot(*jupiter.T[:2], "C3", linewidth=0.8, label="Jupiter")
    axes.plot(*orbit(truth, times, 40).T[:2], "k.", label="seen here")
    axes.plot(0, 0, "yo")
    axes.set(aspect="equal", xlabel="au", ylabel="au")
    axes.legend(loc="upper right", fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
