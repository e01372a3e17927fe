# One command each; `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SERVERS := snmpd snmp prometheus-node-exporter prometheus chromium nut-server mosquitto openssl openipmi ipmitool freeipmi-tools

.DEFAULT_GOAL := help
.PHONY: help setup run test check format bench

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(VENV)/.done  ## make the virtual environment with everything in it

$(VENV)/.done: pyproject.toml hatch_build.py
	@scripts/setup $(PYTHON) $(VENV)
	@touch $@

run: setup  ## meter this host and a simulated rack, with a live page on http://127.0.0.1:8780
	@$(BIN)/wattline up --demo

test: setup  ## run all tests, against real servers where Debian has them
	@scripts/servers $(SERVERS)
	@$(BIN)/pytest -n 2 --dist loadgroup

check: setup  ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup  ## put the code into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup  ## measure against peers; one table
	@scripts/servers snmpd snmp libsnmp-dev gcc prometheus-snmp-exporter postgresql ipmitool freeipmi-tools
	@$(BIN)/wattline bench
