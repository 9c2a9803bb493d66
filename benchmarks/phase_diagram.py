"""A phase diagram of tanh, beside what one would write without the package.

    python benchmarks/phase_diagram.py

The peer solves each point with SciPy: adaptive quadrature for the averages and a bracketing root for q*; c* is
left out, which favours it. It runs on a coarse grid and its time a point is compared.
"""

import time
from math import exp, pi, sqrt, tanh

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

import rmtlab as rl

SIZE, COARSE = 100, 8
WEIGHTS, BIASES = (0.5, 4.0), (0.001, 0.5)


def ours(size: int) -> rl.signal.PhaseDiagram:
    return rl.signal.phase_diagram("tanh", np.linspace(*WEIGHTS, size), np.linspace(*BIASES, size))


def average(f, q: float) -> float:
    return quad(lambda z: f(sqrt(q) * z) * exp(-z * z / 2), -12, 12, epsabs=1e-12, limit=200)[0] / sqrt(
        2 * pi
    )


def by_hand(weight_var: float, bias_var: float) -> tuple[float, float]:
    q = brentq(
        lambda q: weight_var * average(lambda x: tanh(x) ** 2, q) + bias_var - q,
        1e-9,
        weight_var + bias_var + 1,
    )
    return q, weight_var * average(lambda x: (1 - tanh(x) ** 2) ** 2, q)


def main() -> None:
    start = time.process_time()
    ours(SIZE)
    first = time.process_time() - start
    start = time.process_time()
    diagram = ours(SIZE)
    again = time.process_time() - start
    start = time.process_time()
    grid = [by_hand(w, b) for w in np.linspace(*WEIGHTS, COARSE) for b in np.linspace(*BIASES, COARSE)]
    peer = (time.process_time() - start) / COARSE**2 * SIZE**2
    coarse = ours(COARSE)
    gap = max(
        np.max(np.abs(np.array(grid)[:, i] - part.ravel())) for i, part in enumerate((coarse.q, coarse.chi))
    )
    print(f"{SIZE} × {SIZE} points of tanh, CPU-seconds on one core")
    print(f"  rmtlab, first call          {first:8.2f}   (residual {diagram.residual:.1g})")
    print(f"  rmtlab, second call         {again:8.2f}")
    print(
        f"  SciPy, a point at a time    {peer:8.2f}   ({peer / again:.0f} times as long; q*, χ₁ differ by {gap:.1g})"
    )


if __name__ == "__main__":
    main()
