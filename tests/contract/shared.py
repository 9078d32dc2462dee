"""The providers' contracts beside the checkout. A stranger's clone has none, and then these tests say so and skip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"

needed = pytest.mark.skipif(not CONTRACTS.is_dir(), reason=f"the providers' contracts are not at {CONTRACTS}")


def contract(name: str) -> Any:
    """Return one contract file as JSON."""
    return json.loads((CONTRACTS / name).read_text(encoding="utf-8"))
