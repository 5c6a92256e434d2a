"""Instructions by operator, out of a recording that is made up: what was planted in each operator is what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import onnx.parser
import pytest

from cloformer.errors import UnsupportedError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.device.operator_counts import CountedOperator, InstructionProfile
from cloformer.export.device.runtime import Account
from cloformer.export.formats.onnx.counted import counted_operators, named_model
from cloformer.export.formats.onnx.fused import Region, regions
from cloformer.export.latency.placed import PlacedOperator
from cloformer.export.reports.profile.counts import render
from cloformer.export.reports.profile.counts_page import counts_page

SCHEMA = Path(__file__).parent.parent.parent / "export/schemas/instruction-profile.schema.json"
ACCOUNT = Account(operator=20_000, input=1_000, size=100)
ITS_OWN = 20_000 + 1_000 + 8 * 100  # of an operator with one input and one output of four axes
BEGUN = 40  # the clock when the second inference began


@pytest.fixture
def file(small: Path) -> onnx.ModelProto:
    return named_model(read_artifact(small).model_path)


def recorded(file: onnx.ModelProto, planted: list[int]) -> tuple[list[dict[str, Any]], list[int]]:
    """Events of two inferences, and the readings in the second: as the runtime makes them, two for each operator, between
    those that begin and end the inference; 9,000 instructions of the profiler's pass between two operators."""
    events: list[dict[str, Any]] = []
    readings = [2_000, 3_000]
    shape = [{"float": [1, 3, 8, 8]}]
    for inference, start in enumerate((1, BEGUN)):
        for place, (node, more) in enumerate(zip(file.graph.node, planted, strict=True)):
            events.append(
                {
                    "cat": "Node", "name": f"{node.name}_kernel_time", "ts": start + 1 + 2 * place, "dur": 1,
                    "args": {"op_name": node.op_type, "input_type_shape": shape, "output_type_shape": shape},
                }
            )  # fmt: skip
            if inference:
                begun = readings[-1] + 9_000
                readings += [begun, begun + ITS_OWN + more]
        last = start + 1 + 2 * len(planted)
        events.append({"cat": "Session", "name": "model_run", "ts": start, "dur": last - start})
    return events, [*readings, readings[-1] + 9_000]


def test_what_was_planted_is_found(small: Path, file: onnx.ModelProto) -> None:
    planted = [1_000 * place for place in range(1, len(file.graph.node) + 1)]
    events, readings = recorded(file, planted)
    found, notes = counted_operators(
        file, file.SerializeToString(), json.dumps(events).encode(), readings, ACCOUNT.of
    )
    assert not notes
    assert [item.taken for item in found] == [(more,) for more in planted]
    assert [item.operator for item in found] == [node.op_type for node in file.graph.node]

    origins = read_origins(read_artifact(small))
    rows = tuple(
        CountedOperator(**vars(PlacedOperator.of(item, origins)), instructions=item.taken[0])
        for item in found
    )
    environment = {"device": "emulated device (arm64, qemu-user)", "qemu": "7.2", "threads": "1"}
    total = sum(planted)
    report = InstructionProfile(
        "small", "small", "onnx", "fp32", "arm64", "0" * 64, "ONNX Runtime", rows, total, ("a note",), environment
    )  # fmt: skip
    assert report.total.instructions == total and report.excess == 0
    assert [row.instructions for row, _ in report.by_operator()] == sorted(planted, reverse=True)
    for groups in (report.by_type(), report.by_module(1)):
        assert sum(group.instructions for group in groups) == total
        assert sum(group.multiply_adds for group in groups) == report.total.multiply_adds > 0
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(
        {"profile": report.to_json(depth=1)}
    )
    text = render(report, depth=1, top=1)
    assert f"and {len(planted) - 1} operators more" in text and "+0.00% from it" in text and "a note" in text
    page = counts_page(report, 1)
    assert "The dearest first" in page and page.count('id="op') == len(planted)


@pytest.mark.parametrize("kept", [slice(0, -1), slice(5, None), slice(0, 0)], ids=["late", "early", "none"])
def test_readings_of_another_inference_are_refused(file: onnx.ModelProto, kept: slice) -> None:
    """Without the last, every operator would begin where another ended: the sum alone would not tell."""
    events, readings = recorded(file, [7] * len(file.graph.node))
    if kept.stop == -1:
        events[-1]["dur"] += len(readings)  # it ends behind its last reading
    with pytest.raises(UnsupportedError, match="is not understood"):
        counted_operators(
            file, file.SerializeToString(), json.dumps(events).encode(), readings[kept], ACCOUNT.of
        )


def test_one_inference_alone_is_refused(file: onnx.ModelProto) -> None:
    events, readings = recorded(file, [7] * len(file.graph.node))
    with pytest.raises(UnsupportedError, match="is not understood"):
        counted_operators(
            file,
            file.SerializeToString(),
            json.dumps(events[: len(events) // 2]).encode(),
            readings,
            ACCOUNT.of,
        )


def test_what_a_provider_computes_with_channels_last_is_traced() -> None:
    """Its values have the names of the file's operators; transposes between the layouts move values."""
    file = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        g (float[1,3,8,8] image) => (float[1,4,8,8] last) {
            conv = Conv (image, w) ready = Relu (conv) last = Sin (ready)
        }
    """)
    optimized = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20, "com.ms.internal.nhwc" : 20]>
        g (float[1,3,8,8] image) => (float[1,4,8,8] last) {
            turned = Transpose (image)
            act = com.ms.internal.nhwc.Conv (turned, w)
            ready = Transpose (act)
            last = Sin (ready)
        }
    """)
    for node, name in zip(file.graph.node, ("product", "act", "sine"), strict=True):
        node.name = name
    for node, name in zip(
        optimized.graph.node, ("Transpose", "Provider_Conv_0", "back", "sine"), strict=True
    ):
        node.name = name
    assert regions(file, optimized) == {
        "Transpose": Region("image", ()),
        "Provider_Conv_0": Region("ready", (0, 1)),
        "back": Region("ready", ()),
        "sine": Region("last", (2,)),
    }
