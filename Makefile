# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHOTOS ?=
GALLERY ?= demo.gallery
DATA ?= ../shared
# Its source, which is built with our torch.
DETECTRON2 ?= git+https://github.com/facebookresearch/detectron2@02b5c4e295e990042a714712c21dc79b731e8833

.PHONY: demo test test-apart check serve train bench openapi clean browser

demo: data/sample/.done
	$(BIN)/python data/demo.py $(if $(PHOTOS),"$(PHOTOS)")

# Two at once, of one thread each: more would wait for one another on two processors.
test: data/sample/.done browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Libraries whose pins, size, or plugins of pytest do not go with ours: each in an environment of its own, over ours.
test-apart: $(VENV)-chroma/.installed $(VENV)-langchain/.installed $(VENV)-clip-retrieval/.installed \
  $(VENV)-datasets/.installed $(VENV)-detectron2/.installed
	$(VENV)-chroma/bin/python -m pytest tests/doors/test_import.py -k chroma
	$(VENV)-langchain/bin/python -m pytest tests/doors/test_langchain_standard.py \
	  -o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function
	$(VENV)-clip-retrieval/bin/python -m pytest tests/doors/test_clip_retrieval.py
	$(VENV)-datasets/bin/python -m pytest tests/indexer/test_huggingface.py
	$(VENV)-detectron2/bin/python -m pytest tests/models/test_detectron2.py

$(VENV)-chroma/.installed: PACKAGES = "chromadb>=1.0"
$(VENV)-langchain/.installed: PACKAGES = langchain-tests
$(VENV)-clip-retrieval/.installed: PACKAGES = --no-deps clip-retrieval requests
$(VENV)-datasets/.installed: PACKAGES = "datasets>=4.0"
$(VENV)-detectron2/.installed: BUILT_WITH = setuptools wheel
$(VENV)-detectron2/.installed: PACKAGES = --no-build-isolation $(DETECTRON2)
SITE := -c "import sysconfig; print(sysconfig.get_path('purelib'))"

$(VENV)-%/.installed: $(VENV)/.installed
	$(BIN)/python -m venv $(VENV)-$*
	echo "import site; site.addsitedir('$$($(BIN)/python $(SITE))')" > "$$($(VENV)-$*/bin/python $(SITE))/ours.pth"
	$(if $(BUILT_WITH),$(VENV)-$*/bin/python -m pip install --quiet --upgrade $(BUILT_WITH))
	$(VENV)-$*/bin/python -m pip install --quiet $(PACKAGES)
	touch $@

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
	rm -rf $(VENV) $(VENV)-* data/sample demo*.gallery

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
