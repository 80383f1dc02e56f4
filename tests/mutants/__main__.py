"""Plants each seeded bug into a copy of the tree and shows which test turns red.

    python -m tests.mutants              each bug against the tests of its room
    python -m tests.mutants --machine    the bugs of a video's life against the state machine alone
    python -m tests.mutants --only echo  bugs whose name has this word
    python -m tests.mutants --write      also write the table into docs/reliability.md

Ends with 1 when a bug survives.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.bugs import MACHINE, MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NEVER_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis", "node_modules", "images"
)
LONGEST_SECONDS = 600
RED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one bug."""

    mutant: Mutant
    caught_by: str
    seconds: float


def main() -> int:
    options = _options()
    chosen = [
        mutant
        for mutant in MUTANTS
        if options.only in mutant.name and (mutant.is_life or not options.machine)
    ]
    try_out = _by_the_machine if options.machine else _by_its_tests
    with ThreadPoolExecutor(max_workers=options.parallel) as threads:
        outcomes = []
        for outcome in threads.map(try_out, chosen):
            outcomes.append(outcome)
            verdict = outcome.caught_by or "SURVIVED"
            print(f"{outcome.mutant.name:48} {outcome.seconds:6.1f} s  {verdict}", flush=True)
    survived = [outcome for outcome in outcomes if not outcome.caught_by]
    print(f"{len(outcomes) - len(survived)} of {len(outcomes)} caught")
    if options.write:
        _write(outcomes, part="machine" if options.machine else "mutants")
    return 1 if survived else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--machine", action="store_true", help="use the state machine alone")
    parser.add_argument("--only", default="", help="only bugs whose name has this word")
    parser.add_argument("--parallel", type=int, default=2, help="copies at once")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md too")
    return parser.parse_args()


def _by_its_tests(mutant: Mutant) -> Outcome:
    return _run(mutant, mutant.all_tests)


def _by_the_machine(mutant: Mutant) -> Outcome:
    return _run(mutant, (MACHINE,))


def _run(mutant: Mutant, tests: tuple[str, ...]) -> Outcome:
    """Run these tests in a copy of the tree that has this bug."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="studio-mutant-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=NEVER_COPIED)
        plant(mutant, tree)
        # Not a developer's servers, and no time spent on making a finding small.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("TEST_")
        }
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *tests, "-n", "0", "-x", "-p", "no:randomly"],
            cwd=tree,
            env=environment | {"STUDIO_MACHINE": "hunt"},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    if run.returncode not in {0, 1, 2}:
        raise RuntimeError(f"{mutant.name}: pytest ended with {run.returncode}\n{run.stdout}")
    red = RED.search(run.stdout)
    caught_by = red.group(1).removeprefix("tests/") if red else ""
    if run.returncode and not caught_by:
        raise RuntimeError(f"{mutant.name}: red without a test\n{run.stdout}{run.stderr}")
    return Outcome(mutant, caught_by, time.monotonic() - started)


def plant(mutant: Mutant, tree: Path) -> None:
    """Put this bug into the tree. ValueError where its line is not there just once."""
    path = tree / mutant.file
    path.write_text(planted(mutant, path.read_text()))


def planted(mutant: Mutant, text: str) -> str:
    found = text.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its line occurs {found} times in {mutant.file}")
    return text.replace(mutant.old, mutant.new)


def _write(outcomes: list[Outcome], *, part: str) -> None:
    """Replace what stands between this part's markers in docs/reliability.md."""
    start, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    rows = ["| Seeded bug | What it would break | Caught by |", "|---|---|---|"]
    for outcome in outcomes:
        caught_by = f"`{outcome.caught_by}`" if outcome.caught_by else "**survived**"
        rows.append(f"| {outcome.mutant.name} | {outcome.mutant.breaks} | {caught_by} |")
    table = "\n".join(rows)
    if part == "machine":
        caught = ", ".join(outcome.mutant.name for outcome in outcomes if outcome.caught_by)
        table = f"The state machine alone catches: {caught}."
    text = PAGE.read_text()
    before, rest = text.split(start)
    PAGE.write_text(f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    sys.exit(main())
