"""What an install brings: the extras hold what the rooms need, and what is missing is named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    """Return the names, without versions, of requirements."""
    return {re.split(r"[<>=\[ ]", line)[0] for line in requirements}


def run_without(missing: str, code: str) -> str:
    """Run a program where a module is not installed; return what it says at its end."""
    # None in sys.modules is a module that cannot be found.
    program = f"import sys; sys.modules[{missing!r}] = None\n{code}"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False).stderr


def test_the_server_is_what_its_requirements_say() -> None:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    wanted = names([line for line in lines if line and not line.startswith("#")])
    assert names(EXTRAS["server"]) | names(PROJECT["dependencies"]) == wanted


def test_an_extra_asks_for_the_same_in_each_place() -> None:
    assert set(EXTRAS["celery"]) <= set(EXTRAS["cli"]) <= set(EXTRAS["server"])
    assert set(EXTRAS["async"]) <= set(EXTRAS["server"])


@pytest.mark.parametrize(
    ("missing", "code", "extra"),
    [
        ("httpx", "from mailer import AsyncMailer", "async"),
        ("celery", "from mailer import send_email", "celery"),
        ("typer", "from mailer.__main__ import main; main()", "cli"),
        ("structlog", "from mailer.__main__ import main; main()", "cli"),
    ],
)
def test_a_missing_extra_is_named(missing: str, code: str, extra: str) -> None:
    said = run_without(missing, code).splitlines()[-1]
    assert f".[{extra}]" in said


def test_the_command_line_needs_nothing_of_the_web() -> None:
    absent = sorted(names(EXTRAS["server"]) - names(EXTRAS["cli"]) - {"setuptools"})
    assert {"flask", "gunicorn", "flower"} <= set(absent)
    program = "".join(f"sys.modules[{name!r}] = None; " for name in absent) + "import cli.app, tasks"
    assert run_without("nothing", program) == ""


def test_the_wheel_holds_what_the_service_needs_and_no_celeryconfig_for_everybody(tmp_path: Path) -> None:
    """Celery reads a module `celeryconfig` wherever it finds one, and the wheel lies beside the application."""
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".*", "var", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, checkout, ignore=ignored, symlinks=True)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-qq", "-w", str(tmp_path), "."]
    subprocess.run(build, cwd=checkout, check=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        assert packed.read("tasks/celeryconfig.py") == (ROOT / "celeryconfig.py").read_bytes()
    assert "celeryconfig.py" not in names
    assert {"mailer/py.typed", "mailer/store/migrations/env.py", "api/templates/problem.html"} <= names


@pytest.mark.parametrize(
    "code", ["from mailer import Mailer", "import mailer.handler", "from mailer import AsyncMailer, NotFound"]
)
def test_the_client_needs_three_packages_and_httpx(code: str) -> None:
    others = names(EXTRAS["server"]) - {"httpx", "setuptools", "uuid-utils", "sentry-sdk", "concurrent-log-handler"}
    absent = [*sorted(others), "uuid_utils", "sentry_sdk", "concurrent_log_handler", "django"]
    program = "".join(f"sys.modules[{name!r}] = None; " for name in absent) + code
    assert run_without("nothing", program) == ""
