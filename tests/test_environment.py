"""Evidence: contract. What Binder installs is what the package asks for, and the import is light."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_NAME = {"torch": "pytorch-cpu"}
BINDER_EXTRAS = ("jupyterlab", "jupyterlab-myst")


def split(requirement):
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", requirement).groups()
    return name, bounds


def test_environment_yml_equals_pyproject():
    wanted = dict(map(split, PROJECT["dependencies"]))
    extras = dict(map(split, PROJECT["optional-dependencies"]["dev"]))
    wanted |= {name: extras[name] for name in BINDER_EXTRAS}
    wanted = {CONDA_NAME.get(name, name): bounds for name, bounds in wanted.items()}
    found = dict(map(split, ENVIRONMENT["dependencies"]))
    python = found.pop("python").removeprefix("=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert found.pop("pip") == ""
    assert found == wanted
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


def test_constraints_pin_every_dependency_exactly():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    known = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    extras = PROJECT["optional-dependencies"]
    needed = [
        split(r)[0] for r in [*PROJECT["dependencies"], *extras["book"], *extras["test"], *extras["grade"]]
    ]
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in needed} <= known
    assert not any("+" in version for version in pins.values()), (
        "a local version tag cannot be installed elsewhere"
    )
    assert not any(name.startswith("nvidia") for name in known), "the course needs no CUDA wheels"


def test_repo2docker_chooses_the_conda_build():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    output = run.stdout + run.stderr
    python = next(d for d in ENVIRONMENT["dependencies"] if d.startswith("python="))
    assert f"Building conda environment for {python}" in output, output[-2000:]
    for step in ('--file "environment.yml"', "RUN ./postBuild", "R2D_ENTRYPOINT"):
        assert step in output, f"repo2docker leaves out {step}"


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light_and_leaves_torch_alone_until_a_network_is_sampled():
    code = """
import sys, time
start = time.perf_counter()
import rmtlab as rl
print(time.perf_counter() - start)
rl.gaussian, rl.laws, rl.ensembles, rl.activations.get("tanh"), rl.noise.Dropout(keep=0.8)
net = rl.MLP(depth=2, activation="tanh", weight_var=1.5, bias_var=0.05)
assert "torch" not in sys.modules
net.sample(width=4, in_features=3)
assert "torch" in sys.modules
"""
    assert min(float(run_python(code)) for _ in range(3)) < 0.4
