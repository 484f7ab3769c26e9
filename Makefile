PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed-docs

.PHONY: demo test slow check docs clean

# A sample scene, ×8 on the CPU: prints where the GeoTIFF and its picture are.
demo: $(INSTALLED)
	$(BIN)/python sample_data/make.py demo
	$(BIN)/groklst downscale demo/lst.tif demo/lst_30m.tif --scale 8 \
		--guide demo/multispectral.tif --guide demo/dem.tif \
		--picture demo/before_after.png --overwrite
	@echo "GeoTIFF: $(CURDIR)/demo/lst_30m.tif"
	@echo "picture: $(CURDIR)/demo/before_after.png"

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# Everything about the code but its behaviour: form, lint, types, layers.
check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation site, from docs/, the commands and the docstrings.
docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "site: $(CURDIR)/build/site/index.html"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,check]'
	touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo try build dist
