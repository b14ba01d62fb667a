# `make` shows what one can do.
PYTHON ?= $(shell command -v /usr/bin/python3.11 || command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
# Half of a test run is waiting: two processes, each with servers of its own. A file stays with one of them.
AT_ONCE := -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt bench servers lock catalogue docs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## virtual environment from the lock file; then the command is .venv/bin/esb

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }

$(STAMP): requirements/run.txt setup.cfg | $(VENV)/bin/python
	@echo "installing what the bus runs on (hashes checked) ..."
	@$(RUN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/run.txt
	@$(RUN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(STAMP)
	@echo "installing what tests and checks need (hashes checked) ..."
	@$(RUN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(STAMP) ## the bus and three simulated agencies; real questions, answered and verified before your eyes
	@$(RUN)/esb demo

servers: # RabbitMQ, PostgreSQL, xmlsec1 and Node.js for the tests, by apt where they are absent; a SOAP server, by npm
	@sh tests/support/install_servers.sh

test: $(DEV_STAMP) servers ## everything: installs missing servers, starts private ones, runs all tests, stops them
	@$(RUN)/python -m pytest $(AT_ONCE)

check: $(DEV_STAMP) ## format, lint, types, architecture, unit, contract, routes, attacks (no server needed)
	@$(RUN)/ruff format --check --quiet . || { echo "run: make fmt"; exit 1; }
	@$(RUN)/ruff check --quiet .
	@$(RUN)/mypy --no-error-summary
	@$(RUN)/python -m pytest -q $(AT_ONCE) tests/architecture tests/unit tests/contract tests/routes tests/attacks -m "not rabbitmq and not postgres"

fmt: $(DEV_STAMP) ## format and mend what can be mended
	@$(RUN)/ruff format --quiet .
	@$(RUN)/ruff check --fix --quiet .

bench: $(DEV_STAMP) servers ## speed and cost of an exchange beside the unavoidable floor; bench/results/
	@$(RUN)/python -m bench

lock: $(DEV_STAMP) ## lock files from requirements/*.in
	@for name in run dev; do \
	  $(RUN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

catalogue: $(STAMP) ## schemas/CATALOG.sha256 from the contract files
	@$(RUN)/python -c 'from pathlib import Path; from esb.contracts import catalogue; catalogue.write(Path("schemas"))'

docs: $(STAMP) ## generated documents: fault table, settings, command line, routes
	@$(RUN)/esb documents

clean: ## remove the virtual environment, state and caches
	@rm -rf $(VENV) tests/e2e/thirdparty/node/node_modules var build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
