"""Which numbers the operators of a written model meet on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
_LESS = np.finfo(np.float64).min


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
                for operator in operators:
                    met = _met(operator, values, case.name)
                    found[operator.value] = found.get(operator.value, Magnitudes()).merged(met)
    except (MissingRuntimeError, UnsupportedError) as error:
        return error.lines[0]
    return found


def _met(operator: OperatorView, values: Mapping[str, Array], case: str) -> Magnitudes:
    given, made = (
        _numbers(values.get(name)) for name in (operator.inputs[0] if operator.inputs else "", operator.value)
    )
    return Magnitudes(
        Peak(float(given.max(initial=_LESS)), case) if given is not None else Magnitudes().highest,
        Peak(float(np.abs(made).max(initial=0.0)), case) if made is not None else Magnitudes().largest,
        Peak(_total(operator, given), case)
        if operator.kind in _SUMS and given is not None
        else Magnitudes().total,
    )


def _numbers(value: Array | None) -> Array | None:
    """In float64; None of what is not there, or no number."""
    return value.astype(np.float64) if value is not None and value.dtype.kind == "f" else None


def _total(operator: OperatorView, given: Array) -> float:
    """The largest sum of magnitudes over the operator's axes, or of squares; of a normalization, of distances from the mean."""
    axes = tuple(axis for axis in operator.sizes.get("axes", ()) if axis < given.ndim)
    if not axes or not given.size:
        return float("-inf")
    if operator.kind is Kind.NORMALIZATION:
        given = given - given.mean(axes, keepdims=True)
    terms = np.abs(given) if operator.kind in (Kind.SUM, Kind.MEAN) else given * given
    return float(terms.sum(axes).max())
