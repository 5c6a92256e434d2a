"""Which nodes the operators of a LiteRT file compute, by the names that litert-torch gives."""

from __future__ import annotations

from cloformer.export.formats.litert.names import Step, carried, names_in

MAP = (1, 4, 4, 8)


def _step(
    name: str, *reads: int, shape: tuple[int, ...] = MAP, moves: bool = False, constants: bool = True
) -> Step:
    return Step(name, shape, moves, constants, reads)


def test_one_operator_of_two_nodes() -> None:
    steps = [_step("node.relu;;node.conv2d;1")]
    assert carried(steps, {"conv2d": (1, 8, 4, 4), "relu": (1, 8, 4, 4)}) == [["conv2d", "relu"]]


def test_what_is_moved_for_a_layer_is_not_its_value() -> None:
    """Its input is turned and padded first, and has its output's sizes by chance."""
    steps = [
        _step("node.conv2d;", moves=True),
        _step("node.conv2d;1", 0, shape=(1, 6, 6, 8), moves=True),
        _step("node.relu;;node.conv2d;2", 1),
    ]
    assert carried(steps, {"conv2d": (1, 8, 4, 4), "relu": (1, 8, 4, 4)}) == [[], [], ["conv2d", "relu"]]


def test_a_node_that_only_moves_numbers() -> None:
    steps = [_step("node.split;", moves=True), _step("node.view;1", 0, shape=(1, 4, 32), moves=True)]
    assert carried(steps, {"split": None, "view": (1, 32, 4)}) == [["split"], ["view"]]


def test_a_shape_that_only_a_reshape_gives() -> None:
    steps = [_step("node.norm;", shape=(1, 1, 128)), _step("node.norm;1", 0, moves=True)]
    assert carried(steps, {"norm": (1, 8, 4, 4)}) == [["norm"], ["norm"]]


def test_a_reshape_of_what_comes_after_the_node() -> None:
    """The scale of an attention was multiplied before the view that it reads was taken."""
    steps = [
        _step("node.attention;;node.view;", shape=(1, 128)),
        _step("node.attention;;node.view;1", 0, moves=True),
    ]
    shapes = {"view": (1, 8, 4, 4), "attention": (1, 8, 4, 9)}
    assert carried(steps, shapes) == [["view", "attention"], []]


def test_names_of_shared_constants() -> None:
    """The zero of the first ReLU is every ReLU's."""
    steps = [_step("node.relu;;node.conv;"), _step("node.relu_1;;node.relu;;node.conv_1;", 0)]
    shapes = dict.fromkeys(("conv", "relu", "conv_1", "relu_1"), (1, 8, 4, 4))
    found = carried(steps, shapes, with_constants={"conv", "conv_1"})
    assert found == [["conv", "relu"], ["conv_1", "relu_1"]]


def test_a_bias_that_went_into_what_is_added() -> None:
    """The layer's own result lacks it, so it is compared with the sum; also where it is reshaped between."""
    shapes = dict.fromkeys(("conv", "add"), (1, 8, 4, 4))
    steps = [_step("node.conv;"), _step("node.add;;node.conv;1", 0)]
    assert carried(steps, shapes, {"conv", "add"}) == [["conv"], ["conv", "add"]]
    steps = [steps[0], _step("node.view;", 0, moves=True), _step("node.add;;node.conv;1", 1)]
    assert carried(steps, shapes, {"conv", "add"})[2] == ["conv", "add"]


def test_a_name_that_is_only_mentioned() -> None:
    """Without constants of its own an operator takes no number of another's, nor of one that it does not read."""
    shapes = dict.fromkeys(("conv", "tanh"), (1, 8, 4, 4))
    steps = [_step("node.conv;"), _step("node.tanh;;node.conv;", 0, constants=False)]
    assert carried(steps, shapes, {"conv"}) == [["conv"], ["tanh"]]
    steps = [_step("node.conv;"), _step("node.tanh;;node.conv;")]
    assert carried(steps, shapes, {"conv"}) == [["conv"], ["tanh"]]


def test_names_in_messages() -> None:
    said = 'error: loc("node.argmax_1;"("argmax")): failed to legalize: %117 = "tfl.arg_max"'
    assert names_in(said) == ["argmax_1"]
    assert names_in("nothing of ours") == []
