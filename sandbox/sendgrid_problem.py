"""One entry of SendGrid's list of errors, and the shapes that every rule asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

_HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where, e.g. `personalizations.0.to`."""

    message: str
    field: str | None

    def as_dict(self) -> dict[str, str | None]:
        """Return it as it goes over the wire; the help page's anchors carry no positions."""
        anchor = re.sub(r"\.\d+", "", self.field) if self.field else None
        return {"message": self.message, "field": self.field, "help": _HELP + anchor if anchor else None}


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether it is a string of at least one character."""
    return isinstance(value, str) and value != ""


def is_integer(value: object) -> TypeGuard[int]:
    """Tell whether it is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text_map(value: object) -> TypeGuard[dict[str, str]]:
    """Tell whether it is an object, not empty, all of whose values are strings."""
    return isinstance(value, dict) and bool(value) and all(isinstance(v, str) for v in value.values())


def has_break(value: str) -> bool:
    """Tell whether it contains one of the characters refused in names and types: `;` `,` CR LF."""
    return re.search(r"[;,\r\n]", value) is not None
