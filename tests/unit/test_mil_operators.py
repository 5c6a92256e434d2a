"""Operators that Apple's tests leave out here, and what no operator computes: results that are too large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom
from coremltools.converters.mil.mil import Function
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from onnx import TensorProto, helper

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.formats.coreml.mil import Arithmetic, Interpreter, read_package
from cloformer.export.formats.coreml.mil._operator import OPERATORS

# No image model has control flow or recurrence; the last one coremltools saves in neural networks alone, the
# format before ML Programs.
LEFT_OUT = {"cond", "while_loop", "gru", "lstm", "rnn", "conv_quantized"}
LEFT_OUT |= {"make_list", "list_gather", "list_length", "list_read", "list_scatter", "list_write"}

BITS = np.array([[True, True, False, False], [True, False, True, False]])
NUMBERS = np.array([-2.5, -2.0, -0.3, 0.0, 0.4, 1.0, 7.5], np.float32)


def test_every_operator_of_every_target_is_there_with_its_parameters() -> None:
    known = {kind: operator.kinds.keys() for kind, operator in OPERATORS.items()}
    states = {"read_state", "write_state"}  # of the interpreter; coremltools makes the second when it saves
    assert SSAOpRegistry.core_ops.keys() - LEFT_OUT - states - {"const", "_const_symbolic"} == known.keys()
    for kind, parameters in known.items():
        for target, definition in SSAOpRegistry.core_ops[kind].items():
            specified = definition.input_spec.input_types
            assert specified.keys() <= parameters, (kind, target)
            assert set(OPERATORS[kind].required) <= {
                name for name, item in specified.items() if not item.optional
            }, (kind, target)


def test_the_specification_of_every_operator_is_where_it_says() -> None:
    """``iOS15, iOS17/linear.py: matmul`` is a class in ``linear.py`` of both, and in no other file."""
    for kind, operator in OPERATORS.items():
        files, _, name = operator.specification.partition(": ")
        assert name == kind
        cited, folders = set(), []
        for part in files.split(", "):
            folder, _, file = part.partition("/")
            folders.append(folder)
            if file:
                cited |= {f"{item}/{file}" for item in folders}
                folders = []
        defined = {
            "/".join(definition.__module__.split(".")[-2:]) + ".py"
            for definition in SSAOpRegistry.core_ops[kind].values()
        }
        assert cited == defined, kind


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("ceil", {"x": NUMBERS}),
        ("logical_and", {"x": BITS[0], "y": BITS[1]}),
        ("logical_or", {"x": BITS[0], "y": BITS[1]}),
        ("logical_xor", {"x": BITS[0], "y": BITS[1]}),
        ("logical_not", {"x": BITS[0]}),
    ],
)
def test_as_coremltools_evaluates_them(kind: str, arguments: dict[str, np.ndarray]) -> None:
    with Function({}):
        expected = getattr(mb, kind)(**arguments).val
    found = OPERATORS[kind].call({name: torch.from_numpy(value) for name, value in arguments.items()})
    assert found.tolist() == expected.tolist()


def suppressed_by_onnx(
    boxes: np.ndarray, scores: np.ndarray, iou: float, least: float, most: int, per_class: bool
) -> list[int]:
    """The boxes that ONNX Runtime's operator keeps, from the best on; boxes (B, 4), scores (B, K).

    It gives every box to all classes that score; ours gives a box to its best class.
    """
    kinds = scores.argmax(-1) if per_class else np.zeros(len(scores), np.int64)
    own = np.full((1, scores.shape[-1], len(scores)), -1e9, np.float32)
    own[0, kinds, np.arange(len(scores))] = scores.max(-1)
    names = ["boxes", "scores", "most", "iou", "least"]
    node = helper.make_node("NonMaxSuppression", names, ["kept"], center_point_box=1)
    values = [boxes[None], own, np.array([most]), np.array([iou], np.float32), np.array([least], np.float32)]
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in zip(names, values, strict=True)
    ]
    output = helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3])
    model = helper.make_model(
        helper.make_graph([node], "suppression", inputs, [output]),
        opset_imports=[helper.make_opsetid("", 13)],
    )
    model.ir_version = 9
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    kept = session.run(None, dict(zip(names, values, strict=True)))[0][:, 2]
    return sorted(kept.tolist(), key=lambda place: -scores[place].max())[:most]


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("most", [1, 7, 60])
@pytest.mark.parametrize(("iou", "least"), [(0.0, -1e6), (0.2, 0.3), (0.5, -0.5), (0.9, 0.0)])
def test_suppression_keeps_what_onnx_runtime_keeps(
    per_class: bool, most: int, iou: float, least: float
) -> None:
    chance = np.random.default_rng(most)
    boxes = chance.uniform(0, 10, (2, 50, 4)).astype(np.float32)
    scores = chance.normal(size=(2, 50, 3)).astype(np.float32)
    shared = {
        "iou_threshold": torch.tensor(iou),
        "max_boxes": torch.tensor(most),
        "per_class_suppression": torch.tensor(per_class),
    }
    given = {"boxes": torch.from_numpy(boxes), "scores": torch.from_numpy(scores)}
    operator = OPERATORS["non_maximum_suppression"]
    found, found_scores, places, counts = operator.call(
        {**given, **shared, "score_threshold": torch.tensor(least)}
    )
    for n in range(2):
        kept = suppressed_by_onnx(boxes[n], scores[n], iou, least, most, per_class)
        assert kept
        assert counts[n] == len(kept)
        assert places[n].tolist() == kept + [-1] * (most - len(kept))
        assert np.array_equal(found[n, : len(kept)], boxes[n, kept])
        assert np.array_equal(found_scores[n, : len(kept)], scores[n, kept])
        assert not found[n, len(kept) :].any()
    if least == -1e6:  # as of iOS 17, which has no such threshold
        later = operator.call({**{name: value.mT for name, value in given.items()}, **shared})
        assert len(later) == 3
        for ours, before in zip(later, (found.mT, found_scores.mT, places), strict=True):
            assert torch.equal(ours, before)


@pytest.mark.parametrize("labels", [["cat", "dog", "newt"], [7, 0, 3]])
def test_a_classifier_gives_its_best_label(labels: list[Any], tmp_path: Path) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3))], opset_version=ct.target.iOS16)
    def program(x: Any) -> Any:
        return mb.softmax(x=x, name="p")

    ct.convert(
        program,
        classifier_config=ct.ClassifierConfig(labels, predicted_probabilities_output="p"),
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    ).save(str(tmp_path / "model.mlpackage"))
    function = read_package(tmp_path / "model.mlpackage").program.functions["main"]
    x = np.array([[0.5, 2.0, -1.0]], np.float32)
    found = list(Interpreter(function).run({"x": x}).values())
    expected = torch.softmax(torch.from_numpy(x), -1).reshape(-1).tolist()
    assert found[0] == labels[1]
    assert list(found[1]) == labels
    assert list(found[1].values()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("arithmetic", Arithmetic)
def test_states_of_another_shape_are_refused(arithmetic: Arithmetic, tmp_path: Path) -> None:
    @mb.program(
        input_specs=[
            mb.StateTensorSpec((2, 3), dtype=ct.converters.mil.mil.types.fp16),
            mb.TensorSpec((2, 3)),
        ],
        opset_version=ct.target.iOS18,
    )
    def program(state: Any, x: Any) -> Any:
        return mb.coreml_update_state(state=state, value=mb.cast(x=x, dtype="fp16"))

    ct.convert(program, minimum_deployment_target=ct.target.iOS18, skip_model_load=True).save(
        str(tmp_path / "model.mlpackage")
    )
    interpreter = Interpreter(
        read_package(tmp_path / "model.mlpackage").program.functions["main"], arithmetic
    )
    states: dict[str, torch.Tensor] = {}
    interpreter.run({"x": np.ones((2, 3), np.float32)}, states=states)
    (name,) = states
    assert states[name].tolist() == [[1.0] * 3] * 2
    states[name] = torch.zeros(3, 3)
    with pytest.raises(InputError, match="write_state"):
        interpreter.run({"x": np.ones((2, 3), np.float32)}, states=states)


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values)


IMAGE = torch.ones(1, 2, 4, 4)
HUGE = 1 << 40
TOO_LARGE: dict[str, tuple[str, dict[str, Any]]] = {
    "fill": ("fill", {"shape": ints(HUGE)}),
    "fill of many axes": ("fill", {"shape": ints(*[1] * 17)}),
    "range_1d": ("range_1d", {"start": ints(0), "end": ints(HUGE), "step": ints(1)}),
    "tile": ("tile", {"x": IMAGE, "reps": ints(1, 1, HUGE, 1)}),
    "one_hot": ("one_hot", {"indices": ints(0), "one_hot_vector_size": ints(HUGE)}),
    "pad": ("pad", {"x": IMAGE, "pad": ints(0, HUGE)}),
    "random_uniform": ("random_uniform", {"shape": ints(HUGE)}),
    "random_normal": ("random_normal", {"shape": ints(HUGE)}),
    "random_bernoulli": ("random_bernoulli", {"shape": ints(HUGE)}),
    "random_categorical": ("random_categorical", {"x": torch.ones(2), "size": ints(HUGE)}),
    "resize": ("resize", {"x": IMAGE, "shape": ints(HUGE), "resized_dims": ints(1)}),
    "resize_bilinear": ("resize_bilinear", {"x": IMAGE, "target_size_height": ints(HUGE)}),
    "resize_nearest_neighbor": (
        "resize_nearest_neighbor",
        {"x": IMAGE, "target_size_height": ints(HUGE), "target_size_width": ints(1)},
    ),
    "upsample_bilinear": ("upsample_bilinear", {"x": IMAGE, "scale_factor_width": torch.tensor(1e9)}),
    "upsample_nearest_neighbor": (
        "upsample_nearest_neighbor",
        {"x": IMAGE, "scale_factor_width": torch.tensor(1e9)},
    ),
    "crop_resize": ("crop_resize", {"x": IMAGE, "boxes": torch.ones(1, 4), "target_width": ints(HUGE)}),
    "non_maximum_suppression": (
        "non_maximum_suppression",
        {
            "boxes": torch.ones(1, 4, 1),
            "scores": torch.ones(1, 1, 1),
            "iou_threshold": torch.tensor(0.5),
            "max_boxes": ints(HUGE),
        },
    ),
    "conv, padded": (
        "conv",
        {"x": IMAGE, "weight": torch.ones(1, 2, 1, 1), "pad_type": "custom", "pad": ints(0, 0, 0, HUGE)},
    ),
    "conv, of many channels": (
        "conv",
        {"x": torch.ones(1, 1, 1 << 10, 1 << 10), "weight": torch.ones(1 << 12, 1, 1, 1)},
    ),
    "conv_transpose": (
        "conv_transpose",
        {"x": IMAGE, "weight": torch.ones(2, 1, 2, 2), "strides": ints(HUGE, 1)},
    ),
    "max_pool": (
        "max_pool",
        {"x": IMAGE, "kernel_sizes": ints(1, 1), "pad_type": "custom", "pad": ints(HUGE, 0, 0, 0)},
    ),
    "add": ("add", {"x": torch.ones(1 << 15, 1), "y": torch.ones(1, 1 << 15)}),
    "select": (
        "select",
        {"cond": BITS[0][0], "a": torch.ones(1 << 15, 1), "b": torch.ones(1, 1 << 15)},
    ),
    "matmul": ("matmul", {"x": torch.ones(1 << 15, 1), "y": torch.ones(1, 1 << 15)}),
    "linear": ("linear", {"x": torch.ones(1 << 15, 1), "weight": torch.ones(1 << 15, 1)}),
    "einsum": (
        "einsum",
        {"values": [torch.ones(1 << 15, 1, 1), torch.ones(1, 1, 1 << 15)], "equation": "chw,whu->chu"},
    ),
    "scaled_dot_product_attention": (
        "scaled_dot_product_attention",
        {name: torch.ones(1, 1 << 15, 1) for name in ("query", "key", "value")},
    ),
    "batch_norm": (
        "batch_norm",
        {"x": torch.ones(1, 1, 1 << 15), "mean": torch.ones(1 << 15), "variance": torch.ones(1 << 15)},
    ),
    "local_response_norm": ("local_response_norm", {"x": IMAGE, "size": ints(HUGE)}),
    "concat": ("concat", {"values": [torch.ones(1 << 20)] * 300, "axis": ints(0)}),
    "stack": ("stack", {"values": [torch.ones(1 << 20)] * 300, "axis": ints(0)}),
    "space_to_batch": (
        "space_to_batch",
        {"x": IMAGE, "block_shape": ints(2, 2), "paddings": ints(0, HUGE, 0, 0)},
    ),
    "sliding_windows": (
        "sliding_windows",
        {"x": torch.ones(1 << 16), "axis": ints(0), "size": ints(1 << 15)},
    ),
    "gather": ("gather", {"x": torch.ones(1, 1 << 15), "indices": torch.zeros(1 << 15, dtype=torch.int64)}),
}


@pytest.mark.parametrize(("kind", "arguments"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
@pytest.mark.parametrize("is_narrow", [False, True])
def test_too_large_results_are_refused_before_memory_is_asked_for(
    kind: str, arguments: dict[str, Any], is_narrow: bool
) -> None:
    """By the runtime's own check: torch would say that there is not enough memory, or there would be."""
    with pytest.raises(InputError):
        OPERATORS[kind].call(arguments, is_narrow=is_narrow)


def test_windows_without_an_end_are_refused() -> None:
    side = 1 << 11
    arguments = {"x": torch.ones(1, 1, side, side), "kernel_sizes": ints(side, side)}
    for kind in ("max_pool", "avg_pool", "l2_pool"):
        with pytest.raises(UnsupportedError):
            OPERATORS[kind].call(arguments)


@pytest.mark.parametrize(
    "equation", ["ab,bc->ac", "chw,whu->cuh", "chw,whw->chw", "chw->whc", "nchw,nwhu->chu"]
)
def test_other_sums_of_products_are_refused(equation: str) -> None:
    """As the specification has two equations."""
    values = [torch.ones(1, 1, 1, 1)] * 2
    with pytest.raises(UnsupportedError, match="equation"):
        OPERATORS["einsum"].call({"values": values, "equation": equation})


def test_a_mode_that_is_not_known_names_the_operation(tmp_path: Path) -> None:
    """Which of hundreds it is must be told."""

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 1, 4, 4))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        return mb.crop_resize(
            x=x,
            boxes=np.array([[0, 0, 2, 2]], np.float32),
            target_height=2,
            target_width=2,
            sampling_mode="UNALIGN_CORNERS",
            name="cut",
        )

    ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True).save(
        str(tmp_path / "model.mlpackage")
    )
    function = read_package(tmp_path / "model.mlpackage").program.functions["main"]
    with pytest.raises(UnsupportedError, match=r"crop_resize cut.*UNALIGN_CORNERS"):
        Interpreter(function).run({"x": np.ones((1, 1, 4, 4), np.float32)})
