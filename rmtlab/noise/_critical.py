"""The critical initialisation of noisy rectifiers."""

from rmtlab import activations
from rmtlab.noise._base import Noise, checked


def critical(noise: Noise | None, activation: str | activations.Activation = "relu") -> tuple[float, float]:
    r"""Return the critical (weight_var, bias_var) of a noisy rectifier network: (2/μ₂, 0) for ReLU.

    .. math:: \sigma_w^2 = \frac{1}{\mu_2\,E[\phi(z)^2]} = \frac{2}{\mu_2 (\phi'(0^-)^2 + \phi'(0^+)^2)}

    There the variance map q ↦ weight_var·μ₂·E[φ²] + bias_var is the identity, and χ₁ = 1: signals and gradients
    of any size neither grow nor vanish with depth. For dropout that is 2p, p the probability of *keeping*, if
    masks are inverted; a plain mask of zeros and ones needs 2/p. Noise that is added makes the variance grow at
    every layer, and no initialisation makes up for it.

    Parameters
    ----------
    noise : Noise or None
        The noise on x and on every h^l; None for a network without noise.
    activation : str or rmtlab.activations.Activation
        A positively homogeneous function, φ(λx) = λφ(x): "relu", "leaky_relu" (and so PReLU), "abs", "linear".

    Returns
    -------
    (float, float)
        σ_w² and σ_b².

    Raises
    ------
    ValueError
        If the noise is additive, multiplicative with a mean other than one, or the activation is no rectifier.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy
       rectifier neural networks", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab.noise import Dropout
    >>> critical(Dropout(keep=0.8))
    (1.6, 0.0)
    >>> critical(None)
    (2.0, 0.0)
    >>> critical(Dropout(keep=0.5), "linear")
    (0.5, 0.0)
    """
    phi = activations.get(activation)
    if not phi.homogeneous:
        raise ValueError(
            f"{phi.name!r} is no rectifier, and its critical point depends on the bias variance: "
            "rl.signal.critical_point(activation, bias_var, noise) gives it."
        )
    noise = checked(noise)
    if noise is not None and noise.additive_var > 0:
        raise ValueError(
            f"with {noise!r} rectifiers have no critical point: the variance grows by weight_var·var at "
            "every layer. Use multiplicative noise, or a small weight_var for a finite fixed point."
        )
    gain = 1.0 if noise is None else noise.gain
    return 1 / (gain * float(phi.moment(1.0, 2))), 0.0
