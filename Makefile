# Two commands do everything on a fresh machine with Python 3.11 or later: `make run` and `make test`.
PYTHON ?= python3
ENV ?= .qpgis-env
BIN := $(ENV)/bin

.PHONY: run test lint types clean

run: $(ENV)/.installed
	@$(BIN)/qpgis run --out maps
	@echo "打开 maps/map.html 查看地图；open maps/map.html in any browser"

test: $(ENV)/.installed-dev lint types
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(ENV)/.installed-dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: $(ENV)/.installed-dev
	@$(BIN)/mypy --no-error-summary


$(ENV)/.installed: setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit("qpgis needs Python 3.11 or later: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(ENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(ENV)/.installed-dev: $(ENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	@rm -rf $(ENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
