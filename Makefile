# `make demo` and `make test` do all set-up themselves: an environment in .venv, then the job.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
JOBS   ?= 2
N      ?= 2000
SEED   ?= 0

.PHONY: demo test long-test mutation-test bench lint format clean

demo: $(VENV)/demo.stamp                ## recover a conductivity field through a NumPy PDE solver
	$(BIN)/python examples/inverse_problem.py

test: $(VENV)/test.stamp                ## the quick tests, below ten minutes on two cores
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q

long-test: $(VENV)/test.stamp           ## N random programs from SEED; every line of the table of NumPy
	WENGERT_LONG=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q tests/supported
	$(BIN)/python tests/random_programs/long_run.py --count $(N) --seed $(SEED)

mutation-test: $(VENV)/test.stamp       ## faults planted one by one, each of which tests must notice
	$(BIN)/python tests/mutation/run.py --jobs $(JOBS)

bench: $(VENV)/test.stamp               ## compile time, cached start, import time, call time
	$(BIN)/python benchmarks/latency.py

lint: $(VENV)/dev.stamp                 ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "wengert needs Python 3.11 or later: make PYTHON=python3.12 ..."'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp $(VENV)/test.stamp $(VENV)/dev.stamp: $(VENV)/%.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -e '.[$*]'
	@touch $@
