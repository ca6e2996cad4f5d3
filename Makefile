# make run    install what is missing into .venv and start the lab
# make test   the same for the test tools, then lint, types, import rules and all tests
# make venv   only make .venv, empty (to install PyTorch's CPU build into it first)

PYTHON ?= python3
VENV   := .venv
ifeq ($(OS),Windows_NT)
BIN    := $(VENV)/Scripts
else
BIN    := $(VENV)/bin
endif
PY     := $(BIN)/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test lint venv install install-dev clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	$(PY) -m streamlit run app.py

test: lint
	$(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports

venv: $(VENV)/.made

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	  echo "CNN Lab needs Python 3.10 or newer as '$(PYTHON)'. Install it from https://www.python.org/downloads/," \
	       "or name another one: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The stamps are newer than what they were made from: a second run installs nothing and asks no server.
$(VENV)/.installed: requirements.txt | $(VENV)/.made
	@$(PY) -c "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)" || { \
	  echo; \
	  echo "Installing into $(VENV). PyTorch's default build for Linux brings CUDA for graphics cards:"; \
	  echo "about 3 GB to download, 6 GB on disk. Its CPU build is enough for everything here: about 0.5 GB"; \
	  echo "to download, 1.6 GB on disk. (On macOS and Windows the default is the CPU build already.)"; \
	  echo "To take the CPU build: stop this with Ctrl-C, run 'make venv', choose 'CPU' on"; \
	  echo "    https://pytorch.org/get-started/locally/"; \
	  echo "run the command it gives with '$(BIN)/pip' in place of 'pip3', then 'make run' again."; \
	  echo; }
	$(PY) -m pip install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PY) -m pip install -r requirements-dev.txt
	@touch $@
