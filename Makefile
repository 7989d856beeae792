# The project's verbs: CI, pre-commit and people call these and nothing else.
#   make serve ARGS="--port 9000"      arguments are handed on
#   make setup TORCH_INDEX=URL         take torch from an extra package index, such as PyTorch's CPU one
PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
CODE := fimserve training curriculum eval kernels tests
.PHONY: setup serve demo test test-slow test-gpu lint type format bench eval plugin plugin-e2e plugin-ci web stats lock

setup: .venv/.dev
# Two stamps: serving needs half of what working on the project needs.
.venv/.serve: requirements/serve.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --requirement requirements/serve.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@
.venv/.dev: .venv/.serve requirements/dev.lock
	$(PIP) --requirement requirements/dev.lock
	touch $@

serve: .venv/.serve
	$(BIN)/fimserve serve $(ARGS)
demo: .venv/.serve
	$(BIN)/python docs/demo/run.py $(ARGS)
test: .venv/.dev
	$(BIN)/pytest -m "not gpu and not slow" $(ARGS)
test-slow: .venv/.dev
	$(BIN)/pytest -m "slow and not gpu" $(ARGS)
test-gpu: .venv/.dev
	$(BIN)/pytest -m gpu $(ARGS)
lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pydoclint --quiet fimserve eval/fimeval training/fimtraining curriculum/fimcurriculum \
		kernels/fimkernels
type: .venv/.dev
	$(BIN)/mypy
format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
bench: .venv/.dev
	$(BIN)/fimserve bench $(or $(ARGS),latency)
eval: .venv/.dev
	$(BIN)/fimserve eval $(ARGS)
# Needs Node 20.19. The second, which needs Chromium, installs a VS Code workbench from npm once.
plugin:
	cd editor-plugin && npm ci --no-audit --no-fund && npm test && npm run package
plugin-e2e: .venv/.dev
	cd editor-plugin && npm ci --no-audit --no-fund && npm run build
	FIMSERVE_WORKBENCH=$$(editor-plugin/workbench/setup.sh) $(BIN)/pytest tests/plugin $(ARGS)
plugin-ci: .venv/.dev
	editor-plugin/ci.sh
# Needs Node 20; running and installing do not, since its output is committed.
web:
	cd fimserve/web && npm ci --ignore-scripts --no-audit --no-fund && npm run build
stats:
	$(PYTHON) docs/stats.py
# Pins what the ranges of pyproject.toml resolve to today, on the oldest Python supported.
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools
	PATH=$(CURDIR)/.venv-lock/bin:$$PATH sh requirements/lock.sh
