"""Core ML's own suppression of boxes, as a stage behind an ML Program: Vision gives recognized objects of such a pipeline.

Follows ``NonMaximumSuppression.proto`` and ``Model.proto`` of the Core ML specification. The stage takes confidences (N, classes) and
coordinates (N, 4), the centre and size of boxes in shares of the image, so the program's outputs of one image lose their first axis on
the way there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cloformer.errors import UnsupportedError

from ...source.signature import TensorSpec
from ...source.suppression_rule import Suppression

__all__ = ["CONFIDENCE", "COORDINATES", "program_of", "with_suppression"]

CONFIDENCE, COORDINATES = "confidence", "coordinates"  # what Vision looks for
_FLOAT32_ARRAY = 0x10000 | 32


def program_of(spec: Any) -> Any:
    """The model that has the ML Program: ``spec`` itself, or the first of a pipeline that ends in a suppression.
    :class:`UnsupportedError` for a pipeline of anything else."""
    if spec.WhichOneof("Type") != "pipeline":
        return spec
    kinds = [model.WhichOneof("Type") for model in spec.pipeline.models]
    if kinds != ["mlProgram", "nonMaximumSuppression"]:
        raise UnsupportedError(
            f"this Core ML model is a pipeline of {', '.join(map(str, kinds))}, and only an ML Program with a suppression behind it can be run here"
        )
    return spec.pipeline.models[0]


def with_suppression(
    program: Any, boxes: TensorSpec, scores: TensorSpec, rule: Suppression, labels: Sequence[str] | None
) -> Any:
    """The pipeline of ``program``, a model whose outputs are ``boxes`` (1, N, 4) and ``scores`` (1, N, classes), and the stage."""
    from coremltools.proto import Model_pb2

    pipeline = Model_pb2.Model()
    pipeline.specificationVersion = program.specificationVersion
    inner, stage = pipeline.pipeline.models.add(), pipeline.pipeline.models.add()
    inner.CopyFrom(program)
    names = {name: _free(inner, f"{name}_of_boxes") for name in (CONFIDENCE, COORDINATES)}
    for name, spec in ((CONFIDENCE, scores), (COORDINATES, boxes)):
        _squeeze(inner, spec, names[name])
    stage.specificationVersion = program.specificationVersion
    for name, spec in ((CONFIDENCE, scores), (COORDINATES, boxes)):
        _array(stage.description.input.add(), names[name]).shape.extend(spec.shape[1:])
        sizes = _array(stage.description.output.add(), name).shapeRange.sizeRanges
        for lower, upper in ((0, rule.max_detections), (spec.shape[2], spec.shape[2])):
            size = sizes.add()
            size.lowerBound, size.upperBound = lower, upper
    own = stage.nonMaximumSuppression
    own.confidenceInputFeatureName, own.coordinatesInputFeatureName = names[CONFIDENCE], names[COORDINATES]
    own.confidenceOutputFeatureName, own.coordinatesOutputFeatureName = CONFIDENCE, COORDINATES
    own.iouThreshold, own.confidenceThreshold = rule.iou_threshold, rule.score_threshold
    own.pickTop.perClass = True
    classes = scores.shape[2]
    own.stringClassLabels.vector.extend(labels or [str(number) for number in range(classes)])
    about = pipeline.description
    about.input.extend(inner.description.input)
    about.output.extend(stage.description.output)
    about.output[0].shortDescription = "The score of each class, of each box that is left, the best first"
    about.output[1].shortDescription = "Centre and size of each box that is left, in shares of the image"
    about.metadata.CopyFrom(inner.description.metadata)
    about.metadata.userDefined["com.apple.coreml.model.preview.type"] = "objectDetector"
    pipeline.pipeline.names.extend(["network", "suppression"])
    return pipeline


def _array(feature: Any, name: str) -> Any:
    feature.name = name
    feature.type.multiArrayType.dataType = _FLOAT32_ARRAY
    return feature.type.multiArrayType


def _squeeze(model: Any, spec: TensorSpec, name: str) -> None:
    """Another output of the program, ``spec`` without its first axis."""
    from coremltools.converters.mil.backend.mil.helper import create_scalar_value, create_tensor_value
    from coremltools.proto import MIL_pb2

    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    axes = block.operations.add()
    axes.type = "const"
    axes.attributes["name"].CopyFrom(create_scalar_value(f"{name}_axes"))
    axes.attributes["val"].CopyFrom(create_tensor_value(np.array([0], np.int32)))
    made = axes.outputs.add()
    made.name = f"{name}_axes"
    made.type.CopyFrom(axes.attributes["val"].type)
    operation = block.operations.add()
    operation.type = "squeeze"
    operation.inputs["x"].arguments.add().name = spec.name
    operation.inputs["axes"].arguments.add().name = made.name
    operation.attributes["name"].CopyFrom(create_scalar_value(name))
    output = operation.outputs.add()
    output.name = name
    kind = output.type.tensorType
    kind.dataType, kind.rank = MIL_pb2.FLOAT32, len(spec.shape) - 1
    for size in spec.shape[1:]:
        kind.dimensions.add().constant.size = size
    block.outputs.append(name)
    _array(model.description.output.add(), name).shape.extend(spec.shape[1:])


def _free(model: Any, name: str) -> str:
    """``name``, or one like it that no value of the program has."""
    function = model.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    taken = {output.name for operation in operations for output in operation.outputs} | {
        item.name for item in function.inputs
    }
    while name in taken or f"{name}_axes" in taken:
        name += "_"
    return name
