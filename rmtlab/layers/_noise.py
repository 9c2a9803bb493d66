"""The layer that perturbs: noise on a signal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import noise as noises
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._place import NORMALISED, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, add_common, shrink_correlations

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Noise(Layer):
    r"""Noise on a signal: on the input x, or on an activated h.

    Every input of every pass has its own draw, even where two inputs are equal, and so has every
    position; with ``shared=True`` the inputs of one pass have the same. The noise acts while the finite
    network is in training mode.

    An input with itself in one pass has E[h̃²] = μ₂ E[h²] (multiplicative) or E[h²] + σ² (additive);
    its tangent kernel is multiplied by the gain, μ₂ or 1. Pairs in different passes have
    independent noise of mean 1 (or 0), and stay; so do those of one pass, unless the noise is shared and they
    change as an input with itself does.

    Parameters
    ----------
    noise : noise of :mod:`rmtlab.noise`
        Such as ``rmtlab.noise.Dropout(keep=0.8)``.

    Raises
    ------
    TypeError
        For anything else.

    References
    ----------
    .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab.layers import State
    >>> from rmtlab.noise import Dropout
    >>> layer = Noise(Dropout(keep=0.5))
    >>> print(layer.propagate(State.from_inputs([[1.0, 1.0], [1.0, 1.0]])).nngp)
    [[2. 1.]
     [1. 2.]]
    """

    noise: noises.Noise

    takes: ClassVar[tuple[str, ...]] = (SIGNAL, NORMALISED)
    misplaced: ClassVar[str] = (
        "Noise acts on the input and on activated signals, but it meets preactivations; "
        "put it in front of a Dense, after the Activation."
    )

    def __post_init__(self) -> None:
        if not isinstance(self.noise, noises.Noise):
            raise TypeError(
                f"noise must be a noise of rmtlab.noise, but a {type(self.noise).__name__} was given; "
                "rmtlab.noise.Dropout(keep=0.8) is one."
            )

    @property
    def _called(self) -> str:
        return "Noise"

    def _behind(self, place: Place) -> Place:
        return moved(place, kind=SIGNAL)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        noisy = self.noise.noisy_second_moment(rows.variance)
        if not rows.all_pairs:
            return Rows(noisy)
        moment = rows.moment.copy()
        p = np.arange(moment.shape[-1])
        moment[:, p, p] = noisy
        return Rows(moment, all_pairs=True)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        if self.noise.shared:
            return self._shared_pairs(pairs, before, after)
        shrink_correlations(pairs, before, after)
        if not pairs.one_pass:
            return
        pairs.set_own(after[0])
        own = pairs.diagonal(pairs.ntk, of_positions=True)
        own *= self.noise.gain

    def _shared_pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows]) -> None:
        if not pairs.one_pass or pairs.all_pairs:
            raise ValueError(
                f"{self.noise!r} is shared by the inputs of one pass, so that its kernel takes them all at once, at "
                "equal positions: give one array of inputs and, if they are many, block=len(x1), or shared=False."
            )
        add_common(pairs, before, after, self.noise.gain, self.noise.additive_var)
        pairs.set_own(after[0])
        if pairs.ntk is not None:
            pairs.ntk *= self.noise.gain

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        return self.noise.module(seed=int(rng.integers(2**63)))
