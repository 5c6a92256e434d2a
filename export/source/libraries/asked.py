"""What names a model of a library: the library, its own name of the model, and options.

timm:NAME[?option=value&...]         a model of timm's registry
torchvision:NAME[?option=value&...]  one of torchvision's
hf:FOLDER[?option=value&...]         a folder as the Hugging Face Hub has them: config.json and safetensors

An option is what the library's own function takes. Its value is true or false, a number, several numbers with commas between
them, or else text: nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from cloformer.errors import UsageError
from cloformer.io.numbers import finite, whole

__all__ = ["LIBRARIES", "Asked", "Value", "asked_of", "names_a_library"]

Value: TypeAlias = bool | int | float | str | tuple[int | float, ...]

# Each with an example to type.
LIBRARIES = {
    "timm": "timm:mobilenetv3_small_100",
    "torchvision": "torchvision:mobilenet_v3_small",
    "hf": "hf:downloads/vit",
}
_OPTION = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.+)")
_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")  # than what a file's name may have, and a shell leaves alone
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Asked:
    """``said`` is what the user wrote, as ``option`` of the command line, ``name`` the library's name of the model, or its
    folder; ``texts`` are the options in order of their names, as they were written."""

    said: str
    library: str
    name: str
    texts: Mapping[str, str]
    option: str = "--model"

    @property
    def options(self) -> dict[str, Value]:
        return {name: _value(text) for name, text in self.texts.items()}

    @property
    def reference(self) -> str:
        """What manifests say: the same for every order of the options, and no path of the machine."""
        options = "&".join(f"{name}={text}" for name, text in self.texts.items())
        return f"{self.library}:{self._own_name}" + (f"?{options}" if options else "")

    @property
    def file_name(self) -> str:
        """The same in letters that a file's name may have; of what cannot be said in them, the first digits of a hash."""
        words = [f"{self.library}.{self._own_name}", *(f"{name}-{text}" for name, text in self.texts.items())]
        safe = "+".join(_OTHER.sub("_", word) for word in words)
        digest = sha256(self.reference.encode()).hexdigest()[:8]
        return f"{safe}+{digest}" if any(map(_OTHER.search, words)) else safe

    @property
    def _own_name(self) -> str:
        return Path(self.name).expanduser().resolve().name if self.library == "hf" else self.name


def names_a_library(reference: str) -> bool:
    """Whether ``reference`` begins with a library's name and a colon."""
    library, colon, _ = reference.partition(":")
    return bool(colon) and library in LIBRARIES


def asked_of(reference: str, option: str = "--model") -> Asked:
    """The parts of what names a model of a library; :class:`UsageError` for what is no name or no option."""
    library, _, rest = reference.partition(":")
    name, has_options, options = rest.partition("?")
    if not name:
        raise UsageError(f"{option} {reference} names no model", f"for example {option} {LIBRARIES[library]}")
    texts: dict[str, str] = {}
    for part in options.split("&") if has_options else ():
        found = _OPTION.fullmatch(part)
        if found is None or found["name"] in texts:
            problem = "is no option" if found is None else "is there twice"
            raise UsageError(
                f"{option} {reference}: {part!r} {problem}",
                f"options are name=value, as in {option} '{library}:{name}?num_classes=10&drop_rate=0.1'",
            )
        texts[found["name"]] = found["value"]
    return Asked(reference, library, name, dict(sorted(texts.items())), option)


def _value(text: str) -> Value:
    if text in _TRUTHS:
        return _TRUTHS[text]
    try:
        numbers = tuple(_number(part) for part in text.split(","))
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]


def _number(text: str) -> int | float:
    try:
        return whole(text)
    except ValueError:
        return finite(text)
