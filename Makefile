# What a reader or a developer does with this repository. Every target sets up .venv by itself, once; it needs Python
# 3.11 or newer and make, and pip brings the rest. On Windows, README.md gives the same steps as plain commands.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help book lab test experiments bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: $(INSTALLED) ## make the teaching set, execute the chapters, build the site
	$(BIN)/cxrtutor data make
	$(BIN)/python book/build.py

# book/lab answers JupyterLab's first question, whether to fetch news from the network, with no.
lab: $(INSTALLED) ## open the book in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. --LabApp.app_settings_dir=book/lab \
	  --LabApp.default_url=/lab/tree/chapters/00-how-to-use-this-book.ipynb

test: $(INSTALLED) ## check everything: style, package, chapters, and the built site in a browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest tests --ignore=tests/book --cov
	$(BIN)/cxrtutor data make
	$(BIN)/python -m pytest book chapters --nbval-lax --nbval-current-env --nbval-cell-timeout=600
	$(BIN)/python book/build.py
	$(BIN)/python -m pytest tests/book

experiments: $(INSTALLED) ## run the recorded experiments whose records are missing or outdated
	$(BIN)/cxrtutor experiments

bench: $(INSTALLED) ## time the parts that must stay fast; the report goes to _build/bench
	$(BIN)/python -m pytest tests/bench --bench

clean: ## remove the site and the tools' caches; data sets, runs and .venv stay
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks .coverage
	find cxrtutor tests book data_scripts chapters -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The stamp is newer than what it was installed from, so pip runs again only when one of these files changes.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cxrtutor needs Python 3.11 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-input --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --no-input --disable-pip-version-check --no-deps -e .
	@touch $@
