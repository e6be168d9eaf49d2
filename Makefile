# What a reader or a developer does with this repository. Every target sets up .venv by itself, once; it needs Python
# 3.11 or newer and make, and pip brings the rest. On Windows, README.md gives the same steps as plain commands.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
TWO_AT_A_TIME := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help book lab test experiments bench clean student solutions slides assignment bundle

# `make assignment 06` means `make assignment N=06`: what follows names a chapter and is nothing to make.
ifeq (assignment,$(firstword $(MAKECMDGOALS)))
N ?= $(word 2,$(MAKECMDGOALS))
ifneq (,$(word 2,$(MAKECMDGOALS)))
.PHONY: $(word 2,$(MAKECMDGOALS))
$(word 2,$(MAKECMDGOALS)): ; @:
endif
endif

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: $(INSTALLED) ## make the teaching set, execute the chapters, build the site
	$(BIN)/cxrtutor data make
	$(BIN)/python book/build.py

# book/lab answers JupyterLab's first question, whether to fetch news from the network, with no, and leaves nbgrader's
# menus and servers out, which are for teachers: `jupyter lab` in a folder of _build/assignments has them.
lab: $(INSTALLED) ## open the book in JupyterLab, at its table of contents
	$(BIN)/jupyter lab --notebook-dir=. --config=book/lab/jupyter_config.json --LabApp.app_settings_dir=book/lab \
	  --LabApp.default_url=/lab/tree/CONTENTS.md

test: $(INSTALLED) ## check everything: style, package, chapters, and the built site in a browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cxrtutor data make
	$(TWO_AT_A_TIME) tests --ignore=tests/book --cov
	$(TWO_AT_A_TIME) book chapters --nbval-lax --nbval-current-env --nbval-cell-timeout=600
	$(BIN)/python book/build.py
	$(BIN)/python -m pytest tests/book

student: $(INSTALLED) ## the students' edition, without solutions: _build/student
	$(BIN)/cxrtutor class student

solutions: $(INSTALLED) ## the teachers' edition, with open solutions: _build/solutions
	$(BIN)/cxrtutor class solutions

bundle: $(INSTALLED) ## the book, the teaching set and its features in one file, for a class: _build
	$(BIN)/cxrtutor class bundle

slides: $(INSTALLED) ## slides of every chapter: _build/slides
	$(BIN)/cxrtutor class slides

assignment: $(INSTALLED) ## an nbgrader assignment: make assignment 06, for ten groups: make assignment 06 GROUP=1-10
	$(if $(N),,$(error Which chapter? For instance: make assignment 06))
	$(BIN)/cxrtutor class assignment $(N) $(if $(GROUP),--group $(GROUP))

experiments: $(INSTALLED) ## run the recorded experiments whose records are missing or outdated
	$(BIN)/cxrtutor experiments

bench: $(INSTALLED) ## time the parts that must stay fast; the report goes to _build/bench
	$(BIN)/python -m pytest tests/bench --bench

clean: ## remove the site and the tools' caches; data sets, runs, .venv and what was handed in stay
	test ! -d _build || find _build -mindepth 1 -maxdepth 1 ! -name assignments -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks .coverage
	find cxrtutor tests book data_scripts chapters -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The stamp is newer than what it was installed from, so pip runs again only when one of these files changes.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cxrtutor needs Python 3.11 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-input --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --no-input --disable-pip-version-check --no-deps -e .
	@touch $@
