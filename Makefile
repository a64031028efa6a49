# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
T ?= tests
PART ?=
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types format sample sample-check check bench clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mosmed needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@echo "# mosmed and its libraries are installed into .venv: a minute or two"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/runtime: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q mosmedcli pipelines  # as pip does for what it copies
	@touch $@

.venv/dev: .venv/runtime
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

setup: .venv/dev ## make .venv with mosmed and what its developers need

demo: .venv/runtime ## publish a dataset from sample_dicom/ in demo/dataset
	rm -rf $(DEMO)
	$(BIN)/mosmed init $(DEMO) --seed 20200301 --studies 12 --ris sample_dicom/ris_export.xlsx \
	  --pacs sample_dicom/pacs --masks sample_dicom/masks
	@echo; echo "# the faulty studies of the sample fall out, so the exit status is 3: some failed"
	$(BIN)/mosmed run -w $(DEMO) || test $$? -eq 3
	@echo; cd $(DEMO) && find dataset -type f | LC_ALL=C sort
	@echo; echo "# to go on from here:  . $(BIN)/activate  and then  mosmed why study_0001 -w $(DEMO)"

test: .venv/dev ## run the tests (one of them: make test T=tests/test_resume.py)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(T)

lint: .venv/dev ## check style, formatting and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: .venv/dev ## check the types, strictly
	$(BIN)/mypy

format: .venv/dev ## format the code, and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sample: .venv/runtime ## make sample_dicom/ again, byte for byte
	rm -rf sample_dicom
	$(BIN)/mosmed sample sample_dicom

sample-check: sample ## fail if sample_dicom/ is not what the phantom makes
	git diff --exit-code --stat sample_dicom
	test -z "$$(git status --porcelain sample_dicom)"

check: lint types test sample-check demo ## all that has to hold before a change lands

bench: .venv/dev ## measure against cp and other tools (one part: make bench PART=anonymize)
	$(BIN)/python -m tests.bench $(PART)

clean: ## remove what was made here; never a workspace of yours
	rm -rf .venv .venv-bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache $(DEMO)
