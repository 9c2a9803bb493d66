"""The layer that normalises."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._place import NORMALISED, PREACTIVATION, Place
from rmtlab.layers._rows import Pairs, Rows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerNorm(Layer):
    r"""Layer normalisation of preactivations over their features, at every position, without gain and shift.

    Over infinitely many features the mean is 0 and the variance K_αα, so that
    K′ = K/√((K₁₁ + ε)(K₂₂ + ε)) and Θ′ = Θ/√((K₁₁ + ε)(K₂₂ + ε)): gradients through mean and variance
    vanish as 1/width.

    Parameters
    ----------
    eps : float
        What is added to the variance.

    Raises
    ------
    ValueError
        If `eps` is negative.

    References
    ----------
    .. [1] J. Hron et al., "Infinite attention: NNGP and NTK for deep attention networks", ICML 2020.

    Examples
    --------
    >>> from rmtlab.layers import Dense, State
    >>> state = Dense(weight_var=3.0).propagate(State.from_inputs([[1.0, 1.0]]))
    >>> LayerNorm(eps=0.0).propagate(state).nngp
    array([[1.]])
    """

    eps: float = 1e-5

    by_position: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = (PREACTIVATION, NORMALISED)
    misplaced: ClassVar[str] = (
        "A LayerNorm needs preactivations before it, whose mean over features is zero: put it behind a "
        "Dense, a convolution, an Attention or a Residual, before the Activation."
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", _checks.number(self.eps, "eps", low=0.0))

    def _behind(self, place: Place) -> Place:
        return moved(place, kind=NORMALISED)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        scale = self._scale(rows)
        rows.extra = None
        if not rows.all_pairs:
            return Rows(rows.moment * scale * scale)
        return Rows(rows.moment * scale[:, :, None] * scale[:, None, :], all_pairs=True)

    def _scale(self, rows: Rows) -> np.ndarray:
        variance = rows.variance + self.eps
        return np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=variance > 0)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        one, two = (self._scale(rows) for rows in before)
        for kernel in (pairs.nngp, pairs.ntk):
            kernel *= pairs.first(one)
            kernel *= pairs.second(two)
        if pairs.told:
            pairs.tell(*after)
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

        return _torch_layers.LayerNormModule(len(positions), self.eps)
