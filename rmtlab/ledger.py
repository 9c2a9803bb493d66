"""The ledger: every claim of a chapter with its theory value, its measured value and the distance.

A chapter opens its ledger once and states each result as a claim. A claim that does not hold raises
:class:`LedgerError`, so that the cell, the tests and the build fail with it. Where the environment
variable ``RMTLAB_LEDGER`` names a folder, the claims are also written there as JSON, one file a
chapter, from which the ledger page of the book is made.
"""

import json
import os
import re
from dataclasses import asdict, dataclass, fields
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rmtlab import _checks

__all__ = ["Claim", "Ledger", "LedgerError", "in_words", "read"]

_FOLDER = "RMTLAB_LEDGER"
_CHAPTER = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_STORED_VALUES = 64

Value = float | tuple[float, ...] | str


class LedgerError(AssertionError):
    """A claim whose measured value lies farther from theory than its tolerance."""


@dataclass(frozen=True, repr=False)
class Claim:
    """One entry of the ledger; made by :meth:`Ledger.claim`.

    Attributes
    ----------
    chapter, name, source, equation, why : str
        Where the claim stands, what it says, who proved it, the equation in LaTeX, and the reason for
        the tolerance.
    theory, measured : float, tuple of float, or str
        The two sides. More than 64 values are kept as a summary in words.
    distance, tolerance : float
        How far apart the sides are, and how far they may be.
    relative : bool
        Whether the distance is relative to theory.
    """

    chapter: str
    name: str
    source: str
    equation: str
    theory: Value
    measured: Value
    distance: float
    tolerance: float
    why: str
    relative: bool

    @property
    def ok(self) -> bool:
        """Whether the distance is within the tolerance."""
        return self.distance <= self.tolerance

    def __repr__(self) -> str:
        relation = "≤" if self.ok else ">"
        return (
            f"{'✓' if self.ok else '✗'} {self.name}: theory {in_words(self.theory)}, measured "
            f"{in_words(self.measured)}, {self._kind} {self.distance:.2g} {relation} {self.tolerance:.2g}"
        )

    @property
    def _kind(self) -> str:
        return "relative distance" if self.relative else "distance"

    def _repr_html_(self) -> str:
        equation = f'<span class="math notranslate nohighlight">\\({escape(self.equation)}\\)</span>'
        rows = {
            "Equation": equation if self.equation else "",
            "Source": escape(self.source),
            "Theory": escape(in_words(self.theory)),
            "Measured": escape(in_words(self.measured)),
            self._kind.capitalize(): f"{self.distance:.2g}",
            "Tolerance": escape(f"{self.tolerance:.2g}: {self.why}"),
        }
        body = "".join(
            f'<tr><th scope="row">{head}</th><td>{cell}</td></tr>' for head, cell in rows.items() if cell
        )
        verdict = "✓ holds" if self.ok else "✗ does not hold"
        return (
            f'<table class="rmtlab-claim"><caption><strong>{verdict}:</strong> {escape(self.name)}</caption>'
            f"<tbody>{body}</tbody></table>"
        )


class Ledger:
    """The ledger of one chapter.

    Parameters
    ----------
    chapter : str
        The chapter's path in the book without its ending, such as ``"foundations/mlp"``.

    Raises
    ------
    TypeError, ValueError
        If the chapter is not such a path, or ``RMTLAB_LEDGER`` is not an absolute path.

    Notes
    -----
    Opening a ledger begins its file in the folder ``RMTLAB_LEDGER`` afresh.

    Examples
    --------
    >>> ledger = Ledger("foundations/example")
    >>> ledger.claim(
    ...     "Basel sum", source="Euler 1735", equation=r"\\sum_k k^{-2} = \\pi^2/6",
    ...     theory=np.pi**2 / 6, measured=sum(k**-2.0 for k in range(1, 1001)),
    ...     tolerance=1e-3, why="the sum after n terms misses 1/n",
    ... )
    ✓ Basel sum: theory 1.645, measured 1.644, relative distance 0.00061 ≤ 0.001
    """

    def __init__(self, chapter: str):
        _text(chapter, "chapter")
        if not _CHAPTER.fullmatch(chapter):
            raise ValueError(
                f"chapter must be a path in the book such as 'foundations/mlp', but {chapter!r} was given."
            )
        self.chapter = chapter
        self._claims: dict[str, Claim] = {}
        self._file = _file(chapter)
        self._write()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims so far, in the order in which they were made."""
        return tuple(self._claims.values())

    def claim(
        self,
        name: str,
        *,
        source: str,
        theory: Any,
        measured: Any,
        tolerance: float,
        why: str,
        equation: str = "",
        relative: bool = True,
        distance: float | None = None,
    ) -> Claim:
        """State a result, measure how far it is from holding, and write it down.

        The distance is max |measured − theory|/|theory|, or max |measured − theory| with
        ``relative=False``, over all values; or the one that is given.

        Parameters
        ----------
        name : str
            The claim in a few words, once a chapter.
        source : str
            Paper and equation.
        theory, measured : float or array_like of one shape; or str
            The two sides; texts such as ``"Marchenko–Pastur"`` only beside a ``distance``.
        tolerance : float
            The largest distance at which the claim holds.
        why : str
            Where the tolerance comes from.
        equation : str, optional
            LaTeX, without dollar signs.
        relative : bool, optional
            Whether to divide by |theory|; ignored when ``distance`` is given.
        distance : float, optional
            A distance measured already, such as ``compare(law, eigenvalues).ks``.

        Returns
        -------
        Claim

        Raises
        ------
        LedgerError
            If the distance exceeds the tolerance; the claim is in the ledger nevertheless.
        TypeError, ValueError
            If a text is missing, the name is taken by another claim, or the values do not fit together.
        """
        for text, label in ((name, "name"), (source, "source"), (why, "why")):
            _text(text, label)
        allowed = _checks.number(tolerance, "tolerance", low=0.0)
        if distance is None:
            distance = _distance(theory, measured, relative)
        else:
            distance, relative = _checks.number(distance, "distance", low=0.0), False
        made = Claim(
            chapter=self.chapter,
            name=name,
            source=source,
            equation=_equation(equation),
            theory=_stored(theory, "theory"),
            measured=_stored(measured, "measured"),
            distance=distance,
            tolerance=allowed,
            why=why,
            relative=bool(relative),
        )
        self._enter(made)
        if not made.ok:
            raise LedgerError(
                f"The claim {name!r} of {self.chapter} does not hold: theory says {in_words(made.theory)}, "
                f"{in_words(made.measured)} was measured, and the {made._kind} {distance:.3g} is above the "
                f"tolerance {allowed:.3g} ({why})."
            )
        return made

    def _enter(self, made: Claim) -> None:
        known = self._claims.get(made.name)
        if known is not None and _statement(known) != _statement(made):
            raise ValueError(
                f"name {made.name!r} belongs to another claim of {self.chapter}; give this one a name of its "
                "own, or, if you have just changed it, run the cell that opens the Ledger again."
            )
        self._claims[made.name] = made
        self._write()

    def _write(self) -> None:
        if self._file is not None:
            record = {"chapter": self.chapter, "claims": [asdict(claim) for claim in self.claims]}
            _write_atomically(self._file, json.dumps(record, ensure_ascii=False, indent=1))

    def __repr__(self) -> str:
        held = sum(claim.ok for claim in self.claims)
        return f"Ledger of {self.chapter}: {held} of {len(self.claims)} claims hold"


def read(folder: str | os.PathLike[str]) -> tuple[Claim, ...]:
    """Return the claims that chapters have written into a folder.

    Parameters
    ----------
    folder : path
        The folder that ``RMTLAB_LEDGER`` named when the chapters ran.

    Returns
    -------
    tuple of Claim
        Sorted by chapter; within one, in the order in which they were made.

    Raises
    ------
    ValueError
        If there is no such folder, or a file in it is not a chapter's ledger.
    """
    try:
        root = Path(folder)
    except TypeError:
        raise TypeError(f"folder must be a path, but {folder!r} was given.") from None
    if not root.is_dir():
        raise ValueError(
            f"There is no folder {str(root)!r}; name one in the variable {_FOLDER} and run the chapters."
        )
    return tuple(claim for file in sorted(root.rglob("*.json")) for claim in _read_chapter(file))


def in_words(value: Value) -> str:
    """Return a side of a claim as a short text.

    Parameters
    ----------
    value : float, sequence of float, or str
        The side; a text is returned as it is.

    Returns
    -------
    str
        With four significant digits; more than three values are summed up.

    Raises
    ------
    TypeError, ValueError
        If it is neither a text nor finite real numbers.

    Examples
    --------
    >>> in_words((1.0, 0.5)), in_words((1.0, 2.0, 3.0, 4.0))
    ('1, 0.5', '4 values from 1 to 4')
    """
    if isinstance(value, str):
        return value
    values = _checks.array(value, "value").ravel()
    return _summary(values) if values.size > 3 else ", ".join(f"{v:.4g}" for v in values)


def _summary(values: np.ndarray) -> str:
    return f"{values.size} values from {values.min():.4g} to {values.max():.4g}"


def _text(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, but {value!r} was given.")
    if not value.strip():
        raise ValueError(f"{name} is empty; a claim says what it is, its source and why its tolerance.")


def _equation(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"equation must be LaTeX in a text, but {value!r} was given.")
    return value.strip().strip("$").strip()


def _distance(theory: Any, measured: Any, relative: bool) -> float:
    for side, name in ((theory, "theory"), (measured, "measured")):
        if isinstance(side, str):
            raise TypeError(f"{name} is the text {side!r}; beside a text, give the distance as distance=….")
    expected, found = _checks.array(theory, "theory"), _checks.array(measured, "measured")
    if expected.shape != found.shape:
        raise ValueError(
            f"theory and measured must have one shape, but theirs are {expected.shape} and {found.shape}."
        )
    error = np.abs(found - expected)
    if not relative:
        return float(np.max(error))
    if not np.all(expected):
        raise ValueError("theory holds a zero, to which no distance is relative; pass relative=False.")
    return float(np.max(error / np.abs(expected)))


def _stored(value: Any, name: str) -> Value:
    if isinstance(value, str):
        _text(value, name)
        return value
    values = _checks.array(value, name)
    if values.ndim == 0:
        return float(values)
    return tuple(values.ravel().tolist()) if values.size <= _STORED_VALUES else _summary(values)


def _statement(claim: Claim) -> tuple[object, ...]:
    """What stays the same when a cell is run again."""
    return (claim.source, claim.equation, claim.tolerance, claim.why, claim.relative)


def _file(chapter: str) -> Path | None:
    folder = os.environ.get(_FOLDER)
    if not folder:
        return None
    if not Path(folder).is_absolute():
        raise ValueError(
            f"{_FOLDER} must be an absolute path, as chapters run in folders of their own, not {folder!r}."
        )
    return Path(folder, f"{chapter}.json")


def _write_atomically(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _read_chapter(file: Path) -> list[Claim]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return [_claim(entry) for entry in record["claims"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(file)!r} is not the ledger of a chapter ({error!r}); remove it.") from None


def _claim(entry: dict[str, Any]) -> Claim:
    known = {field.name: entry[field.name] for field in fields(Claim)}
    for side in ("theory", "measured"):
        if isinstance(known[side], list):
            known[side] = tuple(known[side])
    return Claim(**known)
