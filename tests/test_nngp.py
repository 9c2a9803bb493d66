"""Gaussian processes of infinitely wide networks: closed forms, another library, limits, finite networks, blocks."""

import functools
import importlib.util

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

import rmtlab as rl
from rmtlab import nngp
from rmtlab.nngp import _gram

NET = rl.MLP(depth=2, activation="erf", weight_var=1.8, bias_var=0.2)
RNG = np.random.default_rng(0)
X, X_TEST = RNG.standard_normal((30, 6)), RNG.standard_normal((11, 6))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("dask") is None,
    reason='the package dask is absent: pip install "rmtlab[cluster]"',
)
needs_cluster = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason='the package distributed is absent: pip install "rmtlab[cluster]"',
)


class OfNetwork(Kernel):
    """A network's kernel as scikit-learn knows kernels."""

    def __init__(self):
        pass

    def __call__(self, x, y=None, eval_gradient=False):
        return NET.kernel(x, y).nngp

    def diag(self, x):
        return np.diagonal(NET.kernel(x).nngp)

    def is_stationary(self):
        return False


def test_posterior_against_scikit_learn():
    """Evidence: cross-library; mean, variance and evidence from the same kernel."""
    peer = GaussianProcessRegressor(OfNetwork(), alpha=0.05, optimizer=None).fit(X, Y)
    mean, std = peer.predict(X_TEST, return_std=True)
    ours = nngp.GaussianProcess(NET, noise_var=0.05).fit(X, Y)
    found = ours.predict(X_TEST)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.var, std[:, 0] ** 2, rtol=1e-9)
    assert ours.log_marginal_likelihood == pytest.approx(peer.log_marginal_likelihood_value_, rel=1e-11)


def test_one_training_input_closed_form():
    """Evidence: closed form; mean k*y/(k + σ²), variance k** − k*²/(k + σ²), a Gaussian density."""
    x, x_test, y, noise_var = X[:1], X[1:2], 0.7, 0.3
    k, across, k_test = (NET.kernel(*pair).nngp.item() for pair in ((x,), (x_test, x), (x_test,)))
    posterior = nngp.GaussianProcess(NET, noise_var).fit(x, [y])
    found = posterior.predict(x_test)
    assert found.mean.item() == pytest.approx(across * y / (k + noise_var), rel=1e-13)
    assert found.var.item() == pytest.approx(k_test - across**2 / (k + noise_var), rel=1e-12)
    density = -(y**2) / (2 * (k + noise_var)) - np.log(2 * np.pi * (k + noise_var)) / 2
    assert posterior.log_marginal_likelihood == pytest.approx(density, rel=1e-13)


def test_limits_of_the_noise():
    """Evidence: limit; without noise data are met, and under much noise the prior stays, to O(1/σ²)."""
    met = nngp.GaussianProcess(NET).fit(X, Y)
    found = met.predict(X)
    assert met.jitter.value == 0
    np.testing.assert_allclose(found.mean, Y, atol=1e-9)
    np.testing.assert_allclose(found.var, 0, atol=1e-10)
    prior = nngp.GaussianProcess(NET, noise_var=1e9).fit(X, Y).predict(X_TEST)
    np.testing.assert_allclose(prior.mean, 0, atol=1e-6)
    np.testing.assert_allclose(prior.var, np.diagonal(NET.kernel(X_TEST).nngp), rtol=1e-6)


def test_the_parameterisation_does_not_matter():
    """Evidence: symmetry; inference sees the prior, and that is one."""
    standard = rl.MLP(2, "erf", 1.8, 0.2, parameterization="standard")
    ours, theirs = (nngp.GaussianProcess(net, 0.1).fit(X, Y).predict(X_TEST) for net in (NET, standard))
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12)


def test_noise_in_the_network_adds_to_the_diagonal():
    """Evidence: closed form; a linear network with dropout on x is ridge regression of noise (1/p − 1)|x|²σ_w²/d."""
    x = X / np.linalg.norm(X, axis=1, keepdims=True) * np.sqrt(6)
    plain = rl.serial(rl.layers.Dense(1.5))
    noisy = rl.serial(rl.layers.Noise(rl.noise.Dropout(keep=0.8)), rl.layers.Dense(1.5))
    ours = nngp.GaussianProcess(noisy).fit(x, Y).predict(X_TEST)
    ridge = nngp.GaussianProcess(plain, noise_var=1.5 * 0.25).fit(x, Y).predict(X_TEST)
    np.testing.assert_allclose(ours.mean, ridge.mean, rtol=1e-10)


def test_blocks_and_batches_do_not_matter(monkeypatch):
    """Evidence: contract; a kernel put together from blocks is the kernel, to rounding times its condition, 1e3."""
    whole = nngp.GaussianProcess(NET, 0.1).fit(X, Y).predict(X_TEST)
    monkeypatch.setattr(_gram, "BLOCK", 4)
    parts = nngp.GaussianProcess(NET, 0.1).fit(X, Y).predict(X_TEST)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(parts.var, whole.var, rtol=0, atol=1e-12)
    assert nngp.GaussianProcess(NET, 0.1).fit(X, Y).predict(X_TEST, variance=False).var is None


def test_finite_networks_have_the_posterior():
    """Evidence: simulation; over N outputs of networks of width n, regressing f(x*) on f(X) gives K_*X K_XX⁻¹ with
    standard error √(var·(K_XX⁻¹)_ii/N) and the posterior variance with √(2/N), both to a relative O(1/n): outputs of
    one network are uncorrelated, and dependent only through the O(1/n) of their shared hidden layer."""
    net, networks, outputs, width = rl.MLP(1, "erf", 2.0, 0.1), 100, 20, 256
    x, x_test = X[:3], X_TEST[:1]
    shape = {"width": width, "in_features": 6, "out_features": outputs}
    drawn = [net.sample(**shape, seed=seed)(np.concatenate([x, x_test])) for seed in range(networks)]
    values = np.concatenate([out.detach().numpy().T for out in drawn])
    coefficients, residual, *_ = np.linalg.lstsq(values[:, :3], values[:, 3], rcond=None)
    theory = nngp.GaussianProcess(net).fit(x, np.eye(3)).predict(x_test)
    spread = np.sqrt(theory.var * np.diagonal(np.linalg.inv(net.kernel(x).nngp)) / len(values))
    assert np.all(np.abs(coefficients - theory.mean[0]) < 4 * spread + 3 / width)
    assert residual[0] / (len(values) - 3) == pytest.approx(
        theory.var[0], rel=4 * np.sqrt(2 / len(values)) + 3 / width
    )


# Jitter


def test_jitter_reports_itself():
    """Evidence: contract; as little as needed, on the posterior and in its text."""
    twice = nngp.GaussianProcess(NET).fit(np.concatenate([X, X]), np.concatenate([Y, Y]))
    assert twice.jitter.relative == pytest.approx(1e-10)
    assert twice.jitter.value == pytest.approx(1e-10 * np.trace(NET.kernel(X).nngp) / len(X))
    assert "condition number is above" in twice.jitter.reason
    assert "jitter 1e-10" in repr(twice)
    once = nngp.GaussianProcess(NET).fit(X, Y)
    np.testing.assert_allclose(twice.predict(X_TEST).mean, once.predict(X_TEST).mean, rtol=1e-4, atol=1e-5)
    assert once.jitter.reason == "None was needed."
    assert "jitter" not in repr(once)


@pytest.mark.parametrize("jitter", [None, 0.0, 0.1])
def test_a_kernel_of_zeros_is_called_by_its_name(jitter):
    """Evidence: contract; inputs of zeros without biases are not nearly equal inputs; with noise the prior stays."""
    zeros, y = np.zeros((3, 4)), [1.0, 2.0, 3.0]
    net = rl.MLP(2, "relu", 2.0)
    if jitter:
        found = nngp.GaussianProcess(net, jitter=jitter).fit(zeros, y)
        assert found.jitter.value == jitter
        assert found.jitter.relative == np.inf
    else:
        with pytest.raises(ValueError, match="is zero, so that the process is the function zero"):
            nngp.GaussianProcess(net, jitter=jitter).fit(zeros, y)
    with_noise = nngp.GaussianProcess(net, 0.5, jitter=jitter).fit(zeros, y).predict(zeros)
    np.testing.assert_array_equal(with_noise.mean, 0)


def test_a_failed_decomposition_leaves_the_kernel_as_it_was():
    """Evidence: contract; the second attempt starts from the same matrix."""
    from rmtlab.nngp import _solver

    kernel = np.ones((5, 5)) + np.diag([1.0, 1.0, -0.5, 1.0, 1.0])
    before = kernel.copy()
    with pytest.raises(np.linalg.LinAlgError):
        _solver.Dense(kernel, 0.0)
    np.testing.assert_array_equal(kernel, before)


def test_condition_number():
    """Evidence: another algorithm; LAPACK's estimate in the 1-norm is within a factor n of eigenvalues'."""
    posterior = nngp.GaussianProcess(NET, 0.1).fit(X, Y)
    exact = np.linalg.cond(NET.kernel(X).nngp + 0.1 * np.eye(len(X)))
    assert exact / len(X) < posterior.condition < exact * len(X)


# Classification


def test_digits_reach_the_sheets_accuracy():
    """Evidence: anchor; .9912 on another split of the digits, ± 3 binomial standard deviations."""
    digits = rl.data.load("digits", n_train=1000)
    net = rl.MLP(1, "relu", 2.0, 0.1)
    posterior = nngp.GaussianProcess(net, noise_var=1e-6).fit(
        digits.x_train, nngp.class_targets(digits.y_train)
    )
    accuracy = np.mean(posterior.predict(digits.x_test, variance=False).labels == digits.y_test)
    assert accuracy == pytest.approx(0.9912, abs=3 * np.sqrt(0.9912 * 0.0088 / 360))


def test_class_targets():
    """Evidence: closed form."""
    targets = nngp.class_targets([2, 0], n_classes=10)
    assert sorted(set(targets.ravel().round(12))) == [-0.1, 0.9]
    np.testing.assert_allclose(targets.sum(axis=1), 0, atol=1e-15)
    assert nngp.class_targets([0, 0]).shape == (2, 2)


# Grid


def test_grid_is_every_process():
    """Evidence: contract; each point equals the process on its own."""
    tried = {"weight_var": [0.8, 2.0], "noise_var": [0.01, 0.3, 1.0], "depth": [1, 3]}
    build = functools.partial(rl.MLP, activation="erf")
    found = nngp.grid(build, tried, X, Y, x_valid=X_TEST, y_valid=np.ones((11, 2)))
    assert found.log_marginal_likelihood.shape == found.error.shape == found.accuracy.shape == (2, 3, 2)
    posterior = nngp.GaussianProcess(build(weight_var=2.0, depth=3), 0.3).fit(X, Y)
    assert found.log_marginal_likelihood[1, 1, 1] == pytest.approx(
        posterior.log_marginal_likelihood, rel=1e-12
    )
    mean = posterior.predict(X_TEST).mean
    assert found.error[1, 1, 1] == pytest.approx(np.mean((mean - 1) ** 2), rel=1e-10)
    assert found.accuracy[1, 1, 1] == np.mean(mean[:, 0] >= mean[:, 1])
    best = found.best("error")
    at = tuple(tried[name].index(value) for name, value in best.items())
    assert found.error[at] == found.error.min()
    assert nngp.grid(build, {"depth": [1]}, X, Y[:, 0]).accuracy is None


def test_grid_goes_on_where_a_point_fails():
    """Evidence: contract; a point without a kernel, and one that needs jitter, say so and stop nothing."""
    far = np.concatenate([X, X + 1e-9])
    found = nngp.grid(
        lambda weight_var: rl.MLP(3, "relu", weight_var),
        {"weight_var": [0.0, 2.0]},
        far,
        np.concatenate([Y, Y]),
    )
    assert np.isnan(found.log_marginal_likelihood[0])
    assert found.jitter[1] > 0
    assert "the process is the function zero" in found.failures[(0.0,)]
    assert found.best() == {"weight_var": 2.0}
    assert repr(found) == "Grid(2 weight_var, 1 failed, 1 with jitter)"


def test_progress_bars(capsys):
    """Evidence: contract; on standard output, and only where they are asked for."""
    nngp.grid(lambda depth: rl.MLP(depth, "relu", 2.0), {"depth": [1, 2]}, X, Y, noise_var=0.1, progress=True)
    assert "grid: 100%" in capsys.readouterr().out
    nngp.grid(lambda depth: rl.MLP(depth, "relu", 2.0), {"depth": [1, 2]}, X, Y, noise_var=0.1)
    assert capsys.readouterr().out == ""


# Blocks


@needs_dask
@pytest.mark.parametrize("size", [7, 10, 30, 64])
def test_blocks_give_what_one_solve_gives(size):
    """Evidence: another algorithm; blocks that divide n, that do not, and larger than n."""
    dense = nngp.GaussianProcess(NET, 0.05).fit(X, Y)
    blocks = nngp.GaussianProcess(NET, 0.05, block_size=size).fit(X, Y)
    ours, theirs = blocks.predict(X_TEST), dense.predict(X_TEST)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.var, theirs.var, rtol=1e-9)
    assert blocks.log_marginal_likelihood == pytest.approx(dense.log_marginal_likelihood, rel=1e-12)
    exact = np.linalg.cond(NET.kernel(X).nngp + 0.05 * np.eye(len(X)))
    assert 0.5 * exact < blocks.condition < exact * len(X)


@needs_dask
def test_blocks_have_the_same_jitter_policy():
    """Evidence: contract."""
    x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
    assert nngp.GaussianProcess(NET, block_size=16).fit(x, y).jitter.relative == pytest.approx(1e-10)
    with pytest.raises(ValueError, match="its condition number is above"):
        nngp.GaussianProcess(NET, jitter=0, block_size=16).fit(x, y)


@needs_cluster
def test_the_same_call_runs_on_a_dask_cluster(tmp_path):
    """Evidence: another engine; two worker processes make the kernel's blocks, factorise and keep them."""
    from distributed import Client, LocalCluster

    dense = nngp.GaussianProcess(NET, 0.05).fit(X, Y)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
        ) as made,
        Client(made),
    ):
        blocks = nngp.GaussianProcess(NET, 0.05, block_size=8).fit(X, Y)
        found = blocks.predict(X_TEST)
    np.testing.assert_allclose(found.mean, dense.predict(X_TEST).mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.var, dense.predict(X_TEST).var, rtol=1e-9)


def test_blocks_without_dask_say_what_to_install(monkeypatch):
    """Evidence: contract."""
    from rmtlab.nngp import _blocks

    monkeypatch.setattr(_blocks, "available", lambda: False)
    with pytest.raises(ImportError, match="30 training inputs in blocks need dask"):
        nngp.GaussianProcess(NET, block_size=8).fit(X, Y)
