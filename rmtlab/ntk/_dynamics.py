"""Linear dynamics in function space: what a tangent kernel that stays put makes of gradient descent."""

from typing import Any

import numpy as np
from scipy.linalg import eigh

from rmtlab import _checks

_LARGEST = 46_340  # n² has to fit the 32-bit integers of SciPy's LAPACK
_HARMLESS = 1e-2  # what the rounding of an eigenvalue, times the time, may amount to


class LinearDynamics:
    r"""Gradient descent on ½Σ|f − y|² where the tangent kernel Θ of the training inputs stays put.

    At unit rate the residual obeys :math:`\dot r_t = -\Theta r_t`, and at any other input

    .. math:: f_t(x) = f_0(x) + \Theta(x, X)\,\Theta^{-1}\bigl(I - e^{-\Theta t}\bigr)(Y - f_0(X)).

    Steps of size η replace :math:`e^{-\Theta t}` by :math:`(I - \eta\Theta)^s`. Eigenvalues λ are found
    once, and enter as −expm1(−λt)/λ, which is t where λt is small. A loss that is a mean over the n
    inputs, as in :func:`rmtlab.training.fit`, allows n times the step size.

    Parameters
    ----------
    kernel : array_like, shape (n, n) or (n, n, o, o)
        Θ(X, X), analytic or empirical. With four axes all outputs evolve together.

    Attributes
    ----------
    eigenvalues : ndarray
        λ of Θ, ascending; those that rounding made negative are 0.

    Raises
    ------
    ValueError
        If the kernel is not square, not symmetric, not positive semi-definite, or holds NaN.

    References
    ----------
    .. [1] J. Lee et al., "Wide neural networks of any depth evolve as linear models under gradient descent",
       NeurIPS 2019.

    Examples
    --------
    >>> flow = LinearDynamics([[2.0, 0.0], [0.0, 0.5]])
    >>> flow.max_step_size, flow.sufficient_step_size, flow.condition
    (1.0, 0.8, 4.0)
    """

    def __init__(self, kernel: Any) -> None:
        theta = _flat(_checks.array(kernel, "kernel", ndim=(2, 4)), "kernel")
        eps = _precision(kernel)
        theta = _checks.symmetric(theta, "kernel", rtol=max(1e-10, 100 * eps))
        if len(theta) > _LARGEST:
            raise ValueError(
                f"The kernel has {len(theta)} rows, and its eigenvectors can be found for at most {_LARGEST}; "
                "use fewer training inputs."
            )
        values, self._vectors = eigh(theta, driver="evd", check_finite=False)
        self._rounding = len(theta) * eps * max(float(values[-1]), 0.0)
        if values[-1] <= 0 or values[0] < -100 * self._rounding:
            raise ValueError(
                f"The kernel must be positive semi-definite and not 0, but its eigenvalues lie between "
                f"{values[0]:.3g} and {values[-1]:.3g}; is it Θ of the same inputs in rows and columns?"
            )
        self.eigenvalues = np.maximum(values, 0.0)

    @property
    def max_step_size(self) -> float:
        """2/λ_max, the sharp limit: gradient descent converges below it and grows beyond it."""
        return float(2 / self.eigenvalues[-1])

    @property
    def sufficient_step_size(self) -> float:
        """2/(λ_min + λ_max): sufficient in Lee et al.'s theorem, and of the quickest contraction."""
        return float(2 / (self.eigenvalues[0] + self.eigenvalues[-1]))

    @property
    def condition(self) -> float:
        """λ_max/λ_min; infinite where λ_min is 0 to working precision."""
        lowest, highest = self.eigenvalues[[0, -1]]
        return float(highest / lowest) if lowest > self._rounding else np.inf

    def __repr__(self) -> str:
        low, high = self.eigenvalues[[0, -1]]
        return f"LinearDynamics({len(self.eigenvalues)} modes, λ from {low:.3g} to {high:.3g})"

    def change(
        self, kernel_test: Any, residual: Any, time: Any = None, *, steps: Any = None, step_size: Any = None
    ) -> np.ndarray:
        r"""Return f_t(x) − f_0(x) at test inputs.

        Parameters
        ----------
        kernel_test : array_like, shape (m, n) or (m, n, o, o)
            Θ(x, X), with as many axes as the kernel of the training inputs.
        residual : array_like, shape (n, o)
            Y − f_0(X).
        time : float or array_like, shape (T,)
            t ≥ 0 at unit rate; np.inf, the end, by default. Many times share the work.
        steps : int or array_like of int, shape (T,), optional
            Steps of gradient descent, in place of a time.
        step_size : float, optional
            η, with `steps`.

        Returns
        -------
        ndarray, shape (m, o), or (T, m, o) for an array of times

        Raises
        ------
        ValueError
            If shapes do not fit; if times and steps are both given, or one is negative; if Θ is singular to
            working precision and the time so long that it matters.

        Examples
        --------
        >>> flow = LinearDynamics([[2.0]])
        >>> flow.change([[1.0]], [[3.0]]), flow.change([[1.0]], [[3.0]], steps=1, step_size=0.1)
        (array([[1.5]]), array([[0.3]]))
        """
        learnt = self._learnt(time, steps, step_size)
        test = _checks.array(kernel_test, "kernel_test", ndim=(2, 4))
        gap = _checks.array(residual, "residual", ndim=2)
        theta, m = _flat(test, "kernel_test"), len(test)
        columns = gap.reshape(-1, 1) if test.ndim == 4 else gap
        n = len(self.eigenvalues)
        if theta.shape[1] != n or len(columns) != n:
            raise ValueError(
                f"The kernel has {n} rows, but kernel_test has the shape {test.shape} and residual {gap.shape}; "
                "kernel_test is Θ(test, training), and a residual has a row for each training input."
            )
        modes = self._vectors.T @ columns
        found = (theta @ self._vectors) @ (learnt[..., None] * modes)
        return found.reshape(*learnt.shape[:-1], m, gap.shape[1])

    def _learnt(self, time: Any, steps: Any, step_size: Any) -> np.ndarray:
        """Return (1 − e^{−λt})/λ, or its discrete twin, for all modes: (n,) or (T, n)."""
        if steps is None and step_size is None:
            clock = _times(np.inf if time is None else time)
            self._check_resolved(clock)
            return _by_flow(self.eigenvalues, clock[..., None])
        if time is not None or steps is None or step_size is None:
            raise ValueError("Give a time, or steps together with step_size, and not both.")
        eta = _checks.number(step_size, "step_size", low=0.0, low_open=True)
        count = _counts(steps)
        self._check_resolved(count * eta)
        with np.errstate(over="ignore"):
            learnt = _by_steps(self.eigenvalues, eta, count[..., None])
        if not np.isfinite(learnt).all():
            raise ValueError(
                f"Gradient descent with step_size={eta:g} overflows within {np.max(count):g} steps; it converges "
                f"below max_step_size={self.max_step_size:.6g}."
            )
        return learnt

    def _check_resolved(self, clock: np.ndarray) -> None:
        lost = int(np.sum(self.eigenvalues <= self._rounding))
        longest = float(np.max(clock))
        if lost and longest * self._rounding > _HARMLESS:
            raise ValueError(
                f"Θ is singular to working precision: its condition number is above "
                f"{self.eigenvalues[-1] / self._rounding:.1g} and {lost} of its {len(self.eigenvalues)} eigenvalues "
                f"are rounding, so what is learnt by time {longest:.3g} can't be told. Ask for a time below "
                f"{_HARMLESS / self._rounding:.1g}, drop inputs that are (nearly) equal, or take a shallower network."
            )


def _by_flow(eigenvalues: np.ndarray, time: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(eigenvalues > 0, -np.expm1(-eigenvalues * time) / eigenvalues, time)


def _by_steps(eigenvalues: np.ndarray, eta: float, steps: np.ndarray) -> np.ndarray:
    """Return (1 − (1 − ηλ)^s)/λ: by logarithms where ηλ < 1, and as it stands beyond."""
    rate = eta * eigenvalues
    small = np.minimum(rate, 0.5)
    with np.errstate(invalid="ignore", divide="ignore"):
        slow = -np.expm1(steps * np.log1p(-small)) / eigenvalues
        fast = (1 - (1 - rate) ** steps) / eigenvalues
    return np.where(eigenvalues > 0, np.where(rate <= 0.5, slow, fast), eta * steps)


def _flat(kernel: np.ndarray, name: str) -> np.ndarray:
    """Bring (n1, n2, o, o) to (n1·o, n2·o)."""
    if kernel.ndim == 2:
        return kernel
    n1, n2, o, o2 = kernel.shape
    if o != o2:
        raise ValueError(f"{name} must have the shape (n1, n2, o, o), but its shape is {kernel.shape}.")
    return kernel.transpose(0, 2, 1, 3).reshape(n1 * o, n2 * o)


def _precision(kernel: Any) -> float:
    """Return the rounding of the numbers given: float32 kernels of finite networks have their own."""
    single = str(getattr(kernel, "dtype", "")).endswith("float32")
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _times(time: Any) -> np.ndarray:
    try:
        clock = np.asarray(time, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"time must be a number or an array of numbers, but {time!r} was given.") from None
    if clock.ndim > 1 or clock.size == 0 or not np.all(clock >= 0):
        raise ValueError(
            f"time must be one number, or a row of numbers, of at least 0, but {time!r} was given."
        )
    return clock


def _counts(steps: Any) -> np.ndarray:
    found = np.asarray(steps)
    if found.dtype.kind not in "iu" or found.ndim > 1 or found.size == 0 or np.any(found < 0):
        raise ValueError(
            f"steps must be one whole number, or a row of whole numbers, of at least 0, but {steps!r} was given."
        )
    return found.astype(np.float64)
