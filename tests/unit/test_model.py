"""The network against the vectors of the authors' published code, and the sizes it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_weights import fill, reference_input

import cloformer
from cloformer.model import CloFormer, DropPath
from cloformer.variants import VARIANTS, UnknownVariantError

REFERENCE = Path(__file__).parent.parent / "data" / "reference"
PARAMETERS = {
    "cloformer_xxs": 4_166_728,
    "cloformer_xs": 7_172_216,
    "cloformer_s": 12_345_576,
    "cloformer_no_global": 4_733_256,
    "cloformer_global": 3_998_024,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count(name: str) -> None:
    with torch.device("meta"):
        model = CloFormer(VARIANTS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


def test_every_variant_is_counted() -> None:
    assert set(PARAMETERS) == set(cloformer.list_models())


@pytest.mark.parametrize("name", ["cloformer_xxs", "cloformer_xs"])
def test_state_dict_is_the_published_one(name: str) -> None:
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    state = cloformer.create_model(name).state_dict()
    assert [(key, list(value.shape)) for key, value in state.items()] == list(reference["state_dict"].items())
    assert reference["parameters"] == PARAMETERS[name]


@pytest.mark.parametrize("size", [224, 256])
@pytest.mark.parametrize("name", ["cloformer_xxs", "cloformer_xs"])
def test_reference_vectors(name: str, size: int) -> None:
    """Logits and every stage's mean to 1e-5 of what the published code computes; corners, single values
    out of sums of terms up to 16, to 1e-5 of the stage's largest (the vectors' own float32 rounding
    is up to 1.5e-5 there: this side is float64).
    """
    model = fill(cloformer.create_model(name)).double()
    outputs: list[torch.Tensor] = []
    for module in (model.patch_embed, *model.layers):
        module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        logits = model(reference_input(size).double())
    vectors = np.load(REFERENCE / f"{name}.npz")
    np.testing.assert_allclose(logits, vectors[f"logits_{size}"], rtol=0, atol=1e-5)
    assert len(outputs) == 5
    for stage, output in enumerate(outputs):
        np.testing.assert_allclose(
            output.mean((2, 3)), vectors[f"stage{stage}_mean_{size}"], rtol=0, atol=1e-5
        )
        corner = vectors[f"stage{stage}_corner_{size}"]
        np.testing.assert_allclose(output[..., :2, :2], corner, rtol=0, atol=1e-5 * np.abs(corner).max())


@pytest.mark.parametrize("size", [(200, 200), (240, 240), (300, 300), (32, 32), (36, 44), (64, 224)])
@pytest.mark.parametrize("name", PARAMETERS)
def test_any_multiple_of_four_works(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        logits = CloFormer(VARIANTS[name], num_classes=7).eval()(torch.empty(1, 3, *size))
    assert logits.shape == (1, 7)


@pytest.mark.parametrize("size", [(30, 30), (28, 28), (226, 224), (224, 225)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4 from 32 on"):
        cloformer.create_model("cloformer_xxs")(torch.zeros(1, 3, *size))


def test_drop_path_grows_linearly_and_only_in_training() -> None:
    model = cloformer.create_model("cloformer_xs", num_classes=5)
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    np.testing.assert_allclose(rates, np.linspace(0, 0.06, 12))
    assert all(
        m.rate == 0 for m in cloformer.create_model("cloformer_xxs").modules() if isinstance(m, DropPath)
    )
    model = fill(cloformer.create_model("cloformer_xs", num_classes=5, drop_path_rate=0.9))
    x = torch.rand(8, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
        model.train()
        assert not torch.equal(model(x), model(x))


def test_drop_path_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.25).train()(torch.ones(20_000, 1, 1, 1))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean() == pytest.approx(1, abs=0.02)


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownVariantError, match="Did you mean cloformer_xxs"):
        cloformer.create_model("cloformer_xxxs")


def test_classes_and_channels() -> None:
    model = cloformer.create_model("cloformer_xxs", num_classes=3, in_chans=1).eval()
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 3)


def test_listing_models_imports_no_framework() -> None:
    code = "import sys, cloformer; cloformer.list_models(); print('torch' in sys.modules, 'numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
