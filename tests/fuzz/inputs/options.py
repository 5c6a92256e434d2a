"""Options and arguments: every one that takes a value, with values that nobody means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..case import ANY, SOUND, WRONG, InputClass, Place, Run, Trial
from ..sound import MODEL, Sound
from ..values import COMMAND

__all__ = ["OPTIONS"]

# The shortest that does something, for each command: {onnx}, {coreml}, {data}, {report} are sound inputs.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "models": ("models",),
    "export": ("export", "--model", MODEL, "--image-size", "32", "--dry-run", "--output", "out"),
    "inspect": ("inspect", "{onnx}"),
    "predict": ("predict", "{onnx}"),
    "parity": ("parity", "{onnx}"),
    "parity coreml": ("parity", "{coreml}"),
    "parity on a device": ("parity", "{onnx}", "--device", "arm64"),
    "bench": ("bench", "{onnx}", "--preset", "rapid", "--runs", "1", "--min-seconds", "0.01"),
    "compare": ("compare", "{onnx}", "--naive", "--preset", "rapid", "--runs", "1", "--min-seconds", "0.01"),
    "profile": ("profile", "{onnx}", "--runs", "1"),
    "bundle": ("bundle", "android", "{onnx}", "--output", "out/app"),
    "bundle ios": ("bundle", "ios", "{coreml}", "--output", "out/app"),
    "import": ("import-device-report", "{report}", "--artifact", "{onnx}"),
    "evaluate": ("evaluate", "{onnx}", "--data", "{data}", "--labels", "{labels}", "--limit", "1"),
    "train": ("train", "--data", "{data}", "--output", "out/run", "--teacher", "no_such_module:teacher"),
    "prune": ("prune", "--weights", "fashion-mnist", "--dry-run"),
    "hub": ("hub", "fashion-mnist", "--output", "out/hub"),
    "doctor": ("doctor",),
}

# Of each command, those that take a value; files are a class of their own.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "models": ("--image-size", "--num-classes"),
    "export": (
        "--model", "--format", "--precision", "--image-size", "--batch", "--num-classes", "--opset", "--target",
        "--io-type", "--normalize", "--input", "--seed", "--for", "--max-growth",
    ),
    "predict": ("--top", "--threads"),
    "parity": ("--model", "--runner", "--optimization", "--seed", "--device", "--max-instructions", "--max-regression"),
    "parity coreml": ("--arithmetic", "--gain"),
    "parity on a device": ("--max-instructions", "--max-regression", "--optimization"),
    "bench": (
        "--preset", "--threads", "--runner", "--runs", "--min-seconds", "--seed", "--time-limit", "--counter", "--model",
        "--max-instructions", "--max-operators", "--max-multiply-adds", "--device", "--package",
    ),
    "compare": ("--max-regression", "--preset", "--threads", "--runner", "--rounds", "--max-rounds", "--model"),
    "profile": ("--threads", "--runs", "--depth", "--top"),
    "bundle": ("--package", "--app-name", "--min-os"),
    "bundle ios": ("--package", "--app-name", "--min-os"),
    "evaluate": ("--limit", "--min-top1", "--threads"),
    "prune": ("--share", "--heads", "--criterion", "--multiple-of"),
    "train": ("--model", "--recipe", "--set", "--teacher", "--licence", "--workers"),
}  # fmt: skip

_VALUES: dict[str, str] = {
    "nothing": "",
    "a blank": " ",
    "a word": "word",
    "zero": "0",
    "below zero": "-1",
    "a half": "0.5",
    "not a number": "nan",
    "infinity": "inf",
    "minus infinity": "-inf",
    "1e400": "1e400",
    "2**64": str(2**64),
    "5,000 digits": "9" * 5000,
    "digits of another script": "\u0661\u0662",
    "a superscript": "\u00b2",
    "an underscore among digits": "1_0",
    "50,000 letters": "w" * 50_000,
    "control characters": "a\x1b[2J\x07\r\n" + COMMAND + "\n",
    "a command of a CI": COMMAND,
    "an escape code of 8 bits": "\x9b31m",
    "half a surrogate": "\ud800",
    "bytes that are no UTF-8": b"a\xff\xfe".decode("utf-8", "surrogateescape"),
    "a path": "/etc/passwd",
    "an option": "--json",
    "sizes": "1x1",
    "sizes of zero": "0x0",
    "many sizes": "x".join(["9"] * 1000),
    "a setting": "epochs=nan",
    "a setting of 5,000 digits": "epochs=" + "9" * 5000,
    "a setting of an escape code": "\x1b[2J=1",
    "a setting of many": "mean=" + ",".join(["1"] * 10_000),
    "an input": "image=1x3x32x32",
    "an input of 2**64": "image=1x3x18446744073709551616x32",
    "an input of 5,000 digits": "x=" + "9" * 5000,
    "an input of rank 65": "x=" + "x".join(["1"] * 65),
    "a module": "os:getcwd",
    "a module in itself": "user_models:resnet.__globals__",
    "a module that is not there": "no\x1b[2J.such:thing",
    "a list": "1,2,nan",
    "a share": "-5%",
    "a share without end": "1e999%",
    "a phone": "adb:\x1b[2J",
}  # fmt: skip

# What takes the longest where it is taken to be meant: a large number of threads or rounds is no hostile input.
_NOT_TRIED = {("compare", "--rounds", "2**64"), ("compare", "--max-rounds", "2**64")}


def _filled(place: Place, command: str) -> list[str]:
    sound = place.sound
    inputs = {
        "{onnx}": sound.onnx, "{coreml}": sound.coreml, "{data}": sound.data["arrays.npz"], "{labels}": sound.labels,
    }  # fmt: skip
    words = []
    for word in _COMMANDS[command]:
        if word == "{report}":
            words.append(place.copy(sound.report).name)
        elif word == "{onnx}" and command == "import":
            words.append(place.copy(sound.onnx, "artifact").name)
        else:
            words.append(str(inputs.get(word, word)))
    return words


def _option(command: str, option: str, value: str, place: Place) -> Run:
    arguments = [*_filled(place, command), option, value]
    if place.number % 3 == 0 and command != "models":
        arguments.append("--json")
    return Run("", tuple(arguments), ANY)


def _extra(command: str, words: tuple[str, ...], codes: frozenset[int], place: Place) -> Run:
    return Run("", (*_filled(place, command), *words), codes, ("out", "artifact-reports"))


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = []
    values = list(_VALUES.items())
    pairs = [(command, option) for command, options in _OPTIONS.items() for option in options]
    for index, (command, option) in enumerate(pairs):
        for step in range(index % 4, len(values), 4):
            name, value = values[step]
            if (command, option, name) not in _NOT_TRIED:
                trials.append(Trial(f"{command} {option}: {name}", partial(_option, command, option, value)))
    for command in _COMMANDS:
        for name, words in {
            "an option that is not there": ("--frobnicate",),
            "an option of an escape code": ("--\x1b[2J",),
            "an option of a command of a CI": ("--a\n" + COMMAND,),
            "an option of 50,000 letters": ("--" + "w" * 50_000,),
            "an option without its value": ("--output",),
            "an option of half a surrogate": ("--\ud800", "--json"),
        }.items():
            codes = WRONG if command not in ("parity on a device",) else WRONG | {5}
            trials.append(Trial(f"{command}: {name}", partial(_extra, command, words, codes)))
    words = ("\x1b[2J", "a\n" + COMMAND, "", "w" * 50_000, "\ud800", "--", "-")
    return trials + [Trial(f"a command called {word[:10]!r}", partial(_command, word)) for word in words]


def _command(word: str, place: Place) -> Run:
    return Run("", (word,), WRONG | (SOUND if word == "--" else frozenset()))


def _drawn(place: Place) -> Run:
    """One or two options of a command, with values drawn, and some of their characters changed."""
    command = place.pick(list(_OPTIONS))
    words: list[str] = []
    done = []
    for _ in range(int(place.random.choice((1, 1, 2)))):
        option = place.pick(_OPTIONS[command])
        name = place.pick(list(_VALUES))
        if (command, option, name) in _NOT_TRIED:
            continue
        value = _VALUES[name]
        if value and place.random.random() < 0.4:
            at = int(place.random.integers(len(value)))
            value = (
                value[:at]
                + place.pick(("0", "x", "-", "\x00", "\x1b", ",", "%", "\u0663", ":", "=", "."))
                + value[at + 1 :]
            )
            value = value.replace("\x00", "\x01")  # no argument has one
        # As a word by itself, --json would ask for a document where it is another option's value.
        words += [f"{option}={value}"] if value == "--json" else [option, value]
        done.append(f"{option}: {name}")
    return Run(f"{command}: {'; '.join(done)}", (*_filled(place, command), *words), ANY, ("out",))


# Sound ones.

_SOUND: dict[str, tuple[str, tuple[str, ...]]] = {
    "a name of an app in another script": ("bundle", ("--app-name", "昆虫")),
    "a name of an app with blanks": ("bundle", ("--app-name", "My Bugs (2)")),
    "a name of an app with accents": ("bundle ios", ("--app-name", "Käfer.Été")),
    "a name of an app in quotes": ("bundle", ("--app-name", '"Bob\'s" <b> & ${x} \\')),
    "a name of an app beyond 16 bits": ("bundle ios", ("--app-name", "𠮷 // $(x);")),
    "a long identifier": ("bundle", ("--package", "org." + "a" * 100 + ".app")),
    "a higher level of the system": ("bundle", ("--min-os", "30")),
    "another version of iOS": ("bundle ios", ("--min-os", "17.4")),
    "a version of iOS without a point": ("bundle ios", ("--min-os", "17")),
    "one more class than there are": ("predict", ("--top", "1000")),
    "two threads": ("predict", ("--threads", "2")),
    "a seed below zero": ("export", ("--seed", "-1")),
    "a large seed": ("export", ("--seed", "4294967295")),
    "a format twice": ("export", ("--format", "onnx", "--format", "onnx")),
    "both formats": ("export", ("--format", "onnx", "--format", "coreml")),
    "an opset": ("export", ("--opset", "18")),
    "inputs and outputs of half": ("export", ("--precision", "fp16", "--io-type", "float16")),
    "another processor": ("export", ("--for", "x86")),
    "more growth": ("export", ("--max-growth", "200%")),
    "pixels": ("export", ("--normalize", "inside")),
    "a target": ("export", ("--format", "coreml", "--target", "ios18")),
    "a batch": ("export", ("--batch", "2")),
    "sizes that differ": ("export", ("--image-size", "32x48")),
    "sizes with a capital X": ("export", ("--image-size", "32X32")),
    "no passes": ("export", ("--no-reparameterize",)),
    "a share in full": ("parity", ("--seed", "7")),
    "wide sums": ("parity coreml", ("--arithmetic", "wide")),
    "exact sums": ("parity coreml", ("--arithmetic", "exact")),
    "sums of the Neural Engine": ("parity coreml", ("--arithmetic", "neural-engine")),
    "no optimization": ("parity", ("--optimization", "off")),
    "a share of zero": ("evaluate", ("--min-top1", "0")),
    "a higher limit than images": ("evaluate", ("--limit", "1000")),
    "a depth": ("profile", ("--depth", "9", "--top", "1")),
    "many classes": ("models", ("--num-classes", "12345")),
    "a size": ("models", ("--image-size", "256x192", "--json")),
    "the document of the models": ("models", ("--json",)),
    "what is installed": ("doctor", ("--json",)),
    "a recipe alone": ("train", ("--show-recipe", "--set", "epochs=3", "--set", "mean=0.5,0.5,0.5")),
}


def _odd_run(command: str, words: tuple[str, ...], place: Place) -> Run:
    return Run("", (*_filled(place, command), *words), SOUND)


def _odd(sound: Sound) -> Sequence[Trial]:
    return [Trial(name, partial(_odd_run, *row)) for name, row in _SOUND.items()]


OPTIONS = InputClass("option", _listed, _drawn, 250, _odd, most=350)
