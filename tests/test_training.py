"""Evidence: closed form (least squares under gradient descent), sharp limit (η = 2/λ), contract, real data.

On the quadratic ½n⁻¹|Xw − y|² with Hessian H = XᵀX/n, gradient descent from 0 multiplies the error along an
eigenvector with eigenvalue λ by (1 − ηλ) a step: the whole trajectory is known.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from rmtlab import data, training


def linear(in_features, out_features=1, dtype=torch.float64):
    module = nn.Linear(in_features, out_features, bias=False, dtype=dtype)
    nn.init.zeros_(module.weight)
    return module


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 5))
    y = x @ rng.standard_normal(5) + 0.3 * rng.standard_normal(40)
    hessian = x.T @ x / 40
    return x, y, np.linalg.eigvalsh(hessian), np.linalg.lstsq(x, y, rcond=None)[0]


def mlp(seed=0, dtype=torch.float32):
    torch_rng = torch.Generator().manual_seed(seed)
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).to(dtype)
    for parameter in module.parameters():
        bound = parameter.shape[-1] ** -0.5
        nn.init.uniform_(parameter, -bound, bound, generator=torch_rng)
    return module


def test_full_batch_descent_follows_its_closed_form(problem):
    # Closed form, to rounding: 30 steps of float64 arithmetic on a condition number near 4.
    x, y, _, best = problem
    lr, steps = 0.3, 30
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    module = linear(5)
    history = training.fit(module, x, y, epochs=steps, lr=lr)
    shrink = vectors @ np.diag((1 - lr * values) ** steps) @ vectors.T
    np.testing.assert_allclose(module.weight.detach().numpy()[0], best - shrink @ best, rtol=0, atol=1e-13)

    errors = [vectors @ ((1 - lr * values) ** t * (vectors.T @ best)) for t in range(steps + 1)]
    floor = np.mean((x @ best - y) ** 2) / 2
    losses = [floor + np.mean((x @ e) ** 2) / 2 for e in errors]
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)
    np.testing.assert_array_equal(history.steps, np.arange(steps + 1))


@pytest.mark.parametrize(
    ("epochs", "options"),
    [(100, {"momentum": 0.5, "lr": 0.5}), (1000, {"optimizer": "adam", "lr": 0.05})],
    ids=["momentum", "adam"],
)
def test_every_optimizer_reaches_least_squares(problem, epochs, options):
    # Limit. Heavy ball with μ = 1/2 contracts by √μ a step here: 2^{-50} after 100. Adam with a constant step
    # has no closed form; it settles to below 1e-6 well within 1000 steps.
    x, y, _, best = problem
    module = linear(5)
    training.fit(module, x, y, epochs=epochs, record_every=epochs, **options)
    np.testing.assert_allclose(module.weight.detach().numpy()[0], best, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "peer"),
    [({"momentum": 0.9}, torch.optim.SGD), ({"optimizer": "adam"}, torch.optim.Adam)],
    ids=["momentum", "adam"],
)
def test_updates_agree_with_torch_optim(options, peer):
    # Cross-library: the same 20 steps on a network in float64, to rounding.
    digits = data.load("digits", n_train=50, n_test=10)
    x, y = torch.tensor(digits.x_train), torch.tensor(digits.y_train)
    ours, theirs = mlp(dtype=torch.float64), mlp(dtype=torch.float64)
    training.fit(ours, x, y, epochs=20, lr=0.01, loss="cross_entropy", record_every=20, **options)
    optimizer = peer(theirs.parameters(), lr=0.01, **{k: v for k, v in options.items() if k != "optimizer"})
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(x), y).backward()
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_frozen_and_idle_parameters_stay_and_no_gradient_is_left_behind(problem):
    x, y, _, _ = problem
    module = nn.Sequential(linear(5, 5), linear(5))
    nn.init.eye_(module[0].weight).requires_grad_(False)
    module.idle = nn.Parameter(torch.ones(2, dtype=torch.float64))
    module.forward = lambda batch: module[1](module[0](batch))
    history = training.fit(module, x, y, epochs=5, lr=0.1, momentum=0.5)
    assert history.loss[-1] < history.loss[0]
    assert torch.equal(module[0].weight, torch.eye(5, dtype=torch.float64))
    assert torch.equal(module.idle, torch.ones(2, dtype=torch.float64))
    assert all(parameter.grad is None for parameter in module.parameters())


def test_the_stability_limit_is_sharp(problem, capsys):
    # Sharp limit at 2/λ_max: one per cent below it the error shrinks by 0.98 a step (0.98^1500 = 7e-14),
    # above it grows by 1.02,
    # and passes the factor 1e6 in loss after some ln(1e6)/(2 ln 1.02) ≈ 350 steps.
    x, y, values, best = problem
    below, above = linear(5), linear(5)
    calm = training.fit(below, x, y, epochs=1500, lr=0.99 * 2 / values[-1], record_every=100)
    assert not calm.diverged
    np.testing.assert_allclose(below.weight.detach().numpy()[0], best, rtol=0, atol=1e-12)
    assert capsys.readouterr().out == ""

    wild = training.fit(above, x, y, epochs=1500, lr=1.01 * 2 / values[-1], record_every=100)
    assert wild.diverged
    assert 300 < wild.steps[-1] < 600
    assert "diverged at step" in repr(wild)
    assert "Training diverged at step" in capsys.readouterr().out


@pytest.mark.parametrize("lr", [1e30, 1e200])
def test_overflow_is_divergence(problem, lr, capsys):
    # Contract. At 1e200 the loss is infinite or NaN after one step, and no warning is needed to know it.
    x, y, _, _ = problem
    history = training.fit(linear(5), x, y, epochs=50, lr=lr, progress=False)
    assert history.diverged
    assert history.steps[-1] <= 2
    assert capsys.readouterr().out == ""


def test_a_module_that_starts_at_nan_is_not_trained(problem):
    x, y, _, _ = problem
    module = linear(5)
    nn.init.constant_(module.weight, float("nan"))
    history = training.fit(module, x, y, epochs=50, lr=0.1)
    assert history.diverged
    np.testing.assert_array_equal(history.steps, [0])


def test_starting_at_the_solution_is_not_divergence():
    # Contract. A first loss of zero must not make every later rounding error a blow-up.
    x = np.random.default_rng(1).standard_normal((20, 3))
    module = linear(3)
    with torch.no_grad():
        module.weight += 0.1
    y = x @ np.full(3, 0.1)
    assert not training.fit(module, x, y, epochs=20, lr=0.1).diverged


def test_minibatches_see_every_sample_once_an_epoch(problem):
    # Contract: 40 samples in batches of 16 are three steps an epoch; each row is drawn once.
    x, y, _, _ = problem
    seen = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = linear(5)

        def forward(self, batch):
            if self.training:
                seen.append(batch[:, 0].detach().numpy())
            return self.inner(batch)

    history = training.fit(Spy(), x, y, epochs=2, lr=0.01, batch_size=16)
    np.testing.assert_array_equal(history.steps, [0, 3, 6])
    assert [len(batch) for batch in seen] == [16, 16, 8] * 2
    for epoch in (seen[:3], seen[3:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.sort(x[:, 0]))
    assert not np.array_equal(np.concatenate(seen[:3]), np.concatenate(seen[3:]))


def test_the_seed_fixes_the_batches_and_nothing_global():
    digits = data.load("digits", n_train=200, n_test=50)
    modules = [mlp() for _ in range(3)]
    state = torch.get_rng_state()
    options = {"epochs": 2, "lr": 0.1, "batch_size": 32, "loss": "cross_entropy"}
    for module, seed in zip(modules, (3, 3, 4), strict=True):
        training.fit(module, digits.x_train, digits.y_train, seed=seed, **options)
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (module[0].weight.detach().numpy() for module in modules)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_digits_are_learned(loss):
    # Simulation on real data. 95 % is a floor: this network reaches 97–98 %, and 360 test pictures put a
    # binomial standard error of 0.8 % on that.
    digits = data.load("digits")
    y, y_test = digits.y_train, digits.y_test
    if loss == "mse":
        y, y_test = training.one_hot(y, 10), training.one_hot(y_test, 10)
    module = mlp()
    history = training.fit(
        module, digits.x_train, y, epochs=30, lr=0.1, batch_size=64, loss=loss,
        momentum=0.5, x_test=digits.x_test, y_test=y_test, record_every=10,
    )  # fmt: skip
    assert history.test_accuracy[-1] >= 0.95
    assert history.test_accuracy[0] < 0.4
    assert history.loss[-1] < 0.1 * history.loss[0]
    assert history.test_accuracy[-1] == training.accuracy(module, digits.x_test, digits.y_test)
    assert history.accuracy[-1] == training.accuracy(module, digits.x_train, y)
    np.testing.assert_array_equal(history.steps, [0, 230, 460, 690])
    assert "test accuracy 9" in repr(history)


def test_losses_are_what_the_docstring_says():
    # Closed form: softmax of zero outputs is 1/3 a class; half the squared error of zero outputs is 1/2.
    x, y = np.eye(3), np.array([0, 1, 2])
    cross = training.fit(linear(3, 3), x, y, epochs=1, lr=1e-3, loss="cross_entropy")
    square = training.fit(linear(3, 3), x, training.one_hot(y, 3), epochs=1, lr=1e-3)
    assert cross.loss[0] == pytest.approx(np.log(3), rel=1e-14)
    assert square.loss[0] == 0.5


def test_cross_entropy_takes_classes_and_one_hot_rows_alike():
    x, y = np.eye(3), np.array([0, 2, 2])
    runs = [
        training.fit(linear(3, 3), x, t, epochs=5, lr=1.0, loss="cross_entropy")
        for t in (y, training.one_hot(y, 3))
    ]
    np.testing.assert_array_equal(runs[0].loss, runs[1].loss)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [([-1.0, 1.0, 1.0, 1.0], 0.75), ([[-1.0], [1.0], [-1.0], [1.0]], 1.0), ([0.5, 1.0, 2.0, 3.0], None)],
)
def test_one_output_classifies_by_its_sign(targets, expected):
    x = np.array([[-2.0], [1.0], [-3.0], [0.5]])
    module = linear(1)
    nn.init.ones_(module.weight)
    history = training.fit(module, x, targets, epochs=1, lr=1e-9)
    assert (history.accuracy is None) if expected is None else (history.accuracy[0] == expected)


def test_shifted_one_hot_rows_are_classes_and_other_rows_are_not():
    x = np.eye(3)
    centred = training.one_hot([0, 1, 2], 3) - 1 / 3
    assert training.fit(linear(3, 3), x, centred, epochs=1, lr=0.5).accuracy is not None
    assert training.fit(linear(3, 3), x, x + np.arange(3) / 7, epochs=1, lr=0.5).accuracy is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_inputs_take_the_type_of_the_module(problem, dtype, as_tensor):
    x, y, _, _ = problem
    given = (torch.tensor(x), torch.tensor(y)) if as_tensor else (x, y)
    module = linear(5, dtype=dtype)
    history = training.fit(module, *given, epochs=3, lr=0.1)
    assert module.weight.dtype == dtype
    assert history.loss[-1] < history.loss[0]


@pytest.mark.parametrize("mode", [True, False])
def test_noise_is_on_in_steps_and_off_in_records_and_the_mode_comes_back(problem, mode):
    # Contract. With an almost vanishing step the network stays put, so every record must be the same number
    # even though Dropout is inside.
    x, y, _, _ = problem
    module = nn.Sequential(nn.Dropout(0.5), linear(5)).train(mode)
    nn.init.ones_(module[1].weight)
    history = training.fit(module, x, y, epochs=4, lr=1e-300)
    assert module.training is mode
    assert np.ptp(history.loss) == 0
    assert history.loss[0] == pytest.approx(np.mean((x.sum(1) - y) ** 2) / 2, rel=1e-12)


def test_outputs_without_a_second_axis_are_one_output(problem):
    x, y, _, _ = problem
    flat = nn.Sequential(linear(5), nn.Flatten(0))
    plain = linear(5)
    runs = [training.fit(module, x, y, epochs=5, lr=0.1) for module in (flat, plain)]
    np.testing.assert_array_equal(runs[0].loss, runs[1].loss)


def test_the_last_state_is_recorded_even_off_the_beat(problem):
    x, y, _, _ = problem
    history = training.fit(linear(5), x, y, epochs=7, lr=0.1, record_every=3)
    np.testing.assert_array_equal(history.steps, [0, 3, 6, 7])


@pytest.mark.parametrize(
    ("progress", "environment", "shown"),
    [
        (None, {}, False),
        (None, {"JPY_SESSION_NAME": "mlp.ipynb"}, True),
        (True, {}, True),
        (False, {"JPY_SESSION_NAME": "mlp.ipynb"}, False),
        (True, {"RMTLAB_PROGRESS": "0"}, False),
    ],
)
def test_the_bar_shows_to_people_only_and_never_on_stderr(
    problem, capsys, monkeypatch, progress, environment, shown
):
    # Contract: a site's build takes anything on standard error for a failure.
    for name in ("JPY_SESSION_NAME", "RMTLAB_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    x, y, _, _ = problem
    training.fit(linear(5), x, y, epochs=2, lr=0.1, progress=progress)
    out, err = capsys.readouterr()
    assert ("training" in out) is shown
    assert err == ""


def test_history_is_frozen(problem):
    x, y, _, _ = problem
    history = training.fit(linear(5), x, y, epochs=1, lr=0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        history.diverged = True
