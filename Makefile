# `make demo` and `make test` do all set-up themselves: an environment in .venv, then the job.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
JOBS   ?= 2
N      ?= 2000
SEED   ?= 0

PYTHONS ?= 3.11 3.12 3.13
PICTURES := $(patsubst examples/gallery/%.py,docs/pictures/%.png,$(wildcard examples/gallery/*.py))

.PHONY: demo gallery docs test long-test numpy-test mutation-test wheel-test coverage pythons bench lint format clean

demo: $(VENV)/demo.stamp                ## recover a conductivity field through a NumPy PDE solver
	$(BIN)/python examples/inverse_problem.py

gallery: $(PICTURES)                    ## run the examples of the gallery, which draw the pictures of its page

docs/pictures/%.png: examples/gallery/%.py | $(VENV)/docs.stamp
	@mkdir -p $(@D)
	MPLBACKEND=Agg $(BIN)/python $< --plot $@

docs: $(VENV)/docs.stamp $(PICTURES)    ## docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

test: $(VENV)/test.stamp                ## the quick tests, twenty minutes on two cores
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q

long-test: $(VENV)/test.stamp           ## all tests, with what the quick ones leave out; N random programs from SEED
	WENGERT_LONG=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q
	$(BIN)/python tests/random_programs/long_run.py --count $(N) --seed $(SEED)

numpy-test: $(VENV)/test.stamp          ## five areas of NumPy's own tests, run through wengert
	$(BIN)/python tests/numpy_suite/run.py $(AREAS)

mutation-test: $(VENV)/test.stamp       ## faults planted one by one, each of which tests must notice
	$(BIN)/python tests/mutation/run.py --jobs $(JOBS)

wheel-test: $(VENV)/bin/python          ## build the wheel, install it into an empty environment, use it there
	rm -rf build/wheel && mkdir -p build/wheel
	$(PIP) wheel --no-deps -w build/wheel .
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python -m pip --disable-pip-version-check -q install build/wheel/*.whl
	cd build/wheel && env -u PYTHONPATH env/bin/wengert doctor && env/bin/wengert check \
	    $(CURDIR)/examples/gallery/pendulum.py:cost --args '(np.ones(20), 0.05)'

coverage: $(VENV)/test.stamp $(VENV)/dev.stamp  ## which lines of src the quick tests run
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q --cov=src/wengert --cov-report=term:skip-covered

pythons:                                ## the quick tests with every Python of PYTHONS that is there
	for v in $(PYTHONS); do \
	    if python$$v -c '' 2>/dev/null; then $(MAKE) test VENV=.venv-$$v PYTHON=python$$v || exit 1; \
	    else echo "no python$$v"; fi; \
	done

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
	rm -rf $(VENV) .venv-* build dist docs/_build docs/pictures .coverage .pytest_cache .hypothesis .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "wengert needs Python 3.11 or later: make PYTHON=python3.12 ..."'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp $(VENV)/docs.stamp $(VENV)/test.stamp $(VENV)/dev.stamp: $(VENV)/%.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -e '.[$*]'
	@touch $@
