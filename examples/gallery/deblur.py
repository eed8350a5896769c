"""Imaging: sharpen a blurred, noisy photograph.

The camera smears every point and adds noise. The image that is found looks through that camera as the photograph
does, and edges are cheap in it (total variation).

    python examples/gallery/deblur.py [--size N] [--plot FILE]
"""

import argparse

import numpy as np
from scipy.optimize import minimize

import wengert as wg

REACH = 3
WIDTH = 1.6
WEIGHT = 2e-4


def scene(n):
    """Something with edges."""
    y, x = np.mgrid[0:n, 0:n] / n
    image = 0.2 + 0.2 * x
    image[(x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.05] = 0.9
    image[(abs(x - 0.7) < 0.12) & (abs(y - 0.65) < 0.2)] = 0.05
    image[(abs(x - y) < 0.03) & (x > 0.5)] = 0.7
    return image


def camera(image, width):
    """Smear by a Gaussian, cut off at REACH; the border is continued."""
    padded = np.pad(image, REACH, mode="edge")
    n, m = image.shape
    seen = np.zeros((n, m))
    total = 0.0
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            weight = np.exp(-(i * i + j * j) / (2 * width**2))
            seen += weight * padded[REACH + i : REACH + i + n, REACH + j : REACH + j + m]
            total += weight
    return seen / total


def objective(flat, photograph):
    """How far the image is from the photograph, and a price of everything that is not flat."""
    image = flat.reshape(photograph.shape)
    misfit = 0.5 * np.sum((camera(image, WIDTH) - photograph) ** 2)
    right = image[:-1, 1:] - image[:-1, :-1]
    down = image[1:, :-1] - image[:-1, :-1]
    return misfit + WEIGHT * np.sum(np.sqrt(right**2 + down**2 + 1e-4))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Deblur a photograph.")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--plot", help="the file of a picture")
    options = parser.parse_args(argv)

    truth = scene(options.size)
    noise = np.random.default_rng(0).standard_normal(truth.shape)
    photograph = camera(truth, WIDTH) + 0.003 * noise
    found = minimize(
        wg.value_and_grad(objective),
        photograph.ravel(),
        args=(photograph,),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": options.iterations, "maxfun": 2 * options.iterations},
    )
    image = found.x.reshape(truth.shape)

    def error(image):
        return np.linalg.norm(image - truth) / np.linalg.norm(truth)

    print(f"{truth.size} unknowns, {found.nit} iterations of L-BFGS-B, objective {found.fun:.4f}")
    print(f"error {100 * error(photograph):.1f} % -> {100 * error(image):.1f} %")
    if options.plot:
        picture(options.plot, truth, photograph, image)
    return error(photograph), error(image)


def picture(path, truth, photograph, image):
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
    for axes, shown, title in zip(panels, (truth, photograph, image), ("scene", "photograph", "found"), strict=True):
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
