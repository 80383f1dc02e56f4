"""`make reliability`: what was promised about bad days, measured on the running studio.

Sections: kills rates completion recovery callbacks archive. It starts a PostgreSQL and a Redis of
its own (or none: --embedded), and writes its tables into docs/reliability.md (or not: --no-write).
"""

import argparse
import signal
import sys
import time

from tests.reliability import report, servers
from tests.reliability.world import World


def sections(options):
    """What can be measured, each as a call with a world. Imported late: each needs other things."""
    from tests.reliability import archiving, callbacks, completion, kills, rates, recovery

    return {
        "kills": lambda world: kills.measure(
            world, submissions=options.submissions, faults=options.faults, seed=options.seed
        ),
        "rates": lambda world: rates.measure(
            world, seconds=options.seconds, workers=options.workers
        ),
        "completion": lambda world: completion.measure(world, videos=options.videos),
        "recovery": lambda world: recovery.measure(world, only=options.fault),
        "callbacks": lambda world: callbacks.measure(world, calls=options.callbacks),
        "archive": lambda world: archiving.measure(world, megabytes=options.megabytes),
    }


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("section", nargs="*", help="all of them when none is named")
    parser.add_argument("--submissions", type=int, default=1000, help="kills: clicks")
    parser.add_argument("--faults", type=float, default=0.2, help="kills: share of calls")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60, help="rates: for how long")
    parser.add_argument("--workers", type=int, default=10, help="rates: worker processes")
    parser.add_argument("--videos", type=int, default=90, help="completion: each way")
    parser.add_argument("--fault", action="append", help="recovery: only this one")
    parser.add_argument("--callbacks", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=256, help="archive: the large file")
    parser.add_argument("--embedded", action="store_true", help="SQLite, the embedded broker")
    parser.add_argument("--no-write", action="store_true", help="leave the page as it is")
    options = parser.parse_args()
    if not options.embedded and (hint := servers.what_is_missing()):
        parser.error(f"needs servers of its own: {hint}")
    # Told to end, it leaves nothing running, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *told: sys.exit(143))
    known = sections(options)
    if unknown := set(options.section) - set(known):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    return run({name: known[name] for name in options.section or known}, options)


def run(chosen, options):
    missed = 0
    with World(embedded=options.embedded) as world:
        for name, measure in chosen.items():
            began = time.monotonic()
            print(f"{name} ...", flush=True)
            found = measure(world)
            print(f"{found}\n  ({time.monotonic() - began:.0f} s)", flush=True)
            missed += not found.is_kept
            if not options.no_write:
                report.write(found, servers=world.servers)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
