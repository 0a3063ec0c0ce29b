# make demo: the main job on simulated infants, from nothing.  make test: every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# The seed of the order of tests and of their generators, so that a red run can be repeated; SEED=$$RANDOM for another.
SEED ?= 1

.PHONY: demo test lint audit axe clean

demo: $(VENV)/.installed
	$(BIN)/fidgety demo --out demo

test: lint axe
	$(BIN)/python -m pytest -n $(WORKERS) --randomly-seed=$(SEED)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/bandit --quiet --recursive src --configfile pyproject.toml

# Known weak places of the pinned packages. Asks a public database; fails where that cannot be asked.
audit: $(VENV)/.installed-dev
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# The judge of accessibility, for the tests marked `browser`; without npm or chromium these are skipped.
axe:
	@test -e node_modules/axe-core/axe.min.js || \
		(command -v npm > /dev/null && npm install --no-save --no-package-lock --silent axe-core@4.14.1) || \
		echo "axe-core could not be installed: the tests that need it are skipped"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[video,train,plots]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[video,train,plots,onnx,interop,app,dev]"
	touch $@

clean:
	rm -rf $(VENV) demo
