"""Random matrices and deep networks: theory and simulation from one description.

Write a network down once; get the finite network and its infinite-width limit from the same
object. ``import rmtlab as rl`` is light: every room below is loaded when it is first asked for,
and torch only when a network is first sampled.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_ROOMS = (
    "gaussian",
    "ensembles",
    "laws",
    "activations",
    "noise",
    "layers",
    "networks",
    "mlp",
    "signal",
    "field",
    "jacobian",
    "freeness",
    "nngp",
    "ntk",
    "mixer",
    "features",
    "training",
    "design",
    "comparison",
    "ledger",
    "sweep",
    "experiment",
    "plots",
    "data",
    "explore",
    "check",
    "coursework",
)
_NAMES = {
    "CNN": "networks",
    "MLP": "networks",
    "Mixer": "networks",
    "ResNet": "networks",
    "TransformerBlock": "networks",
    "serial": "networks",
    "compare": "comparison",
}

__all__ = sorted([*_ROOMS, *_NAMES])


def __getattr__(name: str) -> ModuleType | Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"rmtlab has no room or name called {name!r}; it has {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
