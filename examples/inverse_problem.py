"""What is the plate made of? Its conductivity, recovered from thermometers, through the solver in `heated_plate.py`.

The solver is plain NumPy and knows nothing of derivatives. `wengert.value_and_grad` reads it as it is and gives the
exact gradient with respect to all 1024 unknowns in native code; `scipy.optimize.minimize` does the rest.

    python examples/inverse_problem.py [--picture FILE] [--iterations N] [--size N]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from heated_plate import measure, misfit
from scipy.optimize import minimize

import wengert as wg
from wengert import differences

READINGS = 20
NOISE = 0.002
WEIGHT = 3e-4
LOWEST, HIGHEST = 0.2, 2.4


def hidden_material(n):
    """The truth: a gentle slope, a round inclusion that conducts better and a square one that conducts worse."""
    y, x = np.mgrid[0:n, 0:n] / (n - 1)
    kappa = 1.0 + 0.2 * x
    kappa[(x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.03] = 2.0
    kappa[(np.abs(x - 0.68) < 0.14) & (np.abs(y - 0.65) < 0.16)] = 0.4
    return kappa


def timed(run, repeat):
    """The median time of a call, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def check_gradient(objective, settings, kappa):
    """Compare the gradient along a random direction with the complex step and with high-order differences."""
    direction = np.random.default_rng(1).standard_normal(kappa.shape)
    _, gradient = objective(kappa, *settings)
    slope = np.sum(gradient * direction)

    def along(t):
        return np.array([misfit(kappa + t * direction, *settings)])

    exact = along(1e-30j)[0].imag / 1e-30
    estimate = differences.richardson(along, along(0.0)).value[0]
    print("derivative along a random direction")
    print(f"  wengert           {slope:+.15e}")
    print(f"  complex step      {exact:+.15e}   relative difference {abs(slope / exact - 1):.0e}")
    print(f"  differences       {estimate:+.15e}   relative difference {abs(slope / estimate - 1):.0e}")


def compare_times(objective, native, settings, kappa):
    """Print the time of plain NumPy, of the same program compiled, and of value and gradient."""
    plain = timed(lambda: misfit(kappa, *settings), 3)
    fast = timed(lambda: native(kappa, *settings), 7)
    both = timed(lambda: objective(kappa, *settings), 7)
    print("time of")
    print(f"  misfit, plain NumPy            {1e3 * plain:8.1f} ms")
    print(f"  misfit, native                 {1e3 * fast:8.1f} ms   {plain / fast:.1f} times faster")
    print(f"  misfit and gradient, native    {1e3 * both:8.1f} ms   {both / fast:.1f} times the native misfit")
    print(f"  the same by differences        {1e3 * plain * (kappa.size + 1):8.0f} ms   {kappa.size + 1} plain misfits")


def recover(objective, settings, start, iterations):
    """Minimise the misfit from a homogeneous plate; the material found and the history of misfits."""
    history = []

    def fun(x):
        value, gradient = objective(x.reshape(start.shape), *settings)
        return value, gradient.ravel()

    def report(intermediate_result):
        history.append(float(intermediate_result.fun))
        if sys.stderr.isatty():
            print(f"\riteration {len(history):3d}   misfit {history[-1]:.4e}", end="", file=sys.stderr, flush=True)

    found = minimize(
        fun,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(LOWEST, HIGHEST)] * start.size,
        callback=report,
        options={"maxiter": iterations},
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found.x.reshape(start.shape), history


def save_picture(path, truth, found, history):
    """The true and the recovered material side by side, and how the misfit fell."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axes, field, title in ((left, truth, "the plate"), (middle, found, "recovered")):
        image = axes.imshow(field, vmin=LOWEST, vmax=HIGHEST, cmap="viridis")
        axes.set(title=title, xticks=[], yticks=[])
    middle.plot(*np.mgrid[2 : len(truth) : 4, 2 : len(truth) : 4].reshape(2, -1)[::-1], "w.", markersize=2)
    figure.colorbar(image, ax=(left, middle), label="conductivity")
    right.semilogy(history)
    right.set(title="convergence", xlabel="iteration of L-BFGS-B", ylabel="misfit")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description="Recover the conductivity of a plate from thermometers.")
    parser.add_argument("--picture", type=Path, default=Path(__file__).with_suffix(".png"))
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--size", type=int, default=32, help="cells per side")
    options = parser.parse_args()

    n = options.size
    h = 1.0 / (n - 1)
    dt = 0.24 * h**2 / HIGHEST
    every = round(0.15 / dt) // READINGS
    steps = every * READINGS
    print(f"a plate of {n} x {n} cells, {steps} time steps for each of 4 heated sides")

    truth = hidden_material(n)
    readings = measure(truth, steps, every, dt, h)
    readings += NOISE * np.random.default_rng(0).standard_normal(readings.shape)
    settings = (readings, steps, every, dt, h, WEIGHT)
    start = np.ones((n, n))

    objective = wg.value_and_grad(misfit)
    native = wg.compile(misfit)
    begin = time.perf_counter()
    objective(start, *settings)
    native(start, *settings)
    print(f"compiled value and gradient in {time.perf_counter() - begin:.1f} s\n")

    guess = start + 0.1 * np.random.default_rng(2).random(start.shape)
    check_gradient(objective, settings, guess)
    print()
    compare_times(objective, native, settings, guess)

    begin = time.perf_counter()
    found, history = recover(objective, settings, start, options.iterations)
    elapsed = time.perf_counter() - begin

    def error(kappa):
        return np.linalg.norm(kappa - truth) / np.linalg.norm(truth)

    print(f"\nrecovered {truth.size} unknowns in {len(history)} iterations, {elapsed:.1f} s")
    print(f"  misfit      {misfit(start, *settings):.3e} -> {history[-1]:.3e}")
    print(f"  error       {100 * error(start):.0f} % -> {100 * error(found):.0f} %")
    save_picture(options.picture, truth, found, history)
    print(f"  picture     {options.picture}")


if __name__ == "__main__":
    main()
