"""A misspelt name is answered with the one that was meant, and never with another."""

from __future__ import annotations

import pytest

from cloformer.errors import UsageError, choose
from cloformer.io.near import closest
from cloformer.variants import list_models

_TARGETS = ("ios16", "ios17", "ios18", "ios26")


@pytest.mark.parametrize(
    ("value", "known", "meant"),
    [
        ("onxn", ("onnx", "coreml"), "onnx"),
        ("core-ml", ("onnx", "coreml"), "coreml"),
        ("andriod", ("android", "ios"), "android"),
        ("iso", ("android", "ios"), "ios"),
        ("quik", ("normal", "quick", "rapid"), "quick"),
        ("cloformer_xxxs", list_models(), "cloformer_xxs"),
        ("CloFormer-XXS", list_models(), "cloformer_xxs"),
        ("clofomer_xs", list_models(), "cloformer_xs"),
        ("iOS17", _TARGETS, "ios17"),
        ("ios177", _TARGETS, "ios17"),
        ("ios71", _TARGETS, "ios17"),
        ("fp61", ("fp32", "fp16"), "fp16"),
        ("colour_order", ("color_order", "crop"), "color_order"),
        ("resnt", ("resnet", "ResNet"), "resnet"),
        ("Resnet", ("resnet", "resNet"), "resnet"),
        # Another number, another size, another word: nobody mistyped these.
        ("ios15", _TARGETS, None),
        ("12", ("18", "20", "23"), None),
        ("fp8", ("fp32", "fp16"), None),
        ("int8", ("fp32", "fp16"), None),
        ("cloformer_m", list_models(), None),
        ("cloformer_l", list_models(), None),
        ("cloformer", list_models(), None),
        ("resnet18", ("resnet50", "resnet34"), None),
        ("mnist", ("fashion-mnist",), None),
        ("expect", ("export", "inspect"), None),
        ("fast", ("normal", "quick", "rapid"), None),
        ("tflite", ("onnx", "coreml"), None),
        ("bet", ("bat", "bit"), None),  # which of two
        ("", ("a",), None),
        ("---", ("a-b",), None),
        ("x" * 10_000, ("x",), None),
    ],
)
def test_the_name_that_was_meant_or_none(value: str, known: tuple[str, ...], meant: str | None) -> None:
    assert closest(value, known) == meant
    assert all(closest(name, known) == name for name in known)


def test_a_number_is_told_its_range_and_a_list_how_it_is_given() -> None:
    for value, known, said in (
        ("12", ("18", "20", "23"), ("opset 12 is not from 18 to 23", "--opset takes: 18, 20, 23; for example --opset 18")),
        ("99", ("18", "20", "23"), ("opset 99 is not from 18 to 23", "--opset takes: 18, 20, 23; for example --opset 23")),
        ("1.2.3", ("18", "20"), ("unknown opset '1.2.3'", "--opset takes: 18, 20; for example --opset 18")),
        ("7", ("a7", "b8"), ("unknown opset '7'. Did you mean a7?", "--opset takes: a7, b8; for example --opset a7")),
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            choose("opset", value, known)
        assert tuple(caught.value.lines) == said
    for value in ("onnx,coreml", "onnx coreml", "onnx+coreml", "onnx;corem"):
        with pytest.raises(UsageError) as caught:
            choose("format", value, ("onnx", "coreml"), repeats=True)
        assert caught.value.lines[1] == "give it for each: --format onnx --format coreml"
