"""Apple's own operator tests, run on the reference runtime.

coremltools ships with the tests that its authors run on a Mac: each builds a program of a few operators,
converts it, predicts with Core ML and compares with numpy, torch or values written by hand. Here the
prediction is the reference runtime's, read from the package that the conversion saved; everything else is
theirs, their comparison included. After theirs, a narrower one of ours is made (:func:`hold`).

::

    python tests/operators/apple.py [files of the suite, as iOS17/test_linear.py] [options of pytest]

Figures come at the end. The run fails if a case fails that ``known_failures.py`` does not list, if fewer cases
were compared than there are, or if more than 2 % of them failed, listed ones included.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_failures import KNOWN_FAILURES

SUITE = Path(distribution("coremltools").locate_file("coremltools/converters/mil/mil/ops/tests"))
COMPARED_AT_LEAST = 1900
FAILED_AT_MOST = 0.02  # of those compared

# Control flow, recurrence and lists are not in the runtime: image models have none.
OUT_OF_SCOPE = ("::TestCond", "::TestWhileLoop", "::TestList", "test_recurrent.py")

# Of the largest value that is expected. Apple's own tolerance for float16 is 0.5, whatever the values are.
TOLERANCE = {"fp16": 2e-2, "fp32": 1e-4}


class Case:
    """The test that runs. What is noted of it travels in its report, out of a worker process too."""

    item: pytest.Item

    @classmethod
    def note(cls, key: str, value: Any) -> None:
        cls.item.user_properties.append((key, value))


def predict(model: Any, data: Mapping[str, Any], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """In the place of ``MLModel.predict``: what the saved package gives on the reference runtime; and for what
    it refuses to compute, the error of ``predict``."""
    from cloformer.errors import InputError
    from cloformer.export.formats.coreml.mil import Interpreter, read_package

    if model.get_spec().WhichOneof("Type") != "mlProgram":
        pytest.skip("compares with a neural network, which only Core ML can run")
    package = read_package(Path(model.package_path))
    function = package.program.functions[package.default_function]
    Case.note("operators", [operation.kind for operation in function.operations])
    given = {
        # Core ML has no inputs without axes: a number is given as one of one element.
        item.name: np.reshape(data[item.name], ()) if item.type.shape == () else data[item.name]
        for item in function.inputs
        if item.name in data
    }
    try:
        outputs = Interpreter(function).run(given, states=state)
    except InputError as error:
        raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error
    Case.note("predicted", True)
    return outputs


def hold(outputs: Mapping[str, Any], expected: Mapping[str, Any], precision: str) -> None:
    """Every expected output is there, in its shape; whole numbers are the same, others differ by little of the
    largest one."""
    for name, value in expected.items():
        found, value = np.asarray(outputs[name]), np.asarray(value)
        assert found.shape == value.shape, f"{name} is {found.shape}, not {value.shape}"
        if found.dtype.kind in "iub":
            np.testing.assert_array_equal(found, value, err_msg=name)
            continue
        is_finite = np.isfinite(value)
        np.testing.assert_array_equal(found[~is_finite], value[~is_finite], err_msg=name)
        largest = np.abs(value[is_finite]).max(initial=1e-3)
        error = np.abs(found[is_finite].astype(np.float64) - value[is_finite]).max(initial=0)
        assert error <= TOLERANCE[precision] * largest, (
            f"{name} is {error:.2g} off, at values up to {largest:.2g}"
        )


def _held(compare: Callable[..., Any]) -> Callable[..., Any]:
    """Apple's ``compare_backend``, then ours."""

    @functools.wraps(compare)
    def compare_backend(**given: Any) -> Any:
        assert given["expected_outputs"], "there is nothing to compare with"
        Case.note("expected", True)
        outputs = compare(**given)
        hold(outputs, given["expected_outputs"], given["dtype"])
        return outputs

    return compare_backend


def pytest_configure(config: pytest.Config) -> None:
    """Make this a Mac, as far as Apple's tests ask; and where Core ML would predict, our runtime does."""
    import coremltools.converters.mil.mil.ops.tests.testing_utils as builder_tests
    import coremltools.converters.mil.testing_utils as comparison
    import coremltools.models.utils as system
    from coremltools.models import MLModel

    comparison._IS_MACOS = True
    system._macos_version = lambda: (99, 0)
    builder_tests.compare_backend = _held(comparison.compare_backend)
    MLModel.predict = predict
    MLModel.make_state = lambda model: {}
    pytest.xfail = lambda reason="": None  # what Core ML cannot do, on a device: we are asked for it
    config.pluginmanager.register(Figures(config.getoption("--compared-at-least")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """The same values in every run, whichever tests ran before."""
    Case.item = item
    np.random.seed(0)
    yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compared-at-least", type=int, default=COMPARED_AT_LEAST, help="fewer compared cases fail the run"
    )
    parser.addoption("--every", type=int, default=1, help="only one case in so many")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is out of scope; expect failures of our list alone, not those of Apple's devices."""
    left_out = [item for item in items if any(name in item.nodeid for name in OUT_OF_SCOPE)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out][:: config.getoption("--every")]
    for item in items:
        for node in item.listchain():
            node.own_markers = [mark for mark in node.own_markers if mark.name != "xfail"]
        reasons = (
            reason for parts, reason in KNOWN_FAILURES.items() if all(part in item.nodeid for part in parts)
        )
        reason = next(reasons, None)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_collection_finish() -> None:
    """A conversion ends with a garbage collection: more than half of its time, unless what stays is set apart."""
    gc.freeze()


# What a case that passes did if it did not compare, by whether it predicted and whether it had expected values.
_NOT_COMPARED = {
    (True, False): "comparing by themselves",
    (False, True): "refused as expected",
    (False, False): "only converted",
}
_FIGURES = ("compared", "failed", "known failures", *_NOT_COMPARED.values(), "out of scope")


class Figures:
    """What the tests' reports say, in the process that prints.

    A case is *compared* if the runtime gave outputs and these met values that the test expects. One that fails
    before that is a failure too, and compared it is not.
    """

    def __init__(self, at_least: int) -> None:
        self.at_least, self.cases, self.skipped = at_least, Counter[str](), Counter[str]()
        self.covered: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        is_known = hasattr(report, "wasxfail")
        if report.skipped and not is_known:
            self.skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1  # type: ignore[index, union-attr]
            return
        if report.when != "call":
            self.cases["failed"] += report.failed
            return
        notes = dict(report.user_properties)
        is_compared = "predicted" in notes and "expected" in notes
        self.cases["compared"] += is_compared
        if not report.passed:
            self.cases["known failures" if is_known else "failed"] += 1
        elif not is_compared:
            self.cases[_NOT_COMPARED["predicted" in notes, "expected" in notes]] += 1
        else:
            for kinds in (value for key, value in report.user_properties if key == "operators"):
                self.covered.update(kinds)

    @property
    def is_enough(self) -> bool:
        failed = self.cases["failed"] + self.cases["known failures"]
        return self.cases["compared"] >= self.at_least and failed <= FAILED_AT_MOST * self.cases["compared"]

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.cases["out of scope"] += sum(any(name in item.nodeid for name in OUT_OF_SCOPE) for item in items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Worker processes all leave out the same."""
        self.cases["out of scope"] = node.workeroutput["out of scope"]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["out of scope"] = self.cases["out of scope"]
        elif not session.config.option.collectonly and not self.is_enough:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from cloformer.export.formats.coreml.mil.interpreter import KNOWN

        missing = sorted(KNOWN - self.covered)
        say = terminalreporter.write_line
        say(", ".join(f"{key}: {self.cases[key]}" for key in _FIGURES))
        for reason, count in self.skipped.most_common():
            say(f"skipped: {count}, {reason}")
        say(f"operators in compared programs: {len(self.covered)}")
        say(f"operators in no compared program: {len(missing)} {' '.join(missing)}")
        if not self.is_enough:
            say(
                f"fewer than {self.at_least} cases compared, or failures of more than {FAILED_AT_MOST:.0%} of them",
                red=True,
            )


def main(arguments: list[str]) -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYMIL_TEST_TARGETS"] = "mlprogram"  # not neural networks, the format before ML Programs
    os.chdir(SUITE)
    options = [
        "-c",
        os.devnull,
        "--rootdir",
        str(SUITE),
        "-p",
        "no:cacheprovider",
        "-p",
        "apple",
        "-W",
        "ignore",
    ]
    is_part = any(Path(item.partition("::")[0]).exists() for item in arguments if item)
    return pytest.main([*options, "-q", "--tb=short", *arguments, *([] if is_part else [str(SUITE)])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
