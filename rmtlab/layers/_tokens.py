"""The layer that mixes positions, by a matrix that all channels share."""

from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._linear import WEIGHTS, unit_weight
from rmtlab.layers._place import KINDS, PREACTIVATION, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, fresh_gap

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TokenMixing(Layer):
    r"""Positions mixed by one matrix for all channels, z(α) = Σ_β T_αβ h(β): a Mixer's multiplication from the left.

    T has p′ × p entries of variance ``weight_var``/p, or is orthogonal as :class:`Dense` says. It is drawn from
    `seed` and belongs to the description, so that both faces have the same one: as channels become many while
    the p positions stay, kernels tend to a limit that depends on T,

        K′ = T K Tᵀ,  Θ′ = T Θ Tᵀ.

    Mixed preactivations are Gaussian again. A mixed signal is a sum of p terms, and so is not: a Dense, whose
    fresh weights make it Gaussian, has to come before the next Activation.

    The p′p weights are not trained. If they are, they move by an amount that no number of channels makes
    small, and the tangent kernel is neither certain nor constant: ``trained=True`` has a finite twin only.

    Parameters
    ----------
    tokens : int, optional
        p′, the number of positions behind; by default as many as before, in the same arrangement.
    weight_var : float
        Variance of an entry of T times p.
    weights : {"gaussian", "orthogonal"}
        How T is drawn.
    trained : bool
        Whether T is a parameter.
    seed : int
        The draw of T. Give each layer of a network its own.

    Raises
    ------
    ValueError
        For a size below 1, a negative variance or seed, or an unknown name; by the infinite-width rule for
        trained weights and for inputs without positions.

    References
    ----------
    .. [1] I. Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> state = State.from_inputs(np.ones((1, 3, 4)), all_pairs=True)
    >>> TokenMixing(tokens=2).propagate(state).positions
    (2,)
    """

    tokens: int | None = None
    weight_var: float = 1.0
    weights: str = "gaussian"
    trained: bool = False
    seed: int = 0

    linear: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = KINDS
    misplaced: ClassVar[str] = ""
    needs_all_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.tokens is not None:
            object.__setattr__(self, "tokens", _checks.count(self.tokens, "tokens"))
        value = _checks.number(self.weight_var, "weight_var", low=0.0, hint="It is a variance.")
        object.__setattr__(self, "weight_var", value)
        _checks.one_of(self.weights, "weights", WEIGHTS)
        object.__setattr__(self, "trained", bool(self.trained))
        object.__setattr__(self, "seed", _checks.count(self.seed, "seed", minimum=0))

    def _behind(self, place: Place) -> Place:
        if place.flat:
            raise ValueError(
                "A TokenMixing needs positions to mix, but it meets a flat signal; give sequences of shape "
                "(n, channels, length)."
            )
        positions = place.positions if self.tokens is None else (self.tokens,)
        kind = SIGNAL if place.kind == SIGNAL else PREACTIVATION
        return moved(place, kind=kind, positions=positions)

    def _matrix(self, place: Place) -> np.ndarray:
        """Return T for the positions of a place."""
        size = prod(place.sizes)
        unit = unit_weight(self.weights, self.tokens or size, size, np.random.default_rng(self.seed))
        return sqrt(self.weight_var) * unit

    def _rows(self, rows: Rows, place: Place) -> Rows:
        if self.trained:
            raise ValueError(
                "Trained token-mixing weights have no infinite-width kernel: as channels become many, a few weights "
                "shared by all of them still move, and the tangent kernel stays random. Take trained=False "
                "(trained_tokens=False in a Mixer), or measure finite networks."
            )
        mix = self._matrix(place)
        mixed = mix @ rows.moment @ mix.T
        return Rows((mixed + mixed.mT) / 2, all_pairs=True)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        mix = pairs.like(self._matrix(place))
        pairs.nngp, pairs.ntk = (mix @ kernel @ mix.T for kernel in (pairs.nngp, pairs.ntk))
        pairs.gap = fresh_gap(pairs, *after)
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

        place = Place(positions=positions)
        behind = self._behind(place).sizes
        return _torch_layers.TokenMixingModule(
            self._matrix(place), len(positions), behind, trained=self.trained, dtype=dtype, device=device
        )
