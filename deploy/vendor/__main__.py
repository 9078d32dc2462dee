"""`make vendor`: Swagger UI into api/static, in the version that package-lock.json beside this names and proves.

A new version: change it in package.json, `npm install --package-lock-only` there, `make vendor`, look at /docs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local import npm
from deploy.local.error import LocalError
from deploy.place import ROOT

SOURCE = Path(__file__).parent
TARGET = ROOT / "api" / "static" / "swagger-ui"
# The rest of the package are other builds of the same, source maps, and a start page that we have ourselves.
FILES = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE")


def main() -> int:
    """Exit code 1, with one line, if npm or its registry is not there."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            npm.install(SOURCE, Path(folder) / "npm")
        except LocalError as error:
            print(f"make vendor: {error}", file=sys.stderr)
            return 1
        TARGET.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(Path(folder) / "npm" / "node_modules" / "swagger-ui-dist" / name, TARGET / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
