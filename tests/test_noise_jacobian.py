"""Isometry and noise: the spread of JJᵀ of shifted rectifiers, against what their own units and masks say."""

from functools import cache

import numpy as np
import pytest
import torch

import rmtlab as rl

N, DRAWS, DEPTHS = 500, 16, (4, 8, 16, 32)
PHI = rl.activations.get("shifted_relu", alpha=0.5)
# α, σ_b², q*, σ_w², p, (1 − p)/p
TABLE = [
    (0.5, 0.01, 0.150250050692, 1.109310653279, 0.901460737841, 0.109310653279),
    (0.5, 0.05, 0.404795915431, 1.275463304871, 0.784028827941, 0.275463304871),
    (0.5, 0.2, 1.410887678412, 1.508064021540, 0.663101821751, 0.508064021540),
    (1.0, 0.05, 0.674337512997, 1.125692314623, 0.888342211286, 0.125692314623),
]


@pytest.mark.parametrize(("alpha", "bias_var", "q", "weight_var", "p", "spread"), TABLE)
def test_the_table_of_shifted_rectifiers(alpha, bias_var, q, weight_var, p, spread):
    """Literature values, to every digit printed; the Jacobian law has var/mean² = L(1 − p)/p, Gaussian L/p."""
    phi = rl.activations.get("shifted_relu", alpha=alpha)
    point = rl.signal.critical_point(phi, bias_var)
    assert (point.q, point.weight_var) == pytest.approx((q, weight_var), abs=1e-12)
    assert float(phi.derivative_moment(point.q, 2)) == pytest.approx(p, abs=1e-12)
    for weights, expected in (("orthogonal", spread), ("gaussian", 1 / p)):
        law = rl.jacobian.law(rl.MLP(6, phi, weight_var, bias_var, weights=weights))
        assert law.mean == pytest.approx(1, abs=1e-10)
        assert law.var == pytest.approx(6 * expected, rel=1e-9)


@cache
def measured():
    """σ²/m₁² of JJᵀ over Σ_l (1/p̂_l − 1), with p̂_l the active share of layer l of the same draw: (DRAWS, depths)."""
    point = rl.signal.critical_point(PHI, 0.05)
    generator = torch.Generator().manual_seed(0)
    z = point.q**0.5 * torch.randn(DRAWS, N, 1, generator=generator)
    jacobian, expected, ratios = torch.eye(N), torch.zeros(DRAWS), []
    for depth in range(1, max(DEPTHS) + 1):
        weights = point.weight_var**0.5 * haar(generator)
        if depth > 1:
            z = weights @ PHI(z) + 0.05**0.5 * torch.randn(DRAWS, N, 1, generator=generator)
        slope = PHI.derivative(z)
        jacobian = slope * (weights @ jacobian)
        expected += N / slope.sum(dim=(1, 2)) - 1
        if depth in DEPTHS:
            squares = jacobian @ jacobian.mT
            mean = jacobian.square().sum(dim=(1, 2)) / N
            ratios.append(((squares.square().sum(dim=(1, 2)) / N) / mean**2 - 1) / expected)
    return torch.stack(ratios, dim=1).double().numpy()


def haar(generator):
    q, r = torch.linalg.qr(torch.randn(DRAWS, N, N, generator=generator))
    return q * torch.sgn(torch.diagonal(r, dim1=1, dim2=2))[:, None, :]


@pytest.mark.parametrize(("depth", "column"), [(depth, i) for i, depth in enumerate(DEPTHS)])
def test_the_spread_grows_as_the_dead_units_of_the_layers(depth, column):
    """Simulation: 16 orthogonal draws at N = 500, within 1.5 L/N and a standard error of 1."""
    ratio = measured()[:, column]
    error = ratio.std(ddof=1) / np.sqrt(DRAWS)
    assert abs(ratio.mean() - 1) < 1.5 * depth / N + error
    assert error < 0.02


def test_masks_add_their_own_spread():
    """Simulation: with dropout a block counts 1/f̂ − 1, f̂ the share of units both active and kept; N = 300, L = 4.

    The package's own module and measurement; the law says L(1/pk − 1) plus what x's mask adds and the last lacks.
    """
    keep, n = 0.9, 300
    noise = rl.noise.Dropout(keep=keep)
    point = rl.signal.critical_point(PHI, 0.05, noise)
    net = rl.MLP(4, PHI, point.weight_var, 0.05, weights="orthogonal", noise=noise)
    size = (point.q - 0.05) / point.weight_var * keep
    ratios = []
    for seed in range(DRAWS):
        module = net.sample(n, in_features=n, seed=seed, dtype="float64")
        layers = rl.jacobian.layer_jacobians(module, np.full(n, size**0.5))
        kept = [np.any(layer != 0, axis=0) for layer in layers]
        active = [np.any(layer != 0, axis=1) for layer in layers]
        blocks = [kept[0], *(a & k for a, k in zip(active[:-1], kept[1:], strict=True)), active[-1]]
        expected = sum(1 / block.mean() - 1 for block in blocks)
        jacobian = np.linalg.multi_dot(layers[::-1])
        squares = jacobian @ jacobian.T
        ratios.append((np.sum(squares**2) / n / (np.trace(squares) / n) ** 2 - 1) / expected)
    error = np.std(ratios, ddof=1) / np.sqrt(DRAWS)
    assert abs(np.mean(ratios) - 1) < 1.5 * 4 / n + 2 * error
    p = float(PHI.derivative_moment(point.q, 2))
    law = rl.jacobian.law(net)
    assert law.var / law.mean**2 == pytest.approx(3 / (p * keep) + 1 / p + 1 / keep - 5, rel=1e-9)
    assert law.mean == pytest.approx(1, abs=1e-9)


def test_a_discrete_mask_with_dropouts_values_has_dropouts_law():
    """Evidence: contract; a mask of 0 and 2, each with probability 1/2, is dropout that keeps half."""
    laws = [
        rl.jacobian.law(rl.MLP(4, "relu", 1.0, 0.0, noise=mask))
        for mask in (rl.noise.Discrete([0.0, 2.0], [0.5, 0.5]), rl.noise.Dropout(keep=0.5))
    ]
    assert laws[0].atoms == pytest.approx(laws[1].atoms)
    assert laws[0].cdf(1.5) == pytest.approx(laws[1].cdf(1.5), abs=1e-9)
