"""Shares on the accelerator and boundaries, of plans made up by hand; what is not known falls short of every gate."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from device_reports import with_plan

from cloformer.export.bundle.boundaries import boundaries, plan_json
from cloformer.export.bundle.compute_plan import ComputePlan, PlannedOperator, percent, plan_of
from cloformer.export.reports.device.plan import MOST, plan_lines
from cloformer.export.source.origin import Origin

BASE = {"runtime": {"provider": "cpu"}, "schema_version": 1}


def plan(
    devices: str, costs: Sequence[float | None] | None = None, asked: str = "cpuAndNeuralEngine"
) -> ComputePlan:
    """A letter for each operator: n is the Neural Engine, g the GPU, c the CPU, ? what is not known."""
    names = {"n": "neural_engine", "g": "gpu", "c": "cpu", "?": None}
    given = costs or [1.0] * len(devices)
    operators = [
        PlannedOperator(f"v{place}", "conv", names[letter], given[place])
        for place, letter in enumerate(devices)
    ]
    return ComputePlan(asked, tuple(operators), "estimated_share")


@pytest.mark.parametrize(
    ("devices", "asked", "share"),
    [
        ("nnnn", "cpuAndNeuralEngine", 1.0),
        ("nncn", "all", 0.75),
        ("nngn", "all", 0.75),  # a model on the GPU has left the Neural Engine
        ("nn?n", "all", 0.75),
        ("gggc", "cpuAndGPU", 0.75),
        ("nnnn", "cpuAndGPU", 0.0),
        ("cccc", "xnnpack", 0.0),
        ("cccc", "cpuOnly", None),
        ("cccc", "a provider of tomorrow", None),
    ],
)
def test_the_share_of_operators(devices: str, asked: str, share: float | None) -> None:
    found = plan(devices, asked=asked)
    assert found.share_of_operators == share
    assert (found.why_no_share is None) == (share is not None)


@pytest.mark.parametrize(
    ("costs", "share"),
    [([1, 1, 6, 2], 0.4), ([0, 0, 0, 0], None), ([1, 1, None, 1], None), ([1, None, 1, 1], None)],
)
def test_the_share_of_the_cost(costs: list[float | None], share: float | None) -> None:
    """A cost that is missing could be any: there is no share then."""
    assert plan("nncn", costs).share_of_cost == share


@pytest.mark.parametrize(
    ("found", "minimum", "words"),
    [
        (plan("n" * 19 + "c"), 0.95, None),
        (plan("n" * 18 + "cc"), 0.95, "90 % of the operators on Neural Engine, less than the 95 %"),
        (plan("nnnc", [1, 1, 1, 97]), 0.75, "3 % of the cost on Neural Engine, less than the 75 %"),
        (plan("nccc", [97, 1, 1, 1]), 0.75, "25 % of the operators on Neural Engine"),
        (plan("n" * 2000 + "c"), 1.0, "99.9 % of the operators on Neural Engine, less than the 100 %"),
        (plan("cccc", asked="cpu"), 0.0, "not known: no accelerator was asked for (cpu)"),
        (
            ComputePlan("all", why_not="MLComputePlan needs iOS 17.4"),
            0.0,
            "not known: MLComputePlan needs iOS 17.4",
        ),
        (plan_of(BASE), 0.0, "of version 1"),
        (plan_of(BASE | {"schema_version": 2}), 0.0, "does not say where operators ran"),
        (plan_of(with_plan(BASE, "xnnpack", why_not="no profiler here")), 0.0, "no profiler here"),
    ],
)
def test_the_gate(found: ComputePlan, minimum: float, words: str | None) -> None:
    why = found.short_of(minimum)
    assert why is None if words is None else words in (why or "")


def test_random_plans_are_cut_where_the_device_changes() -> None:
    """By a count that a person can follow; the boundaries cover all that is not on the accelerator, once."""
    draw = random.Random(3)
    for _ in range(200):
        devices = "".join(draw.choice("nnncg?") for _ in range(draw.randint(1, 40)))
        found = plan(devices)
        changes = sum(one != other for one, other in itertools.pairwise(devices))
        assert len(found.stretches) == 1 + changes
        assert sum(item.count for item in found.stretches) == len(devices)
        away = boundaries(found, lambda _: None)
        assert len(away) == len([part for part in devices.split("n") if part])
        assert sum(item.operators for item in away) == len(devices) - devices.count("n")
        for item, edge in zip(away, found.excursions, strict=True):
            assert item.left.name == f"v{edge.first}"
            assert item.back is None if edge.end == len(devices) else item.back is not None
            assert set(item.devices) == {
                found.operators[place].device for place in range(edge.first, edge.end)
            }


def test_a_boundary_has_the_lines_of_both_sides() -> None:
    """What a runtime inserted has no line: the next operator's is told, and none of another stretch."""
    origins = {
        "v3": Origin("add", "blocks.0", "net:Block:7"),
        "v5": Origin("conv", "blocks.1", "net:Block:9"),
    }
    (first, last) = boundaries(plan("nnccnnc"), origins.get)
    assert (first.left.name, first.left_origin) == ("v2", origins["v3"])
    assert first.back is not None
    assert (first.back.name, first.back_origin) == ("v4", origins["v5"])
    assert (last.left.name, last.left_origin, last.back, last.back_origin) == ("v6", None, None, None)
    document = plan_json(plan("nnccnnc"), origins.get)
    assert document["partitions"] == 4
    assert document["boundaries"][0]["left"] == {  # type: ignore[index]
        "operator": "v2", "kind": "conv", "module": "blocks.0", "location": "net:Block:7",
    }  # fmt: skip


def test_of_many_boundaries_those_that_cost_most_are_told() -> None:
    found = plan("cn" * 20, [float(place) for place in range(40)])
    said = list(plan_lines(found, boundaries(found, lambda _: None)))
    told = [line for line in said if line.strip().startswith("v") and " on CPU" in line]
    assert [line.split()[0] for line in told] == [f"v{place}" for place in range(40 - 2 * MOST, 40, 2)]
    assert any(f"off Neural Engine 20 times, the {MOST} that cost most" in line for line in said)


@pytest.mark.parametrize(
    ("share", "words"), [(1, "100 %"), (0.99999, "99.9 %"), (0.95, "95 %"), (0.0004, "0 %"), (0.29, "29 %")]
)
def test_a_share_is_never_rounded_up(share: float, words: str) -> None:
    assert percent(share) == words
