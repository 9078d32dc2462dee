"""`make chaos`: every fault in full, with a table. ARGS="--fault NAME --seeds 3 --mails 2000" chooses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.chaos import cluster, plain, rolling
from tests.chaos.faults import FAULTS
from tests.chaos.run import run
from tests.chaos.verdict import Verdict

_TABLE = Path("var") / "chaos.md"


def main() -> int:
    """Run them, print and write the table; 1 if a promise was broken."""
    options = _options()
    runs = bad = 0
    _TABLE.parent.mkdir(exist_ok=True)
    with _TABLE.open("a" if options.append else "w", encoding="utf-8") as table:
        for line in Verdict.head().splitlines():
            _say(line, table)
        for name, judged, go in _runs(options):
            try:
                verdict = go()
            except AssertionError as failure:
                _say(f"| {name} | did not end: {str(failure).partition(chr(10))[0]} |", table)
                (_TABLE.parent / f"chaos-{name.replace(' ', '-')}.log").write_text(str(failure), encoding="utf-8")
                kept = False
            else:
                _say(verdict.row(), table)
                kept = verdict.good
            runs += judged
            bad += judged and not kept
    print(f"\n{runs} runs, {bad} of them broke a promise; {_TABLE}")
    return 1 if bad else 0


def _runs(options: argparse.Namespace) -> Iterator[tuple[str, bool, Callable[[], Verdict]]]:
    """Yield each run's name, whether it is one of ours to be judged, and how it goes."""
    load = {"mails": options.mails, "rate": options.rate}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        everything: list[tuple[str, bool, Callable[[], Verdict]]] = [
            (f"{fault.name} ({database})", True, partial(run, fault, database=database, seed=seed, **load))
            for fault in FAULTS
            for database in (fault.databases if options.databases == "all" else fault.databases[:1])
        ]
        everything += [
            ("cluster-node", True, partial(cluster.run, seed=seed, **load)),
            ("rolling-restart", True, partial(rolling.run, seed=seed, mails=options.mails * 3, rate=200)),
            ("plain, early acks", False, partial(plain.run, seed=seed, acks="early", **load)),
            ("plain, late acks", False, partial(plain.run, seed=seed, acks="late", **load)),
        ]
        chosen = [each for each in everything if options.fault in each[0]]
        yield from chosen[options.part - 1 :: options.parts]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--fault", default="", help="only those whose name holds this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=80)
    parser.add_argument("--databases", choices=["all", "first"], default="first", help="SQLite too, or PostgreSQL only")
    parser.add_argument("--part", type=int, default=1, help="with --parts: several `make chaos` side by side")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--append", action="store_true", help=f"add to {_TABLE}")
    return parser.parse_args()


def _say(line: str, table: object) -> None:
    print(line, flush=True)
    print(line, flush=True, file=table)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
