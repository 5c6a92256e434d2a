"""What litert-torch's converter and LiteRT say of what they do not take, in plain words.

Both print the code that they were at, which nobody has written: of a conversion the operators of a compiler's dialects, of a file
the places in its own source.
"""

from __future__ import annotations

import re

from cloformer.io.causes import causes
from cloformer.io.words import bounded, reason_of

__all__ = ["in_words"]

_ILLEGAL = re.compile(r"failed to legalize operation '(?P<kind>[\w.]+)'(?:.*?->\s*(?P<gives>.+))?", re.DOTALL)
_WRONG = re.compile(r"'(?P<kind>[\w.]+)' op (?P<what>[^\n]+)")
_NOT_THERE = re.compile(r"Didn't find op for builtin opcode '(?P<kind>\w+)'")
_CUSTOM = re.compile(r"unresolved custom op: (?P<kind>\w+)")
_PREPARED = re.compile(r"Node number [0-9]+ \((?P<kind>\w+)\) failed to prepare")
_DELEGATE = "TfLiteXNNPACKDelegate"
_TENSOR = re.compile(r"tensor<((?:[0-9]+x)*)([a-z]+)([0-9]+)(?:\([^)]*\))?>")
_NUMBERS = {"f": "float", "i": "int", "ui": "uint", "bf": "bfloat"}
# What is left of a dump, in a sentence that none of the patterns knows.
_DUMP = re.compile(r"loc\(|<unknown>|%\w+|tensor<|dense<|::|\.cc:[0-9]+")


def in_words(error: BaseException) -> str:
    """Why it was not taken, in one sentence."""
    *_, first = causes(error, said=True)
    text = str(first)
    if "complex64" in text or "complex128" in text:
        return "LiteRT has no complex numbers"
    if found := _ILLEGAL.search(text):
        gives = f" that gives {_types(found['gives'])}" if found["gives"] else ""
        return f"LiteRT has no {_plain(found['kind'])}{gives}"
    if found := _NOT_THERE.search(text) or _CUSTOM.search(text):
        return f"the runtime has no {_plain(found['kind'])}"
    if _DELEGATE in text:
        return "the runtime's delegate XNNPACK does not take it"
    if found := _PREPARED.search(text):
        return f"the runtime cannot compute {_plain(found['kind'])} of the shapes that it is given"
    if found := _WRONG.search(text):
        return bounded(f"the converter's {_plain(found['kind'])}: {found['what'].strip()}", 200)
    reason = reason_of(first)
    return "the converter stops at it" if _DUMP.search(reason) else reason


def _plain(kind: str) -> str:
    """An operator of a dialect, or of a file, in words: "stablehlo.convolution" is a convolution."""
    return kind.rpartition(".")[2].removeprefix("STABLEHLO_").lower().replace("_", " ")


def _types(text: str) -> str:
    """The tensors of a dump: "3 x 6 int64"."""
    found = [
        f"{sizes.rstrip('x').replace('x', ' x ')} {_NUMBERS.get(kind, kind)}{bits}".strip()
        for sizes, kind, bits in _TENSOR.findall(text.partition("\n")[0])
    ]
    return ", ".join(found) or "it"
