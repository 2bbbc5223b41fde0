# make demo   registers a real brain, maps where that can be trusted, leaves everything in demo/
# make test   all tests
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c Testing/constraints.txt

# Only what is in .venv runs, in the order in which it was asked for.
unexport PYTHONPATH PYTHONHOME
.NOTPARALLEL:
.PHONY: demo test clean

demo: $(VENV)/demo.stamp
	$(BIN)/python Examples/demo.py demo

test: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest Testing $(PYTEST)

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; assert (3, 11) <= sys.version_info < (3, 14), \
	'UncertainReg needs Python 3.11, 3.12 or 3.13; name one with make PYTHON=python3.12'"
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[demo]"
	touch $@

# Without torch the tests that need it are skipped; the next call tries again.
$(VENV)/test.stamp: pyproject.toml Testing/constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[test]"
	if $(PIP) -e ".[networks,sir,convexadam]"; then touch $@; \
	else echo "torch cannot be installed here; its tests are skipped"; fi

clean:
	rm -rf $(VENV) demo build *.egg-info
