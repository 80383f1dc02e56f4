"""Plants each seeded bug into a copy of the tree and shows which test turns red.

    python -m tests.mutants              each bug against the tests of its room
    python -m tests.mutants --machine    the bugs of a video's life against the state machine alone
    python -m tests.mutants --only echo  the bugs whose name has this word (or one of several)
    python -m tests.mutants --write      also write the table into docs/reliability.md

Ends with 1 when a bug survives; with --machine, when fewer than eight of them are caught.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutants.bugs import MACHINE, MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NEVER_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis", "node_modules", "images"
)
THIRD_PARTIES = (
    "PIL.Image",
    "av",
    "celery",
    "django.db.models",
    "django.forms",
    "django.test",
    "fastjsonschema",
    "hypothesis.stateful",
    "kombu",
    "requests",
    "responses",
)
LONGEST_SECONDS = 900
FEWEST_BY_MACHINE = 8
REPORT = "report.txt"
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
        if any(word in mutant.name for word in options.only)
        and (mutant.is_life or not options.machine)
    ]
    outcomes = []
    for outcome in _outcomes(chosen, by_machine=options.machine, at_once=options.parallel):
        outcomes.append(outcome)
        verdict = outcome.caught_by or "SURVIVED"
        print(f"{outcome.mutant.name:48} {outcome.seconds:6.1f} s  {verdict}", flush=True)
    survived = [outcome for outcome in outcomes if not outcome.caught_by]
    print(f"{len(outcomes) - len(survived)} of {len(outcomes)} caught")
    if options.write:
        in_order = sorted(outcomes, key=lambda outcome: MUTANTS.index(outcome.mutant))
        _write(in_order, part="machine" if options.machine else "mutants")
    if options.machine:
        # Not each bug can be met by chance in a minute; so many must be.
        return 0 if len(outcomes) - len(survived) >= min(FEWEST_BY_MACHINE, len(outcomes)) else 1
    return 1 if survived else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--machine", action="store_true", help="use the state machine alone")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="WORD", help="only bugs whose name has a word"
    )
    parser.add_argument("--parallel", type=int, default=2, help="copies at once")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md too")
    return parser.parse_args()


def _outcomes(mutants: list[Mutant], *, by_machine: bool, at_once: int) -> Iterator[Outcome]:
    """What became of each bug, as soon as it is known."""
    # Loaded once, before the children are forked: most of a short run's time goes into imports.
    for name in THIRD_PARTIES:
        import_module(name)
    with tempfile.TemporaryDirectory(prefix="studio-mutants-") as folder:
        free = [Path(folder) / f"tree-{number}" for number in range(at_once)]
        for tree in free:
            shutil.copytree(ROOT, tree, ignore=NEVER_COPIED)
        waiting, running = list(reversed(mutants)), {}
        while waiting or running:
            while waiting and free:
                mutant, tree = waiting.pop(), free.pop()
                tests = (MACHINE,) if by_machine else mutant.all_tests
                running[_start(mutant, tree, tests)] = (mutant, tree, time.monotonic())
            pid, status = os.wait()
            mutant, tree, started = running.pop(pid)
            shutil.copy(ROOT / mutant.file, tree / mutant.file)
            free.append(tree)
            caught_by = _read_report(mutant, tree, status)
            yield Outcome(mutant, caught_by, time.monotonic() - started)


def _start(mutant: Mutant, tree: Path, tests: tuple[str, ...]) -> int:
    """Run these tests in this tree with this bug, as a child. Returns its process id."""
    plant(mutant, tree)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = _run_in_child(tree, tests)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _run_in_child(tree: Path, tests: tuple[str, ...]) -> int:
    signal.alarm(LONGEST_SECONDS)
    report = os.open(tree / REPORT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(report, 1)
    os.dup2(report, 2)
    os.chdir(tree)
    # What the parent knows of this project is the tree without the bug.
    sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    # A line of the same length within a second would look like the compiled one.
    sys.dont_write_bytecode = True
    for name in [name for name in os.environ if name.startswith("TEST_")]:
        del os.environ[name]
    # No time is spent on making a finding small.
    os.environ["STUDIO_MACHINE"] = "hunt"
    # Loaded before pytest could look into it, which is as we want it.
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options = [
        *quiet,
        "-n",
        "0",
        "-x",
        "--nomigrations",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    return int(pytest.main([*options, *tests]))


def _read_report(mutant: Mutant, tree: Path, status: int) -> str:
    """The first test that turned red; "" when all were green."""
    report = (tree / REPORT).read_text()
    red = RED.search(report)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, 1, 2} or (code and not red):
        raise RuntimeError(f"{mutant.name}: the tests ended with {code}\n{report}")
    return red.group(1).removeprefix("tests/") if red and code else ""


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
        missed = ", ".join(outcome.mutant.name for outcome in outcomes if not outcome.caught_by)
        table = (
            f"Within its short search the state machine alone catches: {caught}.\n\n"
            f"Left to the tests of their rooms: {missed or 'none'}."
        )
    text = PAGE.read_text()
    before, rest = text.split(start)
    PAGE.write_text(f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    sys.exit(main())
