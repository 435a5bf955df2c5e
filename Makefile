# Every target does the set-up that it needs on a fresh Debian 12 or 13: `make demo` and `make test` are all there is to know.
.DEFAULT_GOAL := help
.PHONY: help apt venv docs site changelog lint unit integration build lab-up lab-down molecule demo bench test test-long test-vllm clean
SHELL := /bin/bash

# Only to start the toolchain; the tests' interpreters are chosen by tools/toolchain.py.
PYTHON ?= python3
TOOLS := $(PYTHON) tools
RUN := $(PYTHON) tools/toolchain.py run --

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

apt:
	@$(TOOLS)/toolchain.py apt --lab

venv: ## the toolchain in .cache: ansible-core, tools, collections
	@$(TOOLS)/toolchain.py apt
	@$(TOOLS)/toolchain.py venv --all

docs: ## renew the generated tables of docs/*.md
	@$(RUN) python tools/docs.py

site: ## the documentation as a website, in .cache/site/build/html
	@$(RUN) python tools/site.py

changelog: ## make CHANGELOG.rst from the fragments, for the version in galaxy.yml
	@$(RUN) python tools/changelog.py

lint: ## ansible-lint, ruff, mypy, antsibull; ansible-test sanity on every ansible-core series
	@$(TOOLS)/run_tests.py lint sanity

unit: ## tests/unit; on the older ansible-core series, plugins and modules
	@$(TOOLS)/run_tests.py unit

integration: ## tests/integration: plugins and modules against a control plane in the same process
	@$(TOOLS)/run_tests.py integration

build: ## the collection archive: its content, offline installation, playbooks by name
	@$(TOOLS)/run_tests.py build

demo: apt ## start the lab, build a fleet with site.yml, show what came of it, run it again (root)
	@$(RUN) python lab/demo.py

bench: apt ## the promised figures, measured side by side in one run (root)
	@$(RUN) env PYTHONPATH=lab python -m bench $(PARTS) $(if $(REAL),--real $(REAL)) $(if $(TO),--to $(TO))

lab-up: apt ## start the lab: a Proxmox-shaped node in a container (root)
	@$(RUN) python lab/lab.py up

lab-down: ## remove the lab; its caches stay
	@$(RUN) python lab/lab.py down

molecule: ## all molecule scenarios on one lab (root); `make test` runs the scenario default
	@$(TOOLS)/run_tests.py scenarios

test: ## everything: lint, sanity, unit, integration, build, lab, lifecycle, hosts, fleets, awx, molecule
	@$(TOOLS)/run_tests.py

test-long: ## the proofs in full (docs/guarantees.md), ansible-core 2.20, the website, the other molecule scenarios, about an hour (root)
	@$(TOOLS)/run_tests.py proofs series sanity_of_tests site kills scenarios

test-vllm: ## a real vLLM on the CPU, served and asked in the lab (root): 6 GB of disk, about ten minutes on two idle cores
	@$(TOOLS)/run_tests.py vllm

clean: ## forget the toolchain and all results; the lab stays
	rm -rf .cache
