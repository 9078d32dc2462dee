"""The keys that webhooks are signed with: made once, and kept in the sandbox's folder."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

SENDGRID_FILE = "sendgrid_webhook_key.pem"
MAILGUN_FILE = "mailgun_webhook_key"


def sendgrid(directory: Path) -> ec.EllipticCurvePrivateKey:
    """Return SendGrid's key pair on P-256."""
    kept = _kept(directory / SENDGRID_FILE, _new_pair)
    key = serialization.load_pem_private_key(kept, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{directory / SENDGRID_FILE} holds another kind of key; delete it")
    return key


def sendgrid_public(directory: Path) -> str:
    """Return the verification key as SendGrid shows it: base64 of a DER SubjectPublicKeyInfo."""
    der = sendgrid(directory).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return base64.b64encode(der).decode("ascii")


def mailgun(directory: Path) -> str:
    """Return Mailgun's HTTP webhook signing key."""
    return _kept(directory / MAILGUN_FILE, lambda: secrets.token_hex(16).encode()).decode("ascii").strip()


def _new_pair() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    if path.exists():
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: half a key would be there for good.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
    draft.replace(path)
    return path.read_bytes()
