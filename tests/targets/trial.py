"""Networks in one form, exported and judged: many at once, and one by one where not all of them pass."""

from __future__ import annotations

import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from random_networks.verdict import Verdict, judged
from zoo.trial import RESULTS, says_where

from cloformer.errors import CloformerError
from cloformer.export.formats import FORMATS
from cloformer.export.formats.row import Option
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.spec import ModelSpec

from .networks import groups, make, reference_of

__all__ = ["FORMS", "RESULTS", "Form", "Row", "rows_of"]


@dataclass(frozen=True)
class Form:
    """A format, with a choice of its option and a precision; ``flag`` is what asks for the choice."""

    format: str
    option: Option
    choice: str
    precision: str

    @property
    def flag(self) -> str:
        return f"{self.option.flag} {self.choice}"


# All that is offered here, by what a row is called: "ios16 fp16", "opset 18 fp32".
FORMS = {
    f"{option.worded(choice)} {precision}": Form(row.name, option, choice, precision)
    for row in FORMATS.values()
    if not row.missing
    for option in row.options
    if not option.is_of_passes  # where images are normalized, and these networks take none
    for precision, kind in row.precisions.items()
    if not kind.are_weights_compressed  # which operators' networks have none to speak of
    for choice in row.holds(precision, option)
    if option.is_told(choice)  # or it is the others' own
}


@dataclass(frozen=True)
class Row:
    """One network in one form: ``result`` is one of ``RESULTS``, and ``words`` say what was found."""

    group: str
    network: str
    form: str
    result: str
    words: str = ""
    seconds: float = 0.0


Try = Callable[[str, int, int, str], Verdict]


def rows_of(group: str, form: str, known: Container[str], try_networks: Try | None = None) -> Iterator[Row]:
    """A row for each of the group's networks that is not ``known``: together, then in halves, until what passes is one network,
    and what does not is a single one of them."""
    yield from _rows(group, form, known, try_networks or tried, 0, len(groups()[group].names))


def _rows(
    group: str, form: str, known: Container[str], try_networks: Try, first: int, last: int
) -> Iterator[Row]:
    names = groups()[group].names[first:last]
    left = [name for name in names if name not in known]
    if not left:
        return
    if len(left) == len(names):
        start = time.monotonic()
        verdict = try_networks(group, first, last, form)
        if verdict.result == "passed" or len(names) == 1:
            seconds = round((time.monotonic() - start) / len(names), 2)
            for name in names:
                yield Row(group, name, form, verdict.result, verdict.words, seconds)
            return
    middle = (first + last) // 2
    yield from _rows(group, form, known, try_networks, first, middle)
    yield from _rows(group, form, known, try_networks, middle, last)


def tried(group: str, first: int, last: int, form: str) -> Verdict:
    """One network of the laws from ``first`` to before ``last``; what nobody foresaw is a crash, with its last line."""
    asked, inputs = FORMS[form], groups()[group].inputs
    with tempfile.TemporaryDirectory(prefix="targets-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        request = ExportRequest(
            model=reference_of(group, first, last),
            formats=(asked.format,),
            precision=asked.precision,
            options={asked.option.name: asked.choice},
            spec=ModelSpec(declared=inputs),
            output=Path(folder),
            keep_failed=True,
        )
        try:
            found = judged(request, make(group, first, last), inputs, seed=0)
        except CloformerError as error:
            found = Verdict("refused", "\n".join(error.lines))
        except Exception as error:  # that there is none is what is tried
            end = traceback.extract_tb(error.__traceback__)[-1]
            words = f"{type(error).__name__}: {error} ({Path(end.filename).name}, line {end.lineno})"
            found = Verdict("crashed", words)
    result = {"believed": "false pass"}.get(found.result, found.result)
    if result == "false failure" and _cannot_tell(found):
        result = "undecided"
    if result == "refused" and not says_where(found.words):
        result = "refused without a place"
    return replace(found, result=result, words=found.words.replace(f"{folder}/", ""))  # another one each time


def _cannot_tell(found: Verdict) -> bool:
    """Whether the file is right by the model, operator by operator, and what is said of it alone is that outputs do not tell."""
    is_right = found.report is not None and found.report.passed
    return is_right and "cannot tell a right file from a wrong one" in found.words
