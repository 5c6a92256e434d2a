"""What is said of a user's module: in a TOML file, and by ``--input``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.errors import UsageError
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec, parse_input, read_spec

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
