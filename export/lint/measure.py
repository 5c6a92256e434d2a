"""Which numbers the operators of a written model meet on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cloformer.errors import MissingRuntimeError, UnsupportedError
from cloformer.io.progress import Progress

from ..artifact.folder import Artifact
from ..formats import FORMATS
from ..formats.runners import RunnerOptions, open_model
from ..formats.view import FileView, Kind, OperatorView
from ..reference.cases import Case, Inputs
from ..source.arrays import Array
from .found_by_magnitude import MEASURED
from .graph import Magnitudes, Peak

__all__ = ["measure"]

_SUMS = (Kind.SUM, Kind.MEAN, Kind.SQUARES, Kind.NORMALIZATION)


def measure(
    artifact: Artifact, view: FileView, cases: Sequence[Case], progress: Progress = lambda _: None
) -> dict[str, Magnitudes] | str:
    """The worst at each operator of ``MEASURED``, by its first value, in exact arithmetic where the runtime has it; or the reason why
    the file was not run. Raises :class:`InputError` for a case that does not fit."""
    operators = [item for item in view.operators if item.kind in MEASURED]
    if not operators:
        return {}
    rows = FORMATS[artifact.format].runners
    name = next((name for name, row in rows.items() if row.gives_values and row.exists_here), None)
    if name is None:
        return f"no runtime of {FORMATS[artifact.format].title} gives values here"
    options = RunnerOptions(arithmetic="exact" if "arithmetic" in rows[name].options else None)
    found: dict[str, Magnitudes] = {}
    try:
        with open_model(artifact.model, name, options) as runner:
            for case in cases:
                progress(f"lint: {case.name}")
                fed = case.for_candidate(Inputs.of(artifact.function))
                values = {**fed, **runner.values(fed)}
                unseen = next((item for item in operators if item.value not in values), None)
                if unseen is not None:
                    return f"the runtime does not give what {unseen.native} {unseen.value} computes"
                for operator in operators:
                    met = _met(operator, values, case.name)
                    found[operator.value] = found.get(operator.value, Magnitudes()).merged(met)
    except (MissingRuntimeError, UnsupportedError) as error:
        return error.lines[0]
    return found


def _met(operator: OperatorView, values: Mapping[str, Array], case: str) -> Magnitudes:
    given = _numbers(values.get(operator.inputs[0])) if operator.inputs else None
    made, found = _numbers(values.get(operator.value)), Magnitudes()
    if given is not None:
        total = _total(operator, given) if operator.kind in _SUMS else float("-inf")
        found = replace(found, highest=Peak(_most(given), case), total=Peak(total, case))
    if made is not None:
        found = replace(found, gives=Peak(_most(made), case), largest=Peak(_most(np.abs(made)), case))
    return found


def _most(numbers: Array) -> float:
    return float(numbers.max(initial=float("-inf")))


def _numbers(value: Array | None) -> Array | None:
    """In float64, what is no number as infinite: something was beyond the end. None of what is not there, or whole."""
    if value is None or value.dtype.kind != "f":
        return None
    return np.nan_to_num(value.astype(np.float64), nan=np.inf, posinf=np.inf, neginf=-np.inf)


def _total(operator: OperatorView, given: Array) -> float:
    """The largest sum of magnitudes over the operator's axes, or of squares; of a normalization, of distances from the mean."""
    axes = tuple(axis for axis in operator.sizes.get("axes", ()) if axis < given.ndim)
    if not axes or not given.size:
        return float("-inf")
    if not np.isfinite(given).all():
        return float("inf")
    if operator.kind is Kind.NORMALIZATION:
        given = given - given.mean(axes, keepdims=True)
    terms = np.abs(given) if operator.kind in (Kind.SUM, Kind.MEAN) else given * given
    return float(terms.sum(axes).max())
