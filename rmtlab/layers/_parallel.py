"""The layers that add up branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.layers._attention import Attention
from rmtlab.layers._base import Layer, describe_stranger, moved
from rmtlab.layers._distances import distances, gap_from_distances, opposed, units
from rmtlab.layers._linear import Linear
from rmtlab.layers._noise import Noise
from rmtlab.layers._place import KINDS, PREACTIVATION, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows

if TYPE_CHECKING:
    from torch import nn

Chain = tuple[Layer, ...]
Positions = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class _Paths:
    """What a set of inputs becomes along every branch: for each layer, before and behind."""

    branches: list[list[tuple[Rows, Rows]]]

    def part(self, rows: slice) -> "_Paths":
        return _Paths([[(b.part(rows), a.part(rows)) for b, a in steps] for steps in self.branches])


class _Parallel(Layer):
    """A sum of branches whose last linear layers are drawn independently, so that kernels add."""

    takes: ClassVar[tuple[str, ...]] = KINDS
    misplaced: ClassVar[str] = ""

    def _scales(self) -> tuple[float, ...]:
        """Return the factor of each branch's kernels."""
        return (1.0,) * len(self._branches())

    def _total(self, parts: list[Any]) -> Any:
        """Return the sum over branches, each with its factor."""
        first, *others = (scale * part for scale, part in zip(self._scales(), parts, strict=True))
        return sum(others, start=first)

    def _behind(self, place: Place) -> Place:
        ends = [self._places(chain, place)[-1] for chain in self._branches()]
        known = [end.positions for end in ends if end.positions is not None]
        if not all(_may_agree(known[0], positions) for positions in known):
            raise ValueError(
                f"{self._called} needs branches with the same positions at their ends, but they end with "
                f"{' and '.join(str(end.positions) for end in ends)}."
            )
        if sum(not chain or not isinstance(chain[-1], Linear | Attention) for chain in self._branches()) > 1:
            raise ValueError(
                f"{self._called} needs a Dense, a convolution or an Attention at the end of all branches but one, "
                "whose fresh weights make them uncorrelated; kernels of other branches do not add up."
            )
        signal = any(end.kind == SIGNAL for end in ends)
        positions = known[0] if known else None
        return moved(ends[0], positions=positions, kind=SIGNAL if signal else PREACTIVATION)

    def _places(self, chain: Chain, place: Place) -> list[Place]:
        places = [place]
        for layer in chain:
            places.append(layer._next(places[-1]))
        return places

    def _rows(self, rows: Rows, place: Place) -> Rows:
        branches, parts = [], []
        for chain, scale in zip(self._branches(), self._scales(), strict=True):
            reached, steps = Rows(rows.moment, rows.all_pairs, rows.gap), []
            for layer, at in zip(chain, self._places(chain, place), strict=False):
                behind = layer._carry_rows(reached, at)
                steps.append((reached, behind))
                reached = behind
            branches.append(steps)
            parts.append(scale * reached.moment)
        rows.extra = _Paths(branches)
        return Rows(np.sum(parts, axis=0), reached.all_pairs)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        ran = []
        paths = zip(before[0].extra.branches, before[1].extra.branches, strict=True)
        for chain, (steps1, steps2) in zip(self._branches(), paths, strict=True):
            branch, ends = _copied(pairs, before), before
            places = self._places(chain, place)
            for layer, at, (b1, a1), (b2, a2) in zip(chain, places, steps1, steps2, strict=False):
                layer._carry(branch, (b1, b2), (a1, a2), at)
                ends = (a1, a2)
            ran.append((branch, ends))
        told = all(branch.told for branch, _ in ran)
        lengths, apart = units(*after), []
        if not told:
            both = any(opposed(branch) for branch, _ in ran)
            found = [distances(branch, *ends, lengths, both) for branch, ends in ran]
            apart = [self._total(list(parts)) for parts in zip(*found, strict=True)]
        pairs.nngp, pairs.ntk = (self._total([getattr(b, k) for b, _ in ran]) for k in ("nngp", "ntk"))
        pairs.all_pairs = after[0].all_pairs
        if told:
            pairs.tell(*after)
        else:
            pairs.gap = gap_from_distances(pairs, apart, *after, lengths)
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

        branches = []
        draws = rng.spawn(len(self._branches()))
        start = Place(positions=positions, fan_in=in_features, width=out_features, all_pairs=True)
        for chain, draw in zip(self._branches(), draws, strict=True):
            features, modules = in_features, []
            weight_draws, noise_draws = draw.spawn(2)
            for layer, sizes in zip(chain, self._shapes(chain, start), strict=False):
                size = out_features if layer.chooses_features else layer._features_behind(features, sizes)
                (own,) = (noise_draws if isinstance(layer, Noise) else weight_draws).spawn(1)
                modules.append(layer._module(features, size, sizes.sizes, own, dtype, device))
                features = size
            if features != out_features:
                raise ValueError(
                    f"{self._called} has a branch that ends with {features} features, and another with {out_features}: "
                    "where nothing changes their number, the layer before must have as many as the width."
                )
            branches.append(modules)
        return _torch_layers.ParallelModule(branches, [sqrt(scale) for scale in self._scales()])

    def _shapes(self, chain: Chain, start: Place) -> list[Place]:
        """Return the places for their sizes alone: kinds have been checked where the network was made."""
        places = [start]
        for layer in chain:
            places.append(layer._behind(places[-1]))
        return places


@dataclass(frozen=True)
class Sum(_Parallel):
    r"""The sum of several branches, z = Σ_b g_b(h).

    All branches but one end in a fresh linear layer, so that they are uncorrelated, K′ = Σ_b K_b and
    Θ′ = Σ_b Θ_b. In the finite twin every layer inside has as many features as come out.

    Parameters
    ----------
    *branches : Layer or sequence of Layer
        A layer, or several in a row; () is the identity.

    Raises
    ------
    TypeError
        If something in a branch is no layer.
    ValueError
        If there are fewer than two branches; and where it stands, if a branch can't stand there, two of
        them are correlated, or they end with different positions.

    Examples
    --------
    >>> from rmtlab.layers import Activation, Dense, State
    >>> twice = Sum(Dense(2.0), [Dense(1.0), Activation("relu"), Dense(2.0)])
    >>> twice.propagate(State.from_inputs([[1.0, 1.0]])).nngp
    array([[3.]])
    """

    branches: tuple[Chain, ...]

    chooses_features: ClassVar[bool] = True

    def __init__(self, *branches: Layer | Sequence[Layer]) -> None:
        if len(branches) < 2:
            raise ValueError(
                f"Sum needs two branches or more, but {len(branches)} were given; () is the identity."
            )
        object.__setattr__(self, "branches", tuple(_chain(branch) for branch in branches))

    def __repr__(self) -> str:
        return f"Sum({', '.join(repr(list(chain)) for chain in self.branches)})"

    def _branches(self) -> tuple[Chain, ...]:
        return self.branches


@dataclass(frozen=True)
class Residual(_Parallel):
    r"""A skip connection around some layers, z′ = z + √branch_var · g(z).

    The last layer of g is a fresh linear one, so that K′ = K + branch_var·K_g and
    Θ′ = Θ + branch_var·Θ_g. Around preactivations it gives preactivations, so that the next
    Residual or an Activation may follow.

    Parameters
    ----------
    *layers : Layer
        The branch g.
    branch_var : float
        What its kernels are multiplied by.

    Raises
    ------
    TypeError
        If something is no layer.
    ValueError
        If no layer or a negative factor is given; and where it stands, if the branch can't stand there,
        changes the positions, or does not end in a linear layer.

    References
    ----------
    .. [1] G. Yang, S. S. Schoenholz, "Mean field residual networks: on the edge of chaos", NeurIPS 2017.

    Examples
    --------
    >>> from rmtlab.layers import Activation, Dense, State
    >>> state = Dense(1.0).propagate(State.from_inputs([[1.0, 1.0]]))
    >>> Residual(Activation("relu"), Dense(2.0)).propagate(state).nngp
    array([[2.]])
    """

    layers: Chain
    branch_var: float = 1.0

    def __init__(self, *layers: Layer, branch_var: float = 1.0) -> None:
        if not layers:
            raise ValueError(
                "Residual needs a layer or more, such as Residual(Activation('relu'), Dense(2.0))."
            )
        object.__setattr__(self, "layers", _chain(layers))
        value = _checks.number(branch_var, "branch_var", low=0.0, hint="It is a variance.")
        object.__setattr__(self, "branch_var", value)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))}, branch_var={self.branch_var!r})"

    def _branches(self) -> tuple[Chain, ...]:
        return (), self.layers

    def _scales(self) -> tuple[float, ...]:
        return 1.0, self.branch_var


def _may_agree(one: Positions, two: Positions) -> bool:
    """Say whether positions are the same, as far as their sizes are known."""
    return len(one) == len(two) and all(
        s is None or t is None or s == t for s, t in zip(one, two, strict=True)
    )


def _chain(layers: Any) -> Chain:
    if isinstance(layers, Layer):
        return (layers,)
    if not isinstance(layers, Sequence):
        raise TypeError(
            f"A branch must be a layer or a sequence of layers, but it is a {type(layers).__name__}."
        )
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"A branch is made of layers, but it holds {describe_stranger(layer)}")
    return tuple(layers)


def _copied(pairs: Pairs, ends: tuple[Rows, Rows]) -> Pairs:
    gap = None if pairs.told else pairs.gap + 0.0
    layout = pairs.one_pass, pairs.all_pairs, pairs.own, pairs.folded
    copy = Pairs(pairs.nngp + 0.0, pairs.ntk + 0.0, gap, *layout)
    copy.twins = pairs.twins
    if gap is None:
        copy.tell(*ends)
    return copy
