# `make run` starts the studio, `make test` proves it. Both need Python 3.12+ and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` is given after `--`, e.g. make test ARGS="-k polling"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint bench mutants reliability lock screenshots

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.runtime ## Start web, worker, beat and (without a key) the sandbox; Ctrl-C stops all
	@exec $(BIN)/python manage.py run_studio

test: $(VENV)/.dev ## Run the whole suite; TEST_DATABASE_URL and TEST_REDIS_URL choose servers
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev ## Measure the speed claims as ratios and print them as a table
	$(BIN)/python -m tests.bench $(ARGS)

mutants: $(VENV)/.dev ## Plant seeded bugs and show which test turns red for each
	@$(BIN)/python -m tests.mutants $(ARGS)

reliability: $(VENV)/.dev ## Kill, stop and flood a running studio; docs/reliability.md keeps what came of it
	$(BIN)/python -m tests.reliability $(ARGS)

lock: $(VENV)/.dev ## Resolve the dependencies anew
	$(BIN)/uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --extra dev pyproject.toml -o requirements-dev.lock

screenshots: $(VENV)/.dev ## Take the README's pictures from a running product
	$(BIN)/python -m tests.screenshots

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
	  { echo "Video Studio needs Python 3.12 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make run PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "Python's venv module is missing. On Debian: apt install python3-venv"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	@echo "Installing what the studio needs ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/bin/python
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime
