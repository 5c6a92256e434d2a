"""A reference runtime for Core ML's ML Programs, on any system.

::

    package = read_package(Path("model.mlpackage"))
    interpreter = Interpreter(package.program.functions[package.default_function])
    outputs = interpreter.run({"image": pixels_NCHW})

It computes what the specification says each operator means. What Apple's own kernels do inside an
operator is not published: their error on a device is this one's or larger, never proved smaller.
"""

from .interpreter import Arithmetic, Interpreter, unknown_operators
from .program import Constant, Function, Operation, Program, TensorType, Value
from .read import Description, ImageInput, Package, read_package, read_spec

__all__ = [
    "Arithmetic",
    "Constant",
    "Description",
    "Function",
    "ImageInput",
    "Interpreter",
    "Operation",
    "Package",
    "Program",
    "TensorType",
    "Value",
    "read_package",
    "read_spec",
    "unknown_operators",
]
