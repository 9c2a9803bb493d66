"""Sweeps: grids, arrays, resuming after every kind of interruption, and real workers, a Dask cluster included."""

import importlib.util
import json
import math
import os
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

from rmtlab import sweep

GRID = {"depth": [1, 2, 3], "weight_var": [0.5, 2.0], "seed": range(4)}


def chain(depth, weight_var, seed):
    """Mean log stretch of a product of Gaussian matrices: random, and a function of its seed alone."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal(20)
    start = np.linalg.norm(h)
    for _ in range(depth):
        h = math.sqrt(weight_var / 20) * rng.standard_normal((20, 20)) @ h
    return {"stretch": math.log(np.linalg.norm(h) / start), "h": h[:3], "pid": os.getpid()}


def picky(x):
    if x == 2:
        raise ValueError("two is too many.")
    return x


def counted(x, log):
    with open(log, "a") as file:
        file.write(f"{x}\n")
    if x == 13:
        raise KeyboardInterrupt
    return 10 * x


def calls(log):
    return log.read_text().split()


# Grids and arrays


def test_grid_is_the_product_with_the_last_parameter_fastest():
    """Evidence: contract."""
    points = sweep.grid(a=[1, 2], b="one", c=np.array([0.5, 1.5]), d=None, e=[(1, 2)], f=np.float64(3))
    assert points[1] == {"a": 1, "b": "one", "c": 1.5, "d": None, "e": (1, 2), "f": 3.0}
    assert [point["a"] for point in points] == [1, 1, 2, 2]
    assert {type(point["c"]) for point in points} == {float}
    assert len(sweep.grid(a=(x for x in range(3)))) == 3


def test_array_lays_results_out_along_the_axes():
    """Evidence: contract; against plain loops, in every arrangement of the axes."""
    found = sweep.run(chain, sweep.grid(**GRID))
    expected = np.array(
        [[[chain(d, v, s)["stretch"] for s in range(4)] for v in (0.5, 2.0)] for d in (1, 2, 3)]
    )
    np.testing.assert_array_equal(found.array("stretch"), expected)
    np.testing.assert_array_equal(found.array("stretch", over=("depth", "weight_var")), expected)
    np.testing.assert_array_equal(
        found.array("stretch", over=("weight_var", "depth")), expected.transpose(1, 0, 2)
    )
    np.testing.assert_array_equal(
        found.array("stretch", over=("seed", "depth", "weight_var")), expected.transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(
        found.array("stretch", over="depth"), expected.reshape(3, 8), "depth, then all else"
    )
    np.testing.assert_array_equal(found.array("stretch", over=()), expected.ravel())
    assert found.array("h", over=("depth", "weight_var")).shape == (3, 2, 4, 3)
    assert found.axis("weight_var") == (0.5, 2.0)
    np.testing.assert_array_equal(found.where(depth=2.0, seed=3).array("stretch").ravel(), expected[1, :, 3])
    assert repr(found).startswith("Sweep(24 runs of tests.test_sweep.chain over depth × weight_var × seed, ")


def test_points_need_no_order_and_no_full_grid():
    """Evidence: contract."""
    points = [{"base": 2, "exp": 3}, {"exp": 1, "base": 2}, {"base": 5, "exp": 1}]
    found = sweep.run(pow, points)
    assert [run.result["value"] for run in found.runs] == [8, 2, 5]
    assert found.axis("exp") == (3, 1)
    with pytest.raises(ValueError, match="do not fill the grid"):
        found.array("value")
    np.testing.assert_array_equal(found.where(base=2).array("value", over=["exp"]), [[8], [2]])


def test_results_are_plain_numbers_whether_fresh_or_stored(tmp_path):
    """Evidence: contract; NumPy, tensors, infinities and texts survive the file to the last bit."""
    torch = pytest.importorskip("torch")

    def mixed(seed):
        return {
            "third": np.float64(1) / 3,
            "table": np.arange(6.0).reshape(2, 3) / 7,
            "tensor": torch.tensor([0.1, 0.2], requires_grad=True),
            "loss": math.inf,
            "flag": np.bool_(True),
            "word": "tanh",
        }

    store = tmp_path / "deep" / "runs.jsonl"
    fresh = sweep.run(mixed, sweep.grid(seed=[0, 1]), store=store)
    again = sweep.run(mixed, sweep.grid(seed=[0, 1]), store=store)
    assert fresh == again == sweep.load(store)
    assert fresh.array("third")[0] == 1 / 3
    assert fresh.array("table").shape == (2, 2, 3)
    assert fresh.array("tensor")[0, 1] == float(np.float32(0.2))
    assert fresh.array("loss")[0] == math.inf
    assert (fresh.array("flag").dtype, fresh.array("word")[1]) == (bool, "tanh")


# Failures


def test_a_failed_run_is_recorded_said_and_tried_again(tmp_path, capsys):
    """Evidence: contract; never dropped, never a silent NaN."""
    store = tmp_path / "runs.jsonl"
    found = sweep.run(picky, sweep.grid(x=[1, 2, 3]), store=store, progress=False)
    said = capsys.readouterr().out
    assert said == (
        "1 of 3 runs failed, the first at x=2 with ValueError: two is too many. "
        "They are in failed, and the same call tries them again.\n"
    )
    assert "1 failed" in repr(found)
    (failed,) = found.failed
    assert (failed.point, failed.result, failed.error) == ({"x": 2}, None, "ValueError: two is too many.")
    with pytest.raises(ValueError, match="1 of 3 runs failed"):
        found.array("value")
    np.testing.assert_array_equal(found.array("value", missing=math.nan), [1, math.nan, 3])
    sweep.run(picky, sweep.grid(x=[1, 2, 3]), store=store, progress=False)
    assert [json.loads(line)["point"]["x"] for line in store.read_text().splitlines()] == [1, 2, 3, 2]
    assert len(sweep.load(store).runs) == 3


def test_a_result_that_cannot_be_written_down_is_a_failure(capsys):
    """Evidence: contract."""
    found = sweep.run(lambda x: {"z": complex(x, 1)}, sweep.grid(x=[1]), progress=False)
    assert "returned a complex, which can't be written down" in found.failed[0].error
    assert "1 of 1 runs failed" in capsys.readouterr().out


# The store


def test_a_second_call_runs_only_what_is_missing(tmp_path):
    """Evidence: contract; keyed by parameters (2 is 2.0), the function's name, and the version."""
    store, log = tmp_path / "runs.jsonl", tmp_path / "log"
    settings = {"log": str(log)}
    sweep.run(counted, sweep.grid(x=[1, 2], **settings), store=store)
    found = sweep.run(counted, sweep.grid(x=[3.0, 2.0, 1.0], **settings), store=store)
    assert calls(log) == ["1", "2", "3.0"]
    assert [run.result["value"] for run in found.runs] == [30.0, 20, 10]
    assert sweep.load(store).axis("x") == (1, 2, 3.0)
    sweep.run(counted, sweep.grid(x=[1], **settings), store=store, version="2")
    assert len(calls(log)) == 4
    assert len(sweep.load(store, version="").runs) == 3
    with pytest.raises(ValueError, match=r"version ''; tests\.test_sweep\.counted, version '2'"):
        sweep.load(store)


def test_an_interrupted_sweep_loses_nothing(tmp_path):
    """Evidence: contract; Ctrl-C in the third of four runs."""
    store, log = tmp_path / "runs.jsonl", tmp_path / "log"
    points = sweep.grid(x=[1, 2, 13, 4], log=str(log))
    with pytest.raises(KeyboardInterrupt):
        sweep.run(counted, points, store=store)
    assert [run.point["x"] for run in sweep.load(store).runs] == [1, 2]
    sweep.run(counted, [point for point in points if point["x"] != 13], store=store)
    assert calls(log) == ["1", "2", "13", "4"]


def test_a_killed_process_loses_nothing_but_its_running_run(tmp_path):
    """Evidence: contract; the interpreter dies without a word in the third run of a real process."""
    script = tmp_path / "experiment.py"
    store = tmp_path / "runs.jsonl"
    script.write_text(
        textwrap.dedent(
            f"""
            import os
            from rmtlab import sweep

            def dies(x):
                if x == 3 and not os.path.exists({str(tmp_path / "again")!r}):
                    os._exit(9)
                return x

            print(sweep.run(dies, sweep.grid(x=range(5)), store={str(store)!r}))
            """
        )
    )
    first = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert first.returncode == 9
    assert [run.point["x"] for run in sweep.load(store).runs] == [0, 1, 2]
    (tmp_path / "again").touch()
    second = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (0, "")
    assert "5 runs of __main__.dies over x" in second.stdout
    assert [run.point["x"] for run in sweep.load(store).runs] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_a_last_line_that_was_cut_off_is_done_again(tmp_path, capsys, kept):
    """Evidence: contract; one clear line, and no other run is repeated."""
    store, log = tmp_path / "runs.jsonl", tmp_path / "log"
    points = sweep.grid(x=[1, 2, 3], log=str(log))
    sweep.run(counted, points, store=store)
    whole = store.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    store.write_bytes(whole[: start + int(kept * (len(whole) - 1 - start))])
    assert len(sweep.load(store).runs) == 2
    capsys.readouterr()
    found = sweep.run(counted, points, store=store)
    said = capsys.readouterr().out
    assert (said.count("\n"), "was cut off" in said) == (1, True)
    assert calls(log) == ["1", "2", "3", "3"]
    assert found.array("value").tolist() == [[10], [20], [30]]
    assert len(store.read_bytes().splitlines()) == 3
    assert len(sweep.load(store).runs) == 3


def test_a_store_without_its_last_newline_goes_on(tmp_path):
    """Evidence: contract; editors strip it."""
    store = tmp_path / "runs.jsonl"
    sweep.run(picky, sweep.grid(x=[1]), store=store)
    store.write_bytes(store.read_bytes().rstrip())
    sweep.run(picky, sweep.grid(x=[1, 3]), store=store)
    assert sweep.load(store).array("value").tolist() == [1, 3]


@pytest.mark.parametrize("text", ["[1]\n{}", "{}[1]\n", "{}", "A letter.", '{"a": 1}\n', '{"a": 1}', "\n{}"])
def test_what_no_interruption_leaves_is_refused_and_left_alone(tmp_path, text):
    """Evidence: contract; a corrupt line, or a file that is no store, even of one line without its newline."""
    store = tmp_path / "runs.jsonl"
    sweep.run(picky, sweep.grid(x=[1, 3]), store=store)
    spoilt = text.replace("{}", store.read_text() if "[" in text or text == "\n{}" else "{}")
    store.write_text(spoilt)
    with pytest.raises(ValueError, match=r"Line \d of .* is not a run"):
        sweep.run(picky, sweep.grid(x=[4]), store=store)
    assert store.read_text() == spoilt


def test_a_saved_sweep_is_read_back_and_continued(tmp_path):
    """Evidence: round trip."""
    found = sweep.run(picky, sweep.grid(x=[1, 3]))
    file = tmp_path / "saved.jsonl"
    found.save(file)
    assert sweep.load(file) == found
    assert [child.name for child in tmp_path.iterdir()] == ["saved.jsonl"]
    more = sweep.run(picky, sweep.grid(x=[3, 4, 1]), store=file)
    assert more.runs[0] == found.runs[1]


# Workers


@pytest.fixture(scope="module")
def one_at_a_time():
    return sweep.run(chain, sweep.grid(**GRID))


def assert_same(found, expected):
    assert [run.point for run in found.runs] == [run.point for run in expected.runs]
    for name in ("stretch", "h"):
        np.testing.assert_array_equal(found.array(name), expected.array(name))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_results_depend_neither_on_workers_nor_on_order(backend, one_at_a_time, tmp_path):
    """Evidence: symmetry; to the last bit, for two workers and for the points backwards."""
    points = sweep.grid(**GRID)
    store = tmp_path / "runs.jsonl"
    found = sweep.run(chain, points, n_jobs=2, backend=backend, store=store)
    assert_same(found, one_at_a_time)
    assert_same(sweep.load(store), one_at_a_time)
    backwards = sweep.run(chain, points[::-1], n_jobs=2, backend=backend)
    np.testing.assert_array_equal(
        backwards.array("stretch"), one_at_a_time.array("stretch")[::-1, ::-1, ::-1]
    )
    assert (os.getpid() in found.array("pid")) == (backend == "threading")


def test_a_surrounding_parallel_config_is_followed(one_at_a_time):
    """Evidence: contract."""
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = sweep.run(chain, sweep.grid(**GRID))
    assert os.getpid() not in found.array("pid")
    assert_same(found, one_at_a_time)


def test_a_backend_that_cannot_stream_runs_in_blocks(one_at_a_time, tmp_path, monkeypatch):
    """Evidence: contract; Ray's backend is of this kind (seen with ray 2.60), here played by threads."""

    class Blocks(ThreadingBackend):
        supports_return_generator = False

    monkeypatch.setitem(joblib.parallel.BACKENDS, "blocks", Blocks)
    store = tmp_path / "runs.jsonl"
    found = sweep.run(chain, sweep.grid(**GRID), n_jobs=2, backend="blocks", store=store)
    assert_same(found, one_at_a_time)
    assert_same(sweep.load(store), one_at_a_time)


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason='the package distributed is absent: pip install "rmtlab[cluster]"',
)
def test_the_same_call_runs_on_a_dask_cluster(one_at_a_time, tmp_path, capsys):
    """Evidence: contract; a real cluster, a scheduler and two worker processes on the loopback."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, host="127.0.0.1", dashboard_address=None) as cluster, Client(cluster):
        store = tmp_path / "runs.jsonl"
        points = sweep.grid(**GRID)
        sweep.run(chain, points[:5], backend="dask", store=store)
        found = sweep.run(chain, points, backend="dask", store=store)
        with joblib.parallel_config(backend="dask"):
            around = sweep.run(chain, points)
        broken = sweep.run(picky, sweep.grid(x=[1, 2, 3]), backend="dask", progress=False)
    for result in (found, around, sweep.load(store)):
        assert_same(result, one_at_a_time)
        workers = set(result.array("pid").ravel().tolist())
        assert os.getpid() not in workers
        assert len(workers) == 2
    assert [run.error for run in broken.runs] == [None, "ValueError: two is too many.", None]
    assert "1 of 3 runs failed" in capsys.readouterr().out


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_extra_is_a_sentence(monkeypatch, backend, package):
    """Evidence: contract."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"needs the package {package}, which is not installed: pip install"
    ):
        sweep.run(picky, sweep.grid(x=[1]), backend=backend)


# The bar


def test_the_bar_is_on_standard_output_and_counts_what_is_stored(tmp_path, capsys, monkeypatch):
    """Evidence: contract; a site's build takes anything on standard error for a failure."""
    monkeypatch.delenv("RMTLAB_PROGRESS", raising=False)
    store = tmp_path / "runs.jsonl"
    sweep.run(picky, sweep.grid(x=[1, 3]), store=store, progress=True)
    sweep.run(picky, sweep.grid(x=[1, 3, 4]), store=store, progress=True)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "| 2/3 [" in shown.out
    assert "| 3/3 [" in shown.out
    monkeypatch.setenv("RMTLAB_PROGRESS", "0")
    sweep.run(picky, sweep.grid(x=[1, 3]), progress=True)
    monkeypatch.delenv("RMTLAB_PROGRESS")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    sweep.run(picky, sweep.grid(x=[1, 3]))
    assert capsys.readouterr() == ("", "")
