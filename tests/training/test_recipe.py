"""The recipe's numbers are the publication's, and nothing else gets in."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import pytest

from cloformer.errors import UsageError
from cloformer.training.recipe import RECIPES, Recipe


def test_the_paper_s_numbers() -> None:
    paper = RECIPES["paper"]
    wanted = {
        "epochs": 300, "learning_rate": 5e-4, "min_learning_rate": 5e-6, "warmup_epochs": 20, "weight_decay": 0.05,
        "clip": 5, "rand_augment": 9, "rand_augment_std": 0.5, "mixup": 0.8, "cutmix": 1.0, "erasing": 0.25,
        "label_smoothing": 0.1, "color_jitter": 0.4, "image_size": 224, "drop_path": None,
    }  # fmt: skip
    assert {name: getattr(paper, name) for name in wanted} == wanted
    rule = paper.preprocessing()
    assert (rule.resize_size, rule.height, rule.width, rule.interpolation) == (256, 224, 224, "bicubic")


@pytest.mark.parametrize("batch", [128, 512, 4096])
def test_the_learning_rate(batch: int) -> None:
    recipe = Recipe(batch_size=batch)
    steps = 10
    rates = [recipe.learning_rate_at(step, steps) for step in range(300 * steps)]
    peak = 5e-4 * batch / 512
    warm_up = 20 * steps
    assert rates[:warm_up] == pytest.approx([peak * (step + 1) / warm_up for step in range(warm_up)])
    assert rates[warm_up] == pytest.approx(peak)
    middle = warm_up + (300 * steps - warm_up) // 2
    assert rates[middle] == pytest.approx((peak + 5e-6) / 2, rel=1e-6)
    assert 5e-6 <= rates[-1] < 5e-6 + peak * 1e-4
    assert all(after <= before for before, after in zip(rates[warm_up:], rates[warm_up + 1 :]))


def test_no_warm_up_and_no_epoch_after_it() -> None:
    assert Recipe(warmup_epochs=0).learning_rate_at(0, 5) == pytest.approx(Recipe().peak_learning_rate())
    rate = Recipe(epochs=1, warmup_epochs=1).learning_rate_at(5, 5)
    assert math.isfinite(rate)


def test_every_number_can_be_changed() -> None:
    samples = {"interpolation": "bilinear", "precision": "bf16", "stored": "fp16", "mean": "0.5,0.5,0.5",
               "std": "[0.25, 0.25, 0.25]", "image_size": "96", "resize_size": "300", "drop_path": "0.2"}  # fmt: skip
    for field in fields(Recipe):
        text = samples.get(field.name, "1")
        changed = Recipe(epochs=2).changed([f"{field.name.replace('_', '-')}={text}"])
        value = getattr(changed, field.name)
        assert str(value) == text or value == float(text.strip("[]").split(",")[0]) or value[0] in (0.5, 0.25)
    assert Recipe(drop_path=0.1).changed(["drop_path=default"]).drop_path is None


@pytest.mark.parametrize("base", RECIPES)
@pytest.mark.parametrize("settings", [
    [], ["epochs=2", "stored=fp16"], ["image_size=96"], ["image_size=96", "resize_size=100"], ["drop_path=none"],
    ["drop_path=0.1", "mean=0.5,0.25,0.125", "seed=7", "interpolation=bilinear"],
])  # fmt: skip
def test_what_a_recipe_differs_in_makes_it_again(base: str, settings: list[str]) -> None:
    for recipe in (each.changed(settings) for each in RECIPES.values()):
        assert RECIPES[base].changed(recipe.assignments(RECIPES[base])) == recipe


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("epochs", "gives no value"),
        ("epoch=3", "Did you mean epochs"),
        ("epochs=few", "takes a whole number, at least 1"),
        ("epochs=0", "at least 1"),
        ("learning_rate=-1", "at least 0"),
        ("learning_rate=nan", "at least 0"),
        ("flip=1.5", "at most 1"),
        ("rand_augment=30", "below 30"),
        ("precision=int8", "unknown precision"),
        ("interpolation=bicubik", "Did you mean bicubic"),
        ("mean=0.5,0.5", "one per channel"),
        ("epochs=3,batch-size=8", "gives 2 settings"),
        ("image_size=0", "at least 1 and at most 8192"),
        ("batch_size=many", "auto"),
        ("mean=a,b,c", "a number for each of red"),
        ("resize_size=100", "smaller than the crop"),
    ],
)
def test_what_makes_no_sense(assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        Recipe().changed([assignment])
    assert len(refused.value.lines) <= 3


@pytest.mark.parametrize("name", RECIPES)
def test_saved_and_read_again(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    with pytest.raises(ValueError, match="colour"):
        Recipe.from_json(recipe.to_json() | {"colour": 1})
