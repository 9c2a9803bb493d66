"""The face of an activation, and the mathematics behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np

from rmtlab import _checks, gaussian
from rmtlab.activations import _mehler
from rmtlab.activations._namespace import NUMPY, is_tensor, torch_namespace
from rmtlab.activations._pair import Pair

Function = Callable[[SimpleNamespace, Any], Any]
Moment = Callable[[np.ndarray, int], np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Rule:
    """What is known about one function: φ, φ′ and, where there are any, closed forms.

    `function` and `derivative` are written in the names of a namespace (arrays or tensors). `moment`
    and `derivative_moment` return None for an order without closed form.
    """

    function: Function
    derivative: Function
    kinks: tuple[float, ...] = ()
    homogeneous: bool = False
    odd: bool = False
    dual: Callable[[Pair], tuple[np.ndarray, np.ndarray]] | None = None
    moment: Moment | None = None
    derivative_moment: Moment | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Activation:
    r"""An activation function φ with its derivative, Gaussian moments and dual.

    :func:`get` makes one from a name and :func:`register` from a function of your own. Calling it
    applies φ entry by entry: an array gives an array, a tensor a tensor of the same dtype, device
    and graph.

    Attributes
    ----------
    name : str
        The name under which :func:`get` knows it.
    params : mapping of str to float
        Its parameters, such as ``{"slope": 0.01}``.

    Examples
    --------
    >>> from rmtlab.activations import get
    >>> relu = get("relu")
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    >>> relu.kinks, relu.homogeneous
    ((0.0,), True)
    """

    name: str
    params: Mapping[str, float]
    _rule: Rule

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    @property
    def kinks(self) -> tuple[float, ...]:
        """The points where φ is not smooth, in increasing order."""
        return self._rule.kinks

    @property
    def homogeneous(self) -> bool:
        """Whether φ(λx) = λφ(x) for every λ > 0 (degree one: sign, of degree zero, does not count)."""
        return self._rule.homogeneous

    @cached_property
    def parity(self) -> int:
        """1 for an even function, −1 for an odd one, 0 otherwise."""
        x = np.linspace(0.05, 6.0, 40)
        right, left = self(x), self(-x)
        if np.allclose(left, right, rtol=1e-13, atol=1e-15):
            return 1
        return -1 if np.allclose(left, -right, rtol=1e-13, atol=1e-15) else 0

    def __call__(self, x: Any) -> Any:
        """Return φ(x), entry by entry, for an array or a tensor."""
        return _entrywise(self._rule.function, x)

    def derivative(self, x: Any) -> Any:
        """Return φ′(x), entry by entry, for an array or a tensor.

        At a kink φ′ has the value that torch's gradient has: 0 for relu, abs, sign, hard_tanh (at
        ±1) and shifted_relu (at −α), and the slope for leaky_relu.

        Parameters
        ----------
        x : array_like or torch.Tensor
            Points of any shape.

        Returns
        -------
        ndarray or torch.Tensor
            Same shape and dtype as `x` (float64 for whole numbers).

        Raises
        ------
        TypeError
            If `x` does not hold real numbers.

        Examples
        --------
        >>> from rmtlab.activations import get
        >>> get("relu").derivative([-1.0, 0.0, 2.0])
        array([0., 0., 1.])
        """
        return _entrywise(self._rule.derivative, x)

    def moment(self, q: Any, k: int = 2) -> Any:
        r"""Return the Gaussian moment E[φ(√q z)^k], z ~ N(0, 1).

        Parameters
        ----------
        q : array_like
            Variances, at least 0, of any shape.
        k : int
            Order, at least 1.

        Returns
        -------
        float or ndarray
            Same shape as `q`, in closed form where there is one, else by certified quadrature.

        Raises
        ------
        ValueError
            If a variance is negative or not finite, or `k` is less than 1.

        Examples
        --------
        >>> from rmtlab.activations import get
        >>> round(float(get("relu").moment(3.0)), 12)
        1.5
        >>> get("sin").moment([0.0, 1.0]).round(6)
        array([0.      , 0.432332])
        """
        return self._moment(self._rule.function, self._rule.moment, 0, self._rule.odd, q, k)

    def derivative_moment(self, q: Any, k: int = 2) -> Any:
        r"""Return the Gaussian moment E[φ′(√q z)^k] of the derivative, z ~ N(0, 1).

        For sign, whose derivative is 2δ, the first moment is 2/√(2πq) and all others are infinite.
        For a homogeneous function the value at q = 0 is the limit of small q.

        Parameters
        ----------
        q : array_like
            Variances, at least 0, of any shape.
        k : int
            Order, at least 1.

        Returns
        -------
        float or ndarray
            Same shape as `q`.

        Raises
        ------
        ValueError
            If a variance is negative or not finite, or `k` is less than 1.

        Examples
        --------
        >>> from rmtlab.activations import get
        >>> float(get("relu").derivative_moment(3.0))
        0.5
        """
        return self._moment(self._rule.derivative, self._rule.derivative_moment, 1, False, q, k)

    def dual(self, q11: Any, q22: Any, q12: Any) -> tuple[Any, Any]:
        r"""Return (E[φ(u)φ(v)], E[φ′(u)φ′(v)]) for Gaussian (u, v) with mean 0.

        The covariance is [[q11, q12], [q12, q22]]. The second member is the derivative of the first
        with respect to q12 (Price's theorem); for sign it is 2/(π√(q11 q22 − q12²)), infinite at
        correlation ±1. Values beyond float64 are infinite.

        In units of √(E[φ(u)²] E[φ(v)²]) closed forms are right to 1e-14 (hard_tanh beside a variance
        above 1e4: 1e-12) and quadrature to 1e-12, beyond what a rounding of q12 changes; that is felt
        near correlation ±1, and by bounded functions the more, the larger the variances. Equal
        variances with q12 = ±q11 are exactly parallel. At zero variance a homogeneous function takes
        the limit of small equal inputs.

        Parameters
        ----------
        q11, q22 : array_like
            Variances of u and of v, at least 0.
        q12 : array_like
            Covariances. Up to a millionth beyond ±√(q11 q22) counts as rounding and is clipped. The
            three shapes broadcast together.

        Returns
        -------
        (float or ndarray, float or ndarray)
            Both of the broadcast shape.

        Raises
        ------
        ValueError
            If a variance is negative, a covariance exceeds √(q11 q22), a value is not finite, or
            the shapes do not broadcast.

        References
        ----------
        .. [1] Y. Cho, L. K. Saul, "Kernel methods for deep learning", NeurIPS 2009 (rectifiers).
        .. [2] C. K. I. Williams, "Computing with infinite networks", NeurIPS 1996 (erf).
        .. [3] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018, eqs. (4)-(6).

        Examples
        --------
        >>> from rmtlab.activations import get
        >>> value, slope = get("relu").dual(1.0, 1.0, [0.0, 1.0])
        >>> value.round(6), slope.round(6)
        (array([0.159155, 0.5     ]), array([0.25, 0.5 ]))
        """
        pair = Pair.of(q11, q22, q12)
        value, slope = self._dual(pair)
        return value[()], slope[()]

    def _moment(
        self, function: Function, closed: Moment | None, member: int, odd: bool, q: Any, k: int
    ) -> Any:
        q = _checks.array(q, "q")
        if q.min() < 0:
            raise ValueError(f"q is a variance and must be at least 0, but {q.min():g} was given.")
        k = _checks.count(k, "k")
        with np.errstate(over="ignore"):
            known = None if closed is None else closed(q, k)
        if known is None and odd and k % 2 == 1:
            known = np.zeros_like(q)
        if known is None and k == 2 and self._rule.dual is not None:
            known = self._dual(Pair.parallel(q))[member]
        if known is None:
            known = np.asarray(gaussian.expectation(lambda x: function(NUMPY, x) ** k, q, kinks=self.kinks))
        return known[()]

    def _dual(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        if self._rule.dual is not None:
            with np.errstate(over="ignore"):
                return self._rule.dual(pair)
        function, derivative = (partial(f, NUMPY) for f in (self._rule.function, self._rule.derivative))
        value = _mehler.pair_average(function, pair, self.kinks)
        return value, _mehler.pair_average(derivative, pair, self.kinks)

    def __repr__(self) -> str:
        given = "".join(f", {key}={value!r}" for key, value in self.params.items())
        return f"activations.get({self.name!r}{given})"

    def __copy__(self) -> "Activation":
        return self

    def __deepcopy__(self, memo: dict) -> "Activation":
        return self

    def __reduce__(self) -> tuple:
        from rmtlab.activations._registry import restore

        return restore, (self.name, dict(self.params))


def _entrywise(function: Function, x: Any) -> Any:
    if is_tensor(x):
        if x.is_complex():
            raise _unreal(x.dtype)
        return function(torch_namespace(), x if x.is_floating_point() else x.double())
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise _unreal(x.dtype)
    x = x.astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)
    return np.asarray(function(NUMPY, x)).astype(x.dtype, copy=False)[()]


def _unreal(kind: Any) -> TypeError:
    return TypeError(
        f"x must hold real numbers, but its type is {kind}; give a real array, tensor or number."
    )
