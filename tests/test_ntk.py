"""Tangent kernels and training: brute force, closed forms, limits, rates, trained networks."""

import numpy as np
import pytest
from scipy.linalg import expm

import rmtlab as rl
from rmtlab import nngp, ntk
from rmtlab._torch_layers import ActivationModule

torch = pytest.importorskip("torch")
nn = torch.nn

NET = rl.MLP(depth=2, activation="erf", weight_var=1.8, bias_var=0.2)
RNG = np.random.default_rng(0)
X, X_TEST = RNG.standard_normal((6, 5)), RNG.standard_normal((4, 5))
Y = np.stack([np.sin(X[:, 0]), X[:, 1]], axis=1)


# The empirical kernel against brute force


def brute_force(module, x1, x2):
    """All products of single gradients, by autograd one output at a time."""
    trained = [p for p in module.parameters() if p.requires_grad]

    def rows(x):
        found = []
        for one in x:
            out = module(one[None]).reshape(-1)
            for value in out:
                grads = torch.autograd.grad(
                    value, trained, retain_graph=True, allow_unused=True, materialize_grads=True
                )
                found.append(torch.cat([g.flatten() for g in grads]))
        return torch.stack(found).reshape(len(x), -1, sum(p.numel() for p in trained))

    return torch.einsum("iap,jbp->ijab", rows(x1), rows(x2)).detach().numpy()


class Shared(nn.Module):
    """The first layer is used twice, and its input goes on beside it."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        return self.b(torch.tanh(self.a(h)) + h)


class Reused(Shared):
    """A weight acts outside the layer that owns it."""

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)) @ self.a.weight)


class Tied(Shared):
    """Two layers own one weight."""

    def __init__(self):
        super().__init__()
        self.c = nn.Linear(4, 4)
        self.c.weight = self.a.weight

    def forward(self, x):
        return self.b(torch.tanh(self.c(torch.tanh(self.a(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.read = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.read(self.cell(x)[0][:, -1])


def normal(*shape):
    return torch.tensor(np.random.default_rng(3).standard_normal((9, *shape)))


def tokens(*shape):
    return torch.tensor(np.random.default_rng(3).integers(0, 7, (9, *shape)))


def frozen_first_layer():
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    module[0].requires_grad_(False)
    module[2].weight.requires_grad_(False)
    return module


LAYERWISE = {
    "mlp": (lambda: rl.MLP(2, "tanh", 1.5, 0.1).sample(20, in_features=4, out_features=3), normal(4)),
    "standard": (
        lambda: rl.MLP(2, "relu", 2.0, 0.1, parameterization="standard").sample(
            20, in_features=4, out_features=2
        ),
        normal(4),
    ),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, stride=2, padding="valid"),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        normal(2, 6, 6),
    ),
    "few positions": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 30, 4), nn.GELU(), nn.Conv1d(30, 20, 2, dilation=1), nn.Flatten(), nn.Linear(40, 2)
        ),
        normal(2, 6),
    ),
    "own Jacobians": (
        lambda: nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Flatten(), nn.Linear(12, 2)),
        tokens(3),
    ),
    "positions": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Flatten(), nn.Linear(15, 2)),
        normal(3, 4),
    ),
    "cnn": (
        lambda: rl.serial(
            rl.layers.Conv2d(3, 2.0, 0.1, padding="zero"),
            rl.layers.Activation("relu"),
            rl.layers.Conv2d(2, 2.0, 0.1, padding="none", stride=2),
            rl.layers.Activation("tanh"),
            rl.layers.Conv2d(3, 2.0, 0.1, parameterization="standard"),
            rl.layers.Activation("erf"),
            rl.layers.GlobalAvgPool(),
            rl.layers.Dense(1.0, 0.1),
        ).sample(5, in_features=2, positions=(4, 4), out_features=2),
        normal(2, 4, 4),
    ),
    "transformer": (
        lambda: rl.networks.TransformerBlock(weight_var=1.0, bias_var=0.1).sample(
            6, in_features=4, positions=(3,), out_features=2
        ),
        normal(4, 3),
    ),
    "shared": (Shared, normal(4)),
    "frozen": (frozen_first_layer, normal(4)),
    "one output": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)),
        normal(4),
    ),
    "normalised": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2)).eval(),
        normal(4),
    ),
}
BY_JACOBIAN = {
    "reused": (Reused, normal(4)),
    "tied": (Tied, normal(4)),
    "recurrent": (Recurrent, normal(3, 4)),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), nn.Flatten(), nn.Linear(12, 2)
        ),
        normal(3, 4),
    ),
    "grouped": (
        lambda: nn.Sequential(nn.Conv1d(4, 8, 2, groups=2), nn.Flatten(), nn.Linear(24, 2)),
        normal(4, 4),
    ),
}
MODULES = LAYERWISE | BY_JACOBIAN


def made(name):
    torch.manual_seed(0)
    build, x = MODULES[name]
    return build().double(), x


@pytest.mark.parametrize(("method", "memory"), [("auto", 1e9), ("layerwise", 6e4), ("jacobian", 6e4)])
@pytest.mark.parametrize("name", MODULES)
def test_empirical_is_brute_force(name, method, memory):
    """Evidence: brute-force autograd; every way, whole and in blocks, to 1e-12 of the largest entry."""
    module, x = made(name)
    if method == "layerwise" and name in BY_JACOBIAN and name != "grouped":
        with pytest.raises(ValueError, match="layer-wise identity does not hold"):
            ntk.empirical(module, x, method=method)
        return
    x1, x2 = x[:5], x[5:]
    for pair in ((x1,), (x1, x2)):
        expected = brute_force(module, x1, pair[-1])
        atol = 1e-12 * np.abs(expected).max()
        found = ntk.empirical(module, *pair, method=method, memory=memory)
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
        mean = ntk.empirical(module, *pair, outputs="mean", method=method, memory=memory)
        np.testing.assert_allclose(
            mean, np.trace(expected, axis1=2, axis2=3) / expected.shape[2], rtol=0, atol=atol
        )
    once = ntk.empirical(module, x1, method=method, memory=memory)
    np.testing.assert_array_equal(once, once.transpose(1, 0, 3, 2))


@pytest.mark.parametrize("name", ["mlp", "images", "shared"])
def test_empirical_in_single_precision(name):
    """Evidence: precision; float32 differs from float64 by its rounding, and comes back as float32."""
    module, x = made(name)
    double = ntk.empirical(module, x)
    for method in ("layerwise", "jacobian"):
        single = ntk.empirical(module.float(), x, method=method)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=0, atol=2e-5 * np.abs(double).max())
        module.double()


def test_the_module_stays_as_it_was():
    """Evidence: contract; no hook, gradient or mode is left behind, and an array will do."""
    module, x = made("images")
    before = {name: p.clone() for name, p in module.state_dict().items()}
    ntk.empirical(module, x.numpy())
    assert all(p.grad is None for p in module.parameters())
    assert all(not layer._forward_hooks for layer in module.modules())
    assert all(torch.equal(p, before[name]) for name, p in module.state_dict().items())
    with torch.no_grad():
        ntk.empirical(module, x)


@pytest.mark.parametrize("name", [*LAYERWISE, "reused", "recurrent"])
def test_calls_in_any_order_agree(name):
    """Evidence: contract; ten seeded calls by every way on one module give brute force, and leave nothing behind."""
    module, x = made(name)
    x1, x2 = x[:4], x[4:7]
    expected = {False: brute_force(module, x1, x1), True: brute_force(module, x1, x2)}
    before = kept_state(module)
    rng = np.random.default_rng(0)
    for _ in range(10):
        method = rng.choice(["auto", "jacobian", *(["layerwise"] if name in LAYERWISE else [])])
        memory, two = rng.choice([1e9, 6e4]), bool(rng.integers(2))
        found = ntk.empirical(module, x1, x2 if two else None, method=method, memory=memory)
        atol = 1e-12 * np.abs(expected[two]).max()
        np.testing.assert_allclose(found, expected[two], rtol=0, atol=atol)
        assert kept_state(module) == before


def kept_state(module):
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return (
        [(name, p.tolist(), p.grad) for name, p in module.named_parameters()],
        [(name, b.tolist()) for name, b in module.named_buffers()],
        [(m.training, getattr(m, "weight_scale", None)) for m in module.modules()],
        [len(getattr(m, hook)) for m in module.modules() for hook in hooks],
    )


@pytest.mark.parametrize("method", ["layerwise", "jacobian"])
def test_a_parameter_that_is_one_number_counts(method):
    """Evidence: brute force. A learned factor, as ReZero's, is a tensor without axes."""

    class Factor(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.inner, self.scale = nn.Linear(5, 3), nn.Parameter(torch.tensor(1.5))

        def forward(self, x):
            return self.scale * self.inner(x)

    module, x = Factor().double(), torch.as_tensor(X)
    assert ntk.empirical(module, x, method=method) == pytest.approx(brute_force(module, x, x), rel=1e-10)


class Counting(Shared):
    """A buffer is replaced, and another one changed in place, at every call."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("sum", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        self.sum += 1
        return super().forward(x)


@pytest.mark.parametrize("method", ["auto", "jacobian"])
def test_buffers_stay(method):
    """Evidence: contract; what a call does to buffers is undone, so that the next kernel is the same."""
    torch.manual_seed(0)
    spectral = nn.utils.parametrizations.spectral_norm
    for module in (Counting(), nn.Sequential(spectral(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 2))):
        module.double()
        before = kept_state(module)
        first = ntk.empirical(module, normal(4), method=method)
        assert kept_state(module) == before
        np.testing.assert_array_equal(ntk.empirical(module, normal(4), method=method), first)


def test_inputs_that_mix_are_seen():
    """Evidence: contract; a hand-made batch normalisation is no function of one input, and the identity is given up."""

    class Mixing(Shared):
        def forward(self, x):
            h = self.a(x)
            return self.b(torch.tanh(h - h.mean(0)))

    with pytest.raises(ValueError, match="layer-wise identity does not hold"):
        ntk.empirical(Mixing().double(), normal(4), method="layerwise")


def chain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4)).double()


def with_method(name):
    module = chain()
    owner = module if name == "forward" else module[1]
    before = getattr(owner, name)
    setattr(owner, name, lambda *x: before(*x) * module[0].weight.norm())
    return module


def with_hook(register):
    module = chain()
    register(module, lambda *given: module[0].weight.norm() * (given[2] if len(given) == 3 else given[1][0]))
    return module


def tied_to_the_first(name):
    module = chain()
    value = module[0].weight.T if name == "weight" else module[0].weight[0, :] * 2.0
    delattr(module[2], name)
    setattr(module[2], name, value)
    return module


def clipped():
    module = chain()
    module[2].register_full_backward_pre_hook(lambda _, errors: (errors[0] / errors[0].norm(),))
    return module


def bent_by(make):
    inner = chain()
    return nn.Sequential(inner[0], ActivationModule(make(inner[0])), inner[2])


def scaled_by_another():
    net = rl.MLP(1, "tanh").sample(5, in_features=4, out_features=4, dtype="float64")
    net.layers[2].weight_scale = net.layers[0].weight.norm()
    return net


CHANGED = {
    "forward": lambda: with_method("forward"),
    "call": lambda: with_method("_call_impl"),
    "hook": lambda: with_hook(lambda m, f: m.register_forward_hook(f)),
    "pre-hook": lambda: with_hook(lambda m, f: m[2].register_forward_pre_hook(f)),
    "tied weight": lambda: tied_to_the_first("weight"),
    "tied bias": lambda: tied_to_the_first("bias"),
    "activation with a weight": lambda: bent_by(lambda dense: lambda z: torch.tanh(z) * dense.weight.norm()),
    "scale": scaled_by_another,
}


@pytest.mark.parametrize("name", CHANGED)
def test_dense_layers_that_were_changed_are_tried(name):
    """Evidence: brute force; what holds by construction no longer does where somebody put a hand to a layer."""
    module = CHANGED[name]()
    expected = brute_force(module, normal(4), normal(4))
    found = ntk.empirical(module, normal(4))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    with pytest.raises(ValueError, match="layer-wise identity does not hold"):
        ntk.empirical(module, normal(4), method="layerwise")


def dead_at_first():
    """A weight acts outside its layer, and the first input of `normal` is the only one of which nothing comes out."""

    class Sparse(Reused):
        def forward(self, x):
            return super().forward(x) * (x[:, :1] != normal(4)[0, 0])

    torch.manual_seed(0)
    return Sparse().double()


def mixing():
    return bent_by(lambda _: lambda z: z - z.mean(0))


@pytest.mark.parametrize("make", [clipped, mixing, dead_at_first])
def test_what_brute_force_does_not_know_or_see_at_once_is_refused(make):
    """Evidence: contract; errors that a hook changes, inputs that meet in an activation, and a first input that is
    silent about a weight that acts elsewhere, while the others are not."""
    with pytest.raises(ValueError, match="layer-wise identity does not hold"):
        ntk.empirical(make(), normal(4), method="layerwise")


def test_a_parameter_that_does_not_act_is_no_trouble():
    """Evidence: contract; the kernel is that of the layers that act, with more inputs than go at once."""

    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.temperature, self.body = nn.Parameter(torch.ones(1)), chain()

        def forward(self, x):
            return self.body(x)

    module, x = Root().double(), torch.tensor(np.random.default_rng(3).standard_normal((130, 4)))
    expected = ntk.empirical(module.body, x)
    for method in ("auto", "layerwise"):
        np.testing.assert_allclose(ntk.empirical(module, x, method=method), expected, rtol=1e-12, atol=1e-12)


def test_noise_is_drawn_once_a_pass():
    """Evidence: closed form; a linear network with dropout on x has Θ = σ_w² Σ x² m m'/d: the diagonal of one pass
    is σ_w² m² there, μ₂ in the mean, and independent passes have the mean 1. N masks: standard error √(1/N)."""
    net = rl.serial(rl.layers.Noise(rl.noise.Dropout(keep=0.5)), rl.layers.Dense(1.5))
    module = net.sample(in_features=4000, dtype="float64")
    x = np.ones((3, 4000))
    one_pass, two = ntk.empirical(module, x, outputs="mean"), ntk.empirical(module, x, x, outputs="mean")
    near = {"abs": 1.5 * 4 * np.sqrt(3 / 4000)}
    np.testing.assert_allclose(np.diag(one_pass), 3.0, atol=near["abs"])
    np.testing.assert_allclose(one_pass[0, 1:], 1.5, atol=near["abs"])
    np.testing.assert_allclose(two, 1.5, atol=near["abs"])
    np.testing.assert_allclose(ntk.empirical(module.eval(), x, outputs="mean"), 1.5, rtol=1e-12)


def test_noise_hides_no_weight_that_acts_elsewhere():
    """Evidence: contract; the check that the identity holds is made with the noise off, so that it can be made."""

    class Outside(Reused):
        def forward(self, x):
            return nn.functional.relu(self.quiet(super().forward(x)))

    module = Outside().double()
    module.quiet = nn.Dropout(0.5)
    with pytest.raises(ValueError, match="draws noise, and its Jacobian is taken input by input"):
        ntk.empirical(module, normal(4))
    assert module.quiet.training


def test_empirical_goes_to_the_analytic_kernel_as_one_over_root_width():
    """Evidence: convergence rate; the mean relative error over 8 draws halves when the width is four times as large.
    The exponent over a factor 16 in width is known to log(1 ± 0.25)/log 16 ≈ 0.1."""
    theory = NET.kernel(X).ntk
    widths = (64, 1024)
    errors = [
        np.mean(
            [
                np.linalg.norm(
                    ntk.empirical(
                        NET.sample(width, in_features=5, seed=seed, dtype="float64"), X, outputs="mean"
                    )
                    - theory
                )
                for seed in range(8)
            ]
        )
        for width in widths
    ]
    rate = np.log(errors[1] / errors[0]) / np.log(widths[1] / widths[0])
    assert rate == pytest.approx(-0.5, abs=0.12)
    assert errors[1] / np.linalg.norm(theory) < 0.1


@pytest.mark.parametrize(
    ("net", "shape", "width"),
    [
        (rl.networks.CNN(2, "relu", 2.0, 0.1, dimensions=1), (2, 5), 256),
        (rl.networks.ResNet(2, "relu", 2.0, 0.1, dimensions=1), (2, 5), 256),
        (rl.networks.TransformerBlock(1, "relu", 1.0, 0.1), (2, 4), 256),
    ],
    ids=["cnn", "resnet", "transformer"],
)
def test_empirical_of_architectures(net, shape, width):
    """Evidence: simulation; mean of 4 draws, relative Frobenius error of a few times 1/√(n·draws)."""
    x = np.random.default_rng(5).standard_normal((4, *shape))
    theory = net.kernel(x).ntk
    drawn = [
        net.sample(width, in_features=2, positions=shape[1:], seed=seed, dtype="float64") for seed in range(4)
    ]
    found = np.mean([ntk.empirical(module, x, outputs="mean") for module in drawn], axis=0)
    assert np.linalg.norm(found - theory) / np.linalg.norm(theory) < 4 / np.sqrt(4 * width)


def test_empirical_of_the_standard_parameterisation():
    """Evidence: simulation; relative finite-width error a few 1/√n at n = 1024."""
    net = rl.MLP(2, "erf", 1.8, 0.2, parameterization="standard")
    theory = net.kernel(X, width=1024).ntk
    found = np.mean(
        [ntk.empirical(net.sample(1024, in_features=5, seed=s), X, outputs="mean") for s in range(4)], axis=0
    )
    assert np.linalg.norm(found - theory) / np.linalg.norm(theory) < 3 / np.sqrt(1024)


# Linear dynamics


def random_kernel(n, rng=1):
    a = np.random.default_rng(rng).standard_normal((n, n + 3))
    return a @ a.T / n


@pytest.mark.parametrize("time", [0.0, 0.01, 1.0, 30.0])
def test_flow_against_the_matrix_exponential(time):
    """Evidence: another algorithm; scaling and squaring, and a linear solve."""
    theta = random_kernel(8)
    test, gap = RNG.standard_normal((3, 8)), RNG.standard_normal((8, 2))
    expected = test @ np.linalg.solve(theta, gap - expm(-theta * time) @ gap)
    np.testing.assert_allclose(ntk.LinearDynamics(theta).change(test, gap, time), expected, atol=1e-10)


def test_steps_against_the_loop():
    """Evidence: another algorithm; gradient descent itself, slow and fast modes and oscillating ones alike."""
    theta = random_kernel(8)
    dynamics = ntk.LinearDynamics(theta)
    test, gap = RNG.standard_normal((3, 8)), RNG.standard_normal((8, 2))
    eta = 0.97 * dynamics.max_step_size
    at_test, residual, states = np.zeros((3, 2)), gap.copy(), []
    for _ in range(41):
        states.append(at_test.copy())
        at_test, residual = at_test + eta * test @ residual, residual - eta * theta @ residual
    found = dynamics.change(test, gap, steps=np.arange(41), step_size=eta)
    np.testing.assert_allclose(found, states, atol=1e-11)


def test_small_steps_are_the_flow():
    """Evidence: convergence rate; the distance to the flow is O(η): half the step, half the distance."""
    theta = random_kernel(6)
    dynamics, gap = ntk.LinearDynamics(theta), RNG.standard_normal((6, 1))
    flow = dynamics.change(theta, gap, 1.0)
    gaps = [
        np.linalg.norm(dynamics.change(theta, gap, steps=n, step_size=1 / n) - flow) for n in (1000, 2000)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.01)


def test_step_size_limit_is_sharp():
    """Evidence: closed form; just below 2/λ_max the residual vanishes, just above it grows, and the sufficient step
    contracts every mode by (κ − 1)/(κ + 1)."""
    theta = np.diag([3.0, 1.0, 0.5])
    dynamics, gap = ntk.LinearDynamics(theta), np.ones((3, 1))
    assert dynamics.max_step_size == pytest.approx(2 / 3)
    assert dynamics.sufficient_step_size == pytest.approx(2 / 3.5)
    assert dynamics.condition == pytest.approx(6)

    def left(factor, steps):
        return np.abs(
            gap - dynamics.change(theta, gap, steps=steps, step_size=factor * dynamics.max_step_size)
        )

    assert left(0.99, 2000).max() < 1e-12
    assert left(1.01, 200).max() > 50
    one = np.abs(gap - dynamics.change(theta, gap, steps=1, step_size=dynamics.sufficient_step_size))
    assert one.max() == pytest.approx(5 / 7)


def test_tiny_eigenvalues_are_stable():
    """Evidence: limit; a mode with λt ≪ 1 moves by t, to the last digits, where (1 − e^{−λt})/λ has none left."""
    dynamics = ntk.LinearDynamics(np.diag([1.0, 1e-12]))
    found = dynamics.change(np.eye(2), np.ones((2, 1)), 1e-3)
    assert found[1, 0] == pytest.approx(1e-3, rel=1e-12)
    steps = dynamics.change(np.eye(2), np.ones((2, 1)), steps=10, step_size=1e-4)
    assert steps[1, 0] == pytest.approx(1e-3, rel=1e-12)


def test_a_singular_kernel_learns_for_a_while():
    """Evidence: closed form; two equal inputs are one that learns twice as fast; the end can't be told, and is not."""
    once, twice = ntk.LinearDynamics([[1.5]]), ntk.LinearDynamics(np.full((2, 2), 1.5))
    expected = once.change([[1.5]], [[0.7]], 0.8)
    np.testing.assert_allclose(twice.change([[1.5, 1.5]], [[0.7], [0.7]], 0.4), expected, rtol=1e-13)
    assert twice.condition == np.inf
    with pytest.raises(ValueError, match="singular to working precision"):
        twice.change([[1.5, 1.5]], [[0.7], [0.7]])


def test_outputs_that_move_together():
    """Evidence: contract; a block-diagonal kernel (n, n, o, o) is o independent ones, and times share the work."""
    theta, gap = random_kernel(5), RNG.standard_normal((5, 2))
    full = theta[:, :, None, None] * np.eye(2)
    times = [0.0, 0.3, np.inf]
    np.testing.assert_allclose(
        ntk.LinearDynamics(full).change(full[:3], gap, times),
        ntk.LinearDynamics(theta).change(theta[:3], gap, times),
        atol=1e-11,
    )


# Linearised networks


def small_module():
    return rl.MLP(2, "tanh", 1.5, 0.1).sample(30, in_features=5, out_features=2, dtype="float64")


def in_two_places():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(4, 2)).double()


@pytest.mark.parametrize("method", ["auto", "layerwise", "jacobian"])
def test_a_layer_in_two_places(method):
    """Evidence: brute force; and the layer's parameters are its own again behind it."""
    module = in_two_places()
    expected = brute_force(module, normal(4), normal(4))
    for _ in range(2):
        found = ntk.empirical(module, normal(4), method=method)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert all(isinstance(p, nn.Parameter) for layer in module for p in layer._parameters.values())


def test_linearize_a_layer_in_two_places():
    """Evidence: limit; the error of the expansion is of second order in the step."""
    module = in_two_places()
    flat = ntk.linearize(module)
    steps = [torch.randn_like(p) for p in module.parameters()]
    errors = []
    for size in (1e-3, 1e-4):
        moved = in_two_places()
        with torch.no_grad():
            for p, d, step in zip(moved.parameters(), flat.displacement, steps, strict=True):
                p += size * step
                d.copy_(size * step)
            errors.append(float((moved(normal(4)) - flat(normal(4))).norm()))
    assert 50 < errors[0] / errors[1] < 200


def test_linearize_is_the_tangent():
    """Evidence: convergence rate; the distance to the network is O(|δ|²)."""
    module = small_module()
    flat = ntk.linearize(module)
    rng = np.random.default_rng(0)
    direction = [torch.tensor(rng.standard_normal(p.shape)) for p in module.parameters()]
    gaps = []
    for size in (1e-2, 5e-3):
        moved = small_module()
        with torch.no_grad():
            for p, d, q in zip(moved.parameters(), direction, flat.displacement, strict=True):
                p += size * d
                q.copy_(size * d)
            gaps.append((moved(X) - flat(X)).norm().item())
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.1)


def test_a_trained_linearisation_follows_the_closed_form():
    """Evidence: closed form; 60 steps of gradient descent through torch.func.jvp, to rounding."""
    module = small_module()
    flat = ntk.linearize(module)
    x, x_test, y = map(torch.tensor, (X, X_TEST, Y))
    dynamics = ntk.LinearDynamics(ntk.empirical(module, X))
    eta, steps = 0.5 * dynamics.max_step_size, 60
    trained = [p for p in flat.parameters() if p.requires_grad]
    start = flat(x).detach(), flat(x_test).detach()
    for _ in range(steps):
        gradient = torch.autograd.grad((flat(x) - y).square().sum() / 2, trained)
        with torch.no_grad():
            for p, g in zip(trained, gradient, strict=True):
                p -= eta * g
    change = dynamics.change(
        ntk.empirical(module, X_TEST, X), (y - start[0]).numpy(), steps=steps, step_size=eta
    )
    np.testing.assert_allclose((flat(x_test) - start[1]).detach().numpy(), change, atol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "gelu", "erf", "sin", "hard_tanh"])
def test_linearize_keeps_the_tangent_kernel(activation):
    """Evidence: contract; the expansion's own kernel is the network's, far from the origin too."""
    module = rl.MLP(1, activation, 1.5).sample(20, in_features=5, dtype="float64")
    flat = ntk.linearize(module)
    with torch.no_grad():
        for p in flat.displacement:
            p += 1.0
    np.testing.assert_allclose(ntk.empirical(flat, X), ntk.empirical(module, X), rtol=1e-10, atol=1e-12)


# The ensemble


def test_ensemble_of_one_training_input():
    """Evidence: closed form; mean y(1 − e^{−Θt}) and variance K e^{−2Θt} at the input itself."""
    kernel = NET.kernel(X[:1])
    times = np.array([0.0, 0.1, 1.0, np.inf])
    found = ntk.GradientFlow(NET).fit(X[:1], [0.7]).predict(X[:1], times)
    decay = np.exp(-kernel.ntk.item() * times)
    np.testing.assert_allclose(found.mean.ravel(), 0.7 * (1 - decay), atol=1e-14)
    np.testing.assert_allclose(found.var.ravel(), kernel.nngp.item() * decay**2, atol=1e-13)


def test_ensemble_at_the_beginning_and_the_end():
    """Evidence: limit; the prior at t = 0, the targets without spread at t = ∞."""
    ensemble = ntk.GradientFlow(NET).fit(X, Y)
    start, end = ensemble.predict(X_TEST, 0.0), ensemble.predict(X)
    np.testing.assert_allclose(start.mean, 0, atol=1e-15)
    np.testing.assert_allclose(start.cov, NET.kernel(X_TEST).nngp, rtol=1e-13)
    np.testing.assert_allclose(end.mean, Y, atol=1e-10)
    np.testing.assert_allclose(end.cov, 0, atol=1e-10)
    assert ensemble.predict(X_TEST, cov=False).cov is None
    np.testing.assert_allclose(
        ensemble.predict(X_TEST, [0.5, 2.0]).cov[1], ensemble.predict(X_TEST, 2.0).cov, atol=1e-12
    )


def test_ensemble_covariance_of_linear_maps():
    """Evidence: another algorithm; outputs after training are a fixed linear map of Gaussian outputs before it."""
    time, both = 0.7, np.concatenate([X_TEST, X])
    kernel = NET.kernel(both)
    theta, across = kernel.ntk[4:, 4:], kernel.ntk[:4, 4:]
    map_ = np.hstack([np.eye(4), -across @ np.linalg.solve(theta, np.eye(6) - expm(-theta * time))])
    found = ntk.GradientFlow(NET).fit(X, Y).predict(X_TEST, time)
    np.testing.assert_allclose(found.cov, map_ @ kernel.nngp @ map_.T, atol=1e-10)


def test_training_the_read_out_alone_is_the_posterior():
    """Evidence: limit; gradients of the read-out alone have Θ = K, and then the end of training is Bayes' posterior."""
    kernel = NET.kernel(X)
    dynamics = ntk.LinearDynamics(kernel.nngp)
    mean = dynamics.change(NET.kernel(X_TEST, X).nngp, Y)
    np.testing.assert_allclose(mean, nngp.GaussianProcess(NET).fit(X, Y).predict(X_TEST).mean, atol=1e-9)


def test_standard_parameterisation_needs_smaller_steps():
    """Evidence: closed form; Θ_standard(width) is given, and steps shrink as 1/width."""
    net = rl.MLP(2, "erf", 1.8, 0.2, parameterization="standard")
    sizes = []
    for width in (1000, 2000):
        ensemble = ntk.GradientFlow(net, width=width).fit(X, Y)
        largest = np.linalg.eigvalsh(net.kernel(X, width=width).ntk)[-1]
        assert ensemble.max_step_size == pytest.approx(2 / largest, rel=1e-12)
        sizes.append(ensemble.max_step_size)
    assert sizes[0] / sizes[1] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_trained_networks_are_the_ensemble(parameterization):
    """Evidence: simulation; 20 networks of width 512 trained by full-batch gradient descent, three times on the way.
    Means have standard errors √(var/20), variances 32 %; both are off by O(1/n) and, from drawn kernels, 1/√n·few."""
    net = rl.MLP(1, "erf", 1.5, 0.1, parameterization=parameterization)
    draws, width, checkpoints = 20, 512, (0, 6, 24)
    x, y, x_test = X[:4], Y[:4, :1], X_TEST[:2]
    ensemble = ntk.GradientFlow(net, width=width if parameterization == "standard" else None).fit(x, y)
    eta = 0.5 * ensemble.max_step_size
    theory = ensemble.predict(x_test, steps=checkpoints, step_size=eta)
    found = np.zeros((draws, len(checkpoints), 2))
    for seed in range(draws):
        module = net.sample(width, in_features=5, seed=seed)
        inputs, targets, test = (torch.tensor(a, dtype=torch.float32) for a in (x, y, x_test))
        trained = list(module.parameters())
        for step in range(checkpoints[-1] + 1):
            if step in checkpoints:
                found[seed, checkpoints.index(step)] = module(test).detach().numpy()[:, 0]
            gradient = torch.autograd.grad((module(inputs) - targets).square().sum() / 2, trained)
            with torch.no_grad():
                for p, g in zip(trained, gradient, strict=True):
                    p -= eta * g
    error = np.sqrt(theory.var / draws)
    assert np.all(np.abs(found.mean(axis=0) - theory.mean[..., 0]) < 4 * error + 1 / np.sqrt(width))
    np.testing.assert_allclose(
        found.var(axis=0, ddof=1), theory.var, rtol=4 * np.sqrt(2 / draws), atol=1 / width
    )


class _Branching(torch.nn.Module):
    """Takes one of two layers, by the sign of the sum of its inputs."""

    def __init__(self):
        super().__init__()
        self.plus, self.minus, self.end = (torch.nn.Linear(m, k) for m, k in ((6, 5), (6, 5), (5, 1)))

    def forward(self, x):
        return self.end(torch.tanh(self.plus(x) if x.sum() > 0 else self.minus(x)))


@pytest.mark.parametrize("method", ["auto", "jacobian"])
def test_inputs_that_take_different_ways(method):
    """Evidence: brute force; layers are matched by what they are, not by their order."""
    torch.manual_seed(0)
    module, x = _Branching(), torch.tensor([[1.0] * 6, [-1.0] * 6])
    rows = []
    for one in x:
        gradient = torch.autograd.grad(
            module(one[None])[0, 0], list(module.parameters()), allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([part.flatten() for part in gradient]))
    exact = torch.stack(rows) @ torch.stack(rows).T
    np.testing.assert_allclose(
        ntk.empirical(module, x[:1], x[1:], method=method).ravel(), exact[0, 1], rtol=1e-5
    )
    np.testing.assert_allclose(ntk.empirical(module, x, method=method)[..., 0, 0], exact, rtol=1e-5)
