"""`make proofs`: idempotency, cancel, listing, each in full, with its numbers. ARGS=NAME chooses one."""

from __future__ import annotations

import argparse
import sys

from deploy.local.postgres import PostgresCluster
from mailer.store import Database, migrate
from tests.chaos.system import System
from tests.proofs import cancel, idempotency, listing


def _idempotency() -> bool:
    with System(slow_disk=False, environment={"WEB_CONCURRENCY": "2"}) as system:
        crowd = idempotency.crowd(system)
        print(f"100 parallel requests, one key, 8 processes: messages {crowd.messages}, ids {len(crowd.ids)},", end=" ")
        print("answers " + ", ".join(f"{kind} {number}" for kind, number in sorted(crowd.answers.items())))
        kills = idempotency.kills(system)
        print(f"API killed {kills.kills} times under {kills.keys} keys: stuck {len(kills.stuck)},", end=" ")
        print(f"doubled {len(kills.doubled)}, answers {dict(kills.answers)}")
    return crowd.messages == 1 and not kills.stuck and not kills.doubled


def _cancel() -> bool:
    with System(slow_disk=False) as system:
        done = cancel.race(system)
    print(f"cancel against claim, {done.rounds} rounds: said {dict(done.said)},", end=" ")
    print(f"canceled and sent {len(done.canceled_and_sent)}, too late and not sent {len(done.late_and_not_sent)}")
    return not done.canceled_and_sent and not done.late_and_not_sent and len(done.said) == 2


def _listing(count: int = 2_000_000) -> bool:
    cluster = PostgresCluster()
    try:
        cluster.start()
        cluster.create_database("listing")
        database = Database(cluster.url("listing"))
        migrate.upgrade(database)
        print(f"{count:,} messages stored in {listing.fill(database, count):.0f} s")
        for t in listing.measure(database, count):
            print(f"{t.name:<30} p50 {t.p50:6.1f} ms  p99 {t.p99:6.1f} ms  {t.rows:3} rows  {t.plan}")
        walk = listing.walk(database)
        print(f"a walk over {walk.wanted:,} while {walk.arrived} arrived: missing {walk.missing}, twice {walk.twice}")
        database.close()
    finally:
        cluster.remove()
    return not walk.missing and not walk.twice


_PROOFS = {"idempotency": _idempotency, "cancel": _cancel, "listing": _listing}


def main() -> int:
    """Run them; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make proofs")
    parser.add_argument("names", nargs="*", default=list(_PROOFS), metavar="|".join(_PROOFS))
    broken = [name for name in parser.parse_args().names if not _PROOFS[name]()]
    print(f"broken: {', '.join(broken)}" if broken else "every promise was kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
