# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHOTOS ?=
GALLERY ?= demo.gallery
DATA ?= ../shared

.PHONY: demo test check serve train bench openapi clean browser

demo: data/sample/.done
	$(BIN)/python data/demo.py $(if $(PHOTOS),"$(PHOTOS)")

test: data/sample/.done browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

serve: $(VENV)/.mini
	$(BIN)/crosslight serve --gallery $(GALLERY)

train: $(VENV)/.mini
	$(BIN)/python -m training --data $(DATA)

bench: $(VENV)/.mini
	$(BIN)/python -m bench.retrieval --data $(DATA)

openapi: $(VENV)/.installed
	$(BIN)/python -m api.http docs/openapi.json

clean:
	rm -rf $(VENV) data/sample demo*.gallery

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/.mini: $(VENV)/.installed
	$(BIN)/crosslight models pull mini
	touch $@

data/sample/.done: $(VENV)/.mini data/sample.toml
	$(BIN)/python data/sample.py
	touch $@

# The page's tests need a Chromium; without one they are skipped (in CI they fail).
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && \
	    apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "no Chromium here: the tests of the page will be skipped" >&2
