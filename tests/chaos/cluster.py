"""placeholder"""

from __future__ import annotations

from typing import Any


def run(**_: Any) -> Any:
    raise NotImplementedError
