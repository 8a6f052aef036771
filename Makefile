# make repro   set up once, then run the whole pipeline on the demo corpus
# make test    set up once, then lint, type-check and test
# make setup   only the environment, in .venv
# make clean   remove the environment, caches and build leftovers; keeps data, models, and interrupted runs in work/
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup repro test clean

setup: .venv/.installed

.venv/.installed: pyproject.toml requirements.txt third_party/chumpy/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --requirement requirements.txt
	touch $@

repro: setup
	$(BIN)/dvc repro

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

clean:
	rm -rf .venv build *.egg-info third_party/*/build third_party/*/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .benchmarks .hypothesis
	find $(wildcard seds stages tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +
