"""The pictures of docs/view.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser import function
from PIL import Image

if TYPE_CHECKING:
    from .checks import Bench

__all__ = ["take"]

# The operator that takes the most time.
_SLOWEST = "() => { const most = nodes.map(shareOf); select(most.indexOf(Math.max(...most)), true); }"
_ATTENTION = """() => {
  const index = nodes.findIndex((node) => node.module.endsWith("attn.proj") && node.constants.length);
  select(index, true);
  camera.zoom = 0.8;
  showNode(index);
}"""


@dataclass(frozen=True)
class _Shot:
    """``mode`` is what colours say; ``action`` is done in the page before."""

    name: str
    network: str
    mode: str
    action: str = "() => showAll()"
    options: Mapping[str, Any] = field(default_factory=dict)


_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "deviceScaleFactor": 2,
    "isMobile": True,
    "hasTouch": True,
}
_SHOTS = (
    _Shot("kind", "CloFormer-XXS", "kind"),
    _Shot("operator", "CloFormer-XXS", "kind", _ATTENTION),
    _Shot("time-dark", "CloFormer-XXS", "time", _SLOWEST, {"colorScheme": "dark"}),
    _Shot("error", "EfficientNet-Lite0", "error"),
    _Shot("deep-dark", "1,500 operators", "kind", options={"colorScheme": "dark"}),
    _Shot("phone", "CloFormer-XXS", "kind", options=_PHONE),
    _Shot("phone-operator-dark", "CloFormer-XXS", "time", _ATTENTION, {**_PHONE, "colorScheme": "dark"}),
)


def take(bench: Bench, folder: Path) -> Iterator[str]:
    """Each written as a small PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for shot in _SHOTS:
        _, path = bench.made[shot.network]
        page, context = bench.page(path, **shot.options)
        page.selectOption("#mode", shot.mode)
        page.evaluate(function(shot.action))
        page.waitForTimeout(300)
        raw = folder / f"{shot.name}.png"
        page.screenshot({"path": str(raw)})
        context.close()
        yield f"{raw.name}: {_smaller(raw) / 1e3:.0f} kB"


def _smaller(path: Path) -> int:
    """The same picture as small as can be; its bytes. A palette would change colours that are rare, and a legend is made of these."""
    with Image.open(path) as found:
        plain = found.convert("RGB")
    plain.save(path, "PNG", optimize=True)
    return path.stat().st_size
