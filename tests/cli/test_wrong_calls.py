"""Wrong calls as newcomers make them, with the exact words of the answer: no name is suggested that was not meant, and the next
step can be typed as it stands.

Those of training and timing are in test_wrong_calls_training.py.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from outcome import Command

from cloformer.export.commands.help import COMMANDS
from cloformer.export.reference.cases import PHOTOGRAPH

# The call; its exit code; what went wrong; what to do.
CALLS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("exprot", 2, ("unknown command 'exprot'. Did you mean export?", "`cloformer export --help` says what it does",)),
    ("view art", 2, ("cloformer view needs --html FILE", "for example: cloformer view build/cloformer_xxs-onnx-224-fp32 --html graph.html",)),
    ("view --html g.html", 2, ("cloformer view needs ARTIFACT", "for example: cloformer view build/cloformer_xxs-onnx-224-fp32 --html graph.html",)),
    ("view art --htlm g.html", 2, ("cloformer view has no option --htlm. Did you mean --html?", "`cloformer view --help` says what --html does",)),
    ("view art more --html g.html", 2, ("cloformer view takes ARTIFACT, and 'more' is more", "`cloformer view --help` lists what it takes",)),
    ("help", 2, ("help is an option, not a command", "type `cloformer --help`",)),
    ("help parity", 2, ("help is an option, not a command", "type `cloformer parity --help`",)),
    ("version", 2, ("version is an option, not a command", "type `cloformer --version`",)),
    ("convert best.pth", 2, ("unknown command 'convert'", "`cloformer --help` lists the commands",)),
    ("--verion", 2, ("cloformer has no option --verion. Did you mean --version?", "`cloformer --help` says what --version does",)),
    ("export --formt onnx", 2, ("cloformer export has no option --formt. Did you mean --format?", "`cloformer export --help` says what --format does",)),
    ("export -format onnx", 2, ("cloformer export has no option -format. Did you mean --format?", "`cloformer export --help` says what --format does",)),
    ("export --formats onnx", 2, ("cloformer export has no option --formats. Did you mean --format?", "`cloformer export --help` says what --format does",)),
    ("export --format onxn", 2, ("unknown format 'onxn'. Did you mean onnx?", "--format takes: onnx, coreml, litert, executorch; for example --format onnx",)),
    ("export --format ONNX", 2, ("unknown format 'ONNX'. Did you mean onnx?", "--format takes: onnx, coreml, litert, executorch; for example --format onnx",)),
    ("export --format onnx,coreml", 2, ("--format takes one name, and 'onnx,coreml' is 2", "give it for each: --format onnx --format coreml",)),
    ("export --format \"onnx coreml\"", 2, ("--format takes one name, and 'onnx coreml' is 2", "give it for each: --format onnx --format coreml",)),
    ("export --format tflite", 2, ("unknown format 'tflite'", "--format takes: onnx, coreml, litert, executorch; for example --format onnx",)),
    ("export --format .onnx", 2, ("unknown format '.onnx'. Did you mean onnx?", "--format takes: onnx, coreml, litert, executorch; for example --format onnx",)),
    ("export --opset 12", 2, ("opset 12 is not from 18 to 23", "--opset takes: 18, 19, 20, 21, 22, 23; for example --opset 18",)),
    ("export --opset twenty", 2, ("unknown opset 'twenty'", "--opset takes: 18, 19, 20, 21, 22, 23; for example --opset 18",)),
    ("export --opset 20.0", 2, ("opset 20.0 is not from 18 to 23", "--opset takes: 18, 19, 20, 21, 22, 23; for example --opset 23",)),
    ("export --target ios15 --format coreml", 2, ("unknown target 'ios15'", "--target takes: ios16, ios17, ios18, ios26; for example --target ios16",)),
    ("export --target iOS17 --format coreml", 2, ("unknown target 'iOS17'. Did you mean ios17?", "--target takes: ios16, ios17, ios18, ios26; for example --target ios17",)),
    ("export --target 17 --format coreml", 2, ("unknown target '17'. Did you mean ios17?", "--target takes: ios16, ios17, ios18, ios26; for example --target ios17",)),
    ("export --target ios17", 2, ("--target is for --format coreml", "add --format coreml or leave --target out",)),
    ("bundle android art --output app --probe modlues", 2, ("cloformer bundle takes SYSTEM and ARTIFACT, and 'modlues' is more", "`cloformer bundle --help` lists what it takes",)),
    ("bundle android --verify app --probe all", 2, ("--verify checks a project and writes none", "leave ARTIFACT, --output, --runtime, --provider and --probe out",)),
    ("parity art --device-values phone.safetensors --runner pytorch", 2, ("--runner is not there with --device-values: the device has computed already", "leave one of them out",)),
    ("parity art other --device-values phone.safetensors", 2, ("--device-values are of one artifact, and here are 2", "give the artifact that the app was bundled from",)),
    ("export --for x68", 2, ("unknown processor 'x68'. Did you mean x86?", "--for takes: arm64, arm64-xnnpack, x86; for example --for x86",)),
    ("export --for ARM64", 2, ("unknown processor 'ARM64'. Did you mean arm64?", "--for takes: arm64, arm64-xnnpack, x86; for example --for arm64",)),
    ("export --for x86 --format coreml", 2, ("--for x86 is for --format onnx", "add --format onnx or leave --for out",)),
    ("export --for neural-engine", 2, ("--for neural-engine is for --format coreml", "add --format coreml or leave --for out",)),
    ("export --for neural-engin --format coreml", 2, ("unknown processor 'neural-engin'. Did you mean neural-engine?", "--for takes: all-units, neural-engine; for example --for neural-engine",)),
    ("export --for x86 --format litert", 2, ("--for is for --format onnx or coreml", "add --format onnx or leave --for out",)),
    ("export --fail-on error", 2, ("--fail-on is of what --lint finds", "add --lint or leave --fail-on out",)),
    ("export --lint --dry-run", 2, ("--lint reads what was written, and --dry-run writes nothing", "leave one of them out",)),
    ("export --max-growth lots", 2, ("--max-growth 'lots' is no share from 0 to 10", "--max-growth takes 5%, or 0.05",)),
    ("export --max-growth 2000%", 2, ("--max-growth '2000%' is no share from 0 to 10", "--max-growth takes 5%, or 0.05",)),
    ("export --for x86 --max-growth 20%", 2, ("--max-growth is for --for arm64", "add --for arm64 or leave --max-growth out",)),
    ("export --layout nhwc", 2, ("--layout is for --format litert", "add --format litert or leave --layout out",)),
    ("export --layout NHWC --format litert", 2, ("unknown layout 'NHWC'. Did you mean nhwc?", "--layout takes: nhwc, nchw; for example --layout nhwc",)),
    ("export --format litert --precision palette-4", 4, ("LiteRT cannot be written in palette-4", "--precision takes for it: fp32, fp16, int8, int8-dynamic, int8-weights",)),
    ("export --precision int8", 2, ("--precision int8 takes the range of every value from images, and has none", "add --calibration FOLDER, with 100 photographs or so like those of the app; or choose int8-weights, which needs none",)),
    ("export --precision auto --calibration photos", 2, ("--precision auto leaves in float what a goal needs, and has none", "add --min-snr 30 (decibels), --min-agreement 98%, --max-accuracy-drop 1% or --max-size 5MB",)),
    ("export --precision int8 --calibration photos --min-snr 30", 2, ("--min-snr, --min-agreement, --max-accuracy-drop and --sensitivity are what --precision auto goes by", "add --precision auto; or hold what was written to them: cloformer parity ARTIFACT --min-snr 30")),
    ("export --precision auto --min-snr 30", 2, ("--precision auto takes the range of every value from images, and has none", "add --calibration FOLDER, with 100 photographs or so like those of the app; or choose int8-weights, which needs none")),
    ("export --precision auto --calibration photos --min-snr 30 --sensitivity relevant", 2, ("unknown sensitivity 'relevant'. Did you mean relevance?", "--sensitivity takes: measured, relevance; for example --sensitivity relevance")),
    ("export --precision auto --calibration snaps --max-accuracy-drop 2", 2, ("--max-accuracy-drop '2' is no share from 0 to 1", "--max-accuracy-drop takes 2%, or 0.02")),
    ("export --precision auto --calibration snaps --max-accuracy-drop 1%", 2, ("--max-accuracy-drop needs labels, and nobody says what the images in snaps show", "put them into a folder per class, or their numbers into labels.json; --min-agreement and --min-snr need no labels")),
    ("export --precision int8 --calibration snaps --max-accuracy-drop 1%", 2, ("--min-snr, --min-agreement, --max-accuracy-drop and --sensitivity are what --precision auto goes by", "add --precision auto; or hold what was written to them: cloformer parity ARTIFACT --min-snr 30")),
    ("export --calibration photos", 2, ("--calibration is for --precision int8, the one that computes in ranges", "add --precision int8, or leave --calibration out",)),
    ("export --precision int8 --calibration photos --range-method minmax", 2, ("unknown range method 'minmax'. Did you mean min-max?", "--range-method takes: mse, percentile, entropy, min-max; for example --range-method min-max",)),
    ("export --precision int8 --samples 8", 2, ("--samples is of the images to calibrate on", "add --calibration FOLDER",)),
    ("export --precision int8 --calibration photos --samples 0", 2, ("--samples takes a whole number from 1 on, and not '0'", "for example: --samples 1",)),
    ("export --precision int8 --calibration nowhere", 3, ("there is no file or folder nowhere", "give photographs, or folders of them",)),
    ("export --precision int8 --opset 21 --calibration photos", 4, ("ONNX for opset 21 cannot hold int8", "add --opset 20, or choose another --precision: fp32, fp16, int8-weights")),
    ("export --format coreml --precision int8 --calibration photos", 4, ("Core ML for ios16 cannot hold int8", "add --target ios17, or choose another --precision: fp16, fp32, int8-weights, palette-8, palette-6, palette-4",)),
    ("export --precision fp61", 2, ("unknown precision 'fp61'. Did you mean fp16?", "--precision takes: fp32, fp16, int8, int8-dynamic, int8-weights, int4-weights, palette-8, palette-6, palette-4, auto; for example --precision fp16",)),
    ("export --precision float16 --format coreml", 2, ("unknown precision 'float16'", "--precision takes: fp32, fp16, int8, int8-dynamic, int8-weights, int4-weights, palette-8, palette-6, palette-4, auto; for example --precision fp32",)),
    ("export --precision palette-4", 4, ("ONNX cannot be written in palette-4", "--precision takes for it: fp32, fp16, int8, int8-weights",)),
    ("export --max-size big", 2, ("--max-size 'big' is no size", "--max-size takes 5MB, 4.5MiB or 300kB",)),
    ("export --format coreml --precision int4-weights", 4, ("Core ML for ios16 cannot hold int4-weights", "add --target ios18, or choose another --precision: fp16, fp32, int8-weights, palette-8, palette-6, palette-4",)),
    ("export --io-type float16", 4, ("ONNX for float16 inputs and outputs cannot hold fp32", "add --io-type float32, or choose another --precision: fp16")),
    ("export --io-type fp16 --precision fp16", 2, ("unknown io-type 'fp16'", "--io-type takes: float32, float16; for example --io-type float32")),
    ("export --io-type float16 --format coreml", 2, ("--io-type is for --format onnx", "add --format onnx or leave --io-type out")),
    ("export --normalize within", 2, ("unknown normalize 'within'", "--normalize takes: outside, inside; for example --normalize outside")),
    ("export --normalize inside --format coreml", 2, ("--normalize is for --format onnx or litert or executorch", "add --format onnx or leave --normalize out")),
    ("export nets.py:build --input x=1x3x8x8 --normalize inside --dry-run -q", 2, ("nets.build takes no image that could be normalized: x", "leave --normalize out, or give x a preprocessing in --spec FILE: `cloformer spec` has its keys")),
    ("export --image-size 224,224", 2, ("image size '224,224' is not a size", "--image-size takes 224 or HEIGHTxWIDTH; for example --image-size 224x224",)),
    ("export --image-size 224x", 2, ("image size '224x' is not a size", "--image-size takes 224 or HEIGHTxWIDTH; for example --image-size 224",)),
    ("export --image-size 30", 2, ("image size 30 does not fit CloFormer: it takes multiples of 4 from 32 on", "for example --image-size 32",)),
    ("export --image-size 224 224", 2, ("224 is no model", "a size of two numbers is one word: --image-size 224x224",)),
    ("export --batch x", 2, ("--batch takes a whole number from 1 on, and not 'x'", "for example: --batch 1",)),
    ("export --batch 0", 2, ("--batch takes a whole number from 1 on, and not '0'", "for example: --batch 1",)),
    ("export --batch 1.5", 2, ("--batch takes a whole number from 1 on, and not '1.5'", "for example: --batch 1",)),
    ("export --num-classes ten", 2, ("--num-classes takes a whole number from 1 on, and not 'ten'", "for example: --num-classes 1",)),
    ("export --num-classes 0", 2, ("--num-classes takes a whole number from 1 on, and not '0'", "for example: --num-classes 1",)),
    ("export --model cloformer_m", 2, ("unknown model 'cloformer_m'", "--model takes: cloformer_xxs, cloformer_xs, cloformer_s, cloformer_no_global, cloformer_global, cloformer_xxs_fpn, cloformer_xs_fpn, cloformer_s_fpn, cloformer_xxs_retinanet, cloformer_xs_retinanet, cloformer_s_retinanet; for example --model cloformer_xxs", "or a network of yours, --model nets.py:build (the function build in nets.py), or timm's: --model timm:resnet18",)),
    ("export --model cloformer_xxxs", 2, ("unknown model 'cloformer_xxxs'. Did you mean cloformer_xxs?", "--model takes: cloformer_xxs, cloformer_xs, cloformer_s, cloformer_no_global, cloformer_global, cloformer_xxs_fpn, cloformer_xs_fpn, cloformer_s_fpn, cloformer_xxs_retinanet, cloformer_xs_retinanet, cloformer_s_retinanet; for example --model cloformer_xxs", "or a network of yours, --model nets.py:build (the function build in nets.py), or timm's: --model timm:resnet18",)),
    ("export --model CloFormer-XXS", 2, ("unknown model 'CloFormer-XXS'. Did you mean cloformer_xxs?", "--model takes: cloformer_xxs, cloformer_xs, cloformer_s, cloformer_no_global, cloformer_global, cloformer_xxs_fpn, cloformer_xs_fpn, cloformer_s_fpn, cloformer_xxs_retinanet, cloformer_xs_retinanet, cloformer_s_retinanet; for example --model cloformer_xxs", "or a network of yours, --model nets.py:build (the function build in nets.py), or timm's: --model timm:resnet18",)),
    ("export --model resnet18", 2, ("unknown model 'resnet18'", "--model takes: cloformer_xxs, cloformer_xs, cloformer_s, cloformer_no_global, cloformer_global, cloformer_xxs_fpn, cloformer_xs_fpn, cloformer_s_fpn, cloformer_xxs_retinanet, cloformer_xs_retinanet, cloformer_s_retinanet; for example --model cloformer_xxs", "or a network of yours, --model nets.py:build (the function build in nets.py), or timm's: --model timm:resnet18",)),
    ("export nets.py", 2, ("--model nets.py names no factory. nets.py has: build", "give --model nets.py:build",)),
    ("export nets:biuld", 2, ("--model nets:biuld: there is no 'biuld' in nets. Did you mean build?", "nets has: build",)),
    ("export net.py:build", 3, ("--model: there is no file net.py. Did you mean nets.py?", "give a Python file and a factory in it, as nets.py:build",)),
    ("export --model nets", 2, ("--model nets names no factory. nets has: build", "give --model nets:build",)),
    ("export --weights fashion-mnst", 3, ("checkpoint: there is no file fashion-mnst. Did you mean fashion-mnist?", "give a .safetensors or .pth file, a folder of the Hub, or fashion-mnist",)),
    ("export --weights mnist", 3, ("checkpoint: there is no file mnist", "give a .safetensors or .pth file, a folder of the Hub, or fashion-mnist",)),
    ("export best.safetensors", 3, ("checkpoint: there is no file best.safetensors", "give a .safetensors or .pth file, a folder of the Hub, or fashion-mnist",)),
    ("export best.onnx", 3, ("best.onnx is an ONNX model, and no PyTorch model", "give a built-in model, a checkpoint (.safetensors, .pth), a folder of the Hub, nets.py:build, package.module:build, or timm:mobilenetv3_small_100",)),
    ("export build/mine", 3, ("build/mine is an artifact, exported already, and no PyTorch model", "give a built-in model, a checkpoint (.safetensors, .pth), a folder of the Hub, nets.py:build, package.module:build, or timm:mobilenetv3_small_100",)),
    ("export --input image=1,3,224,224", 2, ("--input 'image=1,3,224,224' is not NAME=SIZExSIZE...[:DTYPE]", "for instance image=1x3x224x224:float32",)),
    ("export --input 1x3x224x224", 2, ("--input '1x3x224x224' is not NAME=SIZExSIZE...[:DTYPE]", "for instance image=1x3x224x224:float32",)),
    ("export nets.py:build --labels two.txt --dry-run -q", 3, ("given: 2 labels, and the model has 3 classes", "give as many labels as classes, in the order of the model's outputs",)),
    ("export nets.py:build --labels cat,dog,fish --dry-run -q", 3, ("there is no file cat,dog,fish", "give a UTF-8 file, one class name a line",)),
    ("export nets.py:build --spec meen.toml", 3, ("--spec meen.toml: inputs[0].preprocessing.meen is not a field that is known here. Did you mean mean? Known are: resize_size, interpolation, crop, fill, color_order, scale, mean, std, height, width", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
    ("export nets.py:build --spec lables.toml", 3, ("--spec lables.toml: lables is not a field that is known here. Did you mean labels? Known are: inputs, metadata, outputs, labels, labels_of", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
    ("export nets.py:build --spec three.toml", 3, ("--spec three.toml: inputs is the number 3, not a list", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
    ("export nets.py:build --spec broken.toml", 3, ("--spec broken.toml cannot be read: Invalid value (at end of document)", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
    ("export nets.py:build --spec model.toml", 3, ("there is no file model.toml", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
    ("export nets.py:build --output", 2, ("--output needs a value: --output FOLDER", "`cloformer export --help` says what it does",)),
    ("export nets.py:build --output notes.txt -q", 3, ("HERE/notes.txt/nets.build-onnx-224-fp32 cannot be written: Not a directory", "choose another --output",)),
    ("export nets.py:build --seed abc", 2, ("--seed takes a whole number, and not 'abc'", "for example: --seed 0",)),
    ("export nets.py:build --dry-run=yes", 2, ("--dry-run takes no value", "give --dry-run alone, or leave it out",)),
    ("inspect", 2, ("cloformer inspect needs ARTIFACT", "for example: cloformer inspect build/cloformer_xxs-onnx-224-fp32",)),
    ("inspect nothing", 3, ("nothing does not exist, so it is not an artifact", "give the folder that `cloformer export` printed",)),
    ("inspect build", 3, ("build is not an artifact: it has no manifest.json", "give an artifact in it, for example build/mine",)),
    ("inspect build/mine build/mine", 2, ("cloformer inspect takes ARTIFACT, and 'build/mine' is more", "`cloformer inspect --help` lists what it takes",)),
    ("inspect build/mine --opset 20", 2, ("cloformer inspect has no option --opset; export has one", "`cloformer inspect --help` lists its options",)),
    ("predict build/mine photo.png", 3, ("there is no file or folder photo.png", "give photographs, or folders of them",)),
    ("predict build/mine --threads 18446744073709551616", 2, ("--threads takes a whole number from 0 to 256, and not '18446744073709551616'", "for example: --threads 0")),
    ("predict build/mine notes.txt", 3, ("image notes.txt cannot be read: no image format begins like it", "give a whole JPEG, PNG, HEIC, AVIF, WebP, GIF, TIFF or BMP file",)),
    ("predict build/mine empty", 3, ("there is no image in empty", "give a whole JPEG, PNG, HEIC, AVIF, WebP, GIF, TIFF or BMP file",)),
    ("predict photo.jpg", 3, ("photo.jpg is a file and not an artifact: there is no manifest.json beside it", "give the folder that `cloformer export` printed",)),
    ("predict notes.txt photo.jpg", 3, ("notes.txt is a file and not an artifact: there is no manifest.json beside it", "give the folder that `cloformer export` printed",)),
    ("predict build/mine photo.jpg --top 0", 2, ("--top takes a whole number from 1 on, and not '0'", "for example: --top 5",)),
    ("parity", 2, ("cloformer parity needs ARTIFACTS", "for example: cloformer parity build/cloformer_xxs-onnx-224-fp32",)),
    ("parity build/mine --runer onnxruntime", 2, ("cloformer parity has no option --runer. Did you mean --runner?", "`cloformer parity --help` says what --runner does",)),
    ("parity build/mine --runner ort", 2, ("unknown runner 'ort'", "--runner takes: onnxruntime, coreml, mil, litert, executorch, pytorch; for example --runner onnxruntime",)),
    ("parity build/mine --runner coreml", 2, ("Core ML does not run onnx", "--runner takes: onnxruntime, pytorch",)),
    ("parity build/mine --images photo.png --model nets.py:build -q", 3, ("there is no file or folder photo.png", "give photographs, or folders of them",)),
    ("parity build/mine --images photo.jpg,photo.jpg", 3, ("there is no file or folder photo.jpg,photo.jpg", "give each by itself: photo.jpg photo.jpg",)),
    ("parity build/mine --optimization high", 2, ("unknown optimization level 'high'", "--optimization takes: off, basic, extended, all; for example --optimization off",)),
    ("parity build/mine --max-loss 10%", 2, ("--max-loss takes a number from 0 on, and not '10%'", "for example: --max-loss 0.1",)),
    ("parity build/mine --device arm", 2, ("unknown device 'arm'", "--device takes: arm64, android-library, android-library:xnnpack; for example --device arm64",)),
    ("bundle", 2, ("cloformer bundle needs SYSTEM", "for example: cloformer bundle android build/cloformer_xxs-onnx-224-fp32 --output apps/android",)),
    ("bundle andriod build/mine --output app", 2, ("unknown system 'andriod'. Did you mean android?", "SYSTEM takes: android, ios, web; for example android",)),
    ("bundle windows build/mine --output app", 2, ("unknown system 'windows'", "SYSTEM takes: android, ios, web; for example android",)),
    ("bundle android build/mine", 2, ("bundle needs --output FOLDER", "for example: cloformer bundle android build/mine --output apps/android",)),
    ("bundle ios build/mine --output app", 4, ("build/mine is onnx, and iOS apps carry coreml", "export it: `cloformer export --format coreml`",)),
    ("bundle android build/mine --output app --runtime litrt", 2, ("unknown runtime 'litrt'. Did you mean litert?", "--runtime takes: onnxruntime, litert, executorch, coreml, onnxruntime-web; for example --runtime litert",)),
    ("bundle android build/mine --output app --runtime litert", 2, ("--runtime litert runs litert, and build/mine is onnx", "give --runtime onnxruntime or leave it out, or export it: `cloformer export --format litert`",)),
    ("bundle android build/mine --output app --runtime coreml", 2, ("Core ML is in no Android app", "leave --runtime out, or bundle for iOS: `cloformer bundle ios`",)),
    ("bundle android --verify app --runtime litert", 2, ("--verify checks a project and writes none", "leave ARTIFACT, --output, --runtime, --provider and --probe out",)),
    ("bundle android build/mine --output app --min-os 4.4", 2, ("--min-os 4.4 is not an API level from 24 to 99", "the app and its runtime need 24 (Android 7); for Android 8 on: --min-os 26",)),
    ("train", 2, ("train needs --data and --output", "for example: cloformer train --data photos --output runs/photos --recipe finetune --weights fashion-mnist",)),
    ("evaluate build/mine", 2, ("cloformer evaluate needs --data FOLDER", "for example: cloformer evaluate fashion-mnist --data clothes",)),
    ("hub", 2, ("cloformer hub needs CHECKPOINT", "for example: cloformer hub fashion-mnist --output hub/clothes",)),
    ("import-device-report", 2, ("cloformer import-device-report needs REPORT", "for example: cloformer import-device-report device-report.json --artifact build/cloformer_xxs-onnx-224-fp32",)),
    ("import-device-report report.json --artifact build/mine --min-on-accelerator 950%", 2, ("--min-on-accelerator '950%' is no share from 0 to 1", "--min-on-accelerator takes 95%, or 0.95",)),
    ("bundle android build/mine --output app --provider xnpack", 2, ("unknown provider 'xnpack'. Did you mean xnnpack?", "--provider takes: cpu, xnnpack, nnapi, webgpu; for example --provider xnnpack",)),
    ("bundle web build/mine --output app --provider wsam", 2, ("unknown provider 'wsam'. Did you mean wasm?", "--provider takes: wasm, webgpu; for example --provider wasm",)),
    ("bundle web build/mine --output app --provider cpu", 2, ("unknown provider 'cpu'", "--provider takes: wasm, webgpu; for example --provider wasm",)),
    ("bundle web build/mine --output app --package com.example.app", 2, ("--package is an app's identifier, and a web page has none", "leave --package out",)),
    ("bundle web build/mine --output app --min-os 26", 2, ("--min-os is of an app, and a web page runs where its browser runs", "leave --min-os out",)),
    ("bundle web build/mine --output app --reduced-operators", 2, ("--reduced-operators is for ONNX Runtime, and ONNX Runtime Web runs this model", "leave it out",)),
    ("bundle web build/mine --output app --probe", 2, ("--probe gives an app's tests the values inside, and a web page has no such test", "leave --probe out, or bundle for Android: `cloformer bundle android`",)),
    ("bundle web build/mine --output app --runtime onnxruntime", 2, ("ONNX Runtime is in no web page", "leave --runtime out, or bundle for Android: `cloformer bundle android`",)),
    ("bundle android build/mine --output app --runtime onnxruntime-web", 2, ("ONNX Runtime Web is in no Android app", "leave --runtime out, or bundle for Web: `cloformer bundle web`",)),
    ("bundle web build/mine", 2, ("bundle needs --output FOLDER", "for example: cloformer bundle web build/mine --output apps/web",)),
    ("serve", 2, ("cloformer serve needs FOLDER", "for example: cloformer serve apps/web",)),
    ("serve build/mine", 3, ("build/mine has no cloformer-bundle.json", "`cloformer bundle` writes a project that has one",)),
    ("serve build/nothing", 3, ("build/nothing has no cloformer-bundle.json", "`cloformer bundle` writes a project that has one",)),
    ("serve apps/web --port 70000", 2, ("--port takes a whole number from 0 to 65535, and not '70000'", "for example: --port 8000",)),
    ("serve apps/web --port http", 2, ("--port takes a whole number from 0 to 65535, and not 'http'", "for example: --port 8000",)),
    ("serve apps/web --host 0.0.0.0", 2, ("cloformer serve has no option --host", "`cloformer serve --help` lists its options",)),
    ("import-device-report report.json --artifact build/mine", 3, ("there is no file report.json", "give the device-report.json of the tests",)),
    ("doctor now", 2, ("cloformer doctor takes options alone, and 'now' is more", "`cloformer doctor --help` lists what it takes",)),
    ("spec nothing.toml", 3, ("there is no file nothing.toml", "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with",)),
)  # fmt: skip

_FILES = {
    "nets.py": "from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())\n",
    "labels.txt": "cat\ndog\nfish\n",
    "two.txt": "cat\ndog\n",
    "notes.txt": "x",
    "meen.toml": '[[inputs]]\nname = "image"\nshape = [1, 3, 64, 64]\n[inputs.preprocessing]\nmeen = [0.5, 0.5, 0.5]\n',
    "lables.toml": 'lables = "labels.txt"\n',
    "three.toml": "inputs = 3\n",
    "broken.toml": "inputs = [\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Iterator[Path]:
    """A newcomer's folder: a network, a photograph, labels, files of --spec, an artifact."""
    folder = tmp_path_factory.mktemp("newcomer")
    for name, content in _FILES.items():
        (folder / name).write_text(content)
    for name in ("photos", "empty", "snaps"):
        (folder / name).mkdir()
    shutil.copy(PHOTOGRAPH, folder / "snaps")
    shutil.copy(PHOTOGRAPH, folder / "photo.jpg")
    shutil.copytree(small, folder / "build" / "mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize(("call", "code", "said"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_wrong_call_is_answered(
    command: Command, place: Path, call: str, code: int, said: tuple[str, ...]
) -> None:
    shown = command(*shlex.split(call))
    lines = shown.err.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    told = [line.replace(str(place), "HERE") for line in lines[start:]]
    found = (told[0].removeprefix("error: "), *(line.strip() for line in told[1:]))
    assert (shown.code, found) == (code, said)
    assert not shown.out


def test_an_error_is_one_document_too(command: Command, place: Path) -> None:
    names = [name for names in COMMANDS.values() for name in names]
    calls = ("exprot --json", "export --opset 12 --json", *(f"{name} --no-such --json" for name in names))
    for call in calls:
        shown = command(*shlex.split(call))
        assert shown.json["error"]["exit_code"] == shown.code == 2
        assert shown.json["error"]["next"]
