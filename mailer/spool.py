"""Outcomes that the database could not take, on local disk until it can.

One file an outcome, named by its attempt: ids, times and codes, no address. Written whole or not at all: a file that is
there has been synced.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mailer.alarm import Alarm
from mailer.ledger import Result

_FORMAT = TypeAdapter(Result)


class Spool:
    """A directory of outcomes. Every process on this machine may share it: to store one twice is harmless."""

    def __init__(self, directory: Path, *, alarm: Alarm) -> None:
        self._directory = directory
        self._alarm = alarm
        self._complained: set[str] = set()

    def put(self, result: Result) -> None:
        """Keep an outcome; when this returns it survives a power cut.

        Raises:
            OSError: the disk is full, or not to be written on.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(result)
        unfinished = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            with unfinished.open("wb") as file:
                file.write(_FORMAT.dump_json(result))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._sync_directory()

    def drop(self, result: Result) -> None:
        """Forget an outcome: it is stored. One that cannot be removed is only stored again."""
        try:
            self._path(result).unlink(missing_ok=True)
        except OSError as error:
            self._alarm("spool.failed", attempt_id=result.attempt.id, reason=str(error))

    def waiting(self) -> Iterator[Result]:
        """Return what waits, oldest first; what cannot be read is put aside for a person, with an alarm."""
        # Attempt ids are UUIDv7: their order is that of time.
        for path in sorted(self._directory.glob("*.json")) if self._directory.is_dir() else ():
            try:
                yield _FORMAT.validate_json(path.read_bytes())
            except FileNotFoundError:
                continue  # another process has just stored it
            except OSError as error:
                self.complain(path.stem, error)
            except ValidationError as error:
                self.complain(path.stem, error)
                path.replace(path.with_suffix(".unreadable"))

    def complain(self, attempt_id: str, error: Exception) -> None:
        """Tell a person, once, of an outcome that can be neither read nor stored; the others go on."""
        if attempt_id not in self._complained:
            self._complained.add(attempt_id)
            self._alarm("spool.unreadable", attempt_id=attempt_id, reason=type(error).__name__)

    def _path(self, result: Result) -> Path:
        return self._directory / f"{result.attempt.id}.json"

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
