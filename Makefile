# make run: the whole system on this machine. make test: everything, against real RabbitMQ and PostgreSQL. make lint: the
# tools that hold the house up. All three make the virtual environment first; everything else they write lies below var/.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test lint bench chaos proofs cluster format requirements vendor

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Most of the time tests wait for leases and for processes to start. PARALLEL= runs them one after the other.
PARALLEL ?= -n 2 --dist loadfile

help:
	@echo "make run           the whole system here, with a first email; Ctrl-C stops it"
	@echo "make test          all tests (ARGS='-k name' for some)"
	@echo "make lint          ruff, mypy, import contracts"
	@echo "make bench         speed, as ratios to peers, in one run here"
	@echo "make chaos         everything that can die dies under load, with a table (ARGS='--seeds 1 --mails 300')"
	@echo "make proofs        promises in numbers: idempotency, cancel, listing, events, neighbours, reconciliation (ARGS=NAME)"
	@echo "make cluster       a RabbitMQ cluster of three nodes here, to kill nodes of; Ctrl-C stops it"
	@echo "make format        lets ruff rewrite"
	@echo "make requirements  compiles requirements*.txt from requirements*.in"
	@echo "make vendor        fetches the files of the API's page, in the version of deploy/vendor, with npm"

# The last line of `run` must be one exec: make passes SIGTERM on only to what its recipe runs directly.
# The tether stops it should make itself be killed.
run: $(VENV)/.run
	@exec $(BIN)/python -I -S deploy/local/tether.py --signal TERM -- $(BIN)/python -m deploy.run

test: $(VENV)/.dev
	@$(BIN)/python -m deploy.local.install
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	@$(BIN)/python -m deploy.local.install
	@exec $(BIN)/python -m bench

chaos: $(VENV)/.dev
	@$(BIN)/python -m deploy.local.install
	@exec $(BIN)/python -m tests.chaos $(ARGS)

proofs: $(VENV)/.dev
	@$(BIN)/python -m deploy.local.install
	@exec $(BIN)/python -m tests.proofs $(ARGS)

cluster: $(VENV)/.run
	@exec $(BIN)/python -I -S deploy/local/tether.py --signal TERM -- $(BIN)/python -m deploy.cluster

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

requirements: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.in -o requirements-dev.txt

vendor: $(VENV)/.run
	@$(BIN)/python -m deploy.vendor

# Stamps: an environment is made once and brought up to date when a requirements file changes. The .pth file lets its
# Python import mailer from any folder.
$(VENV)/bin/python:
	@sh deploy/local/venv.sh $(PYTHON) $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "installing requirements.txt ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@pwd > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mailer.pth"
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "installing requirements-dev.txt ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
