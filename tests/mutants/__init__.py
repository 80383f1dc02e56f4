"""Seeded bugs: each one line, each of which some test must turn red. `python -m tests.mutants`."""
