"""Views of images are laws of their seeds, and mixed images of the places of their pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cloformer.training.augment import Views, mixed, seed_of, smoothed
from cloformer.training.recipe import RECIPES, Recipe

PAPER = Recipe(image_size=32)
PLAIN = Recipe(image_size=32, rand_augment=0, color_jitter=0, erasing=0, flip=0, crop_area=1)


def picture(width: int = 40, height: int = 30) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).resize((width * 2, height * 2), Image.Resampling.BICUBIC)


def views(recipe: Recipe) -> Views:
    return Views(recipe, recipe.preprocessing())


@pytest.mark.parametrize("recipe", [PAPER, RECIPES["quick"], RECIPES["finetune"]])
def test_the_seed_decides(recipe: Recipe) -> None:
    image, both = picture(), [views(recipe), views(recipe)]
    state = torch.get_rng_state()
    first = [both[0].training(image, seed) for seed in range(12)]
    torch.rand(7)
    again = [both[1].training(image, seed) for seed in reversed(range(12))][::-1]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert len({tuple(one.flatten()[:50].tolist()) for one in first}) > 9
    size = recipe.image_size
    assert all(one.shape == (3, size, size) and one.isfinite().all() for one in first)
    torch.set_rng_state(state)
    one = torch.rand(3)
    torch.set_rng_state(state)
    both[0].training(image, 1)
    assert torch.equal(torch.rand(3), one), "others draw from torch's generator too"


def test_validation_is_the_export_s_preprocessing() -> None:
    image = picture()
    rule = PAPER.preprocessing()
    assert np.array_equal(views(PAPER).validation(image).numpy(), rule.prepare(image)[0])


def test_the_whole_image_normalized() -> None:
    """Without any randomness the view is the resized image, and Kornia's way of normalizing is the export's."""
    image = Image.new("RGB", (50, 40), (200, 100, 50))
    rule = PLAIN.preprocessing()
    expected = rule.normalize(np.full((32, 32, 3), (200, 100, 50), np.uint8))[0]
    assert np.allclose(views(PLAIN).training(image, 0).numpy(), expected, atol=1e-6)
    barely = Recipe(**{**PLAIN.to_json(), "mean": PLAIN.mean, "std": PLAIN.std, "color_jitter": 1e-7})
    assert np.allclose(views(barely).training(image, 0).numpy(), expected, atol=1e-5)


def test_flip_and_erasing_happen_as_often_as_asked() -> None:
    image = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    flipped = views(Recipe(**{**PLAIN.to_json(), "mean": PLAIN.mean, "std": PLAIN.std, "flip": 0.5}))
    left = [
        bool(view[0, 0, 0] > view[0, 0, -1])
        for view in (flipped.training(image, seed) for seed in range(200))
    ]
    assert 70 < sum(left) < 130
    erased = views(Recipe(**{**PLAIN.to_json(), "mean": PLAIN.mean, "std": PLAIN.std, "erasing": 0.25}))
    white = Image.new("RGB", (32, 32), (255, 255, 255))
    with_hole = [bool((erased.training(white, seed) == 0).any()) for seed in range(200)]
    assert 25 < sum(with_hole) < 80


def test_thin_images() -> None:
    assert views(PAPER).training(Image.new("RGB", (400, 2), (9, 9, 9)), 0).shape == (3, 32, 32)


def test_smoothing() -> None:
    target = smoothed(torch.tensor([1, 0]), 4, 0.1, torch.float64)
    assert torch.allclose(target.sum(1), torch.ones(2).double())
    assert target[0].tolist() == pytest.approx([0.025, 0.925, 0.025, 0.025])


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_mixed(mixup: float, cutmix: float) -> None:
    """Every pair's images and targets add up to what they did, and targets tell the share of pixels."""
    recipe = Recipe(mixup=mixup, cutmix=cutmix)
    torch.manual_seed(0)
    labels = torch.tensor([0, 1] * 8)
    x = labels.double()[:, None, None, None].expand(16, 3, 12, 10).clone()  # an image full of its own label
    target = smoothed(labels, 2, 0.0, torch.float64)
    mixed_x, mixed_target = mixed(x, target, recipe, 0, 3, 4)
    pairs = mixed_x.view(8, 2, 3, 12, 10)
    assert torch.allclose(pairs.sum(1), torch.ones(()).double())
    assert torch.allclose(mixed_target.sum(1), torch.ones(16).double())
    assert torch.allclose(mixed_x.mean((1, 2, 3)), mixed_target[:, 1])
    is_cut = [bool(((image == 0) | (image == 1)).all()) for image in mixed_x[::2]]
    assert all(is_cut) if not mixup else not all(is_cut)
    assert torch.equal(x, labels.double()[:, None, None, None].expand_as(x)), "the given images stay"


def test_a_batch_in_parts_is_mixed_as_a_whole_one() -> None:
    recipe = Recipe()
    torch.manual_seed(0)
    x, target = torch.randn(16, 3, 8, 8), torch.rand(16, 5)
    whole_x, whole_target = mixed(x, target, recipe, 32, 7)
    for start in (0, 4, 8, 12):
        part_x, part_target = mixed(x[start : start + 4], target[start : start + 4], recipe, 32 + start, 7)
        assert torch.equal(part_x, whole_x[start : start + 4])
        assert torch.equal(part_target, whole_target[start : start + 4])
    other_x, _ = mixed(x, target, recipe, 32, 8)
    assert not torch.equal(other_x, whole_x)


def test_the_last_one_alone_stays() -> None:
    x, target = torch.randn(3, 3, 8, 8), torch.rand(3, 5)
    mixed_x, mixed_target = mixed(x, target, Recipe(), 0, 1)
    assert torch.equal(mixed_x[2], x[2])
    assert torch.equal(mixed_target[2], target[2])


def test_seeds_differ() -> None:
    seeds = [seed_of(a, b, c) for a in range(8) for b in range(8) for c in range(3)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, 2) != seed_of(2, 1) != seed_of(12)
