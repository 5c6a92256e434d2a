"""Whether this processor adds up products of whole numbers of 8 bits as a phone's does.

An x86 processor without VNNI adds two products of 8 bits in 16 and stops at their largest number (``vpmaddubsw``), which 255 * 127
* 2 is beyond; arm64 and VNNI add them in 32 bits. ONNX Runtime uses what there is (its documentation, Quantize ONNX models).
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.read import read_text

__all__ = ["flags_of", "stops_at_16_bits"]

_X86 = {"x86_64", "amd64", "i386", "i686", "x86"}
_VNNI = {"avx512_vnni", "avx_vnni"}
_CPU_INFO = Path("/proc/cpuinfo")
_MAX_BYTES = 2**24  # of a machine with hundreds of cores


def stops_at_16_bits(machine: str | None = None, flags: Collection[str] | None = None) -> bool:
    """Whether it does: of this machine, or of one with such a name and such flags as Linux gives them. Where nothing is known
    of an x86 processor, it may."""
    name = (machine or platform.machine()).lower()
    found = flags_of(_CPU_INFO) if flags is None else flags
    return name in _X86 and _VNNI.isdisjoint(found)


def flags_of(path: Path) -> set[str]:
    """The processor's flags in such a file; none where it does not say."""
    try:
        text = read_text(path, _MAX_BYTES, "")
    except InputError:  # another system has no such file
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
