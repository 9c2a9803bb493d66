"""Both kernels of infinitely wide networks, beside the reference library, in one run.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --sizes 1000 --repeats 5
    python benchmarks/kernels.py --peer .../bin/python      # an interpreter that has neural-tangents

NNGP and NTK of ReLU and erf networks with biases, depths 3 and 30, between n inputs of 784 features and themselves,
float64, one thread. The peer is neural-tangents, compiled; its first call, which compiles, is not counted. Each
library computes in a process of its own, by turns, and gives the least CPU-seconds of its calls and the largest
memory that the process ever took. The difference is relative to √(K_ii K_jj), for both kernels; on the diagonal of
the ReLU NTK it is the peer's, which rounds 1 − c (tests/test_kernel.py holds ours to high precision). To reach:
twice as fast as the peer at depth 3, five times at depth 30, and under 1 GB at depth 30 with 4000 inputs.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _reference import PRELUDE, interpreter, worker

ROOT = Path(__file__).resolve().parents[1]
FEATURES = 784
NETWORKS = {"relu": (2.0, 0.1), "erf": (1.5, 0.1)}
TARGETS = {3: 2.0, 30: 5.0}
COMPARED = 500

LOOP = """
import json, resource, time
import numpy as np
name, depth, weight_var, bias_var, n, features, compared = (
    sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:5]), *map(int, sys.argv[5:]))
x = np.random.default_rng(0).standard_normal((n, features))
function = kernels(name, depth, weight_var, bias_var)
for line in sys.stdin:
    start = time.process_time()
    found = function(x)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    np.save("found.npy", np.stack([kernel[:compared, :compared] for kernel in found]))
    del found
    print(json.dumps([seconds, peak]), flush=True)
"""
OURS = """
import sys
sys.path.insert(0, {root!r})
import rmtlab as rl
def kernels(name, depth, weight_var, bias_var):
    net = rl.MLP(depth, name, weight_var, bias_var)
    def function(x):
        found = net.kernel(x)
        return found.nngp, found.ntk
    return function
"""
THEIRS = """
jax.config.update("jax_enable_x64", True)
def kernels(name, depth, weight_var, bias_var):
    dense = stax.Dense(1, weight_var**0.5, bias_var**0.5)
    bent = {"relu": stax.Relu, "erf": stax.Erf}[name]()
    *_, kernel = stax.serial(*[dense, bent] * depth, dense)
    compiled = jax.jit(lambda x: tuple(kernel(x, None, ("nngp", "ntk"))))
    return lambda x: jax.block_until_ready(compiled(x))
"""


def race(peer: str | None, name: str, depth: int, n: int, repeats: int) -> str:
    described = (name, depth, *NETWORKS[name], n, FEATURES, COMPARED)
    with worker(sys.executable, OURS.format(root=str(ROOT)) + LOOP, *described) as ours:
        if peer is None:
            mine = [ours.ask("") for _ in range(1 + repeats)]
            return f"{min(mine[1:])[0]:8.3f} {'':8} {'':5}   {mine[-1][1]:6.2f}"
        with worker(peer, PRELUDE + THEIRS + LOOP, *described) as theirs:
            both = [(ours.ask(""), theirs.ask("")) for _ in range(1 + repeats)]
            (mine, my_peak), (yours, your_peak) = np.min(both[1:], axis=0)
            found, expected = (np.load(child.folder / "found.npy") for child in (ours, theirs))
    root = np.sqrt(np.diagonal(expected, axis1=1, axis2=2))
    gaps = np.max(np.abs(found - expected) / (root[:, :, None] * root[:, None, :]), axis=(1, 2))
    short = "" if yours / mine >= TARGETS[depth] else f"  (short of {TARGETS[depth]:g})"
    return (
        f"{mine:8.3f} {yours:8.3f} {yours / mine:5.1f} × {my_peak:6.2f} {your_peak:6.2f}    "
        f"{gaps[0]:.0e} {gaps[1]:.0e}{short}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that has neural-tangents")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    peer = interpreter(chosen.peer)
    print("                       CPU-seconds             peak GB          difference")
    print("activation depth    n   rmtlab     peer        rmtlab   peer    nngp  ntk")
    for name in NETWORKS:
        for depth in TARGETS:
            for n in chosen.sizes:
                print(f"{name:10} {depth:5} {n:5} {race(peer, name, depth, n, chosen.repeats)}", flush=True)


if __name__ == "__main__":
    main()
