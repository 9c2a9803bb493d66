"""Networks: one frozen description, and sampled modules that keep every convention it states."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import func

import rmtlab as rl
from rmtlab.layers import Activation, Attention, Conv1d, Dense, GlobalAvgPool, Noise, Residual
from rmtlab.networks import MLP, Network, serial

X = np.random.default_rng(0).standard_normal((7, 5))
DROPOUT = rl.noise.Dropout(keep=0.8)


# --- The description ---------------------------------------------------------------------------------


def test_mlp_is_a_serial_of_layers():
    """Contract: the read-out follows the same rule, and noise acts on x and on every h."""
    dense, phi, noise = Dense(1.5, 0.05), Activation("tanh"), Noise(DROPOUT)
    assert MLP(2, "tanh", 1.5, 0.05) == serial(dense, phi, dense, phi, dense)
    assert MLP(1, "tanh", 1.5, 0.05, noise=DROPOUT) == serial(noise, dense, phi, noise, dense)
    assert hash(MLP(2, "tanh")) == hash(MLP(2, rl.activations.get("tanh")))


def test_hyperparameters_stay_readable():
    """Contract."""
    net = MLP(3, "erf", 1.5, 0.05, weights="orthogonal", noise=DROPOUT, parameterization="standard")
    assert (net.depth, net.weight_var, net.bias_var) == (3, 1.5, 0.05)
    assert (net.weights, net.parameterization) == ("orthogonal", "standard")
    assert net.activation == rl.activations.get("erf")
    assert net.noise == DROPOUT
    assert MLP(1, "relu").noise is None
    with pytest.raises(AttributeError):
        net.layers = ()


def test_what_layers_do_not_share_cannot_be_read():
    """Contract: no number stands for layers that differ."""
    net = serial(Noise(DROPOUT), Dense(2.0), Activation("relu"), Dense(1.0), Activation("tanh"), Dense(1.0))
    assert net.bias_var == 0.0
    for name in ("weight_var", "activation", "noise"):
        with pytest.raises(AttributeError, match=rf"differ in {name}; read its layers"):
            getattr(net, name)
    with pytest.raises(AttributeError, match="no hidden layer"):
        _ = serial(Dense()).activation
    with pytest.raises(AttributeError, match="several noises in a row"):
        _ = serial(Noise(DROPOUT), Noise(DROPOUT), Dense()).noise


def test_repr_is_the_shortest_description():
    """Contract."""
    room = dict(MLP=MLP, serial=serial, Dense=Dense, Activation=Activation, Noise=Noise)
    room |= dict(activations=rl.activations, Dropout=rl.noise.Dropout)
    for net, start in (
        (
            MLP(30, "tanh", 1.5, 0.05, weights="orthogonal"),
            "MLP(depth=30, activation='tanh', weight_var=1.5, ",
        ),
        (MLP(2, rl.activations.get("shifted_relu", alpha=0.5), noise=DROPOUT), "MLP(depth=2, activation=act"),
        (serial(Dense(2.0), Activation("relu"), Noise(DROPOUT), Dense(1.0)), "serial(Dense(weight_var=2.0, "),
        (serial(Dense()), "serial(Dense("),
    ):
        assert repr(net).startswith(start)
        assert eval(repr(net), room) == net


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([], "needs a Dense as its last layer"),
        ([Dense(), Activation("relu")], "needs a Dense as its last layer"),
        ([Dense(), Activation("relu"), Noise(DROPOUT)], "needs a Dense as its last layer"),
        ([Activation("relu"), Dense()], "Layer 1 .* An Activation needs a Dense before it"),
        (
            [Dense(), Activation("relu"), Activation("relu"), Dense()],
            "Layer 3 .* An Activation needs a Dense",
        ),
        ([Dense(), Dense()], "Layer 2 .* put an Activation between them"),
        ([Dense(), Noise(DROPOUT), Dense()], "Layer 2 .* Noise acts on the input"),
    ],
)
def test_wrong_chains_raise_sentences(layers, sentence):
    """Contract."""
    with pytest.raises(ValueError, match=sentence):
        serial(*layers)


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (
            DROPOUT,
            r"a Dropout, a noise; layers\.Noise\(Dropout\(keep=.*makes a layer",
        ),
        ("relu", r"a str, an activation; layers\.Activation\('relu'\) makes a layer of it"),
        (
            rl.activations.get("erf"),
            r"an Activation, an activation; layers\.Activation\('erf'\) makes a layer",
        ),
        (Dense, r"the class Dense itself; call it, Dense\(…\)"),
        ([Dense()], "a list; put a star before it"),
        (serial(Dense()), "a Network; put a star before it"),
        ("reul", "a str; a network is made of the layers"),
        (np.ones(2), "a ndarray; a network is made of the layers"),
    ],
)
def test_what_is_no_layer_is_told_how_to_become_one(thing, sentence):
    """Contract: in a chain and in a branch."""
    with pytest.raises(TypeError, match=f"Layer 3 of the network is {sentence}"):
        serial(Dense(), Activation("relu"), thing, Dense())
    with pytest.raises(TypeError, match=f"it holds {sentence}"):
        Residual(Activation("relu"), thing, Dense())


def test_preactivations_meet_what_needs_a_signal():
    """Contract: the sentence names what is missing, and blames no Dense that isn't there."""
    with pytest.raises(
        ValueError, match="An Attention needs a signal before it, the input or what an Activation"
    ):
        serial(Dense(), Attention(), GlobalAvgPool(), Dense())
    for after in (Dense(), Conv1d()):
        with pytest.raises(
            ValueError, match="preactivations of another linear layer, an Attention or a Residual"
        ):
            serial(Attention(), after, Dense())


# --- The module --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_preactivations_are_the_chain_of_weights_and_biases(weights, parameterization):
    """Closed form: z^{l+1} = W^{l+1} φ(z^l) + b^{l+1}, by hand in NumPy, to float64 rounding."""
    net = MLP(3, "tanh", 1.5, 0.1, weights=weights, parameterization=parameterization)
    module = net.sample([40, 20, 30], in_features=5, out_features=2, dtype="float64")
    assert [tuple(w.shape) for w in module.weights] == [(40, 5), (20, 40), (30, 20), (2, 30)]
    found = module.preactivations(X)
    h = X
    for z, w, b in zip(found, module.weights, module.biases, strict=True):
        by_hand = h @ w.numpy().T + b.numpy()
        np.testing.assert_allclose(z.detach(), by_hand, atol=1e-13)
        h = np.tanh(by_hand)
    torch.testing.assert_close(module(X), found[-1], rtol=0, atol=0)


def test_parameterisations_are_the_same_function_with_other_gradients():
    """Closed form: equal seeds give equal effective weights; ∂/∂ω = √(σ_w²/m)·∂/∂W layer by layer."""
    modules = [
        MLP(2, "erf", 1.5, 0.1, parameterization=p).sample(50, in_features=5, dtype="float64", seed=4)
        for p in ("ntk", "standard")
    ]
    for a, b in zip(
        modules[0].weights + modules[0].biases, modules[1].weights + modules[1].biases, strict=True
    ):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(modules[0](X), modules[1](X))
    ntk, standard = (
        dict(
            zip(
                dict(m.named_parameters()), torch.autograd.grad(m(X).sum(), list(m.parameters())), strict=True
            )
        )
        for m in modules
    )
    for name, gradient in ntk.items():
        m = dict(modules[0].named_parameters())[name].shape[-1]
        scale = np.sqrt(1.5 / m) if name.endswith("weight") else np.sqrt(0.1)
        torch.testing.assert_close(gradient, scale * standard[name])


def test_seeds_reproduce_and_differ_and_leave_global_generators_alone():
    """Contract."""
    net = MLP(2, "relu", 2.0, 0.1)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first, again, other = (net.sample(20, in_features=5, seed=s) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not (a == c).any()


def test_the_draw_does_not_depend_on_precision_noise_or_later_layers():
    """Contract: what is compared with the same seed has the same weights."""
    plain = MLP(2, "relu", 2.0, 0.1).sample(20, in_features=5, seed=1)
    noisy = MLP(2, "relu", 2.0, 0.1, noise=DROPOUT).sample(20, in_features=5, seed=1)
    exact = MLP(2, "relu", 2.0, 0.1).sample(20, in_features=5, seed=1, dtype="float64")
    deeper = MLP(3, "relu", 2.0, 0.1).sample(20, in_features=5, seed=1)
    for a, b, c in zip(plain.weights, noisy.weights, exact.weights, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, c.float())
    assert torch.equal(plain.weights[1], deeper.weights[1])


def test_weights_of_different_layers_are_independent():
    """Simulation: the correlation of N pairs of independent normals has standard error 1/√N."""
    first, second, third, _ = MLP(3, "relu").sample(60, in_features=60, seed=0).weights
    for a, b in ((first, second), (second, third), (first, third)):
        correlation = np.corrcoef(a.numpy().ravel(), b.numpy().ravel())[0, 1]
        assert abs(correlation) < 4.5 / 60


def test_no_bias_variance_means_no_bias_parameters():
    """Contract."""
    module = MLP(2, "relu").sample(4, in_features=3)
    assert [tuple(p.shape) for p in module.parameters()] == [(4, 3), (4, 4), (1, 4)]
    assert all(not b.any() for b in module.biases)
    assert len(list(MLP(2, "relu", bias_var=0.1).sample(4, in_features=3).parameters())) == 6


@pytest.mark.parametrize(("dtype", "expected"), [("float32", torch.float32), (torch.float64, torch.float64)])
def test_precision_is_as_asked_and_inputs_follow(dtype, expected):
    """Contract: arrays, lists and tensors of either precision are taken."""
    module = MLP(1, "tanh", 1.5).sample(10, in_features=5, dtype=dtype)
    assert {p.dtype for p in module.parameters()} == {expected}
    reference = module(X)
    assert reference.dtype is expected
    frozen = X.copy()
    frozen.flags.writeable = False
    for same in (X.tolist(), torch.tensor(X), torch.tensor(X, dtype=torch.float32), frozen):
        torch.testing.assert_close(module(same), reference, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(module(X[0]), reference[0], rtol=1e-5, atol=1e-6)


def test_the_default_is_one_output_of_width_1000_in_float32():
    """Contract: the promised defaults."""
    module = MLP(1, "relu").sample(in_features=3)
    assert [tuple(w.shape) for w in module.weights] == [(1000, 3), (1, 1000)]
    assert module.weights[0].dtype is torch.float32


def test_module_knows_its_description_and_keeps_its_state():
    """Contract: the twin names its origin; a state_dict carries the whole function over."""
    net = MLP(2, "tanh", 1.5, 0.1)
    one, two = net.sample(10, in_features=5, seed=0), net.sample(10, in_features=5, seed=1)
    assert one.description is net
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(X), two(X))
    assert "tanh" in str(one)
    assert torch.equal(copy.deepcopy(one)(X), one(X))


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_weights_are_a_snapshot(parameterization):
    """Contract: what was read before training stays as it was."""
    module = MLP(1, "relu", bias_var=0.1, parameterization=parameterization).sample(4, in_features=3)
    before = module.weights + module.biases
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(2)
    for a, b in zip(before, module.weights + module.biases, strict=True):
        torch.testing.assert_close(2 * a, b)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_functional_transforms_agree_with_autograd(parameterization):
    """Contract: functional_call, jacrev and vmap give the parameter gradients that autograd gives."""
    net = MLP(2, "tanh", 1.5, 0.1, parameterization=parameterization)
    module = net.sample(8, in_features=5, dtype="float64")
    parameters = dict(module.named_parameters())
    x = torch.tensor(X)

    def output(p, row):
        return func.functional_call(module, p, (row,))[0]

    rows = func.vmap(func.jacrev(output), in_dims=(None, 0))(parameters, x)
    for i in range(len(x)):
        expected = torch.autograd.grad(module(x[i])[0], list(parameters.values()))
        for name, gradient in zip(parameters, expected, strict=True):
            torch.testing.assert_close(rows[name][i], gradient)
    with_respect_to_input = func.vmap(func.jacrev(module))(x)
    assert with_respect_to_input.shape == (7, 1, 5)


def test_noise_acts_in_training_and_not_in_evaluation():
    """Contract: train() makes passes differ, eval() gives the noiseless network of the same seed."""
    noisy = MLP(2, "relu", 2.0, noise=DROPOUT).sample(50, in_features=5, dtype="float64")
    plain = MLP(2, "relu", 2.0).sample(50, in_features=5, dtype="float64")
    assert not torch.equal(noisy(X), noisy(X))
    torch.testing.assert_close(noisy.eval()(X), plain(X), rtol=0, atol=0)
    twice = noisy.train()(np.stack([X[0], X[0]]))
    assert twice[0] != twice[1]


def test_noisy_passes_reproduce_with_the_seed():
    """Contract: the k-th pass of equal seeds is the same pass, and global generators play no part."""
    net = MLP(2, "relu", 2.0, noise=DROPOUT)
    one, two, other = (net.sample(50, in_features=5, seed=s) for s in (3, 3, 4))
    torch.manual_seed(0)
    first = [one(X), one(X)]
    torch.manual_seed(1)
    second = [two(X), two(X)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other(X))


def test_inputs_of_the_wrong_shape_get_a_sentence():
    """Contract: sentences, from arrays and tensors alike."""
    module = MLP(1, "relu").sample(4, in_features=3)
    for x in (np.zeros((2, 4)), torch.zeros(2, 4), torch.tensor(1.0), 1.0):
        with pytest.raises(ValueError, match="one input of 3 features a row, but its shape is"):
            module(x)
    with pytest.raises(ValueError, match="x holds 1 values that are NaN"):
        module([[0.0, np.nan, 0.0]])


def test_a_linear_model_is_a_network_of_depth_zero():
    """Closed form: no hidden layer, no width."""
    net = serial(Dense(1.0, 0.1))
    module = net.sample(in_features=5, dtype="float64")
    assert net.depth == 0
    np.testing.assert_allclose(module(X).detach(), X @ module.weights[0].numpy().T + module.biases[0].numpy())


# --- Theory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var"),
    [("relu", 2.0, 0.0), ("tanh", 2.5, 0.05), ("hard_tanh", 1.5, 0.1)],
)
def test_variance_of_preactivations_follows_the_map(activation, weight_var, bias_var, weights):
    """Simulation: q^{l+1} = σ_w² E[φ²] + σ_b², layers of n = 300 neurons, 20 networks.

    The standard error is that of the mean of the draws (a few 1/√(20·300) per layer); the O(1/n)
    bias of the mean is allowed for at 10/n.
    """
    net = MLP(5, activation, weight_var, bias_var, weights=weights)
    n, draws = 300, 20
    x = X[:1] / np.sqrt(np.mean(X[0] ** 2))
    q = [weight_var + bias_var]
    for _ in range(4):
        q.append(weight_var * float(net.activation.moment(q[-1], 2)) + bias_var)
    measured = np.array(
        [
            [z.square().mean().item() for z in net.sample(n, in_features=5, seed=s).preactivations(x)[:-1]]
            for s in range(draws)
        ]
    )
    error = measured.std(0, ddof=1) / np.sqrt(draws)
    assert np.all(error < 0.06 * np.array(q))
    assert np.all(np.abs(measured.mean(0) - q) < 4.5 * error + 10 / n * np.array(q))


def test_linear_orthogonal_networks_keep_the_norm():
    """Closed form: square Haar layers with σ_w² = 1 are isometries, to rounding."""
    module = MLP(20, "linear", weights="orthogonal").sample(5, in_features=5, out_features=5, dtype="float64")
    np.testing.assert_allclose(np.sum(module(X).detach().numpy() ** 2, 1), np.sum(X**2, 1), rtol=1e-12)


# --- Import ------------------------------------------------------------------------------------------


def test_torch_loads_only_when_a_network_is_sampled():
    """Contract: descriptions and infinite-width kernels are light."""
    script = (
        "import sys, rmtlab as rl\n"
        "net = rl.MLP(2, 'relu', 2.0, 0.1, noise=rl.noise.Dropout(keep=0.8))\n"
        "net.propagate(rl.layers.State.from_inputs([[1.0, 2.0]]))\n"
        "repr(net)\n"
        "print('torch' in sys.modules)\n"
        "net.sample(5, in_features=3)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_networks_are_made_from_any_sequence_of_layers():
    """Contract."""
    assert Network([Dense()]).layers == (Dense(),)
