"""The layer that bends: an activation function on every preactivation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import activations
from rmtlab.layers import _duals
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._place import NORMALISED, PREACTIVATION, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, init=False, repr=False)
class Activation(Layer):
    r"""An activation function applied to every preactivation, h = φ(z).

    K′ = E[φ(u)φ(v)] and Θ′ = E[φ′(u)φ′(v)]·Θ, with (u, v) Gaussian of covariance K. Every activation
    of :mod:`rmtlab.activations` has a rule: a closed form, or a Hermite series that is right to 1e-10
    of √(K′₁₁K′₂₂).

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        A name that :func:`rmtlab.activations.get` knows, or what it returned.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is neither a name nor an activation.

    References
    ----------
    .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018, eqs. (4) and (5).
    .. [2] A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab.layers import Dense, State
    >>> state = Dense(weight_var=2.0).propagate(State.from_inputs([[1.0, 1.0]]))
    >>> Activation("relu").propagate(state).nngp
    array([[1.]])
    """

    activation: activations.Activation

    by_position: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = (PREACTIVATION, NORMALISED)
    misplaced: ClassVar[str] = (
        "An Activation needs a Dense before it: it acts on preactivations, but it meets the input "
        "or a signal that is activated already."
    )

    def __init__(self, activation: str | activations.Activation) -> None:
        object.__setattr__(self, "activation", _as_activation(activation))

    def __repr__(self) -> str:
        return f"Activation({shortest(self.activation)})"

    def _behind(self, place: Place) -> Place:
        return moved(place, kind=SIGNAL)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        return _duals.rows(self.activation, rows)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        _duals.carry(self.activation, pairs, *before, *after)
        pairs.set_own(after[0])

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        from rmtlab import _torch_layers

        return _torch_layers.ActivationModule(self.activation)


def shortest(activation: activations.Activation) -> str:
    """Return the shortest text that stands for the activation: its name, where that is enough."""
    return repr(activation) if activation.params else repr(activation.name)


def _as_activation(value: Any) -> activations.Activation:
    if isinstance(value, str | activations.Activation):
        return activations.get(value)
    raise TypeError(
        f"activation must be a name or an rmtlab activation, but a {type(value).__name__} was given; "
        "rmtlab.activations.get('relu') makes one."
    )
