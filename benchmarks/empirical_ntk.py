"""The empirical tangent kernel of a finite network, beside PyTorch's tutorial and the reference library.

    python benchmarks/empirical_ntk.py
    python benchmarks/empirical_ntk.py --peer .../bin/python      # an interpreter that has neural-tangents

A ReLU network of depth 3 and width 512 with 784 inputs and 10 outputs; all pairs of 32 and of 64 inputs, all pairs
of outputs, float32. CPU-seconds on one core, the least of several runs after a first one. The tutorial's method forms
Jacobians with vmap(jacrev) and contracts them. The peer, neural-tangents, runs its structured derivatives, compiled, in
its own process, by turns with ours. To reach: no slower than the peer, two orders of magnitude ahead of the tutorial.
"""

import argparse
import time
from contextlib import nullcontext

import numpy as np
import torch
from _reference import PRELUDE, interpreter, worker
from torch.func import functional_call, jacrev, vmap

import rmtlab as rl
from rmtlab import ntk

DEPTH, WIDTH, FEATURES, OUTPUTS = 3, 512, 784, 10
SIZES = (32, 64)
RUNS = 20
PEER = """
import json, time
depth, width, features, outputs = map(int, sys.argv[1:])
init, apply, _ = stax.serial(*[stax.Dense(width, 2**0.5), stax.Relu()] * depth, stax.Dense(outputs, 2**0.5))
_, params = init(jax.random.PRNGKey(0), (1, features))
kernel = jax.jit(nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0,
                                     implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES))
for line in sys.stdin:
    x = jax.random.normal(jax.random.PRNGKey(1), (int(line), features))
    start = time.process_time()
    kernel(x, None, params).block_until_ready()
    print(json.dumps(time.process_time() - start), flush=True)
"""


def tutorial(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """PyTorch's "Neural Tangent Kernels" tutorial, method 1."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    def single(p: dict, one: torch.Tensor) -> torch.Tensor:
        return functional_call(module, p, (one[None],))[0]

    jacobians = [j.flatten(2) for j in vmap(jacrev(single), (None, 0))(parameters, x).values()]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", j, j) for j in jacobians]).sum(0)


def seconds(function) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that has neural-tangents")
    peer = interpreter(parser.parse_args().peer)
    torch.set_num_threads(1)
    net = rl.MLP(DEPTH, "relu", weight_var=2.0)
    module = net.sample(WIDTH, in_features=FEATURES, out_features=OUTPUTS)
    print("inputs    rmtlab      mean  tutorial      peer   CPU-seconds; relative difference")
    with worker(peer, PRELUDE + PEER, DEPTH, WIDTH, FEATURES, OUTPUTS) if peer else nullcontext() as child:
        for n in SIZES:
            x = torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(0))
            turns = [
                (
                    seconds(lambda x=x: ntk.empirical(module, x)),
                    seconds(lambda x=x: ntk.empirical(module, x, outputs="mean")),
                    child.ask(str(n)) if child else np.nan,
                )
                for _ in range(1 + RUNS)
            ]
            ours, mean, theirs = map(min, zip(*turns[1:], strict=True))
            expected = tutorial(module, x).numpy()
            slow = seconds(lambda x=x: tutorial(module, x))
            gap = np.abs(ntk.empirical(module, x) - expected).max() / np.abs(expected).max()
            print(
                f"{n:6} {ours:9.4f} {mean:9.4f} {slow:9.2f} {theirs:9.4f}   {gap:.0e}, "
                f"tutorial {slow / ours:.0f} times as long"
            )


if __name__ == "__main__":
    main()
