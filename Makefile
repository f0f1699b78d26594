# Everything runs in .venv, which is made on first use with the newest Python 3.10+ found, or with PYTHON=...
PYTHON ?= $(shell for v in 3.13 3.12 3.11 3.10 3; do command -v python$$v >/dev/null 2>&1 && \
	python$$v -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && \
	{ echo python$$v; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test fast llm-tests chaos faults mutants lint docs package bench clean

demo: $(VENV)/.demo
	@$(BIN)/python -m arinova_agent_sync.cli.demo

# What fails beside its neighbours is tried once more, alone.
test: $(VENV)/.ready
	@echo "All tests: about five minutes on two cores. make fast leaves the slow ones out: about one minute."
	$(BIN)/python -m pytest -n 2 || $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

fast: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 -m "not slow" || \
		$(BIN)/python -m pytest -m "not slow" --last-failed --last-failed-no-failures none

# 10,000 faults in all: five seeds, both moods of the server, plain and TLS. Six minutes or so.
chaos: $(VENV)/.ready
	$(BIN)/python -m tests.chaos --faults 500 --seed 1 2 3 4 5 --all

# 1,000 faults under handlers in processes and in Celery's workers, and 10,000 cancels. Fifteen minutes or so.
faults: $(VENV)/.ready
	$(BIN)/python -m tests.executors.fault_hammer --faults 500
	$(BIN)/python -m tests.executors.processes.hammer

# 400 small changes of protocol/ and runtime/, which tests have to notice. Half an hour or so.
mutants: $(VENV)/.ready
	$(BIN)/python -m tests.mutation --count 400 --seed 1

# With the clients of models themselves, in environments of their own: the newest ones, and those of locked.txt.
llm-tests: $(VENV)-llm/.ready $(VENV)-llm-locked/.ready $(VENV)-llama-index/.ready
	$(VENV)-llm-locked/bin/python -m pytest -n 2 tests/interrupts/test_contract.py tests/interrupts/test_model_examples.py
	$(VENV)-llm/bin/python -m pytest -n 2 tests/interrupts || \
		$(VENV)-llm/bin/python -m pytest tests/interrupts --last-failed --last-failed-no-failures none
	$(VENV)-llama-index/bin/python -m pytest tests/interrupts -k llama

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# A site in build/docs; warnings are errors.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --fresh-env --builder html docs build/docs
	@echo "Open build/docs/index.html"

# sdist and wheel in dist/, checked; the wheel is installed into an empty environment and used there.
package: $(VENV)/.ready
	$(BIN)/python -m tests.package

bench: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10 or newer, with venv, is needed: apt-get install python3-venv"; exit 1; }
	@echo "Making an environment of its own in $(VENV), with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

# The demo needs little, so it is set up in seconds.
$(VENV)/.demo: pyproject.toml setup.cfg | $(BIN)/python
	@echo "Installing this package there, and what the demo needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[playground]"
	@touch $@

$(VENV)/.ready: pyproject.toml setup.cfg | $(BIN)/python
	@echo "Setting up $(VENV) for tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

$(VENV)-llm/.ready $(VENV)-llm-locked/.ready: EXTRA = llm-tests
$(VENV)-llm-locked/.ready: LOCK = --constraint tests/interrupts/locked.txt
$(VENV)-llama-index/.ready: EXTRA = llm-tests-llama-index
$(VENV)-llm-locked/.ready: tests/interrupts/locked.txt
$(VENV)-llm/.ready $(VENV)-llm-locked/.ready $(VENV)-llama-index/.ready: pyproject.toml setup.cfg
	@echo "Setting up $(@D) for tests with the clients of models ..."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRA)]" $(LOCK)
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-llm $(VENV)-llm-locked $(VENV)-llama-index build *.egg-info
