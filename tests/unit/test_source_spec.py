"""What is said of a user's module: in a TOML file, and by ``--input``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloformer.errors import UsageError
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec, parse_input, read_spec
from cloformer.export.source.spec_keys import INPUT, PREPROCESSING, example

TOML = """
labels = "names.txt"
outputs = ["scores", "features"]
[[inputs]]
name = "photo"
shape = [1, 3, 8, 9]
role = "image"
[inputs.preprocessing]
resize_size = 20
mean = [0.5, 0.25, 0.125]
[[inputs]]
name = "numbers"
shape = [1, 4]
dtype = "int64"
[metadata]
licence = "MIT"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("ant\nbee\n", "utf-8")
    (tmp_path / "model.toml").write_text(TOML, "utf-8")
    return tmp_path / "model.toml"


def test_a_whole_file(path: Path) -> None:
    spec = read_spec(path)
    photo, numbers = spec.declared
    assert photo == TensorSpec("photo", (1, 3, 8, 9), "float32", "image")
    assert numbers == TensorSpec("numbers", (1, 4), "int64", "tensor")
    assert spec.outputs == ("scores", "features")
    assert spec.labels == ("ant", "bee")
    assert spec.metadata == {"licence": "MIT"}


def test_the_example_is_read_and_says_what_nothing_says(tmp_path: Path) -> None:
    """One image, as ImageNet's; with every comment taken for a line too, and the labels' file there."""
    (tmp_path / "model.toml").write_text(example(), "utf-8")
    spec = read_spec(tmp_path / "model.toml")
    assert spec.inputs((1, 1), 1, given_size=False) == ModelSpec().inputs((224, 224), 1, given_size=False)
    whole = re.sub(r"^# (\w+ = )", r"\1", example(), flags=re.MULTILINE).replace('"float32"', '"int64"')
    (tmp_path / "model.toml").write_text(whole, "utf-8")
    (tmp_path / "labels.txt").write_text("ant\n", "utf-8")
    every = read_spec(tmp_path / "model.toml")
    assert (every.outputs, every.labels, every.labels_of) == (("logits",), ("ant",), "logits")
    assert every.declared[0].values == (0, 999) and every.metadata.keys() == {"author", "license"}


def test_the_keys_are_those_of_the_manifest() -> None:
    rule, (spec,) = Preprocessing.imagenet(8, 8), ModelSpec().inputs((8, 8), 1, given_size=False)[0]
    assert {key.name for key in PREPROCESSING.keys} == rule.to_json().keys() | {"fill"}
    assert {key.name for key in INPUT.keys} == spec.to_json().keys() | {"values"}


def test_what_is_left_out_of_a_preprocessing_is_imagenets(path: Path) -> None:
    inputs, rules = read_spec(path).inputs((224, 224), 1, given_size=False)
    assert [spec.name for spec in inputs] == ["photo", "numbers"]
    (rule,) = rules.values()
    assert (rule.height, rule.width, rule.resize_size) == (8, 9, 20)
    assert (rule.mean, rule.std) == ((0.5, 0.25, 0.125), (0.229, 0.224, 0.225))


def test_grey_images_have_one_mean() -> None:
    spec = ModelSpec(declared=(TensorSpec("grey", (1, 1, 8, 8), role="image"),))
    _, rules = spec.inputs((224, 224), 1, given_size=False)
    assert (rules["grey"].mean, rules["grey"].std) == ((0.5,), (0.5,))


def test_nothing_declared_is_one_image() -> None:
    inputs, rules = ModelSpec().inputs((32, 48), 2, given_size=True)
    assert inputs == (TensorSpec("image", (2, 3, 32, 48), "float32", "image"),)
    assert (rules["image"].height, rules["image"].width) == (32, 48)


@pytest.mark.parametrize(("batch", "given_size"), [(2, False), (1, True)])
def test_a_size_besides_declared_inputs_is_refused(path: Path, batch: int, given_size: bool) -> None:
    with pytest.raises(UsageError, match="do not go with declared inputs"):
        read_spec(path).inputs((32, 32), batch, given_size=given_size)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("image=1x3x8x8", TensorSpec("image", (1, 3, 8, 8), role="image")),
        ("image=1x3", TensorSpec("image", (1, 3))),
        ("photo=1x3x8x8", TensorSpec("photo", (1, 3, 8, 8))),
        ("x=7:int64", TensorSpec("x", (7,), "int64")),
    ],
)
def test_an_input_as_an_option(text: str, spec: TensorSpec) -> None:
    assert parse_input(text) == spec


@pytest.mark.parametrize(
    "text", ["", "x", "x=", "=1", "x=1x", "x=ax1", "x=1:", "x=-1", "x=0", "1x=1", "x=1:float99", "x=1 x 2"]
)
def test_no_input(text: str) -> None:
    with pytest.raises(UsageError, match="--input"):
        parse_input(text)
