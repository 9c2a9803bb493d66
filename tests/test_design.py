"""Evidence for `rmtlab.design`; each test says of what kind.

The networks with planted faults are drawn by seed in `tests/planted.py`. Measured: of the seeds 0 to 99 the first fault
named is the planted one in 100, of the seeds 2000 to 2099, which no rule was made with, in 100; of the healthy seeds
0 to 239 one raises an alarm (126, a hard tanh that clips 43 % of its first layer). Here are the first 100, and 20
healthy ones.
"""

import copy
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rmtlab as rl
from rmtlab import design, noise, signal
from rmtlab.design._torch_curve import Curve
from tests import planted

X = np.random.default_rng(0).standard_normal((16, 32))


def sampled(net, x=X, **where):
    return net.sample(64, in_features=x.shape[1], seed=0, **where)


# --- region ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [None, noise.Dropout(keep=0.8), noise.MultiplicativeGaussian(var=0.3)])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sin"])
def test_gradient_and_isometry_are_moments_of_the_jacobian_law(activation, weights, masks):
    """Evidence: two implementations. Mean and variance of the law that `jacobian` solves; 1e-5 is the table's."""
    net = rl.MLP(4, activation, 1.7, 0.05, weights=weights, noise=masks)
    q = 1.7 * (1.0 if masks is None else masks.second_moment) + 0.05
    law = rl.jacobian.law(net, preact_var=q)
    found = design.region(activation, 4, masks, weights, weight_vars=[1.7], bias_vars=[0.05])
    assert np.exp(found.log_gradient[0, 0]) == pytest.approx(law.mean, rel=1e-5)
    assert found.spread[0, 0] == pytest.approx(law.var / law.mean**2, rel=1e-5)


def test_depth_ends_where_the_sheet_says():
    """Evidence: published table. Dropout 0.6 at σ_w² = 1.2: 6 ξ_c = 5.79; dropout 0.9 at 1.8: 13.64."""
    for keep, weight_var, last in [(0.6, 1.2, 5), (0.9, 1.8, 13), (0.8, 1.6, 9)]:
        grid = {"weight_vars": [weight_var], "bias_vars": [0.0], "gradient": np.inf}
        deep = [design.region("relu", n, noise.Dropout(keep), **grid) for n in (last, last + 1)]
        assert [bool(r.allowed.all()) for r in deep] == [True, False]


def test_relu_region_is_the_band_around_two():
    """Evidence: closed form. |L ln(σ_w²/2)| ≤ 6 at σ_b = 0, and the spread of Gaussian ReLU is 2 L."""
    w = np.linspace(1.0, 3.0, 201)
    found = design.region("relu", 20, weight_vars=w, bias_vars=[0.0])
    assert np.array_equal(found.allowed[:, 0], np.abs(20 * np.log(w / 2)) <= 6)
    assert found.spread == pytest.approx(np.full((201, 1), 40.0))
    assert not design.region("relu", 50, weight_vars=[2.0], bias_vars=[0.0]).allowed.any()
    assert design.region("relu", 50, weight_vars=[2.0], bias_vars=[0.0], isometry=np.inf).allowed.all()


def test_range_of_numbers_is_that_of_signal():
    """Evidence: two implementations. q leaves float16 after as many layers as `MeanField.float_depths` says."""
    start = signal.MeanField("relu", 3.0).float_depths("float16", start=3.0)
    lasts = int(start.overflow) + 1
    grid = {"weight_vars": [3.0], "bias_vars": [0.0], "dtype": "float16"}
    assert design.region("relu", lasts, **grid).in_range.all()
    assert not design.region("relu", lasts + 1, **grid).in_range.any()


NOISY = noise.AdditiveGaussian(var=0.5)


@pytest.mark.parametrize("masks", [NOISY, noise.AdditiveGaussian(var=0.5, shared=True)])
@pytest.mark.parametrize("weight_var", [1.5, 2.0, 2.4])
def test_added_noise_counts_along_the_path(masks, weight_var):
    """Evidence: two implementations. ∂c^{L+1}/∂c¹ by differences of 2e-6 through the maps of `signal`, ± 0.5 %."""
    m, depth = signal.MeanField("relu", weight_var, 0.1, masks), 8
    q = m.variances(weight_var * 1.5 + 0.1, depth)
    start = (weight_var * (1 + masks.pair_additive_var) + 0.1) / q[0]
    ends = np.array([start, start - 2e-6])
    for one in q:
        ends = np.array([m.correlation(float(c), q=float(one)) for c in np.minimum(ends, 1.0)])
    slope = (ends[0] - ends[1]) / 2e-6
    found = design.region("relu", depth, masks, weight_vars=[weight_var], bias_vars=[0.1])
    assert 6 * found.signal[0, 0] == pytest.approx(-np.log(slope), rel=5e-3)
    assert np.exp(found.log_growth[0, 0]) == pytest.approx(q[-1] / q[0])


def test_added_noise_costs_the_depth_scale_where_the_variance_rests():
    """Evidence: limit. Over 2000 layers the path of q is all but q*, and ξ_c that of `signal` to 1e-3."""
    found = design.region("relu", 2000, NOISY, weight_vars=[1.0, 1.5], bias_vars=[0.0])
    scales = [signal.MeanField("relu", w, 0.0, NOISY).depth_scales().xi_c for w in (1.0, 1.5)]
    assert found.xi_c[:, 0] == pytest.approx(scales, rel=1e-3)


@pytest.mark.parametrize("depth", [3, 8, 20])
def test_no_setting_that_drowns_in_added_noise_is_recommended(depth):
    """Evidence: bounds. χ₁ = 1 at (2, 0) gives q^L = 3 + (L − 1): what noise leaves after 20 layers is e^{−8.6}."""
    found = design.region("relu", depth, NOISY)
    best = found.recommend()
    assert best.growth < np.exp(6)
    assert best.signal <= 1
    at_two = design.region("relu", depth, NOISY, weight_vars=[2.0], bias_vars=[0.0])
    assert np.exp(at_two.log_growth[0, 0]) == pytest.approx((depth + 2) / 3)
    assert at_two.allowed[0, 0] == (depth < 15)


def test_where_added_noise_leaves_nothing_a_sentence_says_so():
    """Evidence: contract. At depth 50 every point of the grid is refused, and the words say by what."""
    with pytest.raises(ValueError, match=r"depth 50 with AdditiveGaussian.*times its allowance of signal\."):
        design.region("relu", 50, NOISY, isometry=np.inf).recommend()
    grid = {"weight_vars": [3.9, 4.0], "bias_vars": [0.0], "gradient": np.inf}
    with pytest.raises(ValueError, match="on every point q leaves its range"):
        design.region("relu", 50, NOISY, **grid).recommend()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_points_that_share_a_limit_share_its_solution(activation, monkeypatch):
    """Evidence: contract, and one point at a time. Where q* is 0 or ∞ one equation serves the whole grid."""
    solved = []
    stable = signal._correlation.stable
    monkeypatch.setattr(signal._correlation, "stable", lambda *given: solved.append(1) or stable(*given))
    masks, w = noise.Dropout(keep=0.83), np.linspace(1.0, 4.0, 40)
    found = design.region(activation, 10, masks, weight_vars=w, bias_vars=[0.0, 0.1])
    assert len(solved) < 6
    one = [signal.MeanField(activation, x, 0.1, masks).depth_scales().xi_c for x in w[[0, 20, 39]]]
    assert found.xi_c[[0, 20, 39], 1] == pytest.approx(one, rel=1e-9)


def test_table_sample_and_recommendation_agree_with_the_arrays():
    """Evidence: contract. All faces of a region show the same points."""
    found = design.region("tanh", 30, weight_vars=[0.5, 1.5, 1.8, 6.0], bias_vars=[0.0, 0.05])
    rows = found.table()
    assert [row["allowed"] for row in rows] == found.allowed.ravel().tolist()
    assert all(row["allowed"] == (row["refused_by"] == "") for row in rows)
    allowed = {(row["weight_var"], row["bias_var"]) for row in rows if row["allowed"]}
    assert {tuple(point) for point in found.sample(200, rng=1)} == allowed
    best = found.recommend()
    assert (best.weight_var, best.bias_var) in allowed
    assert "allowed" in repr(found)


def test_region_plot_names_its_axes_and_bounds():
    """Evidence: contract. Both axes are labelled, and the legend names what is drawn."""
    ax = design.region("tanh", 40).plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert ax.get_xlabel() == "weight variance σ_w²"
    assert ax.get_ylabel() == "bias variance σ_b²"
    assert labels[0] == "allowed"
    assert "bound of gradient" in labels


@pytest.mark.parametrize("depth", [20, 200])
def test_the_legend_of_a_region_hides_nothing(depth):
    """Evidence: contract. It lies below the axes' label and inside the figure."""
    ax = design.region("relu", depth, isometry=np.inf).plot()
    figure = ax.figure
    figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert legend.y1 <= ax.xaxis.label.get_window_extent().y0
    assert figure.bbox.y0 <= legend.y0
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


# --- planted faults ----------------------------------------------------------------------------------------


def test_planted_faults_are_named():
    """Evidence: simulation with faults drawn by seed. At least 90 of 100 are the first fault named (measured: 100)."""
    named = Counter()
    for seed in range(100):
        fault, module, batch = planted.plant(seed)
        named[fault, design.diagnose(module, batch).fault] += 1
    hits = sum(n for (fault, found), n in named.items() if fault == found)
    assert hits >= 90, named
    assert {fault for fault, _ in named} == set(planted.PLANTS)


def test_healthy_networks_raise_no_alarm():
    """Evidence: simulation. Residual, dropout, orthogonal, varied widths, norms, convolutions, plain."""
    for seed in range(20):
        module, batch = planted.healthy(seed)
        found = design.diagnose(module, batch)
        assert found.healthy, (seed, found.verdict)
        assert not found.unseen


@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_glorots_compromise_is_no_wrong_fan(gain):
    """Evidence: a healthy start by another rule, fan-in and fan-out averaged, on widths that alternate."""
    torch.manual_seed(0)
    widths = [32, 64, 128] * 4
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    for layer in layers:
        nn.init.xavier_normal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    module = nn.Sequential(*(step for layer in layers for step in (layer, nn.Tanh())), nn.Linear(128, 3))
    assert design.diagnose(module, X).healthy


@pytest.mark.parametrize("widths", [(16, 64, 256, 784), (8, 32, 128), (100, 400, 1600, 10)])
def test_one_rule_by_fan_in_is_no_wrong_fan(widths):
    """Evidence: symmetry. On widths that all grow by one factor fan-in and fan-out are the same rule up to σ_w²."""
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    module = nn.Sequential(*(step for layer in layers[:-1] for step in (layer, nn.ReLU())), layers[-1])
    assert design.diagnose(module, np.random.default_rng(0).standard_normal((16, widths[0]))).healthy


def test_torchs_own_start_is_too_small_for_depth():
    """Evidence: closed form. nn.Linear draws σ_w² = 1/3: χ₁ = 1/6 for ReLU, 6⁻¹⁰ after ten layers."""
    torch.manual_seed(0)
    module = nn.Sequential(
        *(step for _ in range(10) for step in (nn.Linear(32, 32), nn.ReLU())), nn.Linear(32, 3)
    )
    found = design.diagnose(module, X)
    assert found.faults == (design.VARIANCE_TOO_SMALL,)
    assert "Multiply the weights by about 2.4" in found.verdict


def test_one_wrong_layer_is_the_one_named():
    """Evidence: contract. Where one layer of twelve is too small, or dead, the finding points at it."""
    rng = np.random.default_rng(1)
    module = planted.mlp([32] + [96] * 12, "relu", 2.0, 0.0, rng)
    with torch.no_grad():
        module[8].weight *= 0.1
    found = design.diagnose(module, X)
    assert [(f.fault, f.layer) for f in found.findings] == [(design.VARIANCE_TOO_SMALL, "8")]
    with torch.no_grad():
        module[8].weight *= 10
        module[14].bias[:60] = -20.0
    found = design.diagnose(module, X)
    assert [(f.fault, f.layer) for f in found.findings] == [(design.DEAD_RECTIFIERS, "14")]


# --- what is measured --------------------------------------------------------------------------------------


def test_layers_show_what_the_theory_says():
    """Evidence: simulation at width 1000. q, c and |δ|² of tanh at criticality follow the maps to 15 % (O(√(L/N)))."""
    w = signal.critical_weight_var("tanh", 0.05)
    x = X / np.sqrt((X**2).mean(1, keepdims=True))
    found = design.diagnose(rl.MLP(8, "tanh", w, 0.05).sample(1000, in_features=32, seed=3), x)
    m = signal.MeanField("tanh", w, 0.05)
    q = m.variances(w + 0.05, 8)
    assert [layer.signal for layer in found.layers[:8]] == pytest.approx(q, rel=0.15)
    assert [layer.chi for layer in found.layers[:8]] == pytest.approx(
        w * rl.activations.get("tanh").derivative_moment(q), rel=0.1
    )
    assert [layer.weight_var for layer in found.layers] == pytest.approx([w] * 9, rel=0.1)
    chis = np.array([layer.chi for layer in found.layers[:8]])
    assert found.layers[0].gradient == pytest.approx(chis.prod(), rel=0.15)
    assert found.layers[-1].gradient == pytest.approx(1.0)


@pytest.mark.parametrize("masks", [noise.Dropout(keep=0.4), noise.AdditiveGaussian(var=0.5)])
def test_chi_counts_masks_and_not_what_is_added(masks):
    """Evidence: closed form. ReLU at χ₁ = σ_w² μ₂/2 = 1 under noise; ± 15 % at width 500."""
    w = 2 / masks.gain
    module = rl.MLP(4, "relu", w, noise=masks).sample(500, in_features=32, seed=1)
    assert [layer.chi for layer in design.diagnose(module, X).layers[:4]] == pytest.approx(
        [1.0] * 4, rel=0.15
    )


def test_spread_is_that_of_the_exact_jacobian():
    """Evidence: exact singular values. 8 probes at 8 inputs give 224 pairs, an error of about √2/√224 = 10 %."""
    module = sampled(rl.MLP(8, "tanh", 1.2), np.ones((1, 64)))
    x = np.random.default_rng(0).standard_normal((16, 64))
    found = design.diagnose(module, x).layers[7].spread
    exact = []
    for row in torch.as_tensor(x[:8], dtype=torch.float32):
        j = torch.func.jacrev(lambda v: module.preactivations(v)[7])(row).detach()
        squares = torch.linalg.svdvals(j.double()) ** 2
        exact.append(float(squares.var(unbiased=False) / squares.mean() ** 2))
    assert found == pytest.approx(np.mean(exact), rel=0.3)


def test_step_is_two_over_the_kernels_largest_eigenvalue():
    """Evidence: another route. Gradient descent on ½Σ|f − y|² of a linear model turns at 2/λ_max(X Xᵀ + 1)."""
    found = design.diagnose(nn.Linear(32, 1), X)
    largest = np.linalg.eigvalsh(X @ X.T + 1)[-1]
    assert found.step == pytest.approx(2 / largest, rel=1e-4)


@pytest.mark.parametrize("inputs", [8, 100])
def test_step_counts_all_inputs_and_all_outputs(inputs):
    """Evidence: another route. 2/λ_max of the kernel formed as J Jᵀ, row by row, for 8·10 and 100·10 outputs."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 20), nn.Unflatten(1, (2, 10)))
    x = torch.randn(inputs, 6) + 1
    rows = [torch.autograd.grad(z, [*module.parameters()], retain_graph=True) for z in module(x).flatten()]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    largest = float(torch.linalg.svdvals(jacobian)[0]) ** 2
    assert design.diagnose(module, x).step == pytest.approx(2 / largest, rel=1e-3)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_curves_have_the_moments_of_the_activations(name):
    """Evidence: independent quadrature, to 1 % (trapezoid rule, a table in ln q)."""
    curve = Curve(planted.MODULES[name](), torch.zeros(1, dtype=torch.float64))
    phi = rl.activations.get(name)
    for q in (0.03, 0.7, 12.0):
        assert curve.second(q) == pytest.approx(float(phi.moment(q)), rel=0.01)
        assert curve.slope_squared(q) == pytest.approx(float(phi.derivative_moment(q)), rel=0.01)


@pytest.mark.parametrize(("keep", "xi_c"), [(0.9, 2.274034), (0.6, 0.965533), (0.1, 0.336178)])
def test_noise_costs_the_sheets_depth_scale(keep, xi_c):
    """Evidence: published table of ξ_c; the noiseless map loses nothing. To 2 %: 80 terms."""
    curve = Curve(nn.ReLU(), torch.zeros(1, dtype=torch.float64))
    assert 1 / curve.loss_by_noise(1.0, 2 * keep, 0.0, 1 / keep) == pytest.approx(xi_c, rel=0.02)


# --- what is followed --------------------------------------------------------------------------------------


class Functional(nn.Module):
    """The same network as `Sequential`, written with functions, one reused module and steps in place."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        for i, layer in enumerate(self.layers[:-1]):
            z = layer(x)
            if i % 3 == 0:
                x = F.relu(z)
            elif i % 3 == 1:
                x = self.act(z)
            else:
                z.clamp_(min=0)
                x = z
        return self.layers[-1](x.view(len(x), -1))


def test_modules_functions_and_steps_in_place_are_read_alike():
    """Evidence: symmetry. Three spellings of one network give one table."""
    rng = np.random.default_rng(0)
    plain = planted.mlp([32] + [64] * 9, "relu", 1.0, 0.0, rng)
    other = Functional([layer for layer in plain if isinstance(layer, nn.Linear)])
    one, two = (design.diagnose(module, X) for module in (plain, other))
    assert one.faults == two.faults == (design.VARIANCE_TOO_SMALL,)
    for a, b in zip(one.table(), two.table(), strict=True):
        for key in a.keys() - {"name", "activation"}:
            assert a[key] == b[key], key
    assert not two.unseen


def test_the_module_is_left_as_it_was():
    """Evidence: contract. Modes, parameters, gradients, buffers, hooks and torch's generator do not change."""
    module = nn.Sequential(
        nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 2)
    )
    module[3].eval()
    module(torch.as_tensor(X, dtype=torch.float32)).sum().backward()
    calls = []
    module[2].register_forward_hook(lambda *_: calls.append(1))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    gradients = [p.grad.clone() for p in module.parameters()]
    modes = [m.training for m in module.modules()]
    state = torch.random.get_rng_state()
    calls.clear()
    first, second = design.diagnose(module, X), design.diagnose(module, X)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert modes == [m.training for m in module.modules()]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(module.parameters(), gradients, strict=True))
    assert [len(m._forward_hooks) for m in module.modules()] == [0, 0, 0, 1, 0, 0]
    assert first == second


def test_seed_chooses_the_probes():
    """Evidence: contract. Another seed gives other probes, and the same verdict."""
    module = sampled(rl.MLP(10, "relu", 1.0))
    one, two = (design.diagnose(module, X, seed=seed) for seed in (0, 1))
    assert one.faults == two.faults
    assert one.layers[0].gradient != two.layers[0].gradient
    assert one.layers[0].signal == two.layers[0].signal


class Spare(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.unused = nn.Linear(32, 32), nn.Linear(3, 3)
        self.cell, self.mix = nn.LSTMCell(32, 32), nn.Parameter(torch.eye(32))

    def forward(self, x):
        if x.sum() > 1e9:
            return x
        h = self.first(self.first(x))
        return self.cell(h)[0] @ self.mix


def test_what_is_not_seen_is_said():
    """Evidence: contract. A sentence each for reuse, tuples, functions outside leaves, skipped leaves, decisions."""
    sentences = design.diagnose(Spare(), X).unseen
    for part in (
        "first is called several times",
        "cell (LSTMCell) gives a tuple",
        "`matmul` behind cell",
        "unused is not",
    ):
        assert any(part in sentence for sentence in sentences), part
    assert any("becomes a number of Python" in sentence for sentence in sentences)
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1), nn.GLU()])
def test_what_mixes_units_is_no_activation(last):
    """Evidence: contract. A softmax and a gate keep or halve the shape, but act on several units at once."""
    found = design.diagnose(nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4), last), X)
    assert any(type(last).__name__ in sentence for sentence in found.unseen)
    assert found.layers[-1].activation is None


class Gate(nn.Module):
    """One of five kinds of gates around layers of width 64."""

    def __init__(self, kind, rng, width=64):
        super().__init__()
        self.kind, self.width = kind, width
        shapes = {"glu": (2 * width, 0), "swiglu": (width, width), "highway": (width, width)}
        n_value, n_gate = shapes.get(kind, (width, width))
        self.value = planted.dense(width, n_value, 2.0, 0.0, rng)
        self.gate = planted.dense(width, n_gate, 1.0, 0.0, rng) if n_gate else None
        if kind == "highway":
            nn.init.constant_(self.gate.bias, -4.0)

    def forward(self, x):
        if self.kind == "glu":
            return 1.3 * F.glu(self.value(x))
        if self.kind == "swiglu":
            return 1.4 * F.silu(self.gate(x)) * self.value(x) / (1 + x.square().mean())
        if self.kind == "highway":
            t = torch.sigmoid(self.gate(x))
            return t * torch.relu(self.value(x)) + (1 - t) * x
        if self.kind == "squeeze":
            h = torch.relu(self.value(x))
            return 2 * h * torch.sigmoid(self.gate(h.mean(1, keepdim=True).expand_as(h)))
        return 1.5 * x * torch.sigmoid(self.gate(x))


@pytest.mark.parametrize("kind", ["glu", "swiglu", "highway", "squeeze", "self"])
def test_a_gate_is_not_read_as_the_trunk(kind):
    """Evidence: contract. Signals and gradients within e¹²: no fault, and a sentence for what is multiplied."""
    rng = np.random.default_rng(0)
    body = (Gate(kind, rng) for _ in range(8))
    found = design.diagnose(
        nn.Sequential(planted.dense(32, 64, 1.0, 0.0, rng), *body, planted.dense(64, 5, 1.0, 0.0, rng)), X
    )
    assert found.healthy, found.verdict
    assert any("signals are multiplied by signals" in sentence for sentence in found.unseen)
    gates = [layer for layer in found.layers if layer.name.endswith("gate")]
    assert {(layer.place, layer.chi) for layer in gates} <= {("gated", None)}


def test_faults_beside_a_gate_are_found():
    """Evidence: contract. A chain before the gates that is too small, and branches of SwiGLU that are too large."""
    rng = np.random.default_rng(0)
    chain = planted.mlp([32] + [64] * 9, "relu", 1.0, 0.0, rng)[:-1]
    found = design.diagnose(nn.Sequential(*chain, Gate("glu", rng), nn.Linear(64, 3)), X)
    assert found.fault == design.VARIANCE_TOO_SMALL

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Gate("self", rng)

        def forward(self, x):
            return x + 2 * self.inner(x)

    body = (Residual() for _ in range(8))
    found = design.diagnose(nn.Sequential(nn.Linear(32, 64), *body, nn.Linear(64, 3)), X)
    assert found.fault == design.MISSING_RESIDUAL_SCALE


def test_swish_written_out_is_no_sigmoid():
    """Evidence: contract. In z·σ(z) the slope behind the layer is not the sigmoid's."""

    class Swish(nn.Module):
        def __init__(self):
            super().__init__()
            rng = np.random.default_rng(0)
            self.layers = nn.ModuleList(planted.dense(32, 32, 2.5, 0.0, rng) for _ in range(10))

        def forward(self, x):
            for layer in self.layers:
                z = layer(x)
                x = z * torch.sigmoid(z)
            return x

    found = design.diagnose(Swish(), X)
    assert found.healthy, found.verdict
    assert {layer.activation for layer in found.layers} == {None}


class Scaled(nn.Module):
    def __init__(self, net, behind):
        super().__init__()
        self.net, self.behind = net, behind

    def forward(self, x):
        return self.behind(self.net(x))


@pytest.mark.parametrize(
    ("behind", "scale"),
    [(lambda y: 100 * y, 100), (lambda y: y.view(-1) / 1e3, 1e-3), (lambda y: 7 - 50 * y, 50)],
)
def test_a_factor_behind_the_last_layer_is_measured(behind, scale):
    """Evidence: contract. The output of the module is judged, and the factor is reported."""
    net = planted.mlp([32] + [64] * 8, "relu", 2.0, 0.0, np.random.default_rng(0))
    plain, found = design.diagnose(net, X), design.diagnose(Scaled(net, behind), X)
    assert plain.healthy
    assert plain.output == pytest.approx(plain.layers[-1].signal)
    assert found.faults == (design.OUTPUT_SCALE,)
    assert f"returns {scale:.3g} times what its last layer gives" in found.verdict
    with torch.no_grad():
        y = Scaled(net, behind)(torch.as_tensor(X, dtype=torch.float32)).double()
    assert found.output == pytest.approx(float(y.square().mean()), rel=1e-5)


@pytest.mark.parametrize(
    "behind",
    [
        torch.tanh,
        lambda y: y.softmax(1),
        lambda y: 10 * y,
        lambda y: y + 1e3,
        lambda y: 255 * torch.sigmoid(y),
    ],
)
def test_what_may_follow_the_last_layer_is_no_fault(behind):
    """Evidence: contract. Ranges and probabilities, offsets and temperatures, raise no alarm; the size is told."""
    net = planted.mlp([32] + [64] * 8, "relu", 2.0, 0.0, np.random.default_rng(0))
    found = design.diagnose(Scaled(net, behind), X)
    assert found.healthy
    assert "The module returns a mean square of" in found.verdict


def test_an_output_that_is_no_number_is_no_health():
    """Evidence: limit. Infinite behind the last layer, or from a layer on that no rule explains."""
    net = planted.mlp([32] + [64] * 8, "relu", 2.0, 0.0, np.random.default_rng(0))
    assert design.diagnose(Scaled(net, lambda y: y * 1e30 * 1e15), X).faults == (design.OUTPUT_SCALE,)
    power = nn.Sequential(
        nn.Linear(32, 32), Scaled(nn.Identity(), lambda y: (y * 1e25) ** 2), nn.Linear(32, 2)
    )
    assert not design.diagnose(power, X).healthy


@pytest.mark.parametrize("place", [0, 4, 17])
def test_dropout_that_drops_everything_is_a_sentence(place):
    """Evidence: contract. p = 1 is no noise of μ₂ = 10⁶, before, between and behind the layers."""
    steps = list(planted.mlp([32] + [64] * 8, "relu", 2.0, 0.0, np.random.default_rng(0)))
    steps.insert(place, nn.Dropout(p=1))
    found = design.diagnose(nn.Sequential(*steps), X)
    assert found.faults == (design.NOISE_TOO_STRONG,)
    assert f"everything is dropped by {place} (Dropout)" in found.verdict
    assert "1e+06" not in found.verdict
    assert {layer.noise for layer in found.layers} <= {1.0, np.inf}


class Depth(nn.Module):
    """Drops a batch as a whole, or keeps it."""

    def forward(self, x):
        return x * (torch.rand(()) > 0.5)


def test_a_branch_that_this_draw_skips_is_not_dropped_for_good():
    """Evidence: contract. Stochastic depth leaves nothing of a batch now and then, and that is no fault."""
    rng = np.random.default_rng(0)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.depth = planted.dense(64, 64, 0.5, 0.0, rng), Depth()

        def forward(self, x):
            return x + self.depth(self.inner(torch.relu(x)))

    net = nn.Sequential(planted.dense(32, 64, 1.0, 0.0, rng), Residual(), planted.dense(64, 3, 1.0, 0.0, rng))
    assert [design.diagnose(net, X, seed=seed).faults for seed in range(4)] == [()] * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_in_float32(dtype):
    """Evidence: symmetry. A module of half precision has the diagnosis of its own copy in float32."""
    module = planted.mlp([32] + [64] * 6, "relu", 1.0, 0.0, np.random.default_rng(0)).to(dtype)
    assert design.diagnose(module, X) == design.diagnose(copy.deepcopy(module).float(), X)
    assert module[0].weight.dtype == dtype


def test_overflow_is_still_diagnosed():
    """Evidence: limit. σ_w² = 10⁶ leaves float32 in a few layers, and is named all the same."""
    assert design.diagnose(sampled(rl.MLP(20, "relu", 1e6)), X).fault == design.VARIANCE_TOO_LARGE


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (rl.CNN(6, "relu", 2.0), (8, 8)),
        (rl.TransformerBlock(2, "gelu", 1.5), (5,)),
        (rl.ResNet(5, "tanh", 1.5, branch_var=0.2), (8, 8)),
    ],
)
def test_the_houses_own_networks_are_followed(net, shape):
    """Evidence: contract. Convolutions, attention and residual networks of the course at good starts: no alarm."""
    x = np.random.default_rng(0).standard_normal((8, 3, *shape))
    found = design.diagnose(net.sample(32, in_features=3, positions=shape, seed=0), x)
    assert found.healthy, found.verdict


def test_tokens_are_inputs_too():
    """Evidence: contract. Whole numbers stay whole; the embedding is named as unread."""
    module = nn.Sequential(nn.Embedding(50, 16), nn.Flatten(), nn.Linear(80, 32), nn.ReLU(), nn.Linear(32, 5))
    found = design.diagnose(module, torch.arange(40).view(8, 5))
    assert found.healthy
    assert "Embedding" in found.unseen[0]


def test_diagnosis_draws_and_tells():
    """Evidence: contract. Three labelled panels; the title and the words name the fault; a row a layer."""
    found = design.diagnose(sampled(rl.MLP(10, "tanh", 30.0)), X)
    figure = found.plot()
    assert figure.axes[0].get_title() == design.SATURATED_TANH
    assert [ax.get_ylabel() for ax in figure.axes] == ["size", "gain, spread", "share"]
    assert figure.axes[-1].get_xlabel() == "linear layer"
    assert repr(found) == found.verdict
    assert found.verdict.startswith("saturated tanh (layers.")
    assert len(found.table()) == len(found.layers) == 11
    assert found.layers[-1].place == "read-out"


def test_the_picture_of_a_residual_network_shows_its_blocks():
    """Evidence: contract. 1 + branch/skip at every block, χ₁ of no lone layer; elsewhere χ₁ and no blocks."""
    found = design.diagnose(planted._residual(np.random.default_rng(0), 6, 64, 32, scaled=True), X)
    assert sum(layer.block is not None for layer in found.layers) == 6
    assert all(1 < layer.block < 2 for layer in found.layers if layer.block is not None)
    labels = found.plot().axes[1].get_legend_handles_labels()[1]
    assert "block, 1 + branch/skip" in labels
    assert not any("χ₁" in label for label in labels)
    labels = design.diagnose(sampled(rl.MLP(5, "relu", 2.0)), X).plot().axes[1].get_legend_handles_labels()[1]
    assert any("χ₁" in label for label in labels)
    assert "block, 1 + branch/skip" not in labels


def test_a_single_layer_can_be_drawn():
    """Evidence: contract. Nothing to say about slopes or units: panels without lines, and no warning."""
    assert len(design.diagnose(nn.Linear(32, 3), X).plot().axes) == 3
