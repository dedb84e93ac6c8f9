# Everything lives in this folder: .tools and .venv (make setup), .versions, .pythons, .stores, .bench, .demo, .artifacts. `make clean` removes them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos bench lint docs build clean

# Another interpreter than the first of python3.11, python3.12, python3.13, python3: make PYTHON=...
export PYTHON

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make the environment (quick when it is up to date)
	@bash .ci/setup

demo: setup ## Make a video on a real Airflow with the simulated gateway, into .demo/videos
	@.venv/bin/python -m tests.support.demo

test: ## Run everything that CI runs
	@bash .ci/run

chaos: setup ## Kill parts of a whole Airflow, and count what was paid for (an hour; `make test` has a short form)
	@.venv/bin/python -m pytest tests/chaos --chaos=full -p no:cacheprovider --durations=10

bench: setup ## Measure ours, its peers and the floors in turn (half an hour; an environment of its own in .bench)
	@bash .ci/bench

lint: ## Check style, format and types
	@bash .ci/run setup lint types

docs: ## Build the documentation into .artifacts/site
	@bash .ci/run setup docs

build: ## Build and check the packages in .artifacts/dist
	@bash .ci/run setup package

clean: ## Remove everything that was made here
	rm -rf .tools .venv .versions .pythons .stores .bench .demo .artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
