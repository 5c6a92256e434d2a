# `make demo` and `make test` are all a fresh machine needs: each makes its environment itself.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUTPUT ?= build

.PHONY: setup demo test slow-test clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The main job: CloFormer-XXS as ONNX and as Core ML, and what the ONNX file says of a photograph.
demo: setup
	$(BIN)/cloformer export --model cloformer_xxs --format onnx --format coreml --output $(OUTPUT)
	$(BIN)/cloformer predict $(OUTPUT)/cloformer_xxs-onnx-224-fp32

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# Minutes long: what kills an export fifty times, and exports every variant in every form.
slow-test: setup
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) $(OUTPUT) dist
