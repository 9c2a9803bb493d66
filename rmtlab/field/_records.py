"""What the lattice hands back: frozen records."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SecondMoments:
    """Second moments of one site of the stationary chain.

    Attributes
    ----------
    mean : float
        E q = E s = q*.
    variance : float
        Var q.
    conditional_variance : float
        Var s, the fluctuation of the variance of z^l from network to network.
    excess_kurtosis : float
        3 Var s/q*², of one pre-activation z_i over networks: zero for a Gaussian.
    order : str
        "exact" or "leading".
    """

    mean: float
    variance: float
    conditional_variance: float
    excess_kurtosis: float
    order: str


@dataclass(frozen=True)
class LogWalk:
    """The random walk of ln s in a network without biases, step by step independent.

    Attributes
    ----------
    drift : float
        The mean of ln(s^{l+1}/s^l).
    variance : float
        Its variance.
    death : float
        The probability that a layer is silent, s^{l+1} = 0; drift and variance are those of the others.
    """

    drift: float
    variance: float
    death: float
