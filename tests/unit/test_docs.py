"""The documents tell the truth about the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mailer.errors import MailerError
from mailer.providers import registry
from mailer.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def documented() -> dict[str, str]:
    """Return every variable of docs/settings.md with its default as written there."""
    rows = re.findall(r"^\| (`.+?`) \| (.*?) \|", (DOCS / "settings.md").read_text(), re.MULTILINE)
    return {name: default.strip("`") for names, default in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_setting_is_documented_with_its_default() -> None:
    found = documented()
    for field in dataclasses.fields(Settings):
        name, default = field.metadata["env"], field.default
        assert name in found
        if default != "":
            assert found[name] == (f"{default:g}" if isinstance(default, float) else str(default)), name


def test_every_setting_of_a_provider_is_documented() -> None:
    for provider in registry.ALL:
        for setting in provider.settings:
            assert documented()[setting.name] == (setting.default or "none"), setting.name


@pytest.mark.parametrize(
    "page", sorted(p.relative_to(ROOT).as_posix() for p in [*DOCS.rglob("*.md"), ROOT / "README.md"])
)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    import mailer.errors

    drawn = set(re.findall(r"[A-Z]\w+", (mailer.errors.__doc__ or "").split("One place")[0].split("tree.")[1]))
    classes = {c.__name__ for c in vars(mailer.errors).values() if isinstance(c, type) and issubclass(c, MailerError)}
    assert classes <= drawn
