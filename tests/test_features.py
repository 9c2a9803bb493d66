"""Networks of coordinates: stationary kernels, their condition, and images learnt from a quarter of the pixels."""

import numpy as np
import pytest
import torch

import rmtlab as rl
from rmtlab import features
from rmtlab.features import FourierFeatures

NET = rl.MLP(3, "relu", weight_var=2.0)  # four weight layers, as in the sheet
RNG = np.random.default_rng(0)
MAPS = [features.basic(), features.positional(4), FourierFeatures([0.0, 1.0, 5.0], [0.5, 1.0, 0.2])]


def by_arc_cosines(u, layers):
    """The sheet's recursion: Θ ← Θ κ₀(Σ) + κ₁(Σ), Σ ← κ₁(Σ)."""
    sigma = theta = np.clip(u, -1.0, 1.0)
    for _ in range(layers - 1):
        angle = np.pi - np.arccos(np.clip(sigma, -1.0, 1.0))
        sigma, slope = (sigma * angle + np.sqrt(np.maximum(1 - sigma**2, 0.0))) / np.pi, angle / np.pi
        theta = theta * slope + sigma
    return theta


@pytest.mark.parametrize("a_map", MAPS)
def test_inner_products_are_sums_of_cosines(a_map):
    """Closed form: γ·γ′ = Σ a² cos 2πb(v − v′), of constant length."""
    v, w = RNG.random(7), RNG.random(5)
    phases = 2 * np.pi * np.subtract.outer(v, w)[..., None] * a_map.frequencies[:, 0]
    expected = np.sum(np.square(a_map.amplitudes) * np.cos(phases), axis=-1)
    np.testing.assert_allclose(a_map.kernel(v, w), expected, atol=1e-13)
    np.testing.assert_allclose(a_map(v) @ a_map(w).T, expected, atol=1e-13)
    np.testing.assert_allclose(np.sum(a_map(v) ** 2, axis=1), np.sum(a_map.amplitudes**2), rtol=1e-14)
    assert a_map(v).shape == (7, a_map.size)


def test_gaussian_features_tend_to_a_gaussian_kernel():
    """Limit: k → ∞ gives exp(−2π²σ²|v − v′|²), with an error below 1/√k a pair; five of them are allowed."""
    k = 4000
    a_map = features.gaussian(k, 1.5, dimensions=2, rng=0)
    v = 0.3 * RNG.random((6, 2))
    distance = np.sum((v[:, None] - v[None]) ** 2, axis=-1)
    expected = np.exp(-2 * np.pi**2 * 1.5**2 * distance)
    np.testing.assert_allclose(a_map.kernel(v) / k, expected, atol=5 / np.sqrt(k))
    assert not a_map.periodic
    assert features.basic(3).periodic


def test_the_composed_kernel_is_the_recursion_of_the_sheet():
    """Closed form: with a = 1 the package's Θ is the sheet's, and Θ(1) is the number of weight layers."""
    v = RNG.random((9, 2))
    for a_map in (features.basic(2), features.gaussian(30, 3.0, 2, rng=1)):
        found = features.composed_kernel(NET, a_map, v).ntk
        expected = by_arc_cosines(a_map.kernel(v) * 2 / a_map.size, 4)
        np.testing.assert_allclose(found, expected, atol=1e-7)  # the sheet's form loses √eps near u = 1
        np.testing.assert_allclose(np.diag(found), 4.0, rtol=1e-13)
    across = features.composed_kernel(NET, a_map, v[:3], v).nngp
    np.testing.assert_allclose(across, features.composed_kernel(NET, a_map, v).nngp[:3], rtol=1e-12)


@pytest.mark.parametrize("a_map", MAPS)
@pytest.mark.parametrize("net", [NET, rl.MLP(2, "tanh", weight_var=1.5, bias_var=0.1)])
def test_whole_frequencies_make_circulant_kernels(a_map, net):
    """Symmetry: to 1e-12 on a regular grid, so that waves diagonalise them."""
    kernel = features.composed_kernel(net, a_map, features.grid(64)).ntk
    assert features.circulant_defect(kernel) < 1e-12
    np.testing.assert_allclose(
        np.sort(features.spectrum(net, a_map, 64)), np.linalg.eigvalsh(kernel), atol=1e-11
    )


def test_high_whole_frequencies_stay_circulant():
    """Closed form: phases are taken modulo whole turns, so that b = n, which no point of the grid sees, is exact."""
    same = FourierFeatures([64.0, 4096.0])(features.grid(64))
    np.testing.assert_array_equal(same, np.tile([1.0, 1.0, 0.0, 0.0], (64, 1)))
    kernel = features.composed_kernel(NET, features.positional(10), features.grid(100)).ntk
    assert features.circulant_defect(kernel) < 1e-12


def test_maps_keep_their_numbers():
    """Contract: frozen, whatever becomes of the arrays that were given."""
    frequencies = np.ones((1, 2))
    a_map = FourierFeatures(frequencies)
    frequencies[:] = 7.0
    np.testing.assert_array_equal(a_map.frequencies, [[1.0, 1.0]])


def test_grids_in_two_dimensions():
    """Symmetry: blocks that are circulant in a circulant arrangement; eigenvalues by the Fourier transform in 2D."""
    a_map = features.basic(2)
    kernel = features.composed_kernel(NET, a_map, features.grid(8, 6)).ntk
    assert features.circulant_defect(kernel, 8, 6) < 1e-12
    rates = features.spectrum(NET, a_map, 8, 6)
    assert rates.shape == (8, 6)
    np.testing.assert_allclose(np.sort(rates.ravel()), np.linalg.eigvalsh(kernel), atol=1e-12)
    wave = np.cos(2 * np.pi * (features.grid(8, 6) @ [2, 1]))
    np.testing.assert_allclose(kernel @ wave, rates[2, 1] * wave, atol=1e-12)


def test_condition_numbers_of_the_sheet():
    """Closed form: raw 2.0e4 with defect 4.6, basic 1.1e3 with none; n = 64, four weight layers.

    The sheet gives two digits; 1 % of 1.1e3 holds for the basic map (1103.7), 3 % of 2.0e4 for the raw one.
    """

    def condition(a_map):
        kernel = features.composed_kernel(NET, a_map, features.grid(64)).ntk
        return rl.ntk.LinearDynamics(kernel).condition, features.circulant_defect(kernel)

    raw, defect = condition(features.Coordinates())
    assert raw == pytest.approx(2.0e4, rel=0.03)
    assert defect == pytest.approx(4.6, abs=0.05)
    basic, defect = condition(features.basic())
    assert basic == pytest.approx(1.1e3, rel=0.01)
    assert defect < 1e-12


def test_condition_numbers_of_gaussian_features():
    """Simulation: 62 in the sheet at σ = 10; the median over eight draws within 25 %, and each within a factor 2."""
    found = []
    for seed in range(8):
        kernel = features.composed_kernel(NET, features.gaussian(64, 10.0, rng=seed), features.grid(64)).ntk
        found.append(rl.ntk.LinearDynamics(kernel).condition)
        assert features.circulant_defect(kernel) > 0.1, "frequencies that are not whole are not periodic"
    assert np.median(found) == pytest.approx(62, rel=0.25)
    assert 31 < min(found) <= max(found) < 124


def test_higher_frequencies_are_learnt_more_slowly():
    """Limit: rates of the basic map fall with the frequency, and a step of gradient flow shows it mode by mode."""
    rates = features.spectrum(NET, features.basic(), 64)
    odd_even = rates[1:32]
    assert np.all(odd_even[2:] < odd_even[:-2])
    v = features.grid(64)
    target = np.cos(2 * np.pi * 7 * v)
    ensemble = rl.ntk.GradientFlow(NET).fit(features.basic()(v), target)
    t = 1 / rates[7]
    learnt = ensemble.predict(features.basic()(v), time=t, cov=False).mean
    np.testing.assert_allclose(learnt, (1 - np.exp(-1)) * target, atol=1e-10)


def test_the_finite_network_has_the_composed_kernel():
    """Simulation: the empirical NTK at width 512, of 12 draws; the sheet's check at 4096 had an error of .1 of 2.

    Four layers fluctuate by √(2·4/(n·draws)) relatively; five of those and a bias of 4/n are allowed.
    """
    a_map = features.gaussian(16, 2.0, 2, rng=0)
    v = RNG.random((3, 2))
    theory = features.composed_kernel(NET, a_map, v).ntk
    n, draws = 512, 12
    found = []
    for seed in range(draws):
        module = features.coordinate_network(NET, a_map, n, seed=seed, dtype="float64")
        np.testing.assert_allclose(
            module(torch.tensor(v)).detach(), module.net(a_map(v)).detach(), atol=1e-12
        )
        found.append(np.asarray(rl.ntk.empirical(module.net, a_map(v), outputs="mean")))
    distance = np.abs(np.mean(found, axis=0) - theory) / 4.0
    assert distance.max() < 5 * np.sqrt(8 / (n * draws)) + 4 / n


def test_raw_coordinates_have_a_one():
    """Closed form, and the torch twin."""
    a_map = features.Coordinates(2)
    v = RNG.random((4, 2))
    np.testing.assert_array_equal(a_map(v), np.column_stack([v, np.ones(4)]))
    module = features.coordinate_network(NET, a_map, 8, out_features=3, dtype="float64")
    np.testing.assert_array_equal(module(torch.tensor(v)).detach(), module.net(a_map(v)).detach())
    assert module(torch.tensor(v[0])).shape == (3,)
    assert torch.equal(module(v), module(torch.tensor(v)))


# --- Images ------------------------------------------------------------------------------------------


def test_images_are_small_and_between_zero_and_one():
    """Contract: shapes, range, colours; block means keep the mean colour of the square."""
    for name in ("china", "flower", "synthetic"):
        image = features.load_image(name, 32)
        assert image.shape == (32, 32, 1)
        assert 0 <= image.min() < image.max() <= 1
        assert image.std() > 0.1
    colours = features.load_image("flower", 32, colour=True)
    assert colours.shape == (32, 32, 3)
    np.testing.assert_allclose(colours.mean(axis=-1), features.load_image("flower", 32)[..., 0])


def test_tasks_part_the_pixels():
    """Contract: every other row and column is shown, and every pixel is in one part, at its place."""
    image = RNG.random((6, 8, 3))
    task = features.image_task(image)
    assert task.x_train.shape == (12, 2)
    assert len(task.x_train) + len(task.x_test) == 48
    np.testing.assert_allclose(task.x_train[1], [0, 2 / 8])
    np.testing.assert_array_equal(task.y_train[1], image[0, 2])
    np.testing.assert_array_equal(task.y_test[0], image[0, 1])
    assert features.image_task(image[..., 0], every=3).y_train.shape == (6, 1)
    assert repr(task) == "ImageTask(6×8 pixels of 3 channels, 12 shown)"


def test_psnr_and_reconstruction():
    """Closed form: a constant error of 0.1 is 20 dB; a function is asked for every pixel; colours are cut off."""
    task = features.image_task(np.full((4, 4), 0.5))
    found = features.reconstruct(lambda v: np.full((len(v), 1), 0.6), task)
    assert found.train_psnr == pytest.approx(20.0)
    assert found.test_psnr == pytest.approx(20.0)
    assert features.psnr([0.0, 2.0], [0.0, 1.0], peak=10.0) == pytest.approx(10 * np.log10(200))
    assert features.psnr([1.0], [1.0]) == np.inf
    assert features.reconstruct(lambda v: np.full((len(v), 1), 7.0), task).image.max() == 1.0
    assert "20.0 dB in test" in repr(found)


@pytest.mark.parametrize("name", ["china", "synthetic"])
def test_bandwidth_is_under_and_over_fitting(name):
    """Evidence: regression with the tangent kernel on every fourth pixel, a U in σ as in the sheet.

    A moderate bandwidth is best, a large one fits noise between the pixels and loses at least 5 dB (sheet: 22.2
    against 11.9); training pixels are met exactly at the end.
    """
    task = features.image_task(features.load_image(name, 48))
    maps = [features.gaussian(96, scale, 2, rng=0) for scale in (1.0, 2.0, 15.0)]
    found = [features.kernel_regression(NET, a_map, task) for a_map in maps]
    assert max(found[0].test_psnr, found[1].test_psnr) > found[2].test_psnr + 5
    assert min(r.train_psnr for r in found) > 100
    raw, fast = (
        features.kernel_regression(NET, a_map, task, time=[0.1, 1.0])
        for a_map in (features.Coordinates(2), maps[1])
    )
    assert raw[0].train_psnr < raw[1].train_psnr < fast[1].train_psnr - 5, "coordinates alone are slow"


def test_a_trained_network_follows_the_kernel():
    """Simulation: width 128, Adam, from a start near 0; test PSNR within 2.5 dB of kernel regression.

    σ = 2 beats raw coordinates by 3 dB or more in training: the sheet's 18 against 57 after 500 steps.
    """
    dense = rl.layers.Dense(2.0, parameterization="standard")
    relu = rl.layers.Activation("relu")
    net = rl.serial(*[dense, relu] * 3, rl.layers.Dense(0.01, parameterization="standard"))
    task = features.image_task(features.load_image("synthetic", 32))
    found = {}
    for name, a_map in (("raw", features.Coordinates(2)), ("σ = 2", features.gaussian(64, 2.0, 2, rng=0))):
        module = features.coordinate_network(net, a_map, 128)
        rl.training.fit(
            module, task.x_train, task.y_train, epochs=250, lr=3e-3, optimizer="adam", record_every=250,
            progress=False,
        )  # fmt: skip
        found[name] = features.reconstruct(module, task)
    limit = features.kernel_regression(NET, a_map, task)
    assert found["σ = 2"].test_psnr == pytest.approx(limit.test_psnr, abs=2.5)
    assert found["σ = 2"].train_psnr > found["raw"].train_psnr + 3
