"""The shared clock: the database's time, whatever this machine's clocks do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from mailer.clock import SharedClock
from mailer.errors import StoreUnavailable
from tests.factories import NOW


@dataclass
class Machine:
    """A machine whose wall clock can be set, and a database with the right time."""

    true: datetime = NOW
    wall: datetime = NOW
    steady: float = 100.0
    down: bool = False
    takes: list[float] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)

    def clock(self) -> SharedClock:
        """Return its clock."""
        return SharedClock(self.read, wall=lambda: self.wall, steady=lambda: self.steady, failed=(StoreUnavailable,))

    def read(self) -> datetime | None:
        """Answer as the database does."""
        self.asked.append(self.true)
        answer = self.true
        if self.takes:
            # The answer is of the moment of the question, and comes late.
            self.pass_(self.takes.pop())
        if self.down:
            raise StoreUnavailable
        return answer

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        step = timedelta(seconds=seconds)
        self.true, self.wall, self.steady = self.true + step, self.wall + step, self.steady + seconds


def test_a_machine_whose_clock_is_wrong_still_knows_the_databases_time() -> None:
    machine = Machine(wall=NOW + timedelta(hours=1))
    clock = machine.clock()
    assert clock() == NOW
    machine.pass_(30)
    assert clock() == NOW + timedelta(seconds=30)


def test_the_database_is_asked_once_a_minute() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(12):
        clock()
        machine.pass_(10)
    assert len(machine.asked) == 2


def test_a_clock_that_is_set_meanwhile_changes_nothing() -> None:
    machine = Machine()
    clock = machine.clock()
    clock()
    machine.wall -= timedelta(hours=2)
    machine.pass_(5)
    assert clock() == NOW + timedelta(seconds=5)


def test_a_machine_that_slept_asks_again_when_it_wakes() -> None:
    machine = Machine()
    clock = machine.clock()
    clock()
    # The steady clock stands still in suspension.
    machine.true += timedelta(minutes=20)
    machine.wall += timedelta(minutes=20)
    assert clock() == NOW + timedelta(minutes=20)


def test_while_the_database_is_away_time_goes_on_and_it_is_not_asked_each_time() -> None:
    machine = Machine(wall=NOW + timedelta(hours=1))
    clock = machine.clock()
    clock()
    machine.down = True
    machine.pass_(61)
    assert [clock(), clock(), clock()] == [NOW + timedelta(seconds=61)] * 3
    assert len(machine.asked) == 2
    machine.down = False
    machine.pass_(6)
    assert clock() == NOW + timedelta(seconds=67)
    assert len(machine.asked) == 3


def test_a_machine_that_never_heard_the_databases_time_has_none() -> None:
    """At power-up, clocks are wrong and the database is still starting: a wrong time would expire mails."""
    machine = Machine(wall=NOW + timedelta(hours=1), down=True)
    clock = machine.clock()
    with pytest.raises(StoreUnavailable):
        clock()
    machine.pass_(1)
    machine.down = False
    assert clock() == NOW + timedelta(seconds=1)


def test_an_answer_that_took_long_is_no_time() -> None:
    machine = Machine()
    clock = machine.clock()
    clock()
    machine.pass_(61)
    machine.takes = [30, 30]
    assert abs(clock() - machine.true) < timedelta(seconds=1), "it goes on by the last answer"
    machine.pass_(6)
    assert clock() == machine.true
    assert len(machine.asked) == 4


def test_without_a_server_the_machines_clock_is_the_time() -> None:
    machine = Machine()
    clock = SharedClock(lambda: None, wall=lambda: machine.wall, steady=lambda: machine.steady)
    assert clock() == NOW
    machine.wall += timedelta(hours=1)
    assert clock() == NOW + timedelta(hours=1)
