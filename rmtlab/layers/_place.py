"""Where in a network a layer stands: what flows there, and which covariances a state has to carry."""

from dataclasses import dataclass

SIGNAL = "signal"
PREACTIVATION = "preactivation"
NORMALISED = "normalised"
KINDS = (SIGNAL, PREACTIVATION, NORMALISED)


@dataclass(frozen=True)
class Place:
    """What a layer meets.

    `positions` are the sizes of the spatial axes, () for a flat signal; a size that is not known
    yet is None, and so is `positions` where not even their number is known. `fan_in` is the number
    of features at a position, `width` that of the hidden layers; None where unknown. With
    `all_pairs` the covariances of every position with every other are carried, not only of equal ones.
    """

    kind: str = SIGNAL
    positions: tuple[int | None, ...] | None = ()
    fan_in: int | None = None
    width: int | None = None
    all_pairs: bool = False

    @property
    def flat(self) -> bool:
        """Whether there is certainly no position."""
        return self.positions == ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The positions, all of them known."""
        return tuple(size or 0 for size in self.positions or ())
