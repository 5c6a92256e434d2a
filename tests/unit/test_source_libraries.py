"""Models of timm, torchvision and folders of the Hub: by small packages under their names, and by timm itself where it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import CLASSES, write_folders
from outcome import Command
from safetensors.torch import save_file

from cloformer.checkpoint import save_checkpoint
from cloformer.errors import InputError, MissingRuntimeError, UnsupportedError, UsageError
from cloformer.export.accuracy.data import read_dataset
from cloformer.export.accuracy.judged import Judged
from cloformer.export.commands.completion import models_and_files
from cloformer.export.reference.cases import PHOTOGRAPH
from cloformer.export.source.labels import check_names
from cloformer.export.source.libraries.asked import asked_of, names_a_library
from cloformer.export.source.libraries.package import is_installed
from cloformer.export.source.preprocessing import Preprocessing, load_image
from cloformer.export.source.resolve import Source, SourceRequest, resolve
from cloformer.export.source.returned import as_tensors
from cloformer.training.evaluate import evaluate
from cloformer.training.teacher import open_teacher, said_of

FAKES = Path(__file__).parent.parent / "support" / "fake_libraries"
LIBRARIES = ("timm", "torchvision", "transformers", "huggingface_hub")
CONFIG = {
    "architectures": ["TinyForImageClassification"],
    "model_type": "tiny",
    "width": 4,
    "id2label": {"1": "dog", "0": "cat", "2": "fish"},
}
PROCESSOR = {
    "image_processor_type": "ConvNextImageProcessor",
    "size": {"shortest_edge": 32},
    "crop_pct": 0.8,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
    "do_flip_channel_order": True,
}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small packages are found first, and imported anew."""
    held = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in LIBRARIES}
    for name in held:
        del sys.modules[name]
    monkeypatch.syspath_prepend(FAKES)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]:
        del sys.modules[name]
    sys.modules.update(held)


@pytest.fixture
def folder(fakes: None, tmp_path: Path) -> Path:
    """A folder of transformers, with weights."""
    import transformers

    place = tmp_path / "down loads" / "vit-tiny"
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(CONFIG))
    (place / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    model = transformers.TinyForImageClassification(
        transformers.AutoConfig.from_pretrained(place, local_files_only=True)
    )
    save_checkpoint(model, place / "model.safetensors")
    return place


def _source(model: str, **options: object) -> Source:
    return resolve(SourceRequest(model=model, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("10", 10), ("-1", -1), ("0.5", 0.5), ("1e-3", 0.001),
        ("1,2,3", (1, 2, 3)), ("avg", "avg"), ("__import__('os')", "__import__('os')"), ("None", "None"),
        ("1_0", "1_0"), ("nan", "nan"), ("a=b", "a=b"), ("1,", "1,"),
    ],
)  # fmt: skip
def test_values_are_read_and_never_evaluated(text: str, value: object) -> None:
    found = asked_of(f"timm:net?option={text}").options["option"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "reference", ["timm:", "hf:", "timm:n?", "timm:n?a", "timm:n?a=", "timm:n?a=1&a=2", "timm:n?1=1"]
)
def test_what_is_no_name_or_no_option(reference: str) -> None:
    with pytest.raises(UsageError, match=r"--model .*\n(for example|options are name=value)"):
        asked_of(reference)


def test_how_it_is_named_in_manifests_and_files(tmp_path: Path) -> None:
    """In any order of the options; no folder of the machine; no two requests under one name."""
    one, other = asked_of("timm:n?b=2&a=1"), asked_of("timm:n?a=1&b=2")
    assert one.reference == other.reference == "timm:n?a=1&b=2"
    assert one.file_name == other.file_name == "timm.n+a-1+b-2"
    assert asked_of(f"hf:{tmp_path}/vit").reference == "hf:vit"
    names = {asked_of(text).file_name for text in ("timm:n?a=1-b-2", "timm:n?a=1&b=2", "timm:n?a=1,b,2")}
    assert len(names) == 3
    assert not names_a_library("timm.models:resnet18") and not names_a_library("hf.py:build")


def test_timm(fakes: None) -> None:
    """Its options, its preprocessing, its classes, each by a name of its own; random weights by seed."""
    source = _source("timm:mobilenetv3_small_100?in_chans=1&num_classes=4", seed=3)
    assert source.source == "timm:mobilenetv3_small_100?in_chans=1&num_classes=4"
    assert source.inputs[0].shape == (1, 1, 32, 32)
    rule = source.preprocessing["image"]
    assert (rule.height, rule.width, rule.resize_size, rule.interpolation) == (32, 32, 35, "bilinear")
    assert (rule.mean, rule.std) == (pytest.approx((0.4,)), pytest.approx((0.3,)))
    assert source.labels == ("tench", "crane (1)", "crane (2)", "maillot")
    assert (source.weights.origin, source.weights.seed) == ("random", 3)
    again = _source("timm:mobilenetv3_small_100?num_classes=4&in_chans=1", seed=3)
    assert again.weights == source.weights
    assert _source("timm:mobilenetv3_small_100?num_classes=2").labels is None
    assert _source("timm:mobilenetv3_small_100", image_size=(64, 64)).preprocessing["image"].resize_size == 70
    assert _source("timm:mobilenetv3_small_100?img_size=48").inputs[0].shape == (1, 3, 48, 48)
    assert "timm prepares images by squash" in _source("timm:vit_tiny_patch16_224.augreg").notes[0]


def test_weights_of_a_file(fakes: None, tmp_path: Path) -> None:
    made = _source("timm:mobilenetv3_small_100", seed=1)
    for name in ("weights.pth", "weights.safetensors"):
        torch.save(made.model.state_dict(), tmp_path / name) if name.endswith("pth") else save_checkpoint(
            made.model, tmp_path / name
        )
        loaded = _source("timm:mobilenetv3_small_100", weights=tmp_path / name)
        assert loaded.weights.tensors_sha256 == made.weights.tensors_sha256
        assert loaded.weights.origin == "checkpoint"
    with pytest.raises(InputError, match="does not fit the model"):
        _source("timm:mobilenetv3_small_100?num_classes=2", weights=tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("timm:mobilenetv3_smal_100", "Did you mean timm:mobilenetv3_small_100?"),
        ("timm:mobilenetv3_small_100?windows=3", "timm refuses it: TypeError"),
        (
            "timm:mobilenetv3_small_100?checkpoint_path=w.pth",
            "weights come from this machine alone\ngive a file",
        ),
        ("timm:hf-hub:timm/resnet18", "timm has no model"),
        ("torchvision:resnet", "torchvision has no model 'resnet'"),
        ("torchvision:maps?weights_backbone=DEFAULT", "weights come from this machine alone"),
        ("torchvision:mobilenet_v3_small?weights=IMAGENET1K_V9", "unknown weights 'IMAGENET1K_V9'"),
    ],
)
def test_what_a_library_does_not_have(fakes: None, reference: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        _source(reference)
    assert words in str(refused.value)


def test_classes_are_an_option_there(fakes: None) -> None:
    with pytest.raises(UsageError, match=r"--model 'timm:mobilenetv3_small_100\?num_classes=7'"):
        _source("timm:mobilenetv3_small_100", num_classes=7)


def test_torchvision(fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has downloaded before is taken from there, read as a checkpoint, and by its own function; what it has not is
    not downloaded."""
    reference = "torchvision:mobilenet_v3_small"
    plain = _source(reference)
    expected = Preprocessing(32, 32, 40, "bilinear", mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    assert plain.preprocessing["image"] == expected
    assert plain.labels == ("cat", "crane (1)", "crane (2)")
    assert _source(f"{reference}?num_classes=5").labels is None
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match="are not on this machine") as refused:
        _source(f"{reference}?weights=DEFAULT")
    assert len(refused.value.lines) == 3
    (tmp_path / "checkpoints").mkdir()
    torch.save(plain.model.state_dict(), tmp_path / "checkpoints" / "tiny-1234.pth")
    held = _source(f"{reference}?weights=DEFAULT")
    assert held.weights.origin == "checkpoint" and held.model.turned
    assert held.weights.tensors_sha256 == plain.weights.tensors_sha256
    maps = _source("torchvision:maps")
    assert maps.labels is None and "by SemanticSegmentation, which an artifact cannot say" in maps.notes[0]


def test_a_folder_of_transformers(folder: Path) -> None:
    source = _source(f"hf:{folder}")
    assert (source.source, source.name) == ("hf:vit-tiny", "hf.vit-tiny")
    assert source.labels == ("cat", "dog", "fish")
    assert source.preprocessing["image"] == Preprocessing(
        32, 32, 40, "bicubic", color_order="BGR", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    assert source.weights.origin == "checkpoint"
    tensors = source.model.state_dict()
    (folder / "model.safetensors").unlink()
    assert _source(f"hf:{folder}", seed=2).weights.origin == "random"
    names = list(tensors)
    for number, part in enumerate((names[:2], names[2:])):
        save_file({name: tensors[name].clone() for name in part}, folder / f"part-{number}.safetensors")
    index = {"weight_map": {name: f"part-{0 if name in names[:2] else 1}.safetensors" for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    parts = _source(f"hf:{folder}")
    assert parts.weights.tensors_sha256 == source.weights.tensors_sha256
    index["weight_map"]["conv.bias"] = "../elsewhere.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="names files outside of"):
        _source(f"hf:{folder}")


def test_a_teacher_of_a_library_sees_what_the_library_would_show_it(folder: Path) -> None:
    """The student's image, of another mean and another order of colours; weights that nobody trained teach nothing."""
    source, seen = _source(f"hf:{folder}"), Preprocessing.imagenet(32, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    own = source.preprocessing["image"].normalize(pixels[..., ::-1])
    with torch.no_grad():
        want = as_tensors(source.model(torch.from_numpy(own)))[0]
    teacher = open_teacher(f"hf:{folder}", 3, seen, torch.device("cpu"))
    got = teacher(torch.from_numpy(seen.normalize(pixels)))
    assert torch.allclose(got, want, rtol=0, atol=1e-5) and got.std() > 1e-3
    assert said_of(f"hf:{folder}") == "hf:vit-tiny"
    with pytest.raises(InputError, match="--teacher timm:mobilenetv3_small_100 has random weights"):
        open_teacher("timm:mobilenetv3_small_100", 4, seen, torch.device("cpu"))
    with pytest.raises(UsageError, match=r"--teacher timm:n.*is no option"):
        open_teacher("timm:n?x", 4, seen, torch.device("cpu"))


def test_a_model_of_a_library_is_evaluated(folder: Path, tmp_path: Path) -> None:
    """On its own images, by the names of its classes; random weights are right by chance."""
    names = dict(enumerate(CLASSES))
    (folder / "config.json").write_text(
        json.dumps(CONFIG | {"id2label": {str(key): names[key] for key in names}})
    )
    data, source = read_dataset(write_folders(tmp_path / "data")), _source(f"hf:{folder}")
    judged = Judged.of(data)
    (found,) = evaluate([Path(f"hf:{folder}")], judged)
    rule = source.preprocessing["image"]
    images = np.concatenate([rule(data.val.load(index)) for index in range(len(data.val.labels))])
    with torch.no_grad():
        guessed = as_tensors(source.model(torch.from_numpy(images)))[0].argmax(1)
    right = [
        data.classes[want] == names[int(got)] for want, got in zip(data.val.labels, guessed, strict=True)
    ]
    assert found.scores is not None
    assert found.scores.top1 == sum(right) / len(right) and found.scores.images == len(right)
    with pytest.raises(InputError, match="evaluate timm:mobilenetv3_small_100: the weights are random"):
        evaluate([Path("timm:mobilenetv3_small_100")], judged)
    with pytest.raises(UsageError, match="evaluate nowhere:it: there is no module"):
        evaluate([Path("nowhere:it")], judged)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"auto_map": {"AutoModel": "net.Net"}}, "is code in the folder, which is not run"),
        ({"architectures": ["OtherModel"]}, "transformers 5.0.0 has no network OtherModel"),
    ],
)
def test_a_network_that_is_not_there(folder: Path, changed: dict[str, object], words: str) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | changed))
    with pytest.raises(UnsupportedError, match=words):
        _source(f"hf:{folder}")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("config.json", "[]", "holds no object"),
        ("config.json", "{}", "architectures is missing"),
        ("config.json", json.dumps(CONFIG | {"id2label": 3}), "id2label is the number 3"),
        ("preprocessor_config.json", "{}", "size is missing"),
        ("preprocessor_config.json", json.dumps(PROCESSOR | {"image_std": [0, 1, 1]}), "must be above 0"),
        ("model.safetensors", "nothing", "is damaged"),
    ],
)
def test_a_damaged_folder(folder: Path, file: str, text: str, words: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(InputError) as refused:
        _source(f"hf:{folder}")
    assert words in str(refused.value), refused.value


def test_a_tensor_that_the_weights_lack(folder: Path) -> None:
    """Else it would be random, and nobody would know."""
    save_file({"conv.weight": torch.ones(4, 3, 3, 3)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"lack 3 of the network's tensors \(first classifier.bias\)"):
        _source(f"hf:{folder}")


@pytest.mark.parametrize(
    ("said", "rule", "notes"),
    [
        ({"size": {"height": 32, "width": 32}}, (32, 32, "bilinear"), ["the whole image"]),
        ({"size": 32, "image_processor_type": "OtherImageProcessor"}, (32, 32, "bilinear"), ["OtherImageProcessor", "the whole"]),
        ({"size": {"shortest_edge": 64}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}, (32, 64, "bilinear"), []),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.9}, (384, 384, "bilinear"), ["the whole image"]),
        ({"size": 32, "resample": 4, "do_normalize": None}, (32, 32, "bilinear"), ["the whole", "filter"]),
    ],
)  # fmt: skip
def test_preparations_of_transformers(
    folder: Path, said: dict[str, object], rule: tuple[int, int, str], notes: list[str]
) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    source = _source(f"hf:{folder}")
    found = source.preprocessing["image"]
    assert (found.height, found.resize_size, found.interpolation) == rule
    assert (found.mean, found.std) == ((0.0,) * 3, (1.0,) * 3)
    *told, left_out = source.notes
    assert "is None" in left_out  # the loss, which every output of transformers has a place for
    assert len(told) == len(notes)
    assert all(words in note for words, note in zip(notes, told, strict=True))


def test_a_folder_of_timm(fakes: None, tmp_path: Path) -> None:
    config = {
        "architecture": "mobilenetv3_small_100",
        "num_classes": 2,
        "model_args": {"width": 8},
        "pretrained_cfg": {"mean": [0.1, 0.1, 0.1], "input_size": [3, 48, 48], "custom": None},
        "label_names": ["n01", "n02"],
        "label_descriptions": {"n02": "heron"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = _source(f"hf:{tmp_path}")
    assert made.model.conv.out_channels == 8
    assert made.inputs[0].shape == (1, 3, 48, 48) and made.preprocessing["image"].mean == (0.1,) * 3
    assert made.labels == ("n01", "heron")


def test_a_package_that_is_not_there(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fakes: None
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    shown = command("export", "timm:resnet18", "--output", tmp_path)
    assert shown.code == 5
    assert shown.err.splitlines()[-2:] == [
        "error: --model timm:resnet18 needs timm, which is not installed",
        "  pip install timm",
    ]


def test_a_torchvision_for_another_torch(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """timm imports it, and it raises what it likes: three lines say which release fits."""
    for name, text in (
        ("timm", "import torchvision"),
        ("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')"),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    with pytest.raises(MissingRuntimeError) as refused:
        _source("timm:resnet18")
    first, second, third = refused.value.lines
    assert "timm cannot be imported: RuntimeError: operator torchvision::nms does not exist" in first
    assert "does not fit torch 2.13.0+cpu" in second
    assert third == "pip install --force-reinstall torch==2.13.0 'torchvision==0.28.*'"


def test_completion_knows_the_names_without_importing(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "timm" / "models"
    models.mkdir(parents=True)
    (tmp_path / "timm" / "__init__.py").write_text("raise RuntimeError('imported')")
    (models / "nets.py").write_text(
        "@register_model\ndef tiny(pretrained=False): ...\n\n"
        '@register_model(name="other")\n@handle_legacy_interface(\n    weights=None,\n)\ndef named(*, weights=None): ...\n'
        "def hidden(): ...\n"
    )
    (tmp_path / "folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert models_and_files("timm:") == ["timm:other", "timm:tiny"]
    assert {"timm:", "torchvision:", "hf:", "cloformer_xs"} <= set(models_and_files(""))
    assert "hf:folder/" in models_and_files("hf:f")


def test_export_parity_and_the_next_step(command: Command, fakes: None, tmp_path: Path) -> None:
    """Through the command line: the note, and preprocessing and classes held to the library's own."""
    model = "timm:vit_tiny_patch16_224?num_classes=4&drop_rate=0.5"
    shown = command("export", model, "--image-size", "32", "--output", tmp_path)
    assert shown.code == 0, shown.err
    (artifact,) = tmp_path.iterdir()
    assert artifact.name == "timm.vit_tiny_patch16_224+drop_rate-0.5+num_classes-4-onnx-32-fp32"
    assert "NOT TRAINED" in shown.out and "timm prepares images by squash" in shown.out
    assert f"--model '{model}'" in shown.out
    assert json.loads((artifact / "manifest.json").read_text())["versions"]["timm"] == "1.0"
    judged = command("parity", artifact, "--model", model, "--json")
    assert judged.code == 0, judged.err
    told = [item["about"] for item in judged.json["reports"][0]["statements"] if item["against"] == "timm"]
    assert len(told) == 2, told


# The packages themselves, where they are.


@pytest.mark.skipif(not is_installed("timm") or FAKES.name in str(sys.path), reason="timm is not installed")
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "convnext_atto", "resnet10t.c3_in1k"])
def test_timm_itself(name: str) -> None:
    """What it says of images is what its own transformation does of a photograph."""
    from zoo.stand_in import put_in_place

    put_in_place()
    import timm
    import torchvision

    source = _source(f"timm:{name}")
    assert source.labels is not None and len(source.labels) == 1000 and len(set(source.labels)) == 1000
    assert check_names(source.labels) == source.labels
    own = timm.data.resolve_model_data_config(timm.create_model(name))
    rule = source.preprocessing["image"]
    assert (3, rule.height, rule.width) == own["input_size"] and (rule.mean, rule.std) == (
        own["mean"],
        own["std"],
    )
    if torchvision.__version__ == "0":  # the empty one
        return
    image = load_image(PHOTOGRAPH)
    wanted = timm.data.create_transform(**own, is_training=False)(image).numpy()
    assert np.abs(rule.prepare(image)[0] - wanted).max() <= 1.01 / 255 / min(rule.std)
