"""Epidemiology: how contacts changed during an outbreak, from daily counts of cases.

Susceptible, exposed, infectious, removed: a model with a contact rate for every week, stepped by quarters of days.
The rates are those that make the reported cases most likely (Poisson) without jumping about; the gradient goes
through all steps.

    python examples/gallery/epidemic.py [--weeks N] [--plot FILE]
"""

import argparse
from math import lgamma

import numpy as np
from scipy.optimize import minimize

import wengert as wg

POPULATION = 1e6
STEPS = 4  # a day


def cases(log_rates, first, days):
    """New cases of each day."""
    s, e, i = POPULATION - first, first, 0.0
    daily = np.zeros(days)
    for day in range(days):
        rate = np.exp(log_rates[day // 7])
        for _ in range(STEPS):
            infected = rate * s * i / POPULATION / STEPS
            fell_ill = e / 3.0 / STEPS
            recovered = i / 5.0 / STEPS
            s -= infected
            e += infected - fell_ill
            i += fell_ill - recovered
            daily[day] += fell_ill
    return daily


def surprise(unknowns, counts, smooth):
    """Minus the logarithm of the likelihood of the counts, and a price of jumps."""
    log_rates, first = unknowns[1:], np.exp(unknowns[0])
    expected = cases(log_rates, first, len(counts))
    total = 0.0
    for mean, count in zip(expected, counts):  # noqa: B905
        total += mean - count * np.log(mean) + lgamma(count + 1.0)
    return total + smooth * np.sum(np.diff(log_rates) ** 2)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Calibrate a model of an epidemic.")
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--plot", help="the file of a picture")
    options = parser.parse_args(argv)

    weeks = np.arange(options.weeks)
    truth = np.log(np.where(weeks < 6, 0.5, np.where(weeks < 13, 0.14, 0.32)))
    counts = np.random.default_rng(1).poisson(cases(truth, 20.0, 7 * options.weeks)).astype(float)

    objective = wg.value_and_grad(surprise)
    start = np.log(np.full(1 + options.weeks, 0.25))
    start[0] = np.log(5.0)
    found = minimize(objective, start, args=(counts, 40.0), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    rates = np.exp(found.x[1:])
    inside = slice(1, options.weeks - 2)  # the last weeks have not shown in the counts yet
    error = np.max(np.abs(found.x[1:] - truth)[inside])
    print(
        f"{counts.sum():.0f} cases in {options.weeks} weeks; {found.nit} iterations of L-BFGS-B, {found.nfev} gradients"
    )
    print("contacts a day, by week: " + " ".join(f"{rate:.2f}" for rate in rates))
    print(f"largest error of a rate {100 * error:.0f} %, but for the first and the last two weeks")
    if options.plot:
        picture(options.plot, rates, np.exp(truth), np.exp(found.x[0]), counts)
    return found, truth, error


def picture(path, rates, truth, first, counts):
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(counts, "k.", markersize=3, label="reported")
    left.plot(cases(np.log(rates), first, len(counts)), "C1", label="model")
    left.set(xlabel="day", ylabel="cases")
    left.legend()
    weeks = np.arange(len(rates))
    right.step(weeks, truth, "C0", where="mid", label="true")
    right.step(weeks, rates, "C1--", where="mid", label="found")
    right.set(xlabel="week", ylabel="contacts a day", ylim=(0, None))
    right.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
