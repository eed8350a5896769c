"""Programs as classes: filters with state, dataclasses, inheritance, enums, operators, dicts of arrays."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

RNG = np.random.default_rng(13)


class Quaternion:
    """A unit quaternion with the Hamilton product."""

    def __init__(self, w, x, y, z):
        self.w, self.x, self.y, self.z = w, x, y, z

    def __mul__(self, other):
        return Quaternion(
            self.w * other.w - self.x * other.x - self.y * other.y - self.z * other.z,
            self.w * other.x + self.x * other.w + self.y * other.z - self.z * other.y,
            self.w * other.y - self.x * other.z + self.y * other.w + self.z * other.x,
            self.w * other.z + self.x * other.y - self.y * other.x + self.z * other.w,
        )

    @property
    def norm(self):
        return np.sqrt(self.w**2 + self.x**2 + self.y**2 + self.z**2)

    def normalized(self):
        n = self.norm
        return Quaternion(self.w / n, self.x / n, self.y / n, self.z / n)

    def rotate(self, v):
        turned = self * Quaternion(0.0, v[0], v[1], v[2]) * Quaternion(self.w, -self.x, -self.y, -self.z)
        return np.array([turned.x, turned.y, turned.z])


def spin(rate, v, dt, steps):
    """Integrate a rotation and turn a vector by it."""
    q = Quaternion(1.0, 0.0, 0.0, 0.0)
    for _ in range(steps):
        dq = Quaternion(1.0, 0.5 * dt * rate[0], 0.5 * dt * rate[1], 0.5 * dt * rate[2])
        q = (q * dq).normalized()
    return q.rotate(v)


class ComplementaryFilter:
    """An attitude filter that keeps its history in an array attribute and its bias in another."""

    def __init__(self, gain=0.98, samples=0):
        self.gain = gain
        self.bias = np.zeros(2)
        self.angles = np.zeros((samples, 2))

    def update(self, k, gyr, acc, dt):
        previous = self.angles[k - 1] if k > 0 else np.zeros(2)
        roll = np.arctan2(acc[1], acc[2])
        pitch = np.arctan2(-acc[0], np.sqrt(acc[1] ** 2 + acc[2] ** 2))
        measured = np.array([roll, pitch])
        predicted = previous + (gyr[:2] - self.bias) * dt
        self.bias += 0.01 * (predicted - measured)
        self.angles[k] = self.gain * predicted + (1 - self.gain) * measured


def attitude(gyr, acc, dt, gain):
    """Run the filter over all samples."""
    flt = ComplementaryFilter(gain=gain, samples=len(gyr))
    for k in range(len(gyr)):
        flt.update(k, gyr[k], acc[k], dt)
    return flt.angles


@dataclass
class Particle:
    """State that is updated attribute by attribute."""

    position: float
    velocity: float
    mass: float = 1.0
    trail: list = field(default_factory=list)

    def push(self, force, dt):
        self.velocity += force / self.mass * dt
        self.position += self.velocity * dt
        self.trail.append(self.position)

    @property
    def energy(self):
        return 0.5 * self.mass * self.velocity**2


def springs(x0, stiffness, dt, steps):
    """Two particles on springs, objects in a list."""
    particles = [Particle(x0[0], 0.0), Particle(x0[1], 0.1, mass=2.0)]
    for _ in range(steps):
        gap = particles[1].position - particles[0].position - 1.0
        particles[0].push(stiffness * gap - particles[0].position, dt)
        particles[1].push(-stiffness * gap, dt)
    return sum(p.energy for p in particles) + particles[0].trail[2] * particles[1].trail[-1]


class Kernel:
    """A covariance function; subclasses say how it falls."""

    def __init__(self, scale):
        self.scale = scale

    def profile(self, r):
        raise NotImplementedError

    def __call__(self, a, b):
        return self.profile(np.abs(a - b) / self.scale)


class Gaussian(Kernel):
    def profile(self, r):
        return np.exp(-0.5 * r * r)


class Matern(Kernel):
    def __init__(self, scale, amplitude=1.0):
        super().__init__(scale)
        self.amplitude = amplitude

    def profile(self, r):
        return self.amplitude * (1 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r)


def gaussian_process(x, y, scale, amplitude, noise):
    """The log-likelihood of a Gaussian process with a sum of kernels."""
    kernels = [Gaussian(scale), Matern(2 * scale, amplitude=amplitude)]
    n = len(x)
    cov = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for kernel in kernels:
                cov[i, j] += kernel(x[i], x[j])
        cov[i, i] += noise**2
    chol = np.linalg.cholesky(cov)
    half = np.linalg.solve(chol, y)
    return -0.5 * half @ half - np.sum(np.log(np.diag(chol)))


class Scheme(Enum):
    """How to step."""

    EULER = "euler"
    HEUN = "heun"
    MIDPOINT = "midpoint"


def decay(y, rate, h, scheme):
    """One enum, three formulas."""
    for _ in range(4):
        if scheme is Scheme.EULER:
            y = y - h * rate * y
        elif scheme == Scheme.HEUN:
            guess = y - h * rate * y
            y = y - 0.5 * h * rate * (y + guess)
        else:
            y = y - h * rate * (y - 0.5 * h * rate * y)
    return y


def all_schemes(y, rate, h):
    return [decay(y, rate, h, scheme) for scheme in Scheme]


@dataclass(frozen=True)
class Orbit:
    """Elements that are replaced, never changed."""

    a: float
    e: float
    i: float = 0.1


def drift(elements, j2, steps):
    """A frozen dataclass carried through a loop by `replace`, in and out of the program."""
    for _ in range(steps):
        p = elements.a * (1 - elements.e**2)
        elements = replace(elements, a=elements.a * (1 - j2 / p), i=elements.i + j2 * np.sin(elements.i))
    return elements


Layer = namedtuple("Layer", ["weight", "bias"])


def network(params, x, target):
    """A network whose parameters are a dict of arrays; an ordered dict of layers inside."""
    layers = OrderedDict()
    layers["hidden"] = Layer(params["w1"], params["b1"])
    layers["output"] = Layer(params["w2"], params["b2"])
    for name, layer in layers.items():
        x = x @ layer.weight + layer.bias
        if name != "output":
            x = np.tanh(x)
    loss = {"fit": np.mean((x - target) ** 2), "decay": 1e-2 * sum(np.sum(p**2) for p in params.values())}
    return loss


class Adam:
    """An optimiser with dicts of moments."""

    def __init__(self, params, rate):
        self.rate = rate
        self.m = {k: np.zeros_like(v) for k, v in params.items()}
        self.v = {k: np.zeros_like(v) for k, v in params.items()}
        self.t = 0

    def step(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = 0.9 * self.m[k] + 0.1 * grads[k]
            self.v[k] = 0.99 * self.v[k] + 0.01 * grads[k] ** 2
            mh = self.m[k] / (1 - 0.9**self.t)
            vh = self.v[k] / (1 - 0.99**self.t)
            params[k] = params[k] - self.rate * mh / (np.sqrt(vh) + 1e-8)


def train(w, b, x, y, rate):
    """Hyperparameters through training: the gradient of a hand-written gradient descent."""
    params = {"w": w, "b": b}
    optimiser = Adam(params, rate)
    for _ in range(3):
        residual = params["w"] * x + params["b"] - y
        grads = {"w": 2 * np.mean(residual * x), "b": 2 * np.mean(residual)}
        optimiser.step(params, grads)
    return np.mean((params["w"] * x + params["b"] - y) ** 2)


class RunningStatistics:
    """Welford's algorithm with __len__, __iter__ and a static method."""

    def __init__(self):
        self.n = 0
        self.mean = 0.0
        self.m2 = 0.0

    def add(self, x):
        self.n += 1
        delta = x - self.mean
        self.mean += delta / self.n
        self.m2 += delta * (x - self.mean)

    def __len__(self):
        return self.n

    @staticmethod
    def squash(x):
        return x / (1 + abs(x))

    @classmethod
    def of(cls, values):
        made = cls()
        for value in values:
            made.add(cls.squash(value))
        return made


def running_variance(values):
    stats = RunningStatistics.of(values)
    return stats.m2 / (len(stats) - 1), stats.mean


CASES = {
    spin: (np.array([0.4, -0.2, 0.9]), np.array([1.0, 0.5, -0.3]), 0.1, 6),
    attitude: (0.3 * RNG.standard_normal((6, 3)), np.array([0.1, 0.2, 1.0]) + 0.1 * RNG.random((6, 3)), 0.05, 0.9),
    springs: (np.array([0.2, 1.7]), 3.0, 0.05, 8),
    gaussian_process: (np.array([0.0, 0.4, 1.1, 1.9]), RNG.random(4), 0.8, 0.5, 0.3),
    all_schemes: (1.3, 0.7, 0.2),
    drift: (Orbit(1.2, 0.3), 0.01, 4),
    network: (
        {
            "w1": RNG.standard_normal((3, 4)),
            "b1": RNG.random(4),
            "w2": RNG.standard_normal((4, 2)),
            "b2": RNG.random(2),
        },
        RNG.random((5, 3)),
        RNG.random((5, 2)),
    ),
    train: (0.3, -0.1, RNG.random(6), RNG.random(6), 0.1),
    running_variance: (RNG.standard_normal(7),),
}
