# Everything a developer or a visitor types. `make` alone prints the list.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
PY   := $(VENV)/bin/python
ARGS ?=

# The demo's broker; where it is not installed, another is with Python's packages. Not everybody's PATH leads there.
MOSQUITTO := $(shell PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

help: ## Print this list
	@printf 'Tillgate, a POS and smart-terminal edge gateway. Pass options with ARGS, as in: make demo ARGS=--once\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/$(if $(MOSQUITTO),.runtime,.demo) ## Start the whole shop on this machine and take the tour (ARGS=--once: tour only)
	@$(PY) -m tillgate demo $(ARGS)

test: system lint types ## Install what tests need, then lint, types and every test
	@echo '== pytest'
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)
	@echo 'make test: lint, types and tests passed'

lint: $(VENV)/.dev ## Check style with ruff
	@echo '== ruff'
	@$(PY) -m ruff check

types: $(VENV)/.dev ## Check types with mypy --strict
	@echo '== mypy'
	@$(PY) -m mypy

house: $(VENV)/.dev ## Print sizes, docstrings and types beside the figures we aim at
	@$(PY) -m bench.house $(ARGS)

sim: $(VENV)/.dev ## Simulate thousands of seeded worlds, every fault schedule, every planted bug
	@$(PY) -m simulators.sim_figures $(ARGS)

crash: $(VENV)/.dev ## Kill real processes after every effect and cut the power of both stores
	@$(PY) -m simulators.crash_figures $(ARGS)

bench: $(VENV)/.dev ## Measure sales per second beside a bare relay, latency, memory, start-up
	@$(PY) -m bench.host_bench $(ARGS)

bench-codec: $(VENV)/.dev ## Measure the ISO 8583 codec beside pyiso8583, moov-io/iso8583 and jPOS
	@$(PY) -m bench.codec_bench $(ARGS)

bench-devices: $(VENV)/.dev ## Measure the EMV kernel, camera, taps, scans, slips, and a printer's bad days
	@tests/system_packages.sh pcscd vsmartcard-vpcd || echo 'Without them the time of a tap is not measured.'
	@$(PY) -m bench.devices_bench $(ARGS)

bench-offline: $(VENV)/.dev ## Measure offline codes, a line that dies, a million sales that wait, their way through Mosquitto
	@$(PY) -m bench.offline_bench $(ARGS)

fuzz: $(VENV)/.dev ## Compare both paths of the codec on damaged messages, and fuzz every parser
	@$(PY) -m tests.fuzz.codec_fuzz $(ARGS)

lock: $(VENV)/bin/pip ## Pin what pyproject.toml asks for, with hashes (ARGS=--upgrade: newest of all)
	@$(PY) -m venv build/lock && build/lock/bin/python -m pip install --quiet 'uv>=0.9'
	@$(call pin,requirements.lock)
	@$(call pin,requirements-demo.lock,--extra demo --constraint requirements.lock)
	@$(call pin,requirements-dev.lock,--extra dev --constraint requirements-demo.lock)

clean: ## Remove .venv, caches and what builds left behind
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test lint types house sim crash bench bench-codec bench-devices bench-offline fuzz lock clean system

system:
	@tests/system_packages.sh

# Only hash-checked packages enter .venv: our own is linked in with the build backend that the lock pins.
define install
	@echo 'Installing $(1), each package checked by its hash'
	@$(PY) -m pip install --require-hashes -r $(1) | sed -u -n 's/^Collecting \([^ ]*\).*/  \1/p'
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
endef

# Universal: one file serves every Python from 3.11 on and every platform. setuptools builds our own package.
pin = echo 'setuptools>=77' | UV_CUSTOM_COMPILE_COMMAND='make lock' build/lock/bin/uv pip compile pyproject.toml - \
    --quiet --universal --python-version 3.11 --generate-hashes --no-annotate $(2) $(ARGS) --output-file $(1)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/pip
	$(call install,requirements.lock)

$(VENV)/.demo: requirements-demo.lock pyproject.toml | $(VENV)/bin/pip
	$(call install,requirements-demo.lock)
	@touch $(VENV)/.runtime

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	@! command -v dpkg-query >/dev/null || tests/system_packages.sh gcc libc6-dev libpcsclite-dev python3-dev
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.runtime $(VENV)/.demo

$(VENV)/bin/pip:
	@.ci/venv.sh $(VENV)
