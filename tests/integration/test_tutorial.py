"""docs/tutorial.md tells the truth: its lines are run against a real system, and answered as it says."""

from __future__ import annotations

import doctest
import re
import subprocess
from pathlib import Path

from pytest_celery import CeleryTestWorker

from mailer import Mailer
from tests.integration.conftest import API_KEY

_PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_END = "--- end of a command"


def test_every_line_of_the_tutorial_does_what_it_says(
    api: Mailer, celery_worker: CeleryTestWorker, environment: dict[str, str]
) -> None:
    steps = _steps(_PAGE.read_text(encoding="utf-8"))
    assert len(steps) > 30
    url = f"http://127.0.0.1:{environment['PORT']}"
    script = "".join(f"{command}\necho\necho '{_END}'\n" for command, _ in steps)
    done = subprocess.run(
        ["bash"], input=script, capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "MAILER_URL": url, "MAILER_API_KEY": API_KEY},
    )  # fmt: skip
    said = done.stdout.split(_END)
    for (command, expected), found in zip(steps, said, strict=False):
        assert _same(expected, found), f"$ {command}\nexpected:\n{expected}\nfound:\n{found}\n{done.stderr}"


def test_the_tutorial_shows_every_endpoint_that_is_described(api: Mailer, environment: dict[str, str]) -> None:
    import requests

    described = requests.get(f"http://127.0.0.1:{environment['PORT']}/openapi.json", timeout=10).json()["paths"]
    page = _PAGE.read_text(encoding="utf-8")
    shown = re.sub(r"\$(ID|LATER|KEY_ID|HOOK|DAN)\b", "{id}", page).replace("$CALLBACK", "{callback_id}")
    shown = shown.replace("/problems/invalid-message", "/problems/{slug}")
    # What a provider signs, nobody else can send.
    missing = [path for path in described if path not in shown and not path.startswith("/webhooks/")]
    assert missing == []


def _steps(page: str) -> list[tuple[str, str]]:
    """Return each command with what it is to print."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            found.append((command, expected))
    return found


def _same(expected: str, found: str) -> bool:
    # Not where a line ends: curl's answers end in no line break.
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return checker.check_output(" ".join(expected.split()) + "\n", " ".join(found.split()) + "\n", flags)
