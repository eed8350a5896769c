"""Mechanics: how a chain of heavy, nearly inextensible links hangs, with a weight on it.

The energy of springs and gravity, minimised by Newton's method with the exact Hessian. Without the weight the shape
is Bernoulli's catenary, which the result is compared with.

    python examples/gallery/chain.py [--links N] [--plot FILE]
"""

import argparse

import numpy as np
from scipy.optimize import brentq, minimize

import wengert as wg

WIDTH, LENGTH = 1.0, 1.5
STIFFNESS = 1e4


def energy(flat, load):
    """Of the inner joints of a chain between (0, 0) and (WIDTH, 0); `load` hangs at its middle joint."""
    inner = flat.reshape(-1, 2)
    joints = np.zeros((len(inner) + 2, 2))
    joints[1:-1] = inner
    joints[-1, 0] = WIDTH
    links = len(inner) + 1
    rest = LENGTH / links
    total = load * joints[links // 2, 1]
    for k in range(links):
        dx, dy = joints[k + 1] - joints[k]
        stretch = np.hypot(dx, dy) / rest - 1
        total += 0.5 * STIFFNESS * rest * stretch**2
        total += rest * 0.5 * (joints[k, 1] + joints[k + 1, 1])
    return total


def hang(links, load):
    """The joints at rest."""
    x = np.linspace(0, WIDTH, links + 1)[1:-1]
    start = np.column_stack([x, -2.0 * x * (WIDTH - x)]).ravel()
    found = minimize(
        wg.value_and_grad(energy),
        start,
        args=(load,),
        jac=True,
        hess=wg.hessian(energy),
        method="trust-exact",
        options={"gtol": 1e-8, "maxiter": 300},
    )
    return np.vstack([[0, 0], found.x.reshape(-1, 2), [WIDTH, 0]]), found


def catenary(x):
    """y = a cosh((x - WIDTH/2) / a) - const, of the chain's length."""
    a = brentq(lambda a: 2 * a * np.sinh(WIDTH / 2 / a) - LENGTH, 0.05, 10.0)
    return a * (np.cosh((x - WIDTH / 2) / a) - np.cosh(WIDTH / 2 / a))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Hang a chain.")
    parser.add_argument("--links", type=int, default=60)
    parser.add_argument("--plot", help="the file of a picture")
    options = parser.parse_args(argv)

    free, found = hang(options.links, 0.0)
    loaded, _ = hang(options.links, 2.0)
    error = np.max(np.abs(free[:, 1] - catenary(free[:, 0])))
    print(f"{options.links} links, {found.nit} Newton steps, gradient {np.linalg.norm(found.jac):.0e}")
    print(f"largest distance from the catenary {error:.1e}; it hangs {-free[:, 1].min():.4f} deep")
    print(f"with a weight of 2 at the middle (the chain has {LENGTH}) {-loaded[:, 1].min():.4f}")
    if options.plot:
        picture(options.plot, free, loaded)
    return error, loaded


def picture(path, free, loaded):
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    x = np.linspace(0, WIDTH, 200)
    axes.plot(x, catenary(x), "C0", linewidth=4, alpha=0.4, label="catenary")
    axes.plot(*free.T, "C1.-", markersize=3, label="free")
    axes.plot(*loaded.T, "C2.-", markersize=3, label="with a weight")
    axes.plot(*loaded[len(loaded) // 2], "ko")
    axes.set(aspect="equal")
    axes.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
