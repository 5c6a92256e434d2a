"""Which images are seen when does not depend on how many processes see them."""

from __future__ import annotations

import pytest

from cloformer.errors import InputError, UsageError
from cloformer.training.batch_size import fitted, without_auto
from cloformer.training.batches import Order
from cloformer.training.recipe import Recipe

RECIPE = Recipe(batch_size=16)


def steps_of(order: Order, epoch: int) -> list[list[int]]:
    """The images of every step, put together from all processes in the order of their places."""
    turns = order.recipe.accumulate
    found = [order.of(epoch, process) for process in range(order.processes)]
    steps = []
    for step in range(order.steps):
        parts = sorted(part for of in found for part in of[step * turns : (step + 1) * turns])
        assert [start for start, _ in parts] == list(range(step * 16, (step + 1) * 16, order.part_size)), (
            "parts stand side by side"
        )
        steps.append([index for _, some in parts for index in some])
    return steps


def test_every_image_at_most_once_in_an_epoch() -> None:
    order = Order(RECIPE, 50)
    seen = [index for step in steps_of(order, 0) for index in step]
    assert order.steps == 3
    assert len(set(seen)) == len(seen) == 48
    assert steps_of(order, 0) == steps_of(order, 0) != steps_of(order, 1)
    assert steps_of(Order(RECIPE.changed(["seed=1"]), 50), 0) != steps_of(order, 0)


@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (4, 1), (1, 2), (2, 4), (8, 1)])
def test_processes_and_parts_share_the_same_steps(processes: int, accumulate: int) -> None:
    spread = Order(Recipe(batch_size=16, accumulate=accumulate), 50, processes)
    assert steps_of(spread, 3) == steps_of(Order(RECIPE, 50), 3)


def test_going_on_in_the_middle() -> None:
    order = Order(RECIPE, 50)
    assert order.of(2, 0, 1) == order.of(2, 0)[1:]


@pytest.mark.parametrize(("settings", "processes", "wanted"), [
    (["batch_size=10"], 3, "batch_size=12"),
    (["batch_size=6", "accumulate=2"], 1, "batch_size=8"),
    (["batch_size=49"], 2, "batch_size=48"),
    (["batch_size=99"], 3, "batch_size=48"),
])  # fmt: skip
def test_a_step_that_cannot_be_divided(settings: list[str], processes: int, wanted: str) -> None:
    with pytest.raises(UsageError, match="cannot be divided") as refused:
        Order(RECIPE.changed(settings), 50, processes)
    assert wanted in str(refused.value)
    Order(RECIPE.changed([*settings, wanted]), 50, processes)
    if processes == 1:
        Order(RECIPE.changed([*settings, "mixup=0", "cutmix=0"]), 50, processes)


def test_too_few_images() -> None:
    with pytest.raises(InputError, match="there are 15 training images, and a step takes 16"):
        Order(RECIPE, 15)


@pytest.mark.parametrize(("images", "processes", "settings", "wanted"), [
    (15, 1, [], 15), (15, 1, ["accumulate=2"], 12), (15, 2, ["mixup=0", "cutmix=0"], 14), (15, 2, [], 12),
    (15, 1, ["batch_size=8"], 8), (6, 3, ["batch_size=12"], 6), (100, 3, ["batch_size=4"], 6),
])  # fmt: skip
def test_the_batch_size_that_fits(images: int, processes: int, settings: list[str], wanted: int) -> None:
    """It works as it stands, and is what is proposed where another one does not."""
    recipe = RECIPE.changed(settings)
    found = fitted(recipe, images, processes)
    assert (found.batch_size, Order(found, images, processes).steps) == (wanted, images // wanted)
    if images < recipe.batch_size:
        with pytest.raises(InputError, match=f"add --set batch_size={wanted}, or --set batch_size=auto"):
            Order(recipe, images, processes)


def test_no_batch_size_fits() -> None:
    for refused in (fitted, Order):
        with pytest.raises(InputError, match="there are 5 training images, and a step takes 6 at least"):
            refused(RECIPE.changed(["batch_size=12"]), 5, 3)


@pytest.mark.parametrize(("settings", "kept", "is_auto"), [
    (["epochs=3"], ["epochs=3"], False),
    (["batch_size=auto", "epochs=3"], ["epochs=3"], True),
    (["batch-size=8", "batch_size = AUTO"], [], True),
    (["batch_size=auto", "batch_size=8"], ["batch_size=8"], False),
])  # fmt: skip
def test_the_last_batch_size_counts(settings: list[str], kept: list[str], is_auto: bool) -> None:
    assert without_auto(settings) == (kept, is_auto)
