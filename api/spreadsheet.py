"""Suppressions as CSV (RFC 4180), in and out: pure, text in and text out.

A cell that a spreadsheet would take for a formula (an address may begin with `=`, `+` or `-`) is written with a `'`
before it, as spreadsheets do themselves, and read without it: what was written here comes back as it was.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import pydantic

from mailer.clock import rfc3339
from mailer.errors import Invalid, Problem
from mailer.problem import MOST as MOST_NAMED
from mailer.problem import parsed
from mailer.request import SuppressionRequest
from mailer.suppression import Suppression

MEDIA_TYPE = "text/csv"
# Of one file: lines without the header, and bytes.
MOST_LINES = 50_000
MOST_BYTES = 5_000_000

_TAKEN = ("email", "stream", "reason", "detail")
# In what is written, and passed over in what is read: who said it now, and when, is known.
_WRITTEN = (*_TAKEN, "source", "created_at")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"
_MARKED = tuple(_MARK + sign for sign in (*_FORMULA, _MARK))


class Csv(pydantic.RootModel[str]):
    """Suppressions, one a line, with a header: `email`, and `stream`, `reason` and `detail` where they are wanted."""

    media_type: ClassVar[str] = MEDIA_TYPE


def written(pages: Iterable[Sequence[Suppression]]) -> Iterator[str]:
    """Yield the file piece by piece, with its header."""
    yield _lines([_WRITTEN])
    for page in pages:
        yield _lines([_row(s) for s in page])


def read(text: str) -> list[SuppressionRequest]:
    """Return what the lines of a file ask for.

    Raises:
        Invalid: names every wrong line (the first hundred), by its number in the file and its column.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), newline=""), strict=True)
    found: list[SuppressionRequest] = []
    wrong: list[Problem] = []
    try:
        header = _header(next(reader, []))
        for cells in reader:
            if len(found) == MOST_LINES:
                raise Invalid((Problem("", f"has more than {MOST_LINES} lines", "too_long"),))
            try:
                found += [_asked(header, cells)] if cells else []
            except Invalid as error:
                wrong += [Problem(f"/{reader.line_num}{p.pointer}", p.detail, p.code) for p in error.problems]
            if len(wrong) >= MOST_NAMED:
                break
    except csv.Error as error:
        wrong.append(Problem(f"/{reader.line_num}", f"is no CSV: {error}", "csv"))
    if wrong:
        raise Invalid(tuple(wrong[:MOST_NAMED]))
    return found


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    unknown = [name for name in names if name not in _WRITTEN]
    if "email" not in names or unknown or len(set(names)) < len(names):
        raise Invalid((Problem("/1", f"must name email, and may name {', '.join(_WRITTEN[1:])}, once", "header"),))
    return names


def _asked(header: Sequence[str], cells: Sequence[str]) -> SuppressionRequest:
    if len(cells) > len(header):
        raise Invalid((Problem("", "has more cells than the header", "cells"),))
    given: Mapping[str, str] = dict(zip(header, (_plain(cell.strip(" ")) for cell in cells), strict=False))
    return parsed(SuppressionRequest, {name: given[name] for name in _TAKEN if given.get(name)})


def _row(s: Suppression) -> list[str]:
    return [s.email, s.stream, s.reason.value, s.detail, s.source, rfc3339(s.created_at)]


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: str) -> str:
    # Marked already, it is marked once more: whoever reads it takes one mark away.
    return _MARK + cell if cell.startswith((*_FORMULA, *_MARKED)) else cell


def _plain(cell: str) -> str:
    return cell.removeprefix(_MARK) if cell.startswith(_MARKED) else cell
