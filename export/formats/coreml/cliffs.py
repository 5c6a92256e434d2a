"""The published cliffs of the Neural Engine: where it is reported to give something else than float16 arithmetic does.

Apple publishes nothing of what its engine computes inside an operator. Every row is a report of somebody who measured it,
with what was published and what is assumed beyond that; all are estimates until a phone says so. The reference
runtime emulates them (``mil/engine.py``). This module is light: it imports no framework.

Sources: issues of ``apple/coremltools`` (#2687, #2690, #2625) and ``apple/coreai-torch`` (#21, #51) on GitHub; *ane-guide*, S. H.
Bryngelson, chapters 3 and 19 (https://ane-guide.readthedocs.io), with ``sbryngelson/ANEForge`` #113 and #115.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = [
    "CLIFFS", "EXPONENTIALS", "FLAT_PRODUCT", "FLAT_PRODUCT_OFF", "FLAT_PRODUCT_RANK", "LARGEST_SUM_OF_EXPONENTIALS", "LOG_SUM_EXP",
    "NO_NUMBER", "PRODUCT", "PRODUCT_LIMIT", "SLICE", "SLICE_LIMIT", "SLICE_RANK", "SOFTPLUS", "SOFTPLUS_LIMIT", "Cliff", "CliffMet",
    "MeetsCliffs",
]  # fmt: skip

SOFTPLUS_LIMIT = 10.394  # the last input that is right; a fine sweep has 0 at 10.395
LARGEST_SUM_OF_EXPONENTIALS = 65504.0  # the largest float16; of 32 equal channels, 7.624 each
FLAT_PRODUCT_RANK = 2  # of the product before hardswish
FLAT_PRODUCT_OFF = 0.039235  # relative error, in the 2-norm
SLICE_RANK = 4  # whose last axis is the width
SLICE_LIMIT = 4094.0  # 16 times this is the largest float16
PRODUCT_LIMIT = 32768.0  # the least result that becomes infinite


@dataclass(frozen=True)
class Cliff:
    """One row. The engine ``gives`` something else ``where`` a condition holds, in words; ``measured`` names the numbers that decide it
    ("" if none do). ``published`` is what ``source`` reports, ``assumed`` what is taken for granted beyond it."""

    name: str
    gives: str
    where: str
    measured: str
    source: str
    published: str
    assumed: str

    def __str__(self) -> str:
        return f"{self.gives} {self.where} ({self.source})"


SOFTPLUS = Cliff(
    name="softplus",
    gives="0",
    where=f"for inputs above {SOFTPLUS_LIMIT:g}",
    measured="inputs",
    source="coremltools #2687",
    published="the result drops from 10.4 to 0 between the inputs 10.394 and 10.395, and stays 0; confirmed on an M4 (#2687), and on "
    "an M5 (10 is right, 11 gives 0; ANEForge #113)",
    assumed="that every chip has the same edge. `softplus_parametric`, which is written for another beta than 1, is not reported and is left right",
)
LOG_SUM_EXP = Cliff(
    name="log_sum_exp",
    gives="0",
    where="where the sum of exponentials passes 65,504, as of 32 channels above 7.62",
    measured="inputs",
    source="coremltools #2690",
    published="of 32 equal channels the result drops from 11.10 to 0 at 7.631 in a sweep of steps of 0.015, as it would if no maximum "
    "is subtracted and the sum leaves float16 at log(65504 / 32) = 7.624",
    assumed="that the sum alone decides, for any number of channels and any inputs",
)
EXPONENTIALS = Cliff(
    name="exponentials",
    gives="0",
    where="for the logarithm of a sum of exponentials that passes 65,504",
    measured="sums",
    source="coreai-torch #21",
    published="log(sum(exp(x))) and log(1 + exp(x)), as PyTorch writes them out, are said to give 0 where the sum leaves float16",
    assumed="that it is so where exp, the sum and log are operators of their own, each with a float16 result; the report's edge for "
    "log(1 + exp(x)) is softplus' own, 10.4, and is not taken over",
)
FLAT_PRODUCT = Cliff(
    name="flat_product",
    gives=f"results off by {FLAT_PRODUCT_OFF:.1%}",
    where="for hardswish after a product of rank 2; at rank 4 they are right",
    measured="inputs",
    source="coreai-torch #51, coremltools #2625",
    published="MobileNetV3-Small, whose head is a product of rank 2, hardswish and another product, is off by 0.199 at most and by 3.92 % "
    "in the 2-norm beside the GPU; the same matrix at rank 4 is right, and so is MobileNetV2 with ReLU or nothing there",
    assumed="that the error arises in hardswish's result and is the same share of each number, toward zero, so that what follows is off by "
    "the published share; how it arises, and at which numbers, is not published. Other activations, rank 3, and hardswish "
    "written out in other operators than `nn.Hardswish` gives are left right",
)
SLICE = Cliff(
    name="slice",
    gives="infinity",
    where=f"for magnitudes above {SLICE_LIMIT:,.0f} in a slice that begins off zero on the width axis, on an M1 or A14",
    measured="inputs",
    source="ane-guide, chapters 3 and 19",
    published="such a slice is copied with a gain of 16: 4,094 comes through to the bit, 4,096 is infinite; on the M1 and the A14, not "
    "from the A15 on, and on no other axis",
    assumed="that the width is the last of four axes, and that the phone is of such a generation",
)
PRODUCT = Cliff(
    name="product",
    gives="infinity",
    where=f"from magnitudes of {PRODUCT_LIMIT:,.0f} on in a sum of products",
    measured="results",
    source="ane-guide, chapter 3; ANEForge #115",
    published="matmul, linear and convolutions of two taps or more: 32,752 comes through, the next float16 is infinite; on the M1 and the M5",
    assumed="that the result with its bias decides. Partial sums beyond it, which are reported to be lost too, are not emulated, for their order "
    "is not published; nor are transposed convolutions, of which nothing is reported",
)
NO_NUMBER = Cliff(
    name="no_number",
    gives="0",
    where="where float16 arithmetic gives no number; what arrives as none becomes infinity",
    measured="",
    source="ane-guide, chapter 3",
    published="no number (NaN) arrives as infinity; infinity less infinity, 0 times infinity, and the root and logarithm of -1 give 0; a "
    "softmax gives all to what is infinite",
    assumed="that every other result without a number is 0, too",
)
CLIFFS = (SOFTPLUS, LOG_SUM_EXP, EXPONENTIALS, FLAT_PRODUCT, SLICE, PRODUCT, NO_NUMBER)


@dataclass(frozen=True)
class CliffMet:
    """A cliff that an operator of a program meets in a run: ``count`` of its ``of`` values. ``value`` is what the operator gives, ``also``
    are values before it that have a part in it; ``largest`` is the largest magnitude of what is ``measured``, NaN if nothing is."""

    cliff: Cliff
    value: str
    kind: str
    also: tuple[str, ...]
    count: int
    of: int
    largest: float

    @property
    def figures(self) -> str:
        """How much of it is met."""
        largest = f"{self.largest:.4g}" if math.isfinite(self.largest) else "infinity"
        reach = f", {self.cliff.measured} up to {largest}" if self.cliff.measured else ""
        return f"{self.count:,} of {self.of:,} {'value' if self.of == 1 else 'values'}{reach}"

    def worse(self, other: CliffMet | None) -> CliffMet:
        """The one that is met by more values; the numbers that decide it are the largest of both."""
        if other is None:
            return self
        more = max(self, other, key=lambda item: item.count)
        largest = max(
            (item.largest for item in (self, other) if not math.isnan(item.largest)), default=math.nan
        )
        return CliffMet(more.cliff, more.value, more.kind, more.also, more.count, more.of, largest)


@runtime_checkable
class MeetsCliffs(Protocol):
    """A runner that may emulate the cliffs."""

    @property
    def cliffs_met(self) -> tuple[CliffMet, ...]:
        """Those of all runs since it was entered, each by the run that met it most; empty where none are emulated."""
        ...
