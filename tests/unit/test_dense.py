"""Maps of the stages, and the heads that read them: against the classifier's own tensors, and numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_weights import fill, reference_input

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.create import create_dense_model, create_model
from cloformer.dense.boxes import anchors_of_map, cell_anchors, decode, encode
from cloformer.dense.pyramid import FeaturePyramid
from cloformer.errors import CheckpointError
from cloformer.variants import VARIANTS, UnknownVariantError, variant_and_head

REFERENCE = Path(__file__).parent.parent / "data" / "reference"


@pytest.mark.parametrize("name", VARIANTS)
def test_maps_have_the_stages_strides_and_widths(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, features_only=True).eval()
        maps = model(torch.empty(2, 3, 64, 96))
    assert [tuple(each.shape) for each in maps] == [
        (2, width, 64 // stride, 96 // stride)
        for width, stride in zip(VARIANTS[name].embed_dims, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("size", [(64, 60), (36, 32), (16, 32)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        create_model("cloformer_xxs", features_only=True)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("name", ["cloformer_xxs", "cloformer_xs"])
def test_maps_are_the_classifiers_own_tensors(name: str, tmp_path: Path) -> None:
    """The last to the bit what its classifier reads, and the others what their stage's last block reads in its second half; what
    the stages lead to is what the published code computes."""
    classifier = fill(cloformer.create_model(name, num_classes=3))
    save_checkpoint(classifier, tmp_path / "weights.safetensors")
    model = create_model(name, features_only=True, weights=tmp_path / "weights.safetensors").eval()
    assert model.newly_initialized == tuple(
        f"norms.{n}.{kind}" for n in range(3) for kind in ("weight", "bias")
    )
    seen: list[torch.Tensor] = []
    for stage in classifier.layers[:3]:
        stage.blocks[-1].norm2.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    ends: list[torch.Tensor] = []
    classifier.layers[3].register_forward_hook(lambda _module, _inputs, output: ends.append(output))
    x = reference_input(224)
    with torch.no_grad():
        want_last = classifier.forward_features(x)
        maps = model(x)
        for each, norm, read in zip(maps, model.norms, seen, strict=False):
            assert torch.equal(each, norm(read))
    assert len(seen) == 3 and torch.equal(maps[3], want_last)
    vectors = np.load(REFERENCE / f"{name}.npz")
    np.testing.assert_allclose(ends[0].mean((2, 3)), vectors["stage4_mean_224"], rtol=0, atol=1e-4)


def test_maps_of_their_own_checkpoint(tmp_path: Path) -> None:
    model = fill(create_model("cloformer_xxs", features_only=True, in_chans=1))
    save_checkpoint(model, tmp_path / "maps.safetensors")
    again = create_model("cloformer_xxs", features_only=True, weights=tmp_path / "maps.safetensors")
    assert again.newly_initialized == ()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    with pytest.raises(CheckpointError, match="does not fit"):
        create_model("cloformer_xs", features_only=True, weights=tmp_path / "maps.safetensors")


def test_what_has_no_classes_takes_none() -> None:
    with pytest.raises(TypeError, match="no classes"):
        create_model("cloformer_xxs", features_only=True, num_classes=3)
    with pytest.raises(TypeError, match="create_dense_model"):
        create_model("cloformer_xxs_fpn")
    with pytest.raises(TypeError, match="is a classifier"):
        create_dense_model("cloformer_xxs")
    with pytest.raises(UnknownVariantError, match="Did you mean cloformer_xs_fpn"):
        variant_and_head("cloformer_xs_fnp")


@pytest.mark.parametrize("name", cloformer.list_dense_models())
def test_what_dense_networks_give(name: str) -> None:
    with torch.device("meta"):
        given = create_dense_model(name, num_classes=7).eval()(torch.empty(1, 3, 128, 96))
    if name.endswith("fpn"):
        assert given.shape == (1, 7, 128, 96)
    else:
        places = 16 * 12 + 8 * 6 + 4 * 3 + 2 * 2 + 1 * 1
        assert [tuple(each.shape) for each in given] == [(1, 9 * places, 4), (1, 9 * places, 7)]


@pytest.mark.parametrize("name", ["cloformer_xxs_fpn", "cloformer_xxs_retinanet"])
def test_weights_of_a_classifier_and_their_own(name: str, tmp_path: Path) -> None:
    save_checkpoint(
        fill(cloformer.create_model("cloformer_xxs", num_classes=3)), tmp_path / "classes.safetensors"
    )
    model = create_dense_model(name, num_classes=5, weights=tmp_path / "classes.safetensors")
    new = set(model.newly_initialized)
    assert {key for key in model.state_dict() if key.startswith("head.")} < new
    assert "backbone.norms.0.weight" in new and "backbone.norms.3.weight" not in new
    save_checkpoint(model, tmp_path / "own.safetensors")
    again = create_dense_model(name, weights=tmp_path / "own.safetensors")
    assert again.newly_initialized == ()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    with pytest.raises(CheckpointError, match="5 classes, and 6 were asked for"):
        create_dense_model(name, num_classes=6, weights=tmp_path / "own.safetensors")


def test_a_pyramid_adds_what_is_smaller() -> None:
    """Weights of one: every map is its own channels' sum and those of the smaller ones, each number four times."""
    pyramid = FeaturePyramid((1, 2, 1), 1)
    with torch.no_grad():
        for conv in (*pyramid.laterals, *pyramid.outputs):
            conv.weight.zero_()
            conv.weight[:, :, conv.weight.shape[2] // 2, conv.weight.shape[3] // 2] = 1
        maps = [
            torch.arange(16.0).reshape(1, 1, 4, 4),
            torch.full((1, 2, 2, 2), 100.0),
            torch.full((1, 1, 1, 1), 1000.0),
        ]
        first, second, third = pyramid(maps)
    assert torch.equal(third, maps[2])
    assert torch.equal(second, torch.full((1, 1, 2, 2), 1200.0))
    assert torch.equal(first, maps[0] + 1200)


def test_scores_start_at_the_prior() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        _, scores = create_dense_model("cloformer_xxs_retinanet", num_classes=2).eval()(
            torch.zeros(1, 3, 128, 128)
        )
    assert scores.mean() == pytest.approx(0.01, abs=2e-3)


def test_anchors_by_hand() -> None:
    """Of 32 pixels: areas of 32 squared times the scales squared, and heights over widths of a half, one and two."""
    cell = cell_anchors(32.0)
    sizes = cell[:, 2:] - cell[:, :2]
    assert torch.equal(cell[:, :2], -cell[:, 2:])
    areas = [1024.0 * 4 ** (power / 3) for _ in range(3) for power in range(3)]
    np.testing.assert_allclose(sizes.prod(1), areas, rtol=1e-6)
    np.testing.assert_allclose(sizes[:, 1] / sizes[:, 0], [0.5] * 3 + [1.0] * 3 + [2.0] * 3, rtol=1e-6)
    np.testing.assert_allclose(cell[3], [-16, -16, 16, 16])
    np.testing.assert_allclose(cell[0], [-16 * 2**0.5, -8 * 2**0.5, 16 * 2**0.5, 8 * 2**0.5], rtol=1e-6)
    anchors = anchors_of_map(2, 3, 8, cell)
    assert anchors.shape == (2 * 3 * 9, 4)
    np.testing.assert_allclose(
        anchors[9 * 4 + 3], [8 - 16, 8 - 16, 8 + 16, 8 + 16]
    )  # the second row's second place


# (anchor, box, deltas)
_TABLE = [
    ((0, 0, 10, 20), (0, 0, 10, 20), (0, 0, 0, 0)),
    ((0, 0, 10, 20), (5, 0, 15, 20), (0.5, 0, 0, 0)),
    ((0, 0, 10, 20), (0, -10, 10, 10), (0, -0.5, 0, 0)),
    ((0, 0, 10, 20), (-5, 0, 15, 20), (0, 0, math.log(2), 0)),
    ((-8, -8, 8, 8), (-4, 0, 4, 16), (0, 0.5, -math.log(2), 0)),
    ((4, 6, 8, 10), (0, 0, 8, 32), (-0.5, 2, math.log(2), math.log(8))),
]


@pytest.mark.parametrize(("anchor", "box", "deltas"), _TABLE)
def test_box_coding_by_hand(anchor, box, deltas) -> None:
    anchor, box, deltas = (torch.tensor([each], dtype=torch.float64) for each in (anchor, box, deltas))
    np.testing.assert_allclose(encode(box, anchor), deltas, atol=1e-12)
    np.testing.assert_allclose(decode(deltas, anchor), box, atol=1e-12)


def test_a_box_grows_no_further_than_an_image() -> None:
    anchor = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    wide = decode(torch.tensor([[0.0, 0.0, 50.0, 0.0]]), anchor)
    np.testing.assert_allclose(wide, [[8 - 500, 0, 8 + 500, 16]], rtol=1e-6)


def test_torchvisions_anchors_and_coding() -> None:
    """The same where torchvision imports, whose anchors are rounded to whole pixels."""
    detection = pytest.importorskip("torchvision.models.detection", exc_type=ImportError)
    coder = detection._utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
    generator = detection.anchor_utils.AnchorGenerator
    cell = generator.generate_anchors(None, tuple(32 * 2 ** (n / 3) for n in range(3)), (0.5, 1.0, 2.0))
    np.testing.assert_allclose(cell_anchors(32.0).round(), cell)
    boxes, anchors = (
        torch.rand(50, 4) + torch.tensor([0.0, 0, 2, 2]),
        torch.rand(50, 4) + torch.tensor([0.0, 0, 2, 2]),
    )
    np.testing.assert_allclose(encode(boxes, anchors), coder.encode_single(boxes, anchors), atol=1e-5)
