"""The empirical tangent kernel of a finite network, beside PyTorch's tutorial and the reference library.

    python benchmarks/empirical_ntk.py
    python benchmarks/empirical_ntk.py --peer .../bin/python      # an interpreter that has neural-tangents

A ReLU network of depth 3 and width 512 with 784 inputs and 10 outputs; all pairs of 32 and of 64 inputs, all pairs
of outputs, float32. CPU-seconds on one core, the least of several runs after a first one. The tutorial's method forms
Jacobians with vmap(jacrev) and contracts them. The peer runs its structured derivatives, compiled, in its own process:
neural-tangents 0.6.5 with jax and jaxlib 0.4.38, frozendict and SciPy (installed with --no-deps); its subpackage that
needs TensorFlow is stubbed at import.
"""

import argparse
import json
import os
import subprocess
import time

import numpy as np
import torch
from torch.func import functional_call, jacrev, vmap

import rmtlab as rl
from rmtlab import ntk

DEPTH, WIDTH, FEATURES, OUTPUTS = 3, 512, 784, 10
SIZES = (32, 64)
PEER = """
import json, sys, time, types
sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")
import jax, jax.numpy as np
from jax._src import source_info_util
jax.interpreters.ad.source_info_util = source_info_util  # moved in jax; the library still looks here
jax.interpreters.ad.config = types.SimpleNamespace(jax_enable_checks=False)
import neural_tangents as nt
from neural_tangents import stax
depth, width, features, outputs, *sizes = map(int, sys.argv[1:])
init, apply, _ = stax.serial(*[stax.Dense(width, 2**0.5), stax.Relu()] * depth, stax.Dense(outputs, 2**0.5))
_, params = init(jax.random.PRNGKey(0), (1, features))
kernel = jax.jit(nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0,
                                     implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES))
found = {}
for n in sizes:
    x = jax.random.normal(jax.random.PRNGKey(1), (n, features))
    kernel(x, None, params).block_until_ready()
    runs = []
    for _ in range(10):
        start = time.process_time()
        kernel(x, None, params).block_until_ready()
        runs.append(time.process_time() - start)
    found[n] = min(runs)
print(json.dumps(found))
"""


def tutorial(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """PyTorch's "Neural Tangent Kernels" tutorial, method 1."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    def single(p: dict, one: torch.Tensor) -> torch.Tensor:
        return functional_call(module, p, (one[None],))[0]

    jacobians = [j.flatten(2) for j in vmap(jacrev(single), (None, 0))(parameters, x).values()]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", j, j) for j in jacobians]).sum(0)


def seconds(function, runs: int) -> float:
    function()
    found = []
    for _ in range(runs):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return min(found)


def peer(python: str) -> dict[str, float]:
    flags = {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
        "OMP_NUM_THREADS": "1",
    }
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | flags
    sizes = map(str, (DEPTH, WIDTH, FEATURES, OUTPUTS, *SIZES))
    done = subprocess.run(
        [python, "-c", PEER, *sizes], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that has neural-tangents")
    python = parser.parse_args().peer
    torch.set_num_threads(1)
    net = rl.MLP(DEPTH, "relu", weight_var=2.0)
    module = net.sample(WIDTH, in_features=FEATURES, out_features=OUTPUTS)
    reference = peer(python) if python else {}
    print(
        f"{'inputs':>6} {'rmtlab':>9} {'mean':>9} {'tutorial':>9} {'peer':>9}   CPU-seconds; relative difference"
    )
    for n in SIZES:
        x = torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(0))
        ours = seconds(lambda x=x: ntk.empirical(module, x), runs=10)
        mean = seconds(lambda x=x: ntk.empirical(module, x, outputs="mean"), runs=10)
        slow = seconds(lambda x=x: tutorial(module, x), runs=1)
        expected = tutorial(module, x).numpy()
        gap = np.abs(ntk.empirical(module, x) - expected).max() / np.abs(expected).max()
        theirs = f"{reference[str(n)]:9.4f}" if reference else " " * 9
        print(
            f"{n:6} {ours:9.4f} {mean:9.4f} {slow:9.2f} {theirs}   {gap:.0e}, tutorial {slow / ours:.0f} times as long"
        )


if __name__ == "__main__":
    main()
