"""The examples that `--help` shows: for each command what one wants, and what to type. A test runs every one of them.

They stand on what is in the box: `cloformer export` by itself writes build/cloformer_xxs-onnx-224-fp32, and fashion-mnist are
trained weights. What else they name is the reader's: best.safetensors, nets.py with a function build, photos, labels.txt.
"""

from __future__ import annotations

__all__ = ["EXAMPLES"]

_ONNX = "build/cloformer_xxs-onnx-224-fp32"
_CORE_ML = "build/cloformer_xxs-coreml-224-fp16"

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("the model in the box for Android and for iOS", "cloformer export --format onnx --format coreml"),
        ("is it the model?", f"cloformer parity {_ONNX}"),
        ("an app around it", f"cloformer bundle android {_ONNX} --output apps/android"),
    ),
    "models": (
        ("at the size that they are trained at", "cloformer models"),
        ("for images of another shape, and ten classes", "cloformer models --image-size 192x320 --num-classes 10"),
    ),
    "export": (
        ("what you trained, for iOS 17, with weights of 8 bits", "cloformer export best.safetensors --format coreml --target ios17 --precision int8-weights"),
        ("a network of yours: the function build in nets.py", "cloformer export nets.py:build --image-size 64"),
        ("one of timm's: what would be written", "cloformer export 'timm:mobilenetv3_small_100?num_classes=3' --labels labels.txt --dry-run"),
    ),
    "spec": (
        ("every key of the file", "cloformer spec"),
        ("an example to edit, for `export --spec model.toml`", "cloformer spec --init model.toml"),
        ("is it right?", "cloformer spec model.toml"),
    ),
    "inspect": (
        ("what goes in and comes out, and is it whole", f"cloformer inspect {_ONNX}"),
        ("the manifest", f"cloformer inspect {_ONNX} --json"),
        ("no larger than 20 MB, as a gate", f"cloformer inspect {_ONNX} --max-size 20MB"),
    ),
    "view": (
        ("the graph, to look at in a browser", f"cloformer view {_ONNX} --html graph.html"),
        ("how far each operator is off: first the report", f"cloformer parity {_ONNX} --json > parity.json"),
        ("then the page, coloured by it", f"cloformer view {_ONNX} --parity parity.json --html graph.html"),
    ),
    "predict": (
        ("the photograph that comes with cloformer", f"cloformer predict {_ONNX}"),
        ("all photographs of a folder, three guesses each", f"cloformer predict {_ONNX} photos --top 3"),
    ),
    "parity": (
        ("the built-in model", f"cloformer parity {_ONNX}"),
        ("on photographs of yours, with a page to look at", f"cloformer parity {_ONNX} --images photos --html parity.html"),
        ("a network of yours", "cloformer parity build/nets.build-onnx-64-fp32 --model nets.py:build"),
    ),
    "lint": (
        ("what phones may compute otherwise", f"cloformer lint {_CORE_ML}"),
        ("on photographs of yours, as a gate", f"cloformer lint {_CORE_ML} --images photos --fail-on error"),
    ),
    "bench": (
        ("ten seconds, one thread", f"cloformer bench {_ONNX} --preset quick"),
        ("one, two and four threads, with every sample", f"cloformer bench {_ONNX} --threads 1,2,4 --output latency.json"),
        ("a baseline, for `compare --baseline baselines/xxs`", f"cloformer bench {_ONNX} --preset quick --save-baseline baselines/xxs"),
    ),
    "compare": (
        ("what the passes gain", f"cloformer compare {_ONNX} --naive --preset quick"),
        ("two artifacts", f"cloformer compare {_ONNX} build/nets.build-onnx-64-fp32 --preset rapid"),
        ("is it as fast as it was?", f"cloformer compare {_ONNX} --baseline baselines/xxs --max-regression 5%"),
    ),
    "profile": (
        ("by module and by operator", f"cloformer profile {_ONNX}"),
        ("deeper, as a page", f"cloformer profile {_ONNX} --depth 3 --html profile.html"),
        ("what a phone's processor will choke on, counted", f"cloformer profile {_ONNX} --device arm64 --top 10"),
    ),
    "bundle": (
        ("for Android Studio", f"cloformer bundle android {_ONNX} --output apps/android"),
        ("for Xcode, under your app's name", f"cloformer bundle ios {_CORE_ML} --output apps/ios --app-name Zoo"),
        ("a page for any phone with a browser", f"cloformer bundle web {_ONNX} --output apps/web"),
    ),
    "serve": (
        ("is it right in the browser of this machine?", "cloformer serve apps/web"),
        ("on any port that is free, for a program", "cloformer serve apps/web --port 0 --json"),
    ),
    "import-device-report": (
        ("what the app's tests found", f"cloformer import-device-report device-report.json --artifact {_ONNX}"),
        ("did nearly all of it run where it should?", f"cloformer import-device-report device-report.json --min-on-accelerator 95% --artifact {_ONNX}"),
        ("two phones side by side", f"cloformer import-device-report phone.json tablet.json --html phones.html --artifact {_ONNX}"),
    ),
    "train": (
        ("from the weights in the box", "cloformer train --data clothes --weights fashion-mnist --recipe finetune --set batch_size=auto --output runs/mine"),
        ("what a recipe does", "cloformer train --recipe finetune --set epochs=5 --show-recipe"),
        ("go on where it was stopped", "cloformer train --data clothes --output runs/mine --resume"),
    ),
    "prune": (
        ("what 30 % fewer hidden channels would save", "cloformer prune --weights fashion-mnist --share 30% --dry-run"),
        ("the smaller checkpoint, for `train --weights`", "cloformer prune --weights fashion-mnist --share 30% --output small.safetensors"),
        ("heads too, by magnitude", "cloformer prune --weights best.safetensors --share 0.3 --heads 0.25 --criterion magnitude --output small.safetensors"),
    ),
    "evaluate": (
        ("the checkpoint in the box", "cloformer evaluate fashion-mnist --data clothes"),
        ("boxes", "cloformer evaluate detector.py:build --spec boxes.toml --data photos --coco instances.json"),
        ("what was lost, on images without labels", "cloformer evaluate build/*-weights-* --weights fashion-mnist --data photos --json > evaluation.json"),
    ),
    "pareto": (
        ("judged on labelled images, or on plain ones", "cloformer pareto build/*-weights-* --data clothes"),
        ("by what was measured before", "cloformer pareto build/*-weights-* --report evaluation.json --html pareto.html --plots plots"),
    ),
    "hub": (
        ("the checkpoint in the box", "cloformer hub fashion-mnist --output hub/clothes"),
        ("one of yours", "cloformer hub runs/mine/best.safetensors --output hub/mine"),
    ),
    "doctor": (
        ("for people", "cloformer doctor"),
        ("for a report", "cloformer doctor --json"),
    ),
}  # fmt: skip
