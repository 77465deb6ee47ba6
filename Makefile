# Needs Python 3.11 or newer and make. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
RESULTS ?= results
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
FAST ?=
EXACT ?=
SECONDS ?= 60
PORT ?= 8000
ARGS ?=

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RECIPE := setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help verify test figures gallery experiments demo bench paper docs lint format clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo
	@echo "  PYTHON=python3.12  the interpreter that makes $(VENV) (3.11 or newer)"
	@echo "  JOBS=N             worker processes (default: all $(JOBS) cores)"
	@echo "  FAST=1             with verify: 10 random instances a part; with experiments: the small studies"
	@echo "  EXACT=1            with verify: in exact arithmetic too (some minutes)"
	@echo "  SECONDS=60         with gallery: time for each conjecture"
	@echo "  PORT=8000          with demo: where it listens"
	@echo "  ARGS='...'         further arguments of the run (verify, figures, experiments) or of pytest (test)"

# The old verdicts go first: a run that breaks off must not leave a report on an earlier one. What an interrupted run
# has finished is in verdicts.json.partial and is not computed again.
verify: $(VENV)/.installed $(if $(filter-out 0,$(EXACT)),$(VENV)/.installed-exact) ## Check every claim; write results/verdicts.json and results/report.html
	@mkdir -p "$(RESULTS)" && rm -f "$(RESULTS)/verdicts.json" "$(RESULTS)/report.html"
	@echo "Checking the claims with $(JOBS) worker(s)"
	@code=0; \
	$(BIN)/python -m proofs_check run --jobs $(JOBS) $(if $(filter-out 0,$(FAST)),--instances 10) \
	    $(if $(filter-out 0,$(EXACT)),--exact) \
	    --json "$(RESULTS)/verdicts.json" $(ARGS) || code=$$?; \
	if [ -f "$(RESULTS)/verdicts.json" ]; then \
	    $(BIN)/python -m proofs_check report --from "$(RESULTS)/verdicts.json" --out "$(RESULTS)" \
	    || { [ $$code -ne 0 ] || code=1; }; \
	fi; \
	exit $$code

# One thread a worker: the workers are the parallelism.
test: $(VENV)/.installed-test ## Run the test suite
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

# Figures that show verdicts take those that are there; a run of other sources is made new by `make verify`.
figures: $(VENV)/.installed ## Draw the figures of all claims and those beside them; open results/figures/index.html
	@[ -f "$(RESULTS)/verdicts.json" ] || $(MAKE) --no-print-directory verify ARGS=
	@$(BIN)/python -m figures --jobs $(JOBS) --verdicts "$(RESULTS)/verdicts.json" --out "$(RESULTS)/figures" $(ARGS)

gallery: $(VENV)/.installed-test ## Search the gallery of conjectures; write results/gallery.json and gallery.txt
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=tests \
	    $(BIN)/python -m quality.gallery --seconds $(SECONDS) --jobs $(JOBS) --out "$(RESULTS)" $(ARGS)

experiments: $(VENV)/.installed ## Run the numerical studies; write tables and figures to results/experiments/
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	    $(BIN)/python -m experiments.sweeps --jobs $(JOBS) --out "$(RESULTS)/experiments" \
	    $(if $(filter-out 0,$(FAST)),--fast) $(ARGS)

demo: $(VENV)/.installed-classroom ## Serve the lessons of the classroom in the browser, on this computer
	@$(BIN)/python experiments/classroom/demo.py --port $(PORT)

bench: $(VENV)/.installed-bench ## Compare speed and memory with other solvers; write results/bench.*
	@$(BIN)/python -m benchmarks.bench --out "$(RESULTS)" $(ARGS)

# Results of other sources are not printed: if need be the claims are checked anew, and on a few instances exactly.
paper: $(VENV)/.installed-paper ## Set the paper from the results; write results/paper/mdplab.pdf
	@$(BIN)/python -m paper --results "$(RESULTS)" --check verdicts \
	    || $(MAKE) --no-print-directory verify FAST= EXACT= ARGS=
	@$(BIN)/python -m paper --results "$(RESULTS)" --check exact \
	    || $(BIN)/python -m proofs_check run --exact --instances 3 --jobs $(JOBS) --json "$(RESULTS)/exact.json" \
	    || [ -f "$(RESULTS)/exact.json" ]
	@$(BIN)/python -m paper --results "$(RESULTS)"

docs: $(VENV)/.installed-docs ## Build the documentation; open results/docs/index.html
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d "$(RESULTS)/.doctrees" docs "$(RESULTS)/docs"
	@echo "$(RESULTS)/docs/index.html"

lint: $(VENV)/.installed-dev ## Check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m numpydoc lint `find mdplab -name '*.py'`
	@$(BIN)/mypy

format: $(VENV)/.installed-dev ## Format the sources and repair what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove the environment, the results and the caches
	rm -rf "$(VENV)" "$(RESULTS)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f .coverage .coverage.*
	find mdplab proofs_check tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, three levels of installation; a level is renewed when a recipe file is newer than its stamp.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "mdplab needs Python 3.11 or newer, but PYTHON=$(PYTHON) is: `$(PYTHON) --version 2>&1`." >&2; \
	    echo "Name a newer one, for instance: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with `$(PYTHON) --version`"
	@$(PYTHON) -m venv "$(VENV)"
	@touch $@

$(VENV)/.installed: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab and what it needs (a few minutes the first time)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-exact: $(RECIPE) | $(VENV)/.installed
	@$(INSTALL) -e '.[exact]'
	@touch $@

$(VENV)/.installed-test: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab and what its tests need (a few minutes the first time)"
	@$(INSTALL) -e '.[test]'
	@touch $(VENV)/.installed $@

# One by one: a peer without a wheel for this system must not keep the others away; the benchmark names the missing.
$(VENV)/.installed-bench: $(RECIPE) | $(VENV)/.installed
	@for peer in quantecon mdpsolver stormpy pymdptoolbox; do \
	    $(INSTALL) $$peer || echo "$$peer cannot be installed here and is left out"; \
	done
	@touch $@

$(VENV)/.installed-paper: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab and what sets its paper (a few minutes the first time)"
	@$(INSTALL) -e '.[paper]'
	@touch $(VENV)/.installed $(VENV)/.installed-exact $@

$(VENV)/.installed-classroom: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab and what its lessons need (a few minutes the first time)"
	@$(INSTALL) -e '.[classroom]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab and what its documentation needs (a few minutes the first time)"
	@$(INSTALL) -e '.[docs]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-dev: $(RECIPE) | $(VENV)/.created
	@echo "Installing mdplab, its tests' needs and the linters (a few minutes the first time)"
	@$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.installed $(VENV)/.installed-test $@
