"""Which processors add up products of 8 bits as phones do, by the flags that Linux gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.export.formats.onnx.processor import flags_of, stops_at_16_bits

HASWELL = "fpu vme de pse sse4_2 avx f16c avx2 fma bmi1"
SKYLAKE_SERVER = f"{HASWELL} avx512f avx512dq avx512bw avx512vl"
ICE_LAKE = f"{SKYLAKE_SERVER} avx512_vnni avx512_bitalg"
ALDER_LAKE = f"{HASWELL} avx_vnni gfni"


@pytest.mark.parametrize(
    ("machine", "flags", "stops"),
    [
        ("x86_64", HASWELL, True), ("AMD64", SKYLAKE_SERVER, True), ("x86_64", "", True),
        ("x86_64", ICE_LAKE, False), ("x86_64", ALDER_LAKE, False),
        ("aarch64", "fp asimd asimddp", False), ("arm64", "", False),
    ],
)  # fmt: skip
def test_by_its_flags(machine: str, flags: str, stops: bool, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n")
    assert flags_of(file) == set(flags.split())
    assert stops_at_16_bits(machine, flags_of(file)) == stops
    assert flags_of(tmp_path / "none") == set()
