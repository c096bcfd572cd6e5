# The two commands of the README. Both make the virtual environment when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Node, for the checks of the page's scripts, comes as a Python package.
NODE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --prefix ui
ARGS ?=
# `make app TORCH=cpu`: on Linux the small build of PyTorch, without the gigabytes of CUDA.
TORCH ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Compiled afterwards by all cores: pip would by one. A package may hold files that do not compile.
define install
$(PIP) -r $(1)
$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
endef

# The mathematics, from schedules to a run, and what must survive any change.
QUICK := $(addprefix tests/core/test_,entries.py schedules.py diffusion.py samplers.py noise.py \
	guidance.py request.py sampling.py unet.py) tests/test_survives.py

.PHONY: app test scripts quick clean

app: $(VENV)/.app-ready
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.test-ready scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

scripts: ui/node_modules/.ready
	$(NODE) run --silent check
	$(NODE) test --silent

quick: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 $(QUICK) $(ARGS)

clean:
	rm -rf $(VENV) ui/node_modules

$(VENV)/.app-ready: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(filter cpu,$(TORCH)),$(PIP) -c requirements.txt torch torchvision \
		--index-url https://download.pytorch.org/whl/cpu)
	$(call install,requirements.txt)
	touch $@

$(VENV)/.test-ready: requirements-dev.txt $(VENV)/.app-ready
	$(call install,requirements-dev.txt)
	touch $@

ui/node_modules/.ready: ui/package.json $(VENV)/.test-ready
	$(NODE) install --silent --no-package-lock --no-audit --no-fund
	touch $@
