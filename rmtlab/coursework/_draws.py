"""What a parameter may be, and which of its values a hash picks."""

from dataclasses import dataclass
from typing import Any

from rmtlab import _checks

__all__ = ["Choice", "Grid", "Whole"]


@dataclass(frozen=True)
class Choice:
    """One of a few values.

    Parameters
    ----------
    options : tuple
        The values, at least one.

    Examples
    --------
    >>> Choice(("tanh", "erf")).pick(3)
    'erf'
    """

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.options, tuple) or not self.options:
            raise ValueError(
                f"options must be a tuple of at least one value, but {self.options!r} was given."
            )

    def pick(self, hashed: int) -> Any:
        """Return the value that a hash stands for.

        Parameters
        ----------
        hashed : int
            A whole number of at least 0, uniform over many.

        Returns
        -------
        object
            One of the options.
        """
        return self.options[_checks.count(hashed, "hashed", minimum=0) % len(self.options)]


@dataclass(frozen=True)
class Grid:
    """A number low, low + step, … up to high, rounded to the step's digits.

    Parameters
    ----------
    low, high, step : float
        Ends and spacing of the grid; both ends belong to it.

    Examples
    --------
    >>> Grid(1.5, 2.5, 0.01).pick(37)
    1.87
    """

    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        low = _checks.number(self.low, "low")
        _checks.number(self.high, "high", low=low)
        _checks.number(self.step, "step", low=0.0, low_open=True)

    def pick(self, hashed: int) -> float:
        """Return the number that a hash stands for.

        Parameters
        ----------
        hashed : int
            A whole number of at least 0, uniform over many.

        Returns
        -------
        float
            A point of the grid.
        """
        points = round((self.high - self.low) / self.step) + 1
        return round(self.low + self.step * (_checks.count(hashed, "hashed", minimum=0) % points), 10)


@dataclass(frozen=True)
class Whole:
    """A whole number from low to high.

    Parameters
    ----------
    low, high : int
        Both belong to the range.

    Examples
    --------
    >>> Whole(10, 20).pick(12)
    11
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        low = _checks.count(self.low, "low", minimum=0)
        _checks.count(self.high, "high", minimum=low)

    def pick(self, hashed: int) -> int:
        """Return the number that a hash stands for.

        Parameters
        ----------
        hashed : int
            A whole number of at least 0, uniform over many.

        Returns
        -------
        int
            A number of the range.
        """
        return self.low + _checks.count(hashed, "hashed", minimum=0) % (self.high - self.low + 1)
