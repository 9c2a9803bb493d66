r"""Inference with infinitely wide networks: a wide random network is a Gaussian process.

At initialisation the outputs of a network whose layers are all wide are Gaussian, with the covariance
K = ``net.kernel(x1, x2).nngp``. Conditioning that process on data is Bayesian learning with the whole
network, by linear algebra alone:

    mean = K_*X (K_XX + σ_ε²)⁻¹ Y,    var = K_** − K_*X (K_XX + σ_ε²)⁻¹ K_X*.

:class:`GaussianProcess` does it, dense or in blocks on a cluster; :func:`grid` runs over hyper-parameters,
and :func:`class_targets` turns classification into regression.
"""

from rmtlab.nngp._classes import class_targets
from rmtlab.nngp._grid import Grid, grid
from rmtlab.nngp._process import GaussianProcess, Posterior, Prediction
from rmtlab.nngp._solver import Jitter

__all__ = ["GaussianProcess", "Grid", "Jitter", "Posterior", "Prediction", "class_targets", "grid"]
