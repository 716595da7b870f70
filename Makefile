# Two commands: `make demo` trains a population of translators, `make test` runs the tests. Both set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
DEMO := runs/demo
SENTENCE := Tuesday, March 12, 2024; 3 hours ago; France, Japan, and Kenya

.PHONY: demo test check clean

demo: $(VENV)/.demo
	$(VENV)/bin/poptrain run translation --directory $(DEMO)
	@echo
	@echo "A translation by the best model:  $(SENTENCE)"
	@echo "$(SENTENCE)" | $(VENV)/bin/poptrain translate $(DEMO)
	@echo
	@$(VENV)/bin/poptrain lineage $(DEMO)

test: $(VENV)/.dev
	scripts/test

check: $(VENV)/.dev
	scripts/check

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[translation]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[translation,images,rl,trees,audio,jax,bayesian,plots,pandas,parquet,tensorboard,mlflow,wandb,report,dashboard,dev]'
	touch $@ $(VENV)/.demo

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV)
