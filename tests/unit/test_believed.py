"""What was read a moment ago is believed for so long, and no longer."""

from __future__ import annotations

from mailer.believed import Believed


def test_a_value_is_read_again_after_its_time_and_nothing_is_not_remembered() -> None:
    stored, read, clock = {"a": 1}, [], [0.0]

    def look(name: str) -> int | None:
        read.append(name)
        return stored.get(name)

    believed = Believed(look, seconds=2, steady=lambda: clock[0])
    assert [believed.get("a"), believed.get("a"), believed.get("b"), believed.get("b")] == [1, 1, None, None]
    assert read == ["a", "b", "b"]
    stored["a"], clock[0] = 2, 1.9
    assert believed.get("a") == 1
    clock[0] = 2.0
    assert believed.get("a") == 2
    stored["a"] = 3
    believed.forget()
    assert believed.get("a") == 3
