"""What an application pays for importing the client: seconds and modules, beside what it would import anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 7

SUBJECTS = {
    "python alone": "pass",
    "import requests": "import requests",
    "import celery; celery.Celery": "import celery; celery.Celery('x').conf.broker_url",
    "import mailer": "import mailer",
    "import pydantic": "import pydantic; pydantic.BaseModel",
    "from mailer import Mailer": "from mailer import Mailer",
    "from mailer import AsyncMailer": "from mailer import AsyncMailer",
    "from mailer import send_email": "from mailer import send_email; send_email.delay",
}


def measure(code: str) -> tuple[float, int]:
    """Return the best of several runs: milliseconds inside the interpreter, and how many modules it loaded."""
    program = (
        f"import sys, time; begun = time.perf_counter(); before = len(sys.modules)\n{code}\n"
        "print((time.perf_counter() - begun) * 1000, len(sys.modules) - before)"
    )
    best = min(_run(program) for _ in range(RUNS))
    return best[0], int(best[1])


def _run(program: str) -> tuple[float, float]:
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    milliseconds, modules = out.split()
    return float(milliseconds), float(modules)


def main() -> None:
    """Print the table."""
    print(f"\nimport, best of {RUNS}            ms   modules")
    for name, code in SUBJECTS.items():
        milliseconds, modules = measure(code)
        print(f"{name:32} {milliseconds:6.0f} {modules:8d}")


if __name__ == "__main__":
    main()
