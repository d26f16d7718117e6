# `make demo` and `make test` do all their own set-up in .venv; nothing has to be installed by hand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cxr needs Python 3.11 or later; point to one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The stamps are newer than what they were made from, so an install happens once per change.
$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: install
install: $(VENV)/.installed  ## make .venv and install cxr into it

.PHONY: demo
demo: $(VENV)/.installed  ## mine a bundled corpus of invented studies from reports to factual chains
	@$(BIN)/cxr demo

.PHONY: test
test: lint types contracts  ## run the whole check: ruff, mypy --strict, the import contracts, pytest
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: fuzz
fuzz: $(VENV)/.dev  ## read MUTANTS damaged files with every reader (a long while; SEED names others)
	$(BIN)/python -m tests.fuzz --mutants $(or $(MUTANTS),20000) --seed $(or $(SEED),1)

.PHONY: chaos
chaos: $(VENV)/.dev  ## kill every command that writes, KILLS times in all; count what every command sends (a long while)
	$(BIN)/python -m tests.chaos.sockets
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),200)

.PHONY: personas
personas: $(VENV)/.dev  ## meet every kind of model server with mine, score and predict (minutes; NAMES picks some)
	$(BIN)/python -m tests.personas $(NAMES)

.PHONY: offline
offline: $(VENV)/.dev  ## run the suite in a network that leads nowhere, and count what leaves it (needs namespaces)
	$(BIN)/python -m tests.chaos.offline

.PHONY: lint
lint: $(VENV)/.dev  ## ruff: errors, style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.dev  ## mypy --strict
	$(BIN)/mypy

.PHONY: contracts
contracts: $(VENV)/.dev  ## which room may import which
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.dev  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.dev  ## print the main job's timings on OpenI (OPENI=folder with the CSVs)
	$(BIN)/python benchmarks/main_job.py $(OPENI)

# What to measure against: the folder of readings, in a folder that also holds data/openi.
GOLD ?= ../shared/gold

.PHONY: bench-review
bench-review: $(VENV)/.dev  ## print how fast the readers' page saves and paints, and what ten kills cost
	$(BIN)/python benchmarks/review.py saves
	$(BIN)/python benchmarks/review.py reading
	$(BIN)/python benchmarks/review.py paint
	$(BIN)/python benchmarks/review_browser.py

.PHONY: bench-judge
bench-judge: $(VENV)/.dev  ## print how well judge and labeler agree with careful readings, and how fast (GOLD=folder)
	$(BIN)/python benchmarks/judge.py $(GOLD)
	$(BIN)/python benchmarks/readings.py $(GOLD)
	$(BIN)/python benchmarks/radiologists.py
	$(BIN)/python benchmarks/labels.py $(GOLD)/..
	$(BIN)/python benchmarks/judge_speed.py $(GOLD)/.. $(if $(MEDSPACY),--medspacy-python $(MEDSPACY))

.PHONY: integration
integration: $(VENV)/.dev  ## mine OpenI questions with a real, tiny model on llama.cpp; writes docs/integration.md (an hour)
	$(BIN)/python benchmarks/integration.py --log docs/integration.md

.PHONY: clean
clean:  ## remove the environment and caches, never a store
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
