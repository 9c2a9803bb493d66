# make book · make test · make serve · make bench · make help; with problems/ also make problems · make grade · make release
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
COMMA  := ,
EXTRAS := book,test$(if $(wildcard problems/rules.mk),$(COMMA)grade)

# One thread a process: notebooks and tests run side by side and are budgeted on one core.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help book test serve bench experiments env lint types unit notebooks site browser format clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

book: env ## execute every notebook and build the site, warnings as errors
	$(BIN)/python tools/build_book.py

test: env lint types unit notebooks site browser ## everything that CI runs
	@echo "make test: every step passed."

serve: env ## serve the built site on this machine
	@test -f _build/html/book/index.html || { echo "There is no site yet: run make book first."; exit 1; }
	@echo "The course is at http://localhost:$(PORT)/ (stop with Ctrl-C)."
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

bench: env ## time the package beside its peers
	@set -e; for script in benchmarks/[!_]*.py; do \
	  test -f "$$script" || { echo "There is no benchmark yet."; break; }; \
	  echo "== $$script"; $(BIN)/python $$script; \
	done

experiments: env ## run the long experiments that chapters store (many minutes; resumes)
	@set -e; for script in book/foundations/trainability.py book/stability/training_speed.py book/stability/noise_depth.py book/stability/shifted_training.py book/structure/mixer_training.py book/structure/width_sparsity.py book/structure/coordinate_training.py book/structure/search_budget.py book/wide_limit/width_accuracy.py; do echo "== $$script"; $(BIN)/python $$script; done

env: $(VENV)/.installed ## the environment in .venv, from the pinned constraints

$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || { echo "Python 3.11 or newer is needed, and there is no $(PYTHON): make PYTHON=/path/to/python3 …"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, but $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || { echo "== Creating $(VENV)"; $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@echo "== Installing into $(VENV) (a few minutes and 2 GB, once)"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

lint: env ## formatting and lint
	@echo "== ruff"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env ## type check
	@echo "== mypy"
	$(BIN)/mypy $(wildcard rmtlab tools problems)

unit: env ## unit tests, contracts and doctests
	@echo "== unit tests and doctests"
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not site and not browser and not notebooks"

notebooks: env ## nbval over every notebook, each within its budget of time and memory
	@echo "== notebooks"
	$(BIN)/python -m pytest -n auto --dist load -m notebooks

site: env ## the site, rebuilt if it is stale
	@echo "== site"
	$(BIN)/python tools/build_book.py --if-stale

browser: site ## the built site in a headless browser
	@echo "== browser"
	$(BIN)/python -m pytest -m "site or browser"

format: env ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what was built
	rm -rf $(filter-out _build/grades,$(wildcard _build/*))

-include problems/rules.mk
