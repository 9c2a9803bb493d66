"""Evidence: contract (splits, units, fallback), and file formats written byte by byte. No network is used."""

import dataclasses
import gzip
import socket
import struct
import subprocess
import sys
import urllib.error
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets

from rmtlab import data

N_TRAIN, N_TEST = 60, 20


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        warnings.warn("A network error occurred. Retrying...", stacklevel=2)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)
    monkeypatch.delenv("RMTLAB_DATA", raising=False)


def idx(values):
    return (
        struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        + values.astype(np.uint8).tobytes()
    )


def write_idx(folder, *, zipped=True):
    """Write pictures whose first pixel is their serial number, and labels that count 0, 1, …, 9, 0, …"""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part, start, n in (("train", 0, N_TRAIN), ("t10k", N_TRAIN, N_TEST)):
        x = rng.integers(0, 256, (n, 28, 28))
        x[:, 0, 0] = start + np.arange(n)
        for kind, values in (("images-idx3", x), ("labels-idx1", np.arange(n) % 10)):
            name, raw = f"{part}-{kind}-ubyte", idx(values)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(raw) if zipped else raw)


def write_cifar10(folder):
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        pixels = np.concatenate([np.full(1024, value) for value in (10, 20, 30)])
        records = [np.concatenate([[label], pixels]) for label in range(10)]
        (folder / name).write_bytes(np.array(records, dtype=np.uint8).tobytes())


def rows(x):
    return {row.tobytes() for row in np.ascontiguousarray(x)}


def test_digits_are_whole_and_split_in_two():
    digits = data.load("digits", normalize=None)
    assert (digits.name, digits.requested, digits.image_shape) == ("digits", "digits", (1, 8, 8))
    assert digits.x_train.shape == (1437, 64)
    assert digits.x_test.shape == (360, 64)
    assert digits.x_train.dtype == np.float64
    assert digits.y_train.dtype == np.int64
    assert digits.classes == tuple("0123456789")
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    both = np.column_stack(
        [np.vstack([digits.x_train, digits.x_test]) * 16, np.r_[digits.y_train, digits.y_test]]
    )
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(np.column_stack([x, y]), axis=0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_are_disjoint_and_stratified(seed):
    # The order puts the k-th of m members of a class at a time in [k/m, (k+1)/m): the counts in a prefix that
    # ends at time t are floor(t·m) or one more, so they miss n·(share) by less than 1 + 10·share ≤ 2.1.
    digits = data.load("digits", n_train=500, n_test=100, seed=seed)
    assert not rows(digits.x_train) & rows(digits.x_test)
    share = np.bincount(sklearn.datasets.load_digits().target) / 1797
    for n in (20, 100, 500):
        assert np.all(np.abs(np.bincount(digits.y_train[:n], minlength=10) - n * share) < 2.1)
    # A stretch is the difference of two prefixes.
    assert np.all(np.abs(np.bincount(digits.y_test, minlength=10) - 100 * share) < 4.2)


def test_the_seed_chooses_and_smaller_sets_begin_larger_ones():
    large, small, other = (
        data.load(n_train=n, n_test=m, seed=s) for n, m, s in ((900, 200, 0), (90, 20, 0), (900, 200, 1))
    )
    np.testing.assert_array_equal(large.x_train[:90], small.x_train)
    np.testing.assert_array_equal(large.y_train[:90], small.y_train)
    np.testing.assert_array_equal(large.x_test[:20], small.x_test)
    assert not np.array_equal(large.y_train, other.y_train)


def test_unit_pictures_have_length_root_d_about_the_mean_picture():
    raw, unit = data.load(normalize=None), data.load(normalize="unit")
    for part in ("x_train", "x_test"):
        x, centred = getattr(unit, part), getattr(raw, part) - raw.x_train.mean(0)
        np.testing.assert_allclose(np.sum(x**2, axis=1), 64, rtol=1e-13)
        cosine = np.sum(x * centred, axis=1) / (8 * np.linalg.norm(centred, axis=1))
        np.testing.assert_allclose(cosine, 1, rtol=1e-13)


def test_a_picture_that_is_the_mean_picture_stays_at_zero(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "cifar10")
    monkeypatch.setenv("RMTLAB_DATA", str(tmp_path))
    np.testing.assert_array_equal(data.load("cifar10").x_train, 0)


def test_standard_pictures_have_mean_0_and_variance_1_over_the_training_pixels():
    standard, raw = data.load(normalize="standard"), data.load(normalize=None)
    assert standard.x_train.mean() == pytest.approx(0, abs=1e-13)
    assert standard.x_train.std() == pytest.approx(1, rel=1e-12)
    expected = (raw.x_test - raw.x_train.mean()) / raw.x_train.std()
    np.testing.assert_allclose(standard.x_test, expected, rtol=0, atol=1e-12)
    assert raw.x_train.min() == 0
    assert raw.x_train.max() == 1


def test_pictures_keep_their_axes_when_asked():
    flat, square = data.load(n_train=7), data.load(n_train=7, flatten=False)
    assert square.x_train.shape == (7, 1, 8, 8)
    np.testing.assert_array_equal(square.x_train.reshape(7, 64), flat.x_train)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inside", [True, False], ids=["in RMTLAB_DATA", "RMTLAB_DATA itself"])
@pytest.mark.parametrize(("name", "folder"), [("mnist", "mnist"), ("fashion_mnist", "fashion-mnist")])
def test_idx_files_keep_the_official_split(tmp_path, monkeypatch, capsys, name, folder, inside, zipped):
    write_idx(tmp_path / folder, zipped=zipped)
    monkeypatch.setenv("RMTLAB_DATA", str(tmp_path if inside else tmp_path / folder))
    found = data.load(name, normalize=None)
    assert (found.name, found.image_shape, len(found.classes)) == (name, (1, 28, 28), 10)
    train, test = (np.round(x[:, 0] * 255).astype(int) for x in (found.x_train, found.x_test))
    np.testing.assert_array_equal(np.sort(train), np.arange(N_TRAIN))
    np.testing.assert_array_equal(np.sort(test), N_TRAIN + np.arange(N_TEST))
    np.testing.assert_array_equal(found.y_train, train % 10)
    np.testing.assert_array_equal(found.y_test, (test - N_TRAIN) % 10)
    assert capsys.readouterr().out == ""


def test_a_folder_of_another_set_is_not_taken_for_the_one_asked_for(tmp_path, monkeypatch):
    write_idx(tmp_path / "mnist")
    monkeypatch.setenv("RMTLAB_DATA", str(tmp_path / "mnist"))
    assert data.load("fashion_mnist").name == "digits"


def test_cifar10_binary_batches_are_red_green_blue_planes(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    monkeypatch.setenv("RMTLAB_DATA", str(tmp_path))
    found = data.load("cifar10", normalize=None, flatten=False)
    assert found.x_train.shape == (50, 3, 32, 32)
    assert found.x_test.shape == (10, 3, 32, 32)
    np.testing.assert_array_equal(np.bincount(found.y_train), np.full(10, 5))
    for channel, value in enumerate((10, 20, 30)):
        np.testing.assert_array_equal(found.x_train[:, channel], value / 255)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("train-labels-idx1-ubyte.gz", None, id="missing"),
        pytest.param("train-images-idx3-ubyte.gz", b"<html>not found</html>", id="not gzip"),
        pytest.param("train-images-idx3-ubyte.gz", gzip.compress(b"not idx"), id="not IDX"),
        pytest.param(
            "train-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((60, 28, 28))))[:-9], id="cut short"
        ),
        pytest.param(
            "train-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((60, 28, 28)))[:-9]), id="too few bytes"
        ),
        pytest.param(
            "t10k-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((3, 28, 28)))), id="too few pictures"
        ),
        pytest.param("t10k-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((20, 8, 8)))), id="wrong size"),
    ],
)
def test_a_damaged_folder_gives_digits_and_one_line_without_a_path(
    tmp_path, monkeypatch, capsys, name, content
):
    write_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / name).unlink()
    if content is not None:
        (tmp_path / "mnist" / name).write_bytes(content)
    monkeypatch.setenv("RMTLAB_DATA", str(tmp_path))
    assert data.load("mnist").name == "digits"
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "mnist could not be read from the folder in RMTLAB_DATA" in out
    assert str(tmp_path) not in out
    assert err == ""


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_offline_gives_digits_and_one_line(capsys, name):
    found = data.load(name, n_train=5000, n_test=50)
    assert (found.name, found.requested) == ("digits", name)
    assert (len(found.x_train), len(found.x_test)) == (1437, 50)
    assert f"'digits' in place of '{name}'" in repr(found)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert name in out
    assert "no route to host" in out
    assert err == ""
    digits = data.load("digits", n_test=50)
    np.testing.assert_array_equal(found.x_train, digits.x_train)


def test_openml_pictures_keep_the_official_split(monkeypatch, capsys):
    calls = []

    def answer(name, **options):
        calls.append((name, options["as_frame"], socket.getdefaulttimeout()))
        y = np.arange(60_010) % 10
        return SimpleNamespace(
            data=np.repeat(np.arange(60_010)[:, None] % 251, 784, axis=1), target=y.astype(str)
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", answer)
    before = socket.getdefaulttimeout()
    found = data.load("mnist", n_train=100, normalize=None)
    assert found.name == "mnist"
    assert (len(found.x_train), len(found.x_test)) == (100, 10)
    np.testing.assert_array_equal(np.sort(found.x_test[:, 0] * 255), np.arange(60_000, 60_010) % 251)
    np.testing.assert_array_equal(np.sort(found.y_test), np.arange(10))
    assert capsys.readouterr().out.count("\n") == 1
    [(name, as_frame, patience)] = calls
    assert (name, as_frame) == ("mnist_784", False)
    assert patience is not None
    assert socket.getdefaulttimeout() == before


def test_openml_pictures_of_the_wrong_size_are_not_taken(monkeypatch):
    small = SimpleNamespace(data=np.zeros((30, 9)), target=np.zeros(30))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda name, **options: small)
    assert data.load("mnist").name == "digits"


def test_a_dataset_is_frozen():
    digits = data.load(n_train=10, n_test=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.name = "mnist"


def test_loading_digits_does_not_load_torch():
    code = "import sys, rmtlab as rl; rl.data.load('digits'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
