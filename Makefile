# make repro   set up once, then run the whole pipeline on the demo corpus
# make test    set up once, then lint, type-check and test
# make check   set up once, then lint, type-check and run the quick half of the tests
# make setup   only the environment, in .venv: the versions that constraints.txt lists
# make gpu     compare the GPU's results with the CPU's and measure its speed, in at most 8 minutes; send the table back
# make lock    renew constraints.txt: the newest versions that pyproject.toml allows; run make test after it
# make clean   remove the environment, caches and build leftovers; keeps data, models, and interrupted runs in work/
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# uv does not read pip's configuration: hand it the indexes that are set there, such as an institute's mirror. As with
# pip, all indexes are searched for the version that is wanted.
pip_option = $$($(BIN)/python -m pip config list | sed -n "s/.*[.]$(1)='\(.*\)'/\1/p" | sed 's/\\n/ /g' | head -n 1)
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(call pip_option,index-url)}" \
	UV_INDEX="$${UV_INDEX:-$(call pip_option,extra-index-url)}" UV_INDEX_STRATEGY=unsafe-best-match $(BIN)/uv pip

.PHONY: setup repro test check lint gpu lock clean

setup: .venv/.installed

.venv/.installed: pyproject.toml requirements.txt constraints.txt third_party/chumpy/pyproject.toml \
		stages/bin_on_path.pth | $(BIN)/uv
	@$(UV) install --python $(BIN)/python --requirement requirements.txt
	cp stages/bin_on_path.pth .venv/lib/python3.11/site-packages/
	touch $@

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt uv

lock: $(BIN)/uv
	@grep -v '^--constraint' requirements.txt | $(UV) compile - --quiet --upgrade --python $(BIN)/python \
		--python-platform x86_64-manylinux_2_28 --no-emit-package seds --no-emit-package chumpy \
		--annotation-style line --custom-compile-command "make lock" --output-file constraints.txt

# Two files of tests at a time (tests/conftest.py)
PYTEST = $(BIN)/python -m pytest -n 2

repro: setup
	$(BIN)/dvc repro

test: lint
	$(PYTEST)

check: lint
	$(PYTEST) -m "not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With whatever Python has torch, and without the network: nothing is installed.
gpu:
	PYTHONPATH=$(CURDIR) $(if $(wildcard $(BIN)/python),$(BIN)/python,python3) benchmarks/gpu.py

clean:
	rm -rf .venv build *.egg-info third_party/*/build third_party/*/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .benchmarks .hypothesis
	find $(wildcard seds stages tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +
