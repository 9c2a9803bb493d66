"""How wide a Mixer is, and what it pays for it."""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

from rmtlab import _checks

Pair = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    r"""The size of a Mixer: S tokens, C channels, and hidden layers γ times as large.

    Its token-mixing MLP is W₂φ(W₁X) with W₁ of γS × S, its channel-mixing one φ(HV₁)V₂ with V₁ of C × γC.

    Parameters
    ----------
    tokens, channels : int
        S and C.
    expansion : int
        γ.

    Raises
    ------
    ValueError
        If a number is below 1.

    References
    ----------
    .. [1] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> shape = Shape(tokens=16, channels=32)
    >>> shape.width, shape.connections, shape.trainable
    (512, (8192, 16384), (256, 1024))
    """

    tokens: int
    channels: int
    expansion: int = 1

    def __post_init__(self) -> None:
        for name in ("tokens", "channels", "expansion"):
            object.__setattr__(self, name, _checks.count(getattr(self, name), name))

    @property
    def width(self) -> int:
        """SC, the effective width: the size of the layer as a vector."""
        return self.tokens * self.channels

    @property
    def connections(self) -> Pair:
        """γCS² and γSC²: weights that are not zero in one layer of either kind, as the wide MLP has them."""
        each = self.expansion * self.width
        return each * self.tokens, each * self.channels

    @property
    def mean_connections(self) -> Fraction:
        """Ω = γSC(S + C)/2, the mean of both."""
        return Fraction(sum(self.connections), 2)

    @property
    def trainable(self) -> Pair:
        """γS² and γC²: weights of one layer of either kind, which its blocks share."""
        return self.expansion * self.tokens**2, self.expansion * self.channels**2

    @property
    def density(self) -> tuple[Fraction, Fraction]:
        """1/C and 1/S: the fraction of weights that are not zero, in a layer of either kind."""
        return Fraction(1, self.channels), Fraction(1, self.tokens)


def maximal_width(connections: float, expansion: float = 1) -> float:
    r"""Return the largest effective width that Ω mean connections a layer can pay for.

    .. math:: SC \le (\Omega/\gamma)^{2/3},

    because :math:`\Omega/\gamma = SC\,(S + C)/2 \ge (SC)^{3/2}`; with equality only if S = C. A Mixer is widest
    when it is square.

    Parameters
    ----------
    connections : float
        Ω.
    expansion : float
        γ.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is not positive.

    References
    ----------
    .. [1] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> round(maximal_width(Shape(20, 20).mean_connections), 9)
    400.0
    """
    omega = _checks.number(connections, "connections", low=0.0, low_open=True)
    return (omega / _checks.number(expansion, "expansion", low=0.0, low_open=True)) ** (2 / 3)


def frontier(connections: Any, expansion: int = 1) -> tuple[Shape, ...]:
    """Return, for every number of tokens, the shape with the most channels that Ω mean connections pay for.

    Whole numbers, exactly.

    Parameters
    ----------
    connections : float or Fraction
        Ω, what γSC(S + C)/2 may be at most.
    expansion : int
        γ.

    Returns
    -------
    tuple of Shape
        From one token upwards.

    Raises
    ------
    ValueError
        If Ω pays not even for one token and one channel.

    Examples
    --------
    >>> [(shape.tokens, shape.channels) for shape in frontier(32)]
    [(1, 7), (2, 4), (3, 3), (4, 2), (5, 1), (6, 1), (7, 1)]
    """
    gamma = _checks.count(expansion, "expansion")
    hint = "One token and one channel need γ of them."
    omega = _checks.number(connections, "connections", low=gamma, hint=hint)
    exact = connections if isinstance(connections, int | Fraction) else omega
    room = int(2 * Fraction(exact) / gamma)  # SC(S + C) at most
    found = []
    for tokens in range(1, isqrt(room) + 1):
        channels = (isqrt(tokens**2 + 4 * (room // tokens)) - tokens) // 2
        if channels < 1:
            break
        found.append(Shape(tokens, channels, gamma))
    return tuple(found)


def best_shape(connections: Any, expansion: int = 1) -> Shape:
    """Return the widest shape that Ω mean connections pay for, in whole numbers.

    Of several equally wide ones it is the one that pays least, and then that with fewer tokens.

    Parameters
    ----------
    connections : float or Fraction
        Ω.
    expansion : int
        γ.

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        If Ω pays not even for one token and one channel.

    Examples
    --------
    >>> best_shape(Shape(20, 20).mean_connections)
    Shape(tokens=20, channels=20, expansion=1)
    """
    return min(frontier(connections, expansion), key=lambda s: (-s.width, s.mean_connections, s.tokens))
