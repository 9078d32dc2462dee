"""A new key inside a kept answer: to be read only by whoever asked for it, with the same Idempotency-Key."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api import auth
from mailer.errors import KeyReused
from mailer.ledger import Answer, Once


def seal(token: str, name: str) -> str:
    """Return a token that only this caller can read again, by the name of its request."""
    return _box(name).encrypt(token.encode()).decode()


def opened(answer: Answer, asked: Once | None) -> Answer:
    """Return an answer with the token that it has in it."""
    if asked is None or "sealed" not in answer.body:
        return answer
    rest = {name: value for name, value in answer.body.items() if name != "sealed"}
    try:
        token = _box(asked.key).decrypt(answer.body["sealed"].encode()).decode()
    except InvalidToken:
        raise KeyReused from None  # the environment's key was changed in between
    return Answer(status=answer.status, body=rest | {"key": token}, replayed=answer.replayed)


def _box(name: str) -> Fernet:
    # The caller's own secret, which is not stored anywhere either.
    secret = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mailer kept key " + name.encode())
    return Fernet(base64.urlsafe_b64encode(secret.derive(auth.token().encode("latin-1", "replace"))))
