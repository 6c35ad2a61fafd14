# Two commands do everything on a fresh machine with Python >= 3.11 and make: `make report` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: report test lint soak scale clean

report: $(INSTALLED)
	@# What --no-compile has left out is kept inside .venv, whatever may be written elsewhere: ten processes import it.
	env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/bytecode $(BIN)/compare all --resume $(ARGS)

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --threads 2 --pythonpath $(BIN)/python

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "elbo-compare needs Python >= 3.11; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@# --no-compile: what is imported is compiled then; most of torch and JAX never is.
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[all,test]'
	touch $@

soak: $(INSTALLED)
	$(BIN)/python benchmarks/soak.py $(ARGS)

scale: $(INSTALLED)
	$(BIN)/python benchmarks/scale.py $(ARGS)

clean:
	rm -rf $(VENV) results
