"""What the mean-field theory hands back: frozen records."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CorrelationPoint:
    """A fixed point of the correlation map at one variance.

    Attributes
    ----------
    c : float
        The correlation, C(c) = c.
    slope : float
        C′(c).
    stable : bool
        Whether nearby correlations flow to it (from inside [−1, 1]).
    """

    c: float
    slope: float
    stable: bool


@dataclass(frozen=True)
class FixedPoint:
    """Where deep signals come to rest, with a certificate.

    Attributes
    ----------
    q : float
        The variance q* = V(q*); infinite where the variance diverges.
    c : float or None
        The stable correlation c* = C(c*). None where φ outgrows every straight line and q diverges.
    slope : float or None
        C′(c*); the correlation approaches c* as slope^l.
    chi : float
        χ₁ = σ_w² μ₂ E[φ′²], the factor on squared gradients per layer.
    variance_slope : float
        V′(q*); the variance approaches q* as V′^l.
    stable : bool
        Whether nearby variances flow to q*.
    kind : str
        "ordered" (χ₁ < 1, c* = 1), "critical" (χ₁ = 1), "chaotic" (χ₁ > 1, c* < 1), "noisy"
        (independent noise keeps c* below 1), "scale-free" (every q is fixed) or "diverging" (q → ∞).
    correlations : tuple of CorrelationPoint
        All isolated fixed points of the correlation map at q*.
    residual : float
        The larger of |V(q*) − q*|/q* and |C(c*) − c*|, from exact averages.
    iterations : int
        Newton steps with exact averages after the search in the table.
    converged : bool
        True; what does not converge is not handed back.
    sentence : str
        What this means.
    """

    q: float
    c: float | None
    slope: float | None
    chi: float
    variance_slope: float
    stable: bool
    kind: str
    correlations: tuple[CorrelationPoint, ...]
    residual: float
    iterations: int
    converged: bool
    sentence: str


@dataclass(frozen=True)
class DepthScales:
    """How many layers a signal survives.

    Attributes
    ----------
    xi_q : float
        −1/ln|V′(q*)|, of the variance; infinite at criticality and where q* is not isolated.
    xi_c : float
        −1/ln C′(c*), of the correlation; infinite at criticality.
    xi_gradient : float
        1/|ln χ₁|: gradients shrink (χ₁ < 1) or grow (χ₁ > 1) by e in so many layers.
    """

    xi_q: float
    xi_c: float
    xi_gradient: float

    @property
    def trainable_depth(self) -> float:
        """6 ξ_c, the number of layers at which two inputs can still be told apart: a bound found by experiment."""
        return 6 * self.xi_c


@dataclass(frozen=True)
class FloatDepths:
    """After how many layers a variance leaves the numbers of a floating-point format.

    Attributes
    ----------
    overflow : float
        Layers until q exceeds the largest number; infinite where it never does.
    underflow : float
        Layers until q is below the smallest normal number; infinite where it never is.
    dtype : str
        The format.
    """

    overflow: float
    underflow: float
    dtype: str


@dataclass(frozen=True, eq=False)
class Curvature:
    r"""The image of a circle h¹(θ) = √(N q*)(u cos θ + v sin θ), layer by layer.

    Attributes
    ----------
    metric : ndarray, shape (depth,)
        g^l = |∂h^l/∂θ|²/N = χ₁^{l−1} q*; the length of the curve grows as χ₁^{l/2}.
    curvature : ndarray, shape (depth,)
        N κ_l², from 1/q* at l = 1.
    limit : float
        The fixed value 3χ₂/(χ₁² (1 − 1/χ₁)) of N κ²; infinite for χ₁ ≤ 1.
    """

    metric: np.ndarray
    curvature: np.ndarray
    limit: float
