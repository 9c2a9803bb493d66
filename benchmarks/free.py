"""Free sums, free products and the law of a Jacobian, beside what one would run without the package.

    python benchmarks/free.py

Every arm gives the density at the same points; rmtlab builds the law anew each time, with its exact edges and
atoms, which the peers are handed. The peers: the roots of the law's polynomial at each point, of which the one with
the largest density is kept; the plain subordination iteration, 1e-8 above the axis; SciPy's root finder, led along
the axis from outside the support; and, where it is installed, freealg, a published package that has some of these
laws. The truth is the root that is followed from z = i∞ down to the axis in hundreds of small steps. A point is
wrong where the density is off by more than a percent. Slow arms run on every tenth point, and their time a point
is compared.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from math import erf, pi, sqrt

import numpy as np
from scipy.optimize import root
from threadpoolctl import threadpool_info

import rmtlab as rl

POINTS, JACOBIAN_POINTS, EVERY = 400, 800, 10
DEPTH = 16
HEIGHT, PATIENCE = 1e-8, 5000
WRONG = 0.01

Array = np.ndarray
Density = Callable[[Array], Array]


def followed(rule: Callable, start: float, x: Array) -> Array:
    """The root v(x) of rule(z, v) = (value, slope), followed from v ~ start/z far above the axis down to it."""
    v = start / (x + 1e4j)
    for height in [*np.geomspace(1e4, 1e-16, 600), 0.0]:
        for _ in range(4):
            value, slope = rule(x + 1j * height, v)
            v = v - value / slope
    return v


@dataclass
class Curve:
    """The curve z(v) = z that ties a transform v(z) to z, as a polynomial in v; v ~ start/z at infinity."""

    coefficients: Callable[[Array], list]
    is_moment_series: bool = False
    start: float = 1.0

    def density(self, x: Array, v: Array) -> Array:
        return -v.imag / pi / (x if self.is_moment_series else 1.0)

    def truth(self, x: Array) -> Array:
        def rule(z: Array, v: Array) -> tuple[Array, Array]:
            value, slope = np.zeros_like(v), np.zeros_like(v)
            for c in self.coefficients(z):
                value, slope = value * v + c, slope * v + value
            return value, slope

        return self.density(x, followed(rule, self.start, x))

    def roots(self, x: Array) -> Array:
        """What one writes first: all roots at each point, and the largest density among them."""
        return np.array([np.max(self.density(point, np.roots(self.coefficients(point)))) for point in x])


def product_curve(factors: list[tuple[float, float]]) -> Curve:
    """z·m = (1 + m)·Π(α + βm): a product of laws with S = 1/(α + βm)."""
    right = np.array([1.0, 1.0])
    for alpha, beta in factors:
        right = np.convolve(right, [beta, alpha])
    return Curve(lambda z: [*right[:-2], right[-2] - z, right[-1]], is_moment_series=True)


def iterated(step: Callable, cauchy: Callable) -> Density:
    """Iterate ω ← step(z, ω) from ω = z at all points until it stands still; G = cauchy(z, ω)."""

    def density(x: Array) -> Array:
        z = x + 1j * HEIGHT
        omega, active = z.copy(), np.arange(x.size)
        for _ in range(PATIENCE):
            new = step(z[active], omega[active])
            moved = np.abs(new - omega[active]) > 1e-12 * np.abs(new)
            omega[active] = new
            active = active[moved]
        return -cauchy(z, omega).imag / pi

    return density


def iterated_sum(first: Callable, second: Callable) -> Density:
    """ω ← z + h₂(z + h₁(ω)) with h = 1/G − id (Belinschi and Bercovici)."""

    def step(z: Array, omega: Array) -> Array:
        inner = z + 1.0 / first(omega) - omega
        return z + 1.0 / second(inner) - inner

    return iterated(step, lambda z, omega: first(omega))


def iterated_product(first: Callable, second: Callable) -> Density:
    """The same for η = M/(1 + M), in ω = 1/w: ω ← z/h₂(z/h₁(ω)) with h = ω·η."""

    def h(cauchy: Callable, omega: Array) -> Array:
        return omega - 1.0 / cauchy(omega)

    def step(z: Array, omega: Array) -> Array:
        return z / h(second, z / h(first, omega))

    return iterated(step, lambda z, omega: omega * first(omega) / z)


def wishart(aspect: float) -> Callable[[Array], Array]:
    low, high = (1.0 - sqrt(aspect)) ** 2, (1.0 + sqrt(aspect)) ** 2
    return lambda z: (z - 1.0 + aspect - np.sqrt(z - low) * np.sqrt(z - high)) / (2.0 * aspect * z)


def wigner(z: Array) -> Array:
    return (z - np.sqrt(z - 2.0) * np.sqrt(z + 2.0)) / 2.0


def coin(z: Array) -> Array:
    return z / (z * z - 1.0)


def noisy_matrix(eigenvalues: Array, var: float) -> tuple[Density, Density]:
    """A matrix plus Gaussian noise, g = E[1/(z − var·g − λ)]: the truth, and the plain iteration."""

    def cauchy(z: Array) -> Array:
        return np.mean(1.0 / (z[:, None] - eigenvalues), axis=1)

    def rule(z: Array, g: Array) -> tuple[Array, Array]:
        inverse = 1.0 / ((z - var * g)[:, None] - eigenvalues)
        return g - np.mean(inverse, axis=1), 1.0 - var * np.mean(inverse**2, axis=1)

    plain = iterated(lambda z, omega: z - var * cauchy(omega), lambda z, omega: cauchy(omega))
    return lambda x: -followed(rule, 1.0, x).imag / pi, plain


def projection(trace: float) -> Callable[[Array], Array]:
    return lambda z: (1.0 - trace) / z + trace / (z - 1.0)


def published() -> dict[str, Density]:
    """The densities that freealg has among ours."""
    try:
        from freealg import distributions
    except ImportError:
        print("freealg is not installed, and its arm is left out.")
        return {}
    laws = {
        "sum": distributions.FreeLevy([0.5], [1.0], 2.0, sigma=1.0),
        "gap": distributions.DeformedWigner([-1.0, 1.0], [0.5, 0.5], sigma=0.5),
        "five": distributions.FussCatalan(5),
    }
    return {name: partial(law.density, eta=HEIGHT) for name, law in laws.items()}


@dataclass
class Slopes:
    """The smooth chain: φ′(√q z)² on a fine grid of Gaussian weights, and z(ζ) of the whole depth."""

    weight_var: float
    squares: Array
    weights: Array

    def moments(self, zeta: Array) -> tuple[Array, Array]:
        """M(ζ) = E[d/(ζ − d)] and its derivative."""
        inverse = 1.0 / (np.atleast_1d(zeta)[:, None] - self.squares)
        return inverse @ (self.weights * self.squares), -(inverse**2) @ (self.weights * self.squares)

    def log_z(self, zeta: Array) -> tuple[Array, Array]:
        """Logarithm of z = (1 + m)/m·(σ²mζ/(1 + m))^L, and its derivative."""
        m, slope = self.moments(zeta)
        value = (1 - DEPTH) * np.log((1.0 + m) / m) + DEPTH * np.log(self.weight_var * zeta)
        return value, (1 - DEPTH) * slope * (1.0 / (1.0 + m) - 1.0 / m) + DEPTH / zeta

    def truth(self, x: Array) -> Array:
        """Come down the imaginary axis to z = ix, then turn z = x·e^{iθ} to the real one."""
        zeta = 1j * np.exp(12.0) * x * (self.weights @ self.squares)
        path = [(t, 0.5 * pi) for t in np.linspace(12.0, 0.0, 60)]
        path += [(0.0, angle) for angle in np.geomspace(0.5 * pi, 1e-13, 150)]
        for stretch, angle in path:
            target = np.log(x) + stretch + 1j * angle
            for _ in range(4):
                value, slope = self.log_z(zeta)
                zeta = zeta - (value - target) / slope
        return -self.moments(zeta)[0].imag / (pi * x)

    def led(self, x: Array) -> Array:
        """SciPy's root at each point, begun at the last one, from beyond the edge inwards."""

        def gap(pair: Array, target: complex) -> list[float]:
            off = self.log_z(np.array([complex(*pair)]))[0][0] - target
            return [off.real, off.imag]

        path = np.concatenate([np.geomspace(4.0 * x[-1], x[-1], 20, endpoint=False), x[::-1]])
        zeta, result = np.array([path[0], 0.1]), []
        for point in path:
            zeta = root(gap, zeta, args=(np.log(point) + 1j * HEIGHT,)).x
            result.append(-self.moments(np.array([complex(*zeta)]))[0][0].imag / (pi * point))
        return np.array(result[:19:-1])


def tanh_case() -> tuple[Callable[[], rl.laws.SpectralLaw], Slopes]:
    weight_var = rl.signal.critical_weight_var("tanh", 0.05)
    net = rl.MLP(DEPTH, "tanh", weight_var=weight_var, bias_var=0.05, weights="orthogonal")
    q = rl.signal.MeanField("tanh", weight_var, 0.05).fixed_point().q
    z = np.linspace(-9.0, 9.0, 2001)
    weights = np.exp(-0.5 * z * z)
    squares = 1.0 / np.cosh(sqrt(q) * z) ** 4
    return lambda: rl.jacobian.law(net), Slopes(weight_var, squares, weights / weights.sum())


def hard_tanh_case() -> tuple[Callable[[], rl.laws.SpectralLaw], Curve]:
    weight_var = rl.signal.critical_weight_var("hard_tanh", 0.05)
    net = rl.MLP(DEPTH, "hard_tanh", weight_var=weight_var, bias_var=0.05, weights="gaussian")
    q = rl.signal.MeanField("hard_tanh", weight_var, 0.05).fixed_point().q
    return lambda: rl.jacobian.law(net), product_curve([(1.0, 1.0 / erf(1.0 / sqrt(2.0 * q)))] * DEPTH)


def inside(law: rl.laws.SpectralLaw, points: int) -> Array:
    """Points spread evenly over the support, half a step away from every edge."""
    total = sum(b - a for a, b in law.support)
    counts = [round(points * (b - a) / total) for a, b in law.support]
    return np.concatenate(
        [a + (b - a) * (np.arange(n) + 0.5) / n for (a, b), n in zip(law.support, counts, strict=True)]
    )


def timed(density: Density, x: Array, repeats: int) -> tuple[float, Array]:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        values = density(x)
        times.append(time.process_time() - start)
    return min(times), values


def report(
    name: str, law: Callable, truth: Density, arms: dict[str, tuple[Density, int]], points: int
) -> None:
    x = inside(law(), points)
    exact = truth(x[::EVERY])
    print(f"\n{name}, {x.size} points")
    ours = 0.0
    for arm, (density, every) in {"rmtlab": (lambda x: law().density(x), 1), **arms}.items():
        seconds, values = timed(density, x[::every], 5 if every == 1 else 1)
        seconds *= every
        ours = ours or seconds
        with np.errstate(invalid="ignore"):
            error = np.abs(values[:: EVERY // every] / exact - 1.0)
        wrong = np.count_nonzero(~(error < WRONG))
        print(
            f"  {arm:<26}{1e3 * seconds:9.1f} ms{seconds / ours:9.1f} ×   largest error "
            f"{np.nanmax(error):8.1e}   wrong {100 * wrong / error.size:3.0f} %"
        )


def main() -> None:
    laws, there = rl.laws, published()
    threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    print(f"CPU time, best of five; at most {threads} thread(s). Errors are relative to the density.")
    cases = [
        (
            "Semicircle ⊞ Marchenko–Pastur(½)",
            lambda: laws.free_add(laws.Semicircle(), laws.MarchenkoPastur(0.5)),
            Curve(lambda z: [-0.5, 1.0 + 0.5 * z, 0.5 - z, 1.0]),
            {"plain iteration": (iterated_sum(wigner, wishart(0.5)), 1)},
            "sum",
        ),
        (
            "Semicircle(¼) ⊞ two atoms ±1, with a gap",
            lambda: laws.free_add(laws.Semicircle(0.25), laws.Discrete([-1.0, 1.0], [0.5, 0.5])),
            Curve(lambda z: [1.0 / 16.0, -0.5 * z, z * z - 0.75, -z]),
            {"plain iteration": (iterated_sum(lambda z: 2.0 * wigner(2.0 * z), coin), 1)},
            "gap",
        ),
        (
            "Marchenko–Pastur(½) ⊠ Marchenko–Pastur(2)",
            lambda: laws.free_multiply(laws.MarchenkoPastur(0.5), laws.MarchenkoPastur(2.0)),
            product_curve([(1.0, 0.5), (1.0, 2.0)]),
            {"plain iteration": (iterated_product(wishart(0.5), wishart(2.0)), 1)},
            "",
        ),
        (
            "Projection(0.7) ⊠ projection(0.5)",
            lambda: laws.free_multiply(*(laws.Discrete([0.0, 1.0], [1.0 - t, t]) for t in (0.7, 0.5))),
            Curve(lambda z: [z - 1.0, z - 1.2, -0.35], is_moment_series=True, start=0.35),
            {"plain iteration": (iterated_product(projection(0.7), projection(0.5)), 1)},
            "",
        ),
        (
            "Marchenko–Pastur(1) ⊠ … ⊠ Marchenko–Pastur(1), five factors",
            lambda: reduce(laws.free_multiply, [laws.MarchenkoPastur(1.0)] * 5),
            product_curve([(1.0, 1.0)] * 5),
            {},
            "five",
        ),
    ]
    for name, law, curve, arms, known in cases:
        arms = {"roots of the polynomial": (curve.roots, 1), **arms}
        if known in there:
            arms["freealg"] = (there[known], 1)
        report(name, law, curve.truth, arms, POINTS)
    eigenvalues = np.linalg.eigvalsh(rl.ensembles.wishart(1000, 2000, rng=0))
    truth, plain = noisy_matrix(eigenvalues, 0.25)
    report(
        "Semicircle(¼) ⊞ the 1000 eigenvalues of a matrix",
        lambda: laws.free_add(laws.Semicircle(0.25), laws.Empirical(eigenvalues)),
        truth,
        {"plain iteration": (plain, EVERY)},
        POINTS,
    )
    law, curve = hard_tanh_case()
    arms = {"roots of the polynomial": (curve.roots, 1)}
    report(f"Jacobian of hard-tanh, Gaussian, depth {DEPTH}", law, curve.truth, arms, JACOBIAN_POINTS)
    law, slopes = tanh_case()
    arms = {"SciPy, led along the axis": (slopes.led, EVERY)}
    report(f"Jacobian of tanh, orthogonal, depth {DEPTH}", law, slopes.truth, arms, JACOBIAN_POINTS)


if __name__ == "__main__":
    main()
