"""Image inputs, classifiers and packages with several functions, as coremltools writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom

from cloformer.export.formats.coreml.mil import Interpreter, Package, read_package

PIXELS = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 6)).astype(np.float32)


def _traced(model: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    return torch.jit.trace(model.eval(), torch.zeros(shape))


def _run(package: Package, inputs: dict[str, Any], function: str | None = None) -> dict[str, Any]:
    return Interpreter(package.program.functions[function or package.default_function]).run(inputs)


@pytest.mark.parametrize("layout", ["RGB", "BGR", "GRAYSCALE"])
def test_scale_and_bias_of_an_image_are_part_of_the_program(tmp_path: Path, layout: str) -> None:
    """Pixels go in, in the package's own order; ``scale * pixel + bias`` is what the model sees."""
    channels = 1 if layout == "GRAYSCALE" else 3
    bias = [-0.3, 0.2, 0.5][:channels]
    image = ct.ImageType(
        "image", (1, channels, 4, 6), scale=1 / 127.5, bias=bias[0] if channels == 1 else bias,
        color_layout=getattr(ct.colorlayout, layout),
    )  # fmt: skip
    model = ct.convert(
        _traced(torch.nn.ReLU(), (1, channels, 4, 6)), inputs=[image], outputs=[ct.TensorType("y")],
        compute_precision=ct.precision.FLOAT32, minimum_deployment_target=ct.target.iOS16, skip_model_load=True,
    )  # fmt: skip
    model.save(str(tmp_path / "model.mlpackage"))
    package = read_package(tmp_path / "model.mlpackage")
    (declared,) = package.descriptions[package.default_function].images
    assert (declared.name, declared.color_layout, declared.height, declared.width) == ("image", layout, 4, 6)
    pixels = PIXELS[:, :channels]
    got = _run(package, {"image": pixels})["y"]
    want = np.maximum(pixels / 127.5 + np.reshape(np.float32(bias), (1, channels, 1, 1)), 0)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_a_classifier_gives_each_class_its_probability(tmp_path: Path) -> None:
    model = ct.convert(
        _traced(torch.nn.Softmax(-1), (1, 3)), inputs=[ct.TensorType("x", (1, 3))],
        classifier_config=ct.ClassifierConfig(["a", "b", "c"]), compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16, skip_model_load=True,
    )  # fmt: skip
    model.save(str(tmp_path / "model.mlpackage"))
    x = np.array([[1.0, 3.0, 2.0]], np.float32)
    outputs = _run(read_package(tmp_path / "model.mlpackage"), {"x": x})
    probabilities = next(value for value in outputs.values() if isinstance(value, dict))
    assert "b" in [value for value in outputs.values() if not isinstance(value, dict)]
    want = torch.from_numpy(x).softmax(-1)[0]
    assert list(probabilities) == ["a", "b", "c"]
    np.testing.assert_allclose(list(probabilities.values()), want, atol=1e-6)


def _product(weight: Any, sign: Any) -> Any:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3))], opset_version=ct.target.iOS18)
    def program(x: Any) -> Any:
        return mb.mul(x=mb.linear(x=x, weight=weight), y=sign, name="y")

    return program


def test_each_function_of_a_package_runs(tmp_path: Path) -> None:
    """Written by coremltools from two packages; the weights are shared."""
    weight = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    descriptor = ct.utils.MultiFunctionDescriptor()
    for name, sign in (("plus", 1.0), ("minus", -1.0)):
        program = _product(weight, np.float32(sign))
        path = str(tmp_path / f"{name}.mlpackage")
        ct.convert(
            program, minimum_deployment_target=ct.target.iOS18, compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        ).save(path)  # fmt: skip
        descriptor.add_function(path, src_function_name="main", target_function_name=name)
    descriptor.default_function_name = "minus"
    ct.utils.save_multifunction(descriptor, str(tmp_path / "both.mlpackage"))
    package = read_package(tmp_path / "both.mlpackage")
    assert package.default_function == "minus" and set(package.program.functions) == {"plus", "minus"}
    x = np.array([[1.0, -2.0, 0.5]], np.float32)
    for name, sign in (("plus", 1.0), ("minus", -1.0), (None, -1.0)):
        np.testing.assert_allclose(_run(package, {"x": x}, name)["y"], sign * x @ weight.T, atol=1e-6)
