# Everything a newcomer types. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
# One stamp for one lock: set-up runs again only when one of these two files changes.
READY := .venv/.ready-$(shell cat requirements.lock pyproject.toml | cksum | cut -d ' ' -f 1)

# Another environment of the caller's must not leak into ours.
unexport VIRTUAL_ENV
unexport PYTHONHOME
unexport UV_PYTHON
unexport UV_SYSTEM_PYTHON

.PHONY: help setup day test test-servers test-postgres soak lint up bench peers lock screenshots clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make .venv from requirements.lock (the other targets do it by themselves)

day: $(READY) ## play the last 21 sessions of the sample market, on paper
	$(BIN)/nightdesk backfill --sessions 21

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-servers: $(READY) ## run the tests of the servers: Prefect, MLflow, PostgreSQL, S3, Dask, the pages in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/servers

test-postgres: $(READY) ## run the tests of days, orders and kills with every ledger on PostgreSQL
	$(BIN)/python -m pytest --ledger postgresql -n 2 --dist loadfile

soak: $(READY) ## run the long tests: years of days, a year at a broker with faults, every kill
	$(BIN)/python -m pytest --timeout 3600 tests/soak/*.py

lint: $(READY) ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

up: $(READY) ## start the Prefect and MLflow servers and the daily schedule
	$(BIN)/nightdesk up

bench: $(READY) ## run the benchmarks
	$(BIN)/python -m benchmarks

peers: $(READY) ## install the programs that the benchmarks compare with, in var/peers
	$(BIN)/uv venv --quiet --allow-existing var/peers --python $(BIN)/python
	$(BIN)/uv pip install --quiet --compile-bytecode --python var/peers/bin/python vectorbt==1.2.0 backtesting==0.6.6 numpy==2.4.6 pandas==3.1.1 polars==2.1.0

lock: $(READY) ## write requirements.lock from pyproject.toml; versions that still fit are kept
	$(BIN)/uv pip compile pyproject.toml --quiet --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-strip-extras --no-annotate -o requirements.lock

screenshots: $(READY) ## take the pictures of the documentation
	$(BIN)/python docs/screenshots.py

clean: ## remove .venv and every cache; var/, where your ledger lies, stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find flows tasks schemas nightdesk tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv/.unfinished marks a set-up that was interrupted: the next one starts afresh.
$(READY):
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V), Nightdesk needs 3.11 or newer: name one with make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up: about 200 packages, 1.8 GB in .venv, one to three minutes"
	@if [ -e .venv/.unfinished ]; then rm -rf .venv; fi
	@mkdir -p .venv && touch .venv/.unfinished && rm -f .venv/.ready-*
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --isolated --disable-pip-version-check install -q uv==0.13.9
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q flows tasks schemas nightdesk
	@rm .venv/.unfinished && touch $@
