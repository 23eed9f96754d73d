# Ringzero: `make demo` shows it, `make test` proves it. Both set up everything they need, in .venv and build.
#
#   make demo     boot the guest, take the tour, get the keyboard      make bench   the comparison with the peers
#   make test     the whole suite                                      make fuzz    random instructions against Unicorn
#   make build    compiled engine and guest, what has changed          make lint    ruff
#   make fuzz-syscalls  random system calls in the guest               make mutants  every isolation check taken out once: is it missed?
#   make powercut  the power cut at 1,000 instants: is all there that was synced?
#   make clean    remove what was built (not .venv)                make docs    docs/syscalls.md, isolation.md, attacks.md
#
# Variables: PYTHON (3.11 or later), PYTEST (arguments, as PYTEST="-k paging"), FUZZ and BENCH (arguments), ENGINE=python.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

ENGINE_SOURCES := setup.py $(shell find cext emu/isa emu/cpu emu/engines -name '*.py' -not -path '*/generated/*' -o -name '*.pyx' \
	-not -path '*/generated/*' -o -name '*.pxi' -not -path '*/generated/*' -o -name '*.in' -o -name v128.pxd)
GUEST_SOURCES := $(shell find guestos -type f -not -name '*.pyc')

.PHONY: demo test bench fuzz fuzz-syscalls mutants powercut build engine guest docs lint clean help
.DEFAULT_GOAL := help

help:
	@sed -n '2,$${/^#/!q;s/^# \{0,1\}//p}' Makefile

demo: build
	@$(BIN)/ringzero demo $(if $(ENGINE),--engine $(ENGINE))

test: build
	$(BIN)/python -m pytest -n 2 $(PYTEST)

bench: build
	$(BIN)/python -m benchmarks.table $(BENCH)

# Goes on until it is stopped or has found five mismatches; FUZZ="--seed 1 --seconds 60" repeats and limits.
fuzz: build
	$(BIN)/python -m tests.fuzz $(or $(FUZZ),--seconds 1000000)

# Fifty million random system calls in the guest; CALLS="--calls 1M --seed 7" says otherwise.
fuzz-syscalls: build
	$(BIN)/python -m tests.guestos.sysfuzz $(CALLS)

# MUTANTS="--only C17 --jobs 4" says which, and how many at once.
mutants: build
	$(BIN)/python -m tests.mutants $(MUTANTS)

# CUTS="--instants 10000 --seed 7 --jobs 4" says how many, where to begin, and how many machines at once.
powercut: build
	$(BIN)/python -m tests.guestos.powercut $(CUTS)

build: engine guest
engine: build/engine.built
guest: build/guest/.built

# The virtual environment, and in it the package (pointing here) with its tests' libraries.

$(VENV)/.made:
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: Python 3.11 or later is needed, and none was found; install it (Debian 12, Ubuntu 24.04:" \
			"apt install python3), or name it: make PYTHON=/path/to/python3" >&2; exit 2; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "make: $(PYTHON) can't make virtual environments: its ensurepip is missing; install it with:" \
			"sudo apt install python3-venv" >&2; exit 2; fi
	@echo "make: making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml setup.cfg
	@echo "make: installing the libraries that setup.cfg names (the first time some 150 MB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=70' 'cython>=3.1'
	@RINGZERO_EXTENSIONS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[test]'
	@touch $@

# The compiled engine. Without a C compiler there is none, and the stamp isn't set, so that a later make tries again.

build/engine.built: $(VENV)/.installed $(ENGINE_SOURCES)
	@mkdir -p build
	@if ! $(BIN)/python -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'; then \
		echo "make: Python's headers (Python.h) are missing, so the compiled engine can't be built; install them with:" \
			"sudo apt install python3-dev" >&2; fi
	@echo "make: building the compiled engine (about a minute the first time; messages in build/engine.log)"
	@$(BIN)/python setup.py -q build_ext --inplace >build/engine.log 2>&1 || { \
		tail -n 20 build/engine.log >&2; echo "make: the build failed; all messages are in build/engine.log" >&2; exit 1; }
	@if compgen -G 'cext/core.*.so' >/dev/null; then touch $@; else grep -h '^ringzero:' build/engine.log >&2 || true; fi

build/guest/.built: $(GUEST_SOURCES) | $(VENV)/.installed
	@$(BIN)/ringzero kernel build

# The part of the manual that is made from the system call table.
docs: | $(VENV)/.installed
	@$(BIN)/python -m guestos.syscalls --markdown >docs/syscalls.md
	@$(BIN)/python -m tests.isolation.catalogue >docs/isolation.md
	@$(BIN)/python -m tests.isolation.attacks >docs/attacks.md

lint: $(VENV)/.lint
	$(BIN)/ruff check .

$(VENV)/.lint: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check ruff
	@touch $@

clean:
	rm -rf build dist *.egg-info cext/generated cext/core.pxd cext/*.c cext/*.so .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
