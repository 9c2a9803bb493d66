"""Networks with a planted fault, and healthy ones, as a user would write them in torch: all drawn by seed.

How severe a fault is, is drawn in the units of the theory (`rmtlab.signal`), from where it begins to matter:
|Σ ln χ₁| from 4, noisy depth from 7 ξ_c, 30 % of a layer's units dead, weights of tanh three times too large.
"""

from functools import cache
from itertools import chain, pairwise

import numpy as np
import torch
from scipy.optimize import brentq
from torch import nn

from rmtlab import noise, signal
from rmtlab.design import (
    DEAD_RECTIFIERS,
    MISSING_RESIDUAL_SCALE,
    NOISE_TOO_STRONG,
    SATURATED_TANH,
    VARIANCE_TOO_LARGE,
    VARIANCE_TOO_SMALL,
    WRONG_FAN,
)

MODULES = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "hard_tanh": nn.Hardtanh,
}
BIAS_VAR = {"relu": 0.0, "leaky_relu": 0.0, "tanh": 0.05, "gelu": 0.2, "hard_tanh": 0.05}


class Block(nn.Module):
    """x + scale · W φ(W φ(x))."""

    def __init__(self, width, activation, weight_var, bias_var, scale, rng):
        super().__init__()
        self.inner = dense(width, width, weight_var, bias_var, rng)
        self.outer = dense(width, width, weight_var, bias_var, rng)
        self.phi, self.scale = MODULES[activation](), scale

    def forward(self, x):
        return x + self.scale * self.outer(self.phi(self.inner(self.phi(x))))


def dense(n_in, n_out, weight_var, bias_var, rng, fan="in", orthogonal=False):
    layer = nn.Linear(n_in, n_out)
    w = rng.standard_normal((n_out, n_in)) * np.sqrt(weight_var / (n_in if fan == "in" else n_out))
    if orthogonal:
        u, _, v = np.linalg.svd(w, full_matrices=False)
        w = np.sqrt(weight_var * max(n_in, n_out) / n_in) * (u @ v)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(w))
        layer.bias.copy_(torch.as_tensor(np.sqrt(bias_var) * rng.standard_normal(n_out)))
    return layer


def mlp(widths, activation, weight_var, bias_var, rng, *, drop=0.0, **how):
    steps = []
    for n_in, n_out in pairwise(widths):
        steps += [dense(n_in, n_out, weight_var, bias_var, rng, **how), MODULES[activation]()]
        steps += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*steps, dense(widths[-1], 10, 1.0, 0.0, rng))


@cache
def critical(activation):
    bias_var = BIAS_VAR[activation]
    if activation == "leaky_relu":
        return 2 / 1.01, 0.0
    return signal.critical_weight_var(activation, bias_var), bias_var


@cache
def off_critical(activation, log_chi):
    """The weight_var at which ln χ₁ is `log_chi`."""
    weight_var, bias_var = critical(activation)
    if activation in ("relu", "leaky_relu"):
        return weight_var * np.exp(log_chi), bias_var

    def gap(log_w):
        return np.log(signal.MeanField(activation, np.exp(log_w), bias_var).chi) - log_chi

    ends = (np.log(weight_var), np.log(weight_var) + (6 if log_chi > 0 else -6))
    return float(np.exp(brentq(gap, min(ends), max(ends), xtol=1e-3))), bias_var


def _shape(rng, low=8, high=20):
    return int(rng.integers(low, high + 1)), int(rng.integers(64, 129)), int(rng.integers(16, 65))


def small(rng):
    depth, width, n_in = _shape(rng)
    phi = rng.choice(["relu", "leaky_relu", "tanh", "gelu"])
    return mlp([n_in] + [width] * depth, phi, *off_critical(phi, -rng.uniform(4, 15) / depth), rng), n_in


def large(rng):
    phi = rng.choice(["relu", "leaky_relu", "tanh", "gelu"])
    depth, width, n_in = _shape(rng, 15) if phi == "tanh" else _shape(rng)
    total = rng.uniform(4, 5) if phi == "tanh" else rng.uniform(4, 15)
    return mlp([n_in] + [width] * depth, phi, *off_critical(phi, total / depth), rng), n_in


def dead(rng):
    depth, width, n_in = _shape(rng)
    phi = rng.choice(["relu", "gelu"])
    module = mlp([n_in] + [width] * depth, phi, *critical(phi), rng)
    layers = [layer for layer in module if isinstance(layer, nn.Linear)][:-1]
    for layer in rng.choice(layers, size=int(rng.integers(1, depth // 2)), replace=False):
        off = rng.random(layer.out_features) < rng.uniform(0.3, 0.9)
        with torch.no_grad():
            layer.bias[torch.as_tensor(off)] = -float(rng.uniform(8, 16))
    return module, n_in


def saturated(rng):
    depth, width, n_in = _shape(rng)
    phi = rng.choice(["tanh", "hard_tanh"])
    weight_var, bias_var = critical(phi)
    return mlp([n_in] + [width] * depth, phi, weight_var * rng.uniform(3, 10) ** 2, bias_var, rng), n_in


def wrong_fan(rng):
    depth, _, n_in = _shape(rng)
    phi = rng.choice(["relu", "leaky_relu", "tanh"])
    widths = np.exp(rng.uniform(np.log(40), np.log(160), depth)).astype(int).tolist()
    widths = [widths, sorted(widths), sorted(widths, reverse=True)][rng.integers(3)]
    return mlp([n_in, *widths], phi, *critical(phi), rng, fan="out"), n_in


def residual(rng):
    _, width, n_in = _shape(rng)
    return _residual(rng, int(rng.integers(4, 13)), width, n_in, scaled=False), n_in


def _residual(rng, blocks, width, n_in, scaled):
    phi = rng.choice(["relu", "leaky_relu", "gelu"])
    weight_var, bias_var = critical(phi)
    scale = blocks**-0.5 if scaled else 1.0
    body = [Block(width, phi, weight_var, bias_var, scale, rng) for _ in range(blocks)]
    return nn.Sequential(
        dense(n_in, width, 1.0, 0.0, rng), *body, MODULES[phi](), dense(width, 10, 1.0, 0.0, rng)
    )


def noisy(rng):
    while True:
        depth, width, n_in = _shape(rng)
        phi, drop = rng.choice(["relu", "tanh"]), rng.uniform(0.2, 0.8)
        weight_var, bias_var = critical(phi)
        if rng.random() < 0.5 and phi == "relu":
            weight_var *= 1 - drop
        if depth > 7 * noisy_scale(phi, weight_var, bias_var, drop):
            return mlp([n_in] + [width] * depth, phi, weight_var, bias_var, rng, drop=drop), n_in


def noisy_scale(phi, weight_var, bias_var, drop):
    masks = noise.Dropout(keep=1 - drop)
    weight_var = noise.critical(masks)[0] if phi == "relu" else weight_var
    return signal.MeanField(phi, weight_var, bias_var, masks).depth_scales().xi_c


PLANTS = {
    VARIANCE_TOO_SMALL: small,
    VARIANCE_TOO_LARGE: large,
    DEAD_RECTIFIERS: dead,
    SATURATED_TANH: saturated,
    WRONG_FAN: wrong_fan,
    MISSING_RESIDUAL_SCALE: residual,
    NOISE_TOO_STRONG: noisy,
}


def plant(seed):
    """Return a fault drawn by seed, a network that has it, and a batch."""
    rng = np.random.default_rng(seed)
    fault = list(PLANTS)[rng.integers(len(PLANTS))]
    module, n_in = PLANTS[fault](rng)
    return fault, module, batch(rng, n_in)


def batch(rng, n_in):
    return rng.standard_normal((int(rng.integers(16, 33)), n_in))


def healthy(seed):
    """Return a network that starts well, and a batch; `seed` also chooses among ten kinds."""
    rng = np.random.default_rng(seed)
    depth, width, n_in = _shape(rng)
    phi = rng.choice(list(BIAS_VAR))
    kind = seed % 10
    if kind == 0:
        return _residual(rng, int(rng.integers(4, 13)), width, n_in, scaled=True), batch(rng, n_in)
    if kind == 1:
        module = mlp([n_in] + [width] * min(depth, 10), "relu", 2.0, 0.0, rng, drop=0.05)
    elif kind == 2:
        module = mlp([n_in] + [width] * depth, phi, *critical(phi), rng, orthogonal=True)
    elif kind == 3:
        widths = rng.integers(48, 161, depth).tolist()
        module = mlp([n_in, *widths], phi, *critical(phi), rng)
    elif kind == 4:
        torch.manual_seed(seed)
        widths = [n_in] + [width] * depth
        steps = [(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairwise(widths)]
        module = nn.Sequential(*chain(*steps), nn.Linear(width, 10))
    elif kind == 5:
        torch_rng = torch.Generator().manual_seed(seed)
        module = nn.Sequential(
            nn.Unflatten(1, (1, n_in)),
            *(step for i in range(8) for step in (nn.Conv1d(24 if i else 1, 24, 3, padding=1), nn.ReLU())),
            nn.Flatten(),
            nn.Linear(24 * n_in, 10),
        )
        for layer in module:
            if isinstance(layer, nn.Conv1d):
                nn.init.kaiming_normal_(layer.weight, generator=torch_rng)
                nn.init.zeros_(layer.bias)
    else:
        module = mlp([n_in] + [width] * depth, phi, *critical(phi), rng)
    return module, batch(rng, n_in)
