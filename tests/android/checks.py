"""What is checked, in the order in which it is built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app_names import NAMES
from checklist import CheckError, run

from cloformer.export.formats.onnx.partition_estimate import estimate_partitions
from cloformer.export.formats.probe import MODES

from . import apk, gradle, levels, names, shrinking
from .compiled import APP, CLASSIFIER, CORE, HERE, ORT, SIGNED, Compiled, compile_modules, declarations
from .dense import NETWORKS, DenseBundle
from .images import write_images
from .native import make_loadable
from .parts import PARTS, TEMPLATE, aar, settings, versions
from .probes import CHECK, write_case
from .providers import disagreements, write_operators
from .tools import JSON, JUNIT, aapt2, java, junit, kotlin, kotlin_library, sources

CLOFORMER = (sys.executable, "-m", "cloformer")


@dataclass
class Project:
    """What the checks make for one another, below ``work``."""

    work: Path
    artifact: Path | None

    @cached_property
    def exported(self) -> Path:
        """The artifact that the app carries."""
        if self.artifact is not None:
            return self.artifact
        labels = self.work / "labels.txt"
        labels.write_text("".join(f"class {number}\n" for number in range(1000)), "utf-8")
        run(*CLOFORMER, "export", "--format", "onnx", "--labels", labels, "--output", self.work / "export")
        (folder,) = (path.parent for path in (self.work / "export").glob("*/manifest.json"))
        return folder

    @cached_property
    def bundle(self) -> Path:
        """The project as a user has it."""
        run(*CLOFORMER, "bundle", "android", self.exported, "--output", self.work / "bundle", "--probe")
        return self.work / "bundle"

    @property
    def payload(self) -> Path:
        return self.bundle / "app/src/main/assets/cloformer"

    @property
    def conformance(self) -> Path:
        return self.bundle / "app/src/androidTest/assets/conformance"

    @cached_property
    def dense(self) -> dict[str, DenseBundle]:
        """Networks that give boxes, maps and points, with cases of each."""
        found = {name: DenseBundle(name, self.work / "dense" / name) for name in NETWORKS}
        for name, bundle in found.items():
            bundle.write_cases(self.work / "dense" / name / "cases")
        return found

    @cached_property
    def compiled(self) -> Compiled:
        return compile_modules(self.work)

    @cached_property
    def tests(self) -> Path:
        """The tests that run on this machine, compiled."""
        target = self.work / "checks"
        kotlin(sources(HERE / "kotlin"), [*self.modules, JSON, *JUNIT], target, "checks")
        return target

    @property
    def modules(self) -> list[Path]:
        """What the tests on this machine are about, and what it stands on."""
        made = self.compiled
        ours = [made.core, made.classifier, made.ort, made.litert, made.executorch]
        return [*ours, made.stand_ins, made.stubs, aar() / "classes.jar"]

    @cached_property
    def libraries(self) -> Path:
        make_loadable(self.work / "native")
        return self.work / "native"

    def run_tests(self, *names: str) -> list[str]:
        """Tests by the names of their classes; what they print."""
        classes = [self.tests, *self.modules]
        given = {
            "payload": self.payload,
            "conformance": self.conformance,
            "images": self.work / "images",
            "dense": self.work / "dense",
            "probes": self.work / "probes",
            "fixtures": TEMPLATE.parent / "ios/CoreTests/Fixtures/shared.json",
            "report": self.work / "device-report.json",
            "operators": self.work / "operators",
            "onnxruntime.native.path": self.libraries,
            "onnxruntime": versions()["onnxruntime"],
        }
        output = junit(
            classes, [f"io.github.cloformer.checks.{name}" for name in names], given, self.libraries
        )
        return [
            line.lstrip(".")
            for line in output.splitlines()
            if line.strip(". ") and not line.startswith(("JUnit", "Time"))
        ]


def compiles(project: Project) -> list[str]:
    """All modules compile, without a warning, against ONNX Runtime's AAR and the signatures of Android and other runtimes."""
    found = project.compiled
    counts = {
        name: len(sources(folder, suffix=".class"))
        for name, folder in vars(found).items()
        if isinstance(folder, Path) and folder.is_dir()
    }
    interfaces = {name: _interface(getattr(found, name)) for name in ("ort", *SIGNED)}
    assert len(set(interfaces.values())) == 1, f"the app can tell runtimes apart: {interfaces}"
    return [", ".join(f"{name}: {count} classes" for name, count in counts.items())]


def _interface(module: Path) -> str:
    """What an app sees of a runtime's module."""
    return run(java("javap"), "-public", module / "io/github/cloformer/runtime/BundledRuntime.class")


def bundles(project: Project) -> list[str]:
    """`cloformer export` and `cloformer bundle android` write the project."""
    files = {path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file()}
    others = {path for path in files if path.parts[0] in SIGNED}
    missing = [path for path in files - others if not (project.bundle / path).is_file()]
    assert not missing, f"the bundle lacks {missing}"
    foreign = [path for path in others if (project.bundle / path).exists()]
    assert not foreign, f"the bundle has another runtime's {foreign}"
    return [f"{sum(path.is_file() for path in project.bundle.rglob('*'))} files"]


def preprocesses(project: Project) -> list[str]:
    """Kotlin's preprocessing is Python's to the last bit, after the crop and after the normalization."""
    columns_first = write_images(project.work / "images")
    note = f"{columns_first} of them are so high that this Pillow, by itself, would resize columns first"
    return [*project.run_tests("PreprocessingCheck"), *([note] if columns_first else [])]


def conforms(project: Project) -> list[str]:
    """In ONNX Runtime's Android library every vector holds, and each planted mistake fails the one that aims at it."""
    return project.run_tests("ConformanceCheck")


def sees(project: Project) -> list[str]:
    """Boxes, maps and points of six networks are Python's to the bit in images of odd sizes; their vectors hold, mistakes do not."""
    assert project.dense
    return project.run_tests("DenseCheck")


def refuses(project: Project) -> list[str]:
    """Damaged, foreign and newer models are refused; softmax, latency, report and camera frames are right."""
    return project.run_tests("ManifestCheck", "CoreCheck")


def stands_in(project: Project) -> list[str]:
    """LiteRT's and ExecuTorch's modules ask for layout, names, threads and files as they must, of what stands in for these two."""
    return project.run_tests("RuntimesCheck")


def reports(project: Project) -> list[str]:
    """`cloformer import-device-report` takes the report that the app's code writes, and fails one without a vector."""
    path = project.work / "device-report.json"
    run(*CLOFORMER, "import-device-report", path, "--artifact", project.exported)
    report = json.loads(path.read_text("utf-8"))
    del report["vectors"][0]
    short = project.work / "short-report.json"
    short.write_text(json.dumps(report), "utf-8")
    done = subprocess.run(
        [*CLOFORMER, "import-device-report", short, "--artifact", project.exported], capture_output=True
    )
    assert done.returncode == 1, f"a report that lacks a vector ends with {done.returncode}"
    return []


def places(project: Project) -> list[str]:
    """ONNX Runtime's profile says where each operator ran; `import-device-report` holds its share to a limit."""
    said = project.run_tests("ComputePlanCheck")
    path = project.work / "xnnpack-report.json"
    importing = (*CLOFORMER, "import-device-report", path, "--artifact", project.exported, "--json")
    found = json.loads(run(*importing, "--min-on-accelerator", "10%"))["placement"]
    done = subprocess.run([*importing, "--min-on-accelerator", "95%"], capture_output=True, text=True)
    assert done.returncode == 1, f"{found['share_of_operators']:.0%} on XNNPACK is enough for 95 %"
    located = [
        side
        for item in found["boundaries"]
        for side in (item["left"], item["back"])
        if side and side["location"]
    ]
    assert len(located) > len(found["boundaries"]), "most sides of a boundary have no line"
    estimate = estimate_partitions(project.exported / "model.onnx", "xnnpack")
    off = estimate.partitions / found["partitions"] - 1
    assert abs(off) < 0.1, (
        f"{estimate.partitions} partitions were estimated, and it made {found['partitions']}"
    )
    return [
        *said,
        f"estimated: {estimate.taken} operators of the file, in {estimate.partitions} partitions ({off:+.1%})",
    ]


def estimates(project: Project) -> list[str]:
    """XNNPACK takes the operators that the table of the estimate says, each in a small model of its own, and no others."""
    count = write_operators(project.work / "operators")
    project.run_tests("ProviderOperatorsCheck")
    found = project.work / "ran-on-xnnpack.json"
    wrong = disagreements(project.work / "operators", found)
    assert not wrong, "\n".join(wrong)
    kept = HERE / "ran-on-xnnpack.json"  # for tests without the library
    assert json.loads(found.read_text("utf-8")) == json.loads(kept.read_text("utf-8")), (
        f"{kept.name} is of other models or of another library: put {found} there"
    )
    return [f"{count} models"]


def gives_values(project: Project) -> list[str]:
    """Probes of two precisions, of every operator and at module borders, run in ONNX Runtime's Android library; parity reads what the
    app's code writes, and accuses nothing."""
    found = {}
    for precision in ("fp32", "fp16"):
        place = project.work / f"probed-{precision}"
        run(*CLOFORMER, "export", "--weights", "fashion-mnist", "--precision", precision, "--output", place)
        (found[precision],) = (path.parent for path in place.glob("*/manifest.json"))
    cases = {
        (precision, mode): write_case(artifact, mode, project.work / "probes" / f"{precision}-{mode}")
        for precision, artifact in found.items()
        for mode in MODES
    }
    said = project.run_tests(CHECK)
    for (precision, mode), folder in cases.items():
        files = sorted(folder.glob("device-values-*.safetensors"))
        assert len(files) == 2, f"{folder.name} has {len(files)} files of values"
        given = [word for path in files for word in ("--device-values", path)]
        told = run(*CLOFORMER, "parity", found[precision], "--weights", "fashion-mnist", "--json", *given)
        reports = json.loads(told)["reports"]
        counts = " and ".join(str(len(report["operators"])) for report in reports)
        said.append(f"{precision}, {mode}: {counts} values compared, none wrong")
    return said


def shrinks(project: Project) -> list[str]:
    """Shrunk by R8 with the library's rules, the model still classifies; without them it does not."""
    compiled = project.compiled
    folders = [compiled.core, compiled.classifier, compiled.ort, project.tests]
    places = project.payload, project.conformance, project.libraries
    shrunk = shrinking.shrink_program(project.work, folders, compiled.stubs, is_with_rules=True)
    said = shrinking.run_program(shrunk, *places)
    assert "classified as" in said, f"the shrunk program does not classify: {said}"
    assert "refused: model.onnx cannot be loaded" in said, f"its errors are not ONNX Runtime's: {said}"
    bare = shrinking.shrink_program(project.work, folders, compiled.stubs, is_with_rules=False)
    try:
        shrinking.run_program(bare, *places)
    except CheckError as error:
        reasons = [
            line.strip(" #") for line in str(error).splitlines() if re.search("Error|Exception|SIG", line)
        ]
        reason = reasons[0].partition(" at pc=")[0] if reasons else "it fails for no reason that it gives"
    else:
        raise CheckError("it classifies without the rules too: are they needed?")
    jars = (project.work / "shrunk-program.jar", aar() / "classes.jar", kotlin_library())
    whole = sum(path.stat().st_size for path in jars)
    return [
        f"{whole:,} bytes of class files, {shrinking.size(shrunk):,} shrunk",
        f"without the rules: {reason}",
    ]


def packs(project: Project) -> list[str]:
    """Apps of a classifier and of a detector are packed, aligned and signed, hold the model as it was exported, and come out the same
    again."""
    compiled, work = project.compiled, project.work
    folders = [compiled.core, compiled.classifier, compiled.ort, compiled.app, compiled.r_class]
    rules = [work / "resources.pro"]
    dex = shrinking.dex(work, folders, compiled.stubs, rules, int(settings()["minSdk"]))
    code = b"".join(path.read_bytes() for path in dex.glob("*.dex"))
    for name in ("app/MainActivity", "app/BenchmarkActivity"):  # which the manifest names
        assert f"Lio/github/cloformer/{name};".encode() in code, f"{name} was shrunk away"
    key = apk.make_key(work)
    payloads = {"classifier": project.payload, "detector": project.dense["detector"].payload}
    said = [_packed(project, name, payload, dex, key) for name, payload in payloads.items()]
    unaligned = {name: size for name, size in apk.page_alignments().items() if size < apk.PAGE}
    assert not unaligned, f"libraries that phones with large pages cannot load: {unaligned}"
    return [*said, f"of both {shrinking.size(dex):,} bytes are dex"]


def _packed(project: Project, kind: str, payload: Path, dex: Path, key: Path) -> str:
    made = []
    for name in ("one", "two"):
        plain = apk.write_apk(
            project.work / f"{kind}-{name}-unsigned.apk", project.compiled.resources, dex, payload
        )
        made.append(apk.sign(plain, key, project.work / f"{kind}-{name}.apk"))
    assert made[0].read_bytes() == made[1].read_bytes(), "a second build gives another file"
    schemes = apk.verify(made[0])
    assert {"v2", "v3"} <= set(schemes), f"signed with {schemes} alone"
    asked = re.findall(r"uses-permission: name='([^']+)'", aapt2("dump", "permissions", made[0]))
    assert asked == ["android.permission.CAMERA"], f"the app asks for {asked}"
    with zipfile.ZipFile(made[0]) as file:
        names = file.namelist()
        for path in payload.rglob("*"):
            name = f"assets/cloformer/{path.relative_to(payload).as_posix()}"
            assert not path.is_file() or file.read(name) == path.read_bytes(), f"{name} is not the payload's"
    assert not [name for name in names if "conformance" in name], "the app carries the conformance kit"
    return (
        f"{kind}: {made[0].stat().st_size:,} bytes for one kind of processor, {shrinking.size(payload):,} of the model's folder; "
        f"signed with {', '.join(schemes)}"
    )


def configures(project: Project) -> list[str]:
    """Gradle's files: one place for versions, one permission, no telemetry, nothing that a screen reader cannot say."""
    problems = [
        *gradle.problems_of_versions(),
        *gradle.problems_of_build(),
        *gradle.syntax_errors(project.work),
    ]
    assert not problems, "\n".join(problems)
    assert PARTS["kotlin-compiler"].version == versions()["kotlin"], (
        "compiled with another Kotlin than Gradle would"
    )
    assert gradle.permissions() == {"android.permission.CAMERA"}, f"asks for {gradle.permissions()}"
    unwanted = {"ai.onnxruntime.TelemetryInitializer", "android.permission.INTERNET"}
    unwanted |= {f"android.permission.FOREGROUND_SERVICE{kind}" for kind in ("", "_DATA_SYNC")}  # LiteRT's
    assert unwanted <= gradle.removed(), f"a runtime's library may add {unwanted - gradle.removed()}"
    assert not gradle.images_without_description(), f"no description: {gradle.images_without_description()}"
    assert not gradle.texts_outside_of_strings(), (
        f"not among the strings: {gradle.texts_outside_of_strings()}"
    )
    return [f"{len(versions())} versions in one file"]


def names_itself(project: Project) -> list[str]:
    """Whatever an app is called, Gradle's reader and Android's packer make the same name of it."""
    found = dict(zip(NAMES, names.shown(project.work / "names", NAMES), strict=True))
    wrong = [f"{given!r} has become {label!r}" for given, label in found.items() if given != label]
    assert not wrong, "\n".join(wrong)
    return [f"{len(NAMES)} names"]


def supports_old_android(project: Project) -> list[str]:
    """Every symbol is there on the oldest Android that is supported, or is asked for behind a check of the level."""
    minimum = int(settings()["minSdk"])
    compiled = project.compiled
    modules = [compiled.core, compiled.classifier, compiled.ort, compiled.litert, compiled.executorch]
    found = list(levels.uses([*modules, compiled.app], declarations()))
    assert len({use.symbol for use in found}) > 100, "the uses cannot be read"
    newer = sorted({use for use in found if use.level and use.level > minimum}, key=lambda use: use.symbol)
    text = {
        path.name: path.read_text("utf-8") for path in sources(CORE, CLASSIFIER, ORT, *SIGNED.values(), APP)
    }
    unguarded = [use for use in newer if f"SDK_INT >= {use.level}" not in text[use.file]]
    assert not unguarded, "\n".join(
        f"{use.file} uses {use.symbol}, of level {use.level}" for use in unguarded
    )
    return [
        f"{len({use.symbol for use in found})} symbols, {len({use.symbol for use in newer})} of them guarded"
    ]


CHECKS = [
    compiles, bundles, preprocesses, conforms, sees, refuses, stands_in, reports, places, estimates, gives_values, shrinks, packs, configures, names_itself,
    supports_old_android,
]  # fmt: skip
NEEDED = [compiles, bundles]  # without which there is nothing to check
