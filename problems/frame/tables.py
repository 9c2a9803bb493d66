"""Tables that a spreadsheet has written: the gradebook, and the sheet that a marker has filled in.

Excel writes what the country is used to: commas, semicolons or tabs; UTF-8, UTF-16 or Windows' own letters.
All are read. What is no table is refused, in a sentence that says which file, which row and what to do.
"""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

Row = dict[str, str]
SEPARATORS = (",", ";", "\t")
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read(path: Path, needed: Sequence[str], known: Sequence[str] = ()) -> list[tuple[int, Row]]:
    """The rows of a table by column, each with its number in the spreadsheet; rows without any text left out.

    The separator is the one that gives the first row the columns that are `needed`. Those, and the `known`
    ones, are found whatever their capitals and blanks. Two columns of one such name are refused, and text
    beyond the last column, as where 3,5 stands between commas: it would shift a row.
    """
    text = _text(path)
    first, _, rest = text.partition("\n")
    skipped = int(first.strip().lower().startswith("sep="))
    if skipped:
        text = rest
    names = {_folded(name): name for name in (*needed, *known)}
    for separator in SEPARATORS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            header = [names.get(_folded(cell), cell.strip()) for cell in next(rows, [])]
            if set(needed) <= set(header):
                for name in names.values():
                    if header.count(name) > 1:
                        raise SystemExit(
                            f"{path} has {header.count(name)} columns {name!r}: leave one of them."
                        )
                return [
                    (number, _row(path, number, header, row))
                    for number, row in enumerate(rows, 2 + skipped)
                    if any(cell.strip() for cell in row)
                ]
        except csv.Error as error:
            raise SystemExit(
                f"{path} is no table: {error}. Save it as CSV (UTF-8) in the spreadsheet."
            ) from None
    told = " and ".join(repr(name) for name in needed)
    raise SystemExit(
        f"{path}: the first row must name the columns, {told} among them, but it is {first.strip()[:80]!r}. "
        "Separate columns by commas, semicolons or tabs; if a spreadsheet shows everything in one column, open "
        "the file by its import, with the comma as separator."
    )


def _row(path: Path, number: int, header: list[str], row: list[str]) -> Row:
    if any(cell.strip() for cell in row[len(header) :]):
        raise SystemExit(
            f"{path}, row {number}: there is text beyond the last column; put double quotes around what holds "
            "the separator, such as 3,5 between commas."
        )
    return {name: cell.strip() for name, cell in zip(header, row, strict=False) if name}


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}.") from None
    if data.startswith(WORKBOOKS):
        raise SystemExit(f"{path} is a workbook, not a table: save it as CSV (UTF-8) in the spreadsheet.")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SystemExit(f"{path}: its letters cannot be read; save it as CSV (UTF-8) in the spreadsheet.")


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
