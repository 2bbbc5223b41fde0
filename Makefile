# make demo   registers a real brain, maps where that can be trusted, leaves everything in demo/
# make test   all tests
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c Testing/constraints.txt

.PHONY: demo test clean

demo: $(VENV)/demo.stamp
	$(BIN)/python Testing/demo.py demo

test: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/python -m pytest Testing $(PYTEST)

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; assert (3, 11) <= sys.version_info < (3, 14), \
	'UncertainReg needs Python 3.11, 3.12 or 3.13; name one with make PYTHON=python3.12'"
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[demo]"
	touch $@

# Without torch the tests that need it are skipped.
$(VENV)/test.stamp: pyproject.toml Testing/constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[test]"
	$(PIP) -e ".[networks,sir,convexadam]" || echo "torch cannot be installed here; its tests are skipped"
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
