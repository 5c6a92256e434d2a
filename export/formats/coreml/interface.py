"""What Core ML does not take as an input or an output, with what to type."""

from __future__ import annotations

from collections.abc import Sequence

from cloformer.errors import UnsupportedError

from ...source.signature import Signature, TensorSpec

__all__ = ["refuse_reserved", "refuse_several"]

# The words of its language (coremltools' NameSanitizer).
_RESERVED = {
    "any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string", "bf16", "fp16", "fp32",
    "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "state",
}  # fmt: skip


def refuse_reserved(signature: Signature) -> None:
    """:class:`UnsupportedError` for a name that is a word of Core ML's own, which coremltools would change."""
    for spec in (*signature.inputs, *signature.outputs):
        if spec.name not in _RESERVED:
            continue
        names = ", ".join(f'"{item.name}_out"' for item in signature.outputs)
        raise UnsupportedError(
            f"Core ML has a word {spec.name} of its own, which cannot be the name of an input or an output",
            "call it otherwise: " + _declared(signature.inputs, spec, f"{spec.name}_in")
            if spec in signature.inputs
            else f"call it otherwise: outputs = [{names}] in --spec FILE names all outputs in order",
        )


def refuse_several(image: TensorSpec, inputs: Sequence[TensorSpec]) -> None:
    """:class:`UnsupportedError` for several images in one input."""
    if image.shape[0] == 1:
        return
    name = "images" if image.name == "image" else image.name  # which --input takes for one
    raise UnsupportedError(
        f"a Core ML input takes one image, and {image.name} is {image.shape[0]}",
        f"export with one, or prepare the images in the app and give their numbers: {_declared(inputs, image, name)}",
    )


def _declared(inputs: Sequence[TensorSpec], renamed: TensorSpec, name: str) -> str:
    """The inputs as ``--input`` takes them, one of them by another name."""
    words = []
    for spec in inputs:
        kind = "" if spec.dtype == "float32" else f":{spec.dtype}"
        words.append(
            f"--input {name if spec is renamed else spec.name}={'x'.join(map(str, spec.shape))}{kind}"
        )
    return " ".join(words)
