"""Spectral finds nothing to say about the document: no error, no warning, no hint (tests/openapi/spectral.yaml)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import flask
import pytest

from api import openapi
from deploy.local import spectral


@pytest.fixture
def document(app: flask.Flask) -> dict[str, Any]:
    return openapi.build(app)


def lint(document: dict[str, Any], folder: Path) -> list[str]:
    """Return what Spectral finds."""
    if not spectral.program().exists():
        pytest.skip(f"there is no {spectral.program()}: `python -m deploy.local.install` brings it, with npm")
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    command: list[str | Path] = [spectral.program(), "lint", "openapi.json", "--quiet", "--format", "json"]
    command += ["--ruleset", spectral.SOURCE / "spectral.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return [f"{'/'.join(map(str, found['path']))}: {found['code']}" for found in json.loads(done.stdout)]


def test_nothing_is_found(document: dict[str, Any], tmp_path: Path) -> None:
    assert lint(document, tmp_path) == []


def test_what_breaks_a_rule_of_the_house_is_found(document: dict[str, Any], tmp_path: Path) -> None:
    create = document["paths"]["/v1/messages"]["post"]
    create["parameters"] = [p for p in create["parameters"] if not p["$ref"].endswith("IdempotencyKey")]
    del document["components"]["schemas"]["Address"]["examples"]
    found = lint(document, tmp_path)
    assert "paths//v1/messages/post/parameters: posts-can-be-repeated" in found
    assert "components/schemas/Address: models-have-examples" in found
