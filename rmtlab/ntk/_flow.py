"""Gradient flow of an ensemble of infinitely wide networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.networks import Network
from rmtlab.ntk._dynamics import LinearDynamics


@dataclass(frozen=True)
class GradientFlow:
    r"""Training of infinitely wide networks by gradient flow on ½Σ|f − y|², at unit rate.

    The tangent kernel stays put, so that a network which starts as a draw of the Gaussian process K moves
    linearly in function space. Over all draws, with :math:`M = \Theta(x,X)\Theta^{-1}(I - e^{-\Theta t})`,
    the outputs stay Gaussian, with

    .. math:: \mu_t = M Y, \qquad
              \Sigma_t = K_{xx} + M K_{XX} M^\top - M K_{Xx} - K_{xX} M^\top .

    At t = ∞ that is not the posterior of :class:`rmtlab.nngp.GaussianProcess`, unless only the read-out
    is trained.

    Parameters
    ----------
    net : Network
        Without noise. Θ is that of its parameterisation.
    width : int, optional
        Width of the hidden layers, which the standard parameterisation needs: there Θ grows with it.

    Raises
    ------
    TypeError
        If `net` is no network of :mod:`rmtlab.networks`.
    ValueError
        If `width` is below 1.

    References
    ----------
    .. [1] J. Lee et al., "Wide neural networks of any depth evolve as linear models under gradient descent",
       NeurIPS 2019.

    Examples
    --------
    >>> import rmtlab as rl
    >>> flow = GradientFlow(rl.MLP(depth=2, activation="relu", weight_var=2.0))
    >>> ensemble = flow.fit([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    >>> ensemble.predict([[1.0, 0.0]], time=[0.0, 1.0, 100.0]).mean.round(3).ravel()
    array([0.   , 0.901, 1.   ])
    """

    net: Network
    width: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.net, Network):
            raise TypeError(
                f"net must be a network such as rmtlab.MLP(…), but a {type(self.net).__name__} was given; for a "
                "kernel of your own see LinearDynamics."
            )
        if self.width is not None:
            object.__setattr__(self, "width", _checks.count(self.width, "width"))

    def fit(self, x: Any, y: Any) -> "Ensemble":
        """Return the ensemble of networks trained on (x, y).

        Parameters
        ----------
        x : array_like, shape (n, …)
            Training inputs.
        y : array_like, shape (n, o) or (n,)
            Targets.

        Returns
        -------
        Ensemble
            With the eigenvalues of Θ(X, X) and the step sizes that they allow.

        Raises
        ------
        ValueError
            If the numbers of inputs and targets differ, values are NaN, or the network has noise: fresh
            noise at every step is no gradient flow.

        Examples
        --------
        >>> import rmtlab as rl
        >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
        >>> GradientFlow(net).fit([[1.0, 1.0]], [1.0]).max_step_size
        0.5
        """
        inputs, targets = _checks.array(x, "x"), _checks.array(y, "y", ndim=(1, 2))
        targets = targets.reshape(len(targets), -1)
        if len(inputs) != len(targets):
            raise ValueError(
                f"x and y must go together, but x holds {len(inputs)} inputs and y {len(targets)} targets."
            )
        one = inputs[:1]
        if not np.allclose(self._kernel(one).nngp, self._kernel(one, one).nngp, rtol=1e-6, atol=0.0):
            raise ValueError(
                "This network has noise, and fresh noise at every step is no gradient flow; leave the noise out."
            )
        return Ensemble(self, inputs, targets)

    def _kernel(self, x1: np.ndarray, x2: np.ndarray | None = None) -> Any:
        return self.net.kernel(x1, x2, width=self.width)


class Ensemble:
    """Infinitely wide networks in training, as :meth:`GradientFlow.fit` gives them.

    Attributes
    ----------
    dynamics : LinearDynamics
        Eigenvalues of Θ(X, X), and how outputs move.
    """

    def __init__(self, flow: GradientFlow, x: np.ndarray, y: np.ndarray) -> None:
        self._flow, self._x, self._y = flow, x, y
        kernel = flow._kernel(x)
        self.dynamics = LinearDynamics(kernel.ntk)
        vectors = self.dynamics._vectors
        self._start = vectors.T @ kernel.nngp @ vectors

    @property
    def max_step_size(self) -> float:
        """2/λ_max, the sharp limit of gradient descent on ½Σ|f − y|²; n times as much for a mean over n."""
        return self.dynamics.max_step_size

    @property
    def sufficient_step_size(self) -> float:
        """2/(λ_min + λ_max), the sufficient condition of Lee et al."""
        return self.dynamics.sufficient_step_size

    def __repr__(self) -> str:
        return (
            f"Ensemble({self._flow.net!r} on {len(self._x)} inputs, step size below {self.max_step_size:.3g})"
        )

    def predict(
        self, x_test: Any, time: Any = None, *, steps: Any = None, step_size: Any = None, cov: bool = True
    ) -> "Prediction":
        """Return mean and covariance of the outputs over the ensemble, at a time.

        Parameters
        ----------
        x_test : array_like, shape (m, …)
            Where to predict.
        time : float or array_like, shape (T,)
            t ≥ 0; np.inf, the end of training, by default. Many times share the work.
        steps, step_size
            Steps of gradient descent and their size η, in place of a time.
        cov : bool
            Whether to find the covariance too, which takes m² numbers a time.

        Returns
        -------
        Prediction

        Raises
        ------
        ValueError
            As :meth:`LinearDynamics.change` raises, and if test inputs do not fit the training inputs.

        Examples
        --------
        >>> import rmtlab as rl
        >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
        >>> ensemble = GradientFlow(net).fit([[1.0, 1.0]], [1.0])
        >>> ensemble.predict([[1.0, 1.0]], steps=[0, 1, 2], step_size=0.125).mean.ravel()
        array([0.  , 0.5 , 0.75])
        """
        learnt = self.dynamics._learnt(time, steps, step_size)
        test = _checks.array(x_test, "x_test")
        across = self._flow._kernel(test, self._x)
        vectors = self.dynamics._vectors
        seen = (across.ntk @ vectors) * learnt[..., None, :]
        mean = seen @ (vectors.T @ self._y)
        if not cov:
            return Prediction(mean, None)
        crossed = seen @ (vectors.T @ across.nngp.T)
        spread = seen @ self._start @ np.swapaxes(seen, -1, -2)
        found = self._flow._kernel(test).nngp + spread - crossed - np.swapaxes(crossed, -1, -2)
        return Prediction(mean, (found + np.swapaxes(found, -1, -2)) / 2)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Gaussian outputs of an ensemble of trained networks at m test inputs.

    Attributes
    ----------
    mean : ndarray, shape (m, o), or (T, m, o) for T times
        Mean of each output.
    cov : ndarray, shape (m, m) or (T, m, m), or None
        Covariance between test inputs, the same for each output; outputs are independent.
    """

    mean: np.ndarray
    cov: np.ndarray | None

    @property
    def var(self) -> np.ndarray:
        """Variance at each test input, (m,) or (T, m)."""
        if self.cov is None:
            raise ValueError("The covariance was not asked for; predict with cov=True.")
        return np.maximum(np.diagonal(self.cov, axis1=-2, axis2=-1), 0.0)
