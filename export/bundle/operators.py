"""The file that names the operators a model needs of ONNX Runtime, for a build of it that has no others.

Source: ONNX Runtime, "Reduced operator config file": lines of ``domain;opset;operator,operator``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["CONFIG", "operators_config"]

CONFIG = "required_operators.config"
_HEADER = """\
# Written by `cloformer bundle android --reduced-operators`, for a smaller ONNX Runtime:
# build.sh --android ... --include_ops_by_config required_operators.config --skip_tests
# The model's own operators, and those that the optimizer makes of them when the model is loaded.
"""


def operators_config(artifact: Artifact) -> str:
    """The configuration for an ONNX artifact, as its own operators and as ONNX Runtime optimizes them here.

    Raises :class:`InputError` for a file that ONNX Runtime cannot load.
    """
    from ..formats.onnx.required_operators import required_operators

    lines = [
        f"{domain};{version};{','.join(sorted(names))}"
        for (domain, version), names in sorted(required_operators(artifact.model).items())
    ]
    return _HEADER + "\n".join(lines) + "\n"
