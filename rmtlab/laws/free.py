r"""Free convolution: the spectrum of sums and products of matrices in general position.

When the eigenvectors of large matrices A and B have nothing to do with each other (A and B are *free*), the spectra
of A + B and of :math:`A^{1/2} B A^{1/2}` follow from those of A and B alone. Everything here is solved by
subordination, on the real axis itself, with a certificate; edges are critical points and atoms are exact.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._convolution import Convolution, Parts, flattened, lowest, point_of
from rmtlab.laws.affine import Affine
from rmtlab.laws.discrete import Dirac

__all__ = [
    "FreePower",
    "FreeProduct",
    "FreeSum",
    "free_add",
    "free_compress",
    "free_multiply",
    "free_power",
]

_SHOWN = 150


@dataclass(frozen=True, repr=False)
class FreeSum(Convolution):
    r"""The free additive convolution :math:`\mu_a \boxplus \mu_b`: the spectrum of A + B, A and B free.

    .. math:: R = R_a + R_b; \qquad G(z) = G_a(\omega_a) = G_b(\omega_b), \quad
              \omega_a + \omega_b = z + \frac1{G(z)} .

    Sums of sums are taken apart and solved as one system. Made by `free_add`, which also simplifies.

    Parameters
    ----------
    a, b : SpectralLaw
        Laws that are not single points.

    Raises
    ------
    TypeError, ValueError
        If one is not a law, or is a single point.

    References
    ----------
    D. Voiculescu, "Addition of certain non-commuting random variables", J. Funct. Anal. 66 (1986).
    S. Belinschi and H. Bercovici, "A new approach to subordination results in free probability", J. Anal. Math.
    101 (2007).

    Examples
    --------
    >>> import rmtlab as rl
    >>> coin = rl.laws.Discrete([-1.0, 1.0], [0.5, 0.5])
    >>> law = rl.laws.FreeSum(coin, coin)
    >>> law.support, round(law.density(1.0) - rl.laws.Arcsine().density(1.0), 12)
    ([(-2.0, 2.0)], 0.0)
    """

    a: SpectralLaw
    b: SpectralLaw

    def __post_init__(self) -> None:
        for law, name in ((self.a, "a"), (self.b, "b")):
            _law(law, name)
            _refuse_point(law, name, "free_add")

    @property
    def _is_product(self) -> bool:
        return False

    def _parts_of_self(self) -> Parts:
        return flattened([(self.a, 1.0), (self.b, 1.0)], is_product=False)

    def _free_cumulant(self, k: int) -> float:
        return sum(n * law.free_cumulant(k) for law, n in _pairs(self))

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        try:
            shift = np.full_like(g, self._parts.constant)
            return shift + sum(n * law._r_transform(g) for law, n in _pairs(self))
        except ValueError:
            return super()._r_transform(g)

    def __repr__(self) -> str:
        return _shortened(f"FreeSum({self.a!r}, {self.b!r})", f"FreeSum({_count(self)} laws)")


@dataclass(frozen=True, repr=False)
class FreeProduct(Convolution):
    r"""The free multiplicative convolution :math:`\mu_a \boxtimes \mu_b`: the spectrum of :math:`A^{1/2} B A^{1/2}`.

    .. math:: S = S_a S_b; \qquad M(z) = M_a(\omega_a) = M_b(\omega_b), \quad
              \omega_a\,\omega_b = z\,\frac{1 + M(z)}{M(z)}, \qquad M(z) = zG(z) - 1 .

    One of the two may have negative spectrum, if the other lies on [0, ∞). Products of products are taken apart and
    solved as one system. Made by `free_multiply`, which also simplifies.

    Parameters
    ----------
    a, b : SpectralLaw
        Laws that are not single points.

    Raises
    ------
    TypeError, ValueError
        If one is not a law, or is a single point, or both have negative spectrum.

    References
    ----------
    D. Voiculescu, "Multiplication of certain non-commuting random variables", J. Operator Theory 18 (1987).
    S. Belinschi and H. Bercovici, "A new approach to subordination results in free probability", J. Anal. Math.
    101 (2007).

    Examples
    --------
    >>> import rmtlab as rl
    >>> mp = rl.laws.MarchenkoPastur(1.0)
    >>> law = rl.laws.FreeProduct(mp, mp)
    >>> law.support, round(law.moment(3), 9)
    ([(0.0, 6.75...)], 12.0)
    """

    a: SpectralLaw
    b: SpectralLaw

    def __post_init__(self) -> None:
        for law, name in ((self.a, "a"), (self.b, "b")):
            _law(law, name)
            _refuse_point(law, name, "free_multiply")
        _refuse_two_signs(self.a, self.b)

    @property
    def _is_product(self) -> bool:
        return True

    def _parts_of_self(self) -> Parts:
        return flattened([(self.a, 1.0), (self.b, 1.0)], is_product=True)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return _product_of_s(self, m)

    def __repr__(self) -> str:
        return _shortened(f"FreeProduct({self.a!r}, {self.b!r})", f"FreeProduct({_count(self)} laws)")


@dataclass(frozen=True, repr=False)
class FreePower(Convolution):
    r"""A free convolution power :math:`\mu^{\boxplus t}` or :math:`\mu^{\boxtimes t}`, t ≥ 1 and not only whole.

    .. math:: R = t\,R_\mu, \quad \omega + (t - 1)\,R_\mu(G) = z \qquad\text{or}\qquad
              S = S_\mu^t, \quad \omega\,S_\mu(M)^{1-t} = z .

    Made by `free_power`, which also simplifies.

    Parameters
    ----------
    law : SpectralLaw
        A law that is not a single point; on [0, ∞) for kind "multiply".
    t : float
        Exponent, at least 1.
    kind : {"add", "multiply"}
        Which convolution.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law or a single point, `t` is below 1, or a multiplicative power of a law with negative
        spectrum is asked for.

    References
    ----------
    S. Belinschi and H. Bercovici, "Atoms and regularity for measures in a partially defined free convolution
    semigroup", Math. Z. 248 (2004).

    Examples
    --------
    >>> import rmtlab as rl
    >>> coin = rl.laws.Discrete([0.0, 1.0], [0.25, 0.75])
    >>> rl.laws.FreePower(coin, 2.0, kind="add").atoms
    {2.0: 0.5}
    """

    law: SpectralLaw
    t: float
    kind: str = "add"

    def __post_init__(self) -> None:
        _law(self.law, "law")
        _checks.one_of(self.kind, "kind", ("add", "multiply"))
        _refuse_point(self.law, "law", "free_power")
        object.__setattr__(self, "t", _checks.number(self.t, "t", low=1.0, hint=_hint(self.kind)))
        if self.kind == "multiply":
            _refuse_negative(self.law)

    @property
    def _is_product(self) -> bool:
        return self.kind == "multiply"

    def _parts_of_self(self) -> Parts:
        return flattened([(self.law, self.t)], self._is_product)

    def _free_cumulant(self, k: int) -> float:
        return super()._free_cumulant(k) if self._is_product else self.t * self.law.free_cumulant(k)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return super()._r_transform(g) if self._is_product else self.t * self.law._r_transform(g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return _product_of_s(self, m) if self._is_product else super()._s_transform(m)

    def __repr__(self) -> str:
        tail = f", t={self.t:g}, kind={self.kind!r})"
        return _shortened(f"FreePower({self.law!r}{tail}", f"FreePower({type(self.law).__name__}(…){tail}")


def free_add(a: SpectralLaw, b: SpectralLaw) -> SpectralLaw:
    r"""Free sum :math:`\mu_a \boxplus \mu_b`: the spectrum of A + B for free A and B.

    .. math:: R(g) = R_a(g) + R_b(g) .

    A single point only shifts the other law.

    Parameters
    ----------
    a, b : SpectralLaw
        Any laws, `Discrete`, `Dirac`, `Empirical` and results of free convolutions among them.

    Returns
    -------
    SpectralLaw
        A `FreeSum`, or where a law is a point an `Affine` law or a `Dirac`.

    Raises
    ------
    TypeError
        If one is not a law.

    References
    ----------
    D. Voiculescu, "Addition of certain non-commuting random variables", J. Funct. Anal. 66 (1986).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.free_add(rl.laws.Semicircle(), rl.laws.Discrete([-1.5, 1.5], [0.5, 0.5]))
    >>> [(round(a, 6), round(b, 6)) for a, b in law.support]
    [(-3.048853, -0.305589), (0.305589, 3.048853)]
    """
    a, b = _law(a, "a"), _law(b, "b")
    for law, other in ((a, b), (b, a)):
        if (point := point_of(other)) is not None:
            return _moved(law, 1.0, point)
    return FreeSum(a, b)


def free_multiply(a: SpectralLaw, b: SpectralLaw) -> SpectralLaw:
    r"""Free product :math:`\mu_a \boxtimes \mu_b`: the spectrum of :math:`A^{1/2} B A^{1/2}` for free A ≥ 0 and B.

    .. math:: S(m) = S_a(m)\,S_b(m) .

    One of the laws may have negative spectrum, and mean 0, if the other lies on [0, ∞). A single point only
    stretches the other law.

    Parameters
    ----------
    a, b : SpectralLaw
        Laws, at least one of them on [0, ∞) or a single point.

    Returns
    -------
    SpectralLaw
        A `FreeProduct`, or where a law is a point an `Affine` law or a `Dirac`.

    Raises
    ------
    TypeError
        If one is not a law.
    ValueError
        If both have negative spectrum.

    References
    ----------
    D. Voiculescu, "Multiplication of certain non-commuting random variables", J. Operator Theory 18 (1987).

    Examples
    --------
    >>> import rmtlab as rl
    >>> p, q = rl.laws.Discrete([0.0, 1.0], [0.3, 0.7]), rl.laws.Discrete([0.0, 1.0], [0.5, 0.5])
    >>> law = rl.laws.free_multiply(p, q)
    >>> {x: round(mass, 12) for x, mass in law.atoms.items()}
    {0.0: 0.5, 1.0: 0.2}
    """
    a, b = _law(a, "a"), _law(b, "b")
    for law, other in ((a, b), (b, a)):
        if (point := point_of(other)) is not None:
            return Dirac(0.0) if point == 0.0 else _moved(law, point, 0.0)
    return FreeProduct(a, b)


def free_power(law: SpectralLaw, t: float, kind: Literal["add", "multiply"] = "add") -> SpectralLaw:
    r"""Free convolution power: :math:`\mu^{\boxplus t}` with :math:`R = tR_\mu`, or :math:`\mu^{\boxtimes t}`.

    A whole t gives t free copies added, or multiplied; every real t ≥ 1 is allowed.

    Parameters
    ----------
    law : SpectralLaw
        Any law; on [0, ∞) for kind "multiply".
    t : float
        Exponent, at least 1. For smaller additive exponents see `free_compress`.
    kind : {"add", "multiply"}
        Which convolution.

    Returns
    -------
    SpectralLaw
        A `FreePower`; the law itself at t = 1, a `Dirac` if it is a point.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law, `t` is below 1, or the law of a multiplicative power has negative spectrum.

    References
    ----------
    A. Nica and R. Speicher, "On the multiplication of free N-tuples of noncommutative random variables", Amer. J.
    Math. 118 (1996). S. Belinschi and H. Bercovici, "Atoms and regularity for measures in a partially defined free
    convolution semigroup", Math. Z. 248 (2004).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.free_power(rl.laws.MarchenkoPastur(1.0), 2.5, kind="multiply")
    >>> round(law.support[0][1] - rl.laws.FussCatalan(2.5).support[0][1], 9)
    0.0
    """
    _law(law, "law")
    _checks.one_of(kind, "kind", ("add", "multiply"))
    t = _checks.number(t, "t", low=1.0, hint=_hint(kind))
    point = point_of(law)
    if kind == "multiply":
        _refuse_negative(law)
    if point is not None:
        return Dirac(t * point if kind == "add" else point**t)
    return law if t == 1.0 else FreePower(law, t, kind)


def free_compress(law: SpectralLaw, t: float) -> SpectralLaw:
    r"""Free compression: the spectrum of the corner of trace t of P A P, P a projection of trace t free from A.

    .. math:: R(g) = R_A(t\,g), \qquad \mu_{\mathrm{corner}} = t \cdot \mu_A^{\boxplus 1/t} .

    In the corner P is the unit, so that the zeros outside it are not counted: this is the limit of a random
    tn × tn principal block of an n × n matrix with rotated eigenvectors.

    Parameters
    ----------
    law : SpectralLaw
        Spectrum of A.
    t : float
        Trace of P, above 0 and at most 1.

    Returns
    -------
    SpectralLaw
        An `Affine` image of a `FreePower`; the law itself at t = 1.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law, or `t` is not above 0 and at most 1.

    References
    ----------
    A. Nica and R. Speicher, "On the multiplication of free N-tuples of noncommutative random variables", Amer. J.
    Math. 118 (1996).

    Examples
    --------
    >>> import rmtlab as rl
    >>> corner = rl.laws.free_compress(rl.laws.Semicircle(), 0.25)
    >>> corner.support, corner.var
    ([(-1.0, 1.0)], 0.25)
    """
    _law(law, "law")
    t = _checks.number(t, "t", low=0.0, high=1.0, low_open=True, hint="It is the trace of the projection.")
    power = free_power(law, 1.0 / t)
    return _moved(power, t, 0.0)


def _moved(law: SpectralLaw, scale: float, shift: float) -> SpectralLaw:
    """scale·law + shift, without nesting affine maps or stretching points."""
    if (point := point_of(law)) is not None:
        return Dirac(scale * point + shift)
    if isinstance(law, Affine):
        inner, scale, shift = law.law, scale * law.scale, scale * law.shift + shift
    else:
        inner = law
    return inner if (scale, shift) == (1.0, 0.0) else Affine(inner, scale, shift)


def _law(law: SpectralLaw, name: str) -> SpectralLaw:
    if not isinstance(law, SpectralLaw):
        raise TypeError(
            f"{name} must be a spectral law, but a {type(law).__name__} was given; "
            "wrap a number as Dirac(x) and eigenvalues as Empirical(eigenvalues)."
        )
    return law


def _refuse_point(law: SpectralLaw, name: str, function: str) -> None:
    if point_of(law) is not None:
        raise ValueError(
            f"{name} is the single point {point_of(law):g}; use {function}, which shifts or stretches."
        )


def _refuse_two_signs(a: SpectralLaw, b: SpectralLaw) -> None:
    low_a, low_b = lowest(a), lowest(b)
    if low_a < 0.0 and low_b < 0.0:
        raise ValueError(
            f"A free product needs a law on [0, ∞), but a reaches down to {low_a:.6g} and b to {low_b:.6g}; "
            "square one of them, or shift it."
        )


def _refuse_negative(law: SpectralLaw) -> None:
    if (low := lowest(law)) < 0.0:
        raise ValueError(
            f"A free multiplicative power needs a law on [0, ∞), but this one reaches down to {low:.6g}; "
            "did you mean kind='add'?"
        )


def _hint(kind: str) -> str:
    return "For t below 1 see free_compress." if kind == "add" else "Smaller powers need not exist."


def _pairs(law: Convolution) -> list[tuple[SpectralLaw, float]]:
    return list(zip(law._parts.laws, law._parts.counts, strict=True))


def _count(law: Convolution) -> int:
    return len(law._parts.laws)


def _product_of_s(law: Convolution, m: np.ndarray) -> np.ndarray:
    if law.mean == 0.0:
        return SpectralLaw._s_transform(law, m)
    result = np.full_like(m, 1.0 / law._parts.constant)
    for part, n in _pairs(law):
        own = part._s_transform(m)
        result = result * (own if n == 1.0 else own**n)
    return result


def _shortened(text: str, instead: str) -> str:
    return text if len(text) <= _SHOWN else instead
