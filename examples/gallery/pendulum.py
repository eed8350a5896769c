"""Control: swing up a pendulum on a cart with a limited force.

The force at every step is unknown. The cost is that of not standing upright at the end, and of the work on the way;
its gradient goes backwards through the whole motion.

    python examples/gallery/pendulum.py [--steps N] [--plot FILE]
"""

import argparse

import numpy as np
from scipy.optimize import minimize

import wengert as wg

CART, BOB, ROD, GRAVITY = 1.0, 0.3, 0.5, 9.81
STRONGEST = 20.0
SECONDS = 2.0


def accelerations(angle, spin, force):
    """Of cart and pendulum; the angle is 0 below, pi above."""
    s, c = np.sin(angle), np.cos(angle)
    inertia = CART + BOB * s * s
    cart = (force + BOB * s * (ROD * spin**2 + GRAVITY * c)) / inertia
    turn = -(force * c + BOB * ROD * spin**2 * c * s + (CART + BOB) * GRAVITY * s) / (ROD * inertia)
    return cart, turn


def move(forces, dt):
    """Place, angle, speed and spin before and after every step, by the midpoint rule."""
    history = np.zeros((len(forces) + 1, 4))
    place = angle = speed = spin = 0.0
    for k, force in enumerate(forces):
        a, b = accelerations(angle, spin, force)
        half_angle, half_speed, half_spin = angle + dt / 2 * spin, speed + dt / 2 * a, spin + dt / 2 * b
        a, b = accelerations(half_angle, half_spin, force)
        place += dt * half_speed
        angle += dt * half_spin
        speed += dt * a
        spin += dt * b
        history[k + 1] = place, angle, speed, spin
    return history


def cost(forces, dt):
    """Of a motion: where it ends, how far the cart goes, what force it takes."""
    history = move(forces, dt)
    place, angle, speed, spin = history[-1]
    end = 100 * (1 + np.cos(angle)) + 10 * (place**2 + 0.1 * speed**2 + 0.1 * spin**2)
    return end + dt * np.sum(0.01 * forces**2) + dt * np.sum(history[:, 0] ** 2)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Swing up a pendulum on a cart.")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--plot", help="the file of a picture")
    options = parser.parse_args(argv)

    dt = SECONDS / options.steps
    start = 3.0 * np.sin(np.linspace(0, 3 * np.pi, options.steps))
    found = minimize(
        wg.value_and_grad(cost),
        start,
        args=(dt,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-STRONGEST, STRONGEST)] * options.steps,
        options={"maxiter": 1000, "maxfun": 2000},
    )
    history = move(found.x, dt)
    place, angle, _, spin = history[-1]
    tilt = np.degrees(abs(np.pi - angle % (2 * np.pi)))
    print(f"{options.steps} forces, {found.nit} iterations of L-BFGS-B: cost {cost(start, dt):.1f} -> {found.fun:.2f}")
    print(f"after {SECONDS} s it leans {tilt:.1f} degrees and turns {spin:+.2f} / s; the cart is at {place:+.2f} m")
    if options.plot:
        picture(options.plot, found.x, history, dt)
    return found.fun, tilt


def picture(path, forces, history, dt):
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    shown = history[:: max(1, len(history) // 40)]
    for k, (place, angle, _, _) in enumerate(shown):
        color = plt.get_cmap("viridis")(k / len(shown))
        bob = place + ROD * np.sin(angle), -ROD * np.cos(angle)
        left.plot([place, bob[0]], [0, bob[1]], color=color, linewidth=0.8)
        left.plot(*bob, "o", color=color, markersize=4)
    left.set(aspect="equal", xlabel="m", title="from below (dark) to above (light)")
    time = dt * np.arange(len(forces))
    right.step(time, forces)
    right.set(xlabel="s", ylabel="N", title="the force")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
