"""The seeded bugs of `python -m tests.mutants` still fit the code they are planted into."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.__main__ import planted
from tests.mutants.bugs import MUTANTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_seeded_bug_fits_its_line_and_changes_it(mutant):
    before = (ROOT / mutant.file).read_text()

    after = planted(mutant, before)

    assert after != before
    compile(after, mutant.file, "exec")
    assert [test for test in mutant.all_tests if not (ROOT / test).exists()] == []


def test_there_are_many_of_them_and_each_has_a_name_of_its_own():
    names = Counter(mutant.name for mutant in MUTANTS)

    assert len(MUTANTS) >= 24
    assert sum(mutant.is_life for mutant in MUTANTS) >= 8
    assert set(names.values()) == {1}
