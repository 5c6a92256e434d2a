"""The Xcode project, its settings and its property lists hang together, and the package names what is there."""

from __future__ import annotations

import plistlib
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from swift_source import IOS
from xcode_project import Project, parse, xcconfig

from cloformer.export.bundle.systems import SYSTEMS

ROW = SYSTEMS["ios"]
WRITTEN_BY_BUNDLE = {ROW.payload, ROW.conformance}
CONFIGURATIONS = ("Debug", "Release")


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(IOS / "CloFormer.xcodeproj" / "project.pbxproj")


@pytest.mark.parametrize(
    "text",
    ["{a = b}", "{a = (b c);}", "{a = b-c;}", "{a = b; a = c;}", "{a = b;} c", '{a = "b;}', "{a b;}"],
)
def test_the_reader_is_strict(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse(text)


def test_the_reader_reads() -> None:
    assert parse('{ /* c */ a = "b \\"c\\""; d = (e, "f g", ); h = {}; } // end') == {
        "a": 'b "c"', "d": ["e", "f g"], "h": {},
    }  # fmt: skip


def test_every_identifier_is_there_and_used(project: Project) -> None:
    named = {name for _, name in project.references()}
    assert named == set(project.objects)


# What each kind of object must say.
REQUIRED = {
    "PBXBuildFile": set(),
    "PBXContainerItemProxy": {"containerPortal", "proxyType", "remoteGlobalIDString", "remoteInfo"},
    "PBXFileReference": {"path", "sourceTree"},
    "PBXFileSystemSynchronizedRootGroup": {"path", "sourceTree"},
    "PBXFrameworksBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "PBXGroup": {"children", "sourceTree"},
    "PBXNativeTarget": {
        "buildConfigurationList", "buildPhases", "buildRules", "dependencies", "fileSystemSynchronizedGroups", "name",
        "packageProductDependencies", "productName", "productReference", "productType",
    },
    "PBXProject": {
        "attributes", "buildConfigurationList", "mainGroup", "packageReferences", "productRefGroup", "targets",
    },
    "PBXResourcesBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "PBXSourcesBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "PBXTargetDependency": {"target", "targetProxy"},
    "XCBuildConfiguration": {"buildSettings", "name"},
    "XCConfigurationList": {"buildConfigurations", "defaultConfigurationName"},
    "XCLocalSwiftPackageReference": {"relativePath"},
    "XCSwiftPackageProductDependency": {"package", "productName"},
}  # fmt: skip


def test_every_object_says_what_its_kind_must(project: Project) -> None:
    assert {value["isa"] for value in project.objects.values()} == set(REQUIRED)
    for name, value in project.objects.items():
        assert set(value) >= REQUIRED[value["isa"]], name
    for value in project.of("PBXBuildFile").values():
        assert ("fileRef" in value) != ("productRef" in value)


def test_folders_that_xcode_follows_need_its_version(project: Project) -> None:
    assert project.document["objectVersion"] == "77"  # Xcode 16


def test_every_path_is_there(project: Project) -> None:
    paths = set(project.paths().values())
    assert paths >= WRITTEN_BY_BUNDLE | {ROW.settings_file}
    for path in paths - WRITTEN_BY_BUNDLE:
        assert (IOS / path).exists(), path
    for path in WRITTEN_BY_BUNDLE:
        assert not (IOS / path).exists(), f"{path} is the bundle command's"
    for package in project.of("XCLocalSwiftPackageReference").values():
        assert (IOS / package["relativePath"] / "Package.swift").is_file()


def resources(project: Project, target: str) -> set[str]:
    paths, phases = project.paths(), project.target(target)["buildPhases"]
    phase = next(
        value for name in phases if (value := project.objects[name])["isa"] == "PBXResourcesBuildPhase"
    )
    return {paths[project.objects[name]["fileRef"]] for name in phase["files"]}


def test_the_model_is_copied_as_it_is(project: Project) -> None:
    """A folder reference: in a group, Xcode would compile the package and leave its name and hashes behind."""
    assert resources(project, "App") == {ROW.payload}
    assert resources(project, "Tests") == {ROW.conformance}
    followed = [value["path"] for value in project.of("PBXFileSystemSynchronizedRootGroup").values()]
    for name, path in project.paths().items():
        if path in WRITTEN_BY_BUNDLE:
            assert project.objects[name]["lastKnownFileType"] == "folder"
            assert not any(path.startswith(f"{group}/") or path == group for group in followed)


def test_targets(project: Project) -> None:
    app, tests = project.target("App"), project.target("Tests")
    assert [project.objects[name]["name"] for name in project.root["targets"]] == ["App", "Tests"]
    assert app["productType"] == "com.apple.product-type.application"
    assert tests["productType"] == "com.apple.product-type.bundle.unit-test"
    dependency = project.objects[tests["dependencies"][0]]
    assert project.objects[dependency["target"]] is app
    proxy = project.objects[dependency["targetProxy"]]
    assert project.objects[proxy["remoteGlobalIDString"]] is app
    assert project.objects[proxy["containerPortal"]] is project.root
    attributes = project.root["attributes"]["TargetAttributes"]
    assert any(entry.get("TestTargetID") == dependency["target"] for entry in attributes.values())
    for target in (app, tests):
        names = [project.objects[name]["productName"] for name in target["packageProductDependencies"]]
        assert names == ["CloFormerCoreML"]
        linked = [
            project.objects[name]["productRef"]
            for phase in target["buildPhases"]
            if project.objects[phase]["isa"] == "PBXFrameworksBuildPhase"
            for name in project.objects[phase]["files"]
        ]
        assert linked == target["packageProductDependencies"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_settings(project: Project, configuration: str) -> None:
    whole = project.settings(project.root, configuration)
    app = project.settings(project.target("App"), configuration)
    tests = project.settings(project.target("Tests"), configuration)
    needed = "SDKROOT SWIFT_VERSION TARGETED_DEVICE_FAMILY MARKETING_VERSION CURRENT_PROJECT_VERSION"
    assert set(needed.split()) <= set(whole)
    assert whole["GENERATE_INFOPLIST_FILE"] == "YES"
    assert whole["COMPRESS_PNG_FILES"] == "NO"  # the kit's images must stay what they are
    assert app["INFOPLIST_KEY_NSCameraUsageDescription"]
    assert app["PRODUCT_NAME"] == "CloFormer"
    assert app["PRODUCT_MODULE_NAME"] not in ("App", "CloFormer")  # SwiftUI has an App
    assert tests["TEST_HOST"] == "$(BUILT_PRODUCTS_DIR)/CloFormer.app/CloFormer"
    assert tests["BUNDLE_LOADER"] == "$(TEST_HOST)"
    assert tests["PRODUCT_BUNDLE_IDENTIFIER"] == "$(inherited).tests"
    # Debug and Release must not drift apart but in these.
    assert ("DEBUG" in whole.get("SWIFT_ACTIVE_COMPILATION_CONDITIONS", "")) == (configuration == "Debug")


def test_what_the_bundle_writes_decides(project: Project) -> None:
    """The template's settings file is the one that the bundle command writes for its defaults, every configuration
    is based on it, and nothing in the project overrides it."""
    template = (IOS / ROW.settings_file).read_text("utf-8")
    assert template == ROW.settings(ROW.default, {})
    names = set(xcconfig(template))
    assert {"PRODUCT_BUNDLE_IDENTIFIER", "IPHONEOS_DEPLOYMENT_TARGET"} < names
    paths = project.paths()
    for configuration in project.objects[project.root["buildConfigurationList"]]["buildConfigurations"]:
        assert paths[project.objects[configuration]["baseConfigurationReference"]] == ROW.settings_file
    for value in project.of("XCBuildConfiguration").values():
        overridden = names & set(value["buildSettings"])
        assert all("$(inherited)" in value["buildSettings"][name] for name in overridden)


def test_the_scheme_names_the_targets(project: Project) -> None:
    path = IOS / "CloFormer.xcodeproj" / "xcshareddata" / "xcschemes" / "App.xcscheme"
    scheme = ET.parse(path).getroot()  # noqa: S314 - our own file
    for reference in scheme.iter("BuildableReference"):
        target = project.objects[reference.attrib["BlueprintIdentifier"]]
        assert target["name"] == reference.attrib["BlueprintName"]
        assert project.objects[target["productReference"]]["path"] == reference.attrib["BuildableName"]
        assert reference.attrib["ReferencedContainer"] == "container:CloFormer.xcodeproj"
    tested = scheme.find("TestAction")
    assert tested is not None and tested.attrib["buildConfiguration"] == "Release"  # what people get
    assert [item.attrib["BlueprintName"] for item in tested.iter("BuildableReference")] == ["Tests"]


def test_privacy() -> None:
    path = next(IOS.rglob("PrivacyInfo.xcprivacy"))
    found: dict[str, Any] = plistlib.loads(path.read_bytes())
    assert path.parent == IOS / "App" / "Sources"  # a folder that Xcode follows: so it is in the app
    assert found["NSPrivacyTracking"] is False
    assert found["NSPrivacyTrackingDomains"] == found["NSPrivacyCollectedDataTypes"] == []
    (clock,) = found["NSPrivacyAccessedAPITypes"]
    assert clock["NSPrivacyAccessedAPIType"] == "NSPrivacyAccessedAPICategorySystemBootTime"
    assert clock["NSPrivacyAccessedAPITypeReasons"] == ["35F9.1"]


def test_the_package_names_what_is_there() -> None:
    text = (IOS / "Package.swift").read_text("utf-8")
    targets = set(re.findall(r"\.(?:testTarget|target)\(\s*name: \"(\w+)\"", text))
    assert targets == {"CloFormerCore", "CloFormerCoreML", "CoreTests"}
    paths = re.findall(r"path: \"([\w/]+)\"", text)
    assert len(paths) == len(targets)
    for path in paths:
        assert list((IOS / path).glob("*.swift")), path
    for names in re.findall(r"(?:dependencies|targets): \[([\w\", ]*)\]", text):
        assert set(re.findall(r"\w+", names)) <= targets
    for resource in re.findall(r"\.copy\(\"(\w+)\"\)", text):
        assert (IOS / "CoreTests" / resource).is_dir()
    assert ".iOS(.v16)" in text and ".macOS(.v13)" in text


def test_no_path_of_the_template_is_one_of_the_bundles() -> None:
    names = {path.relative_to(IOS).as_posix() for path in IOS.rglob("*") if path.is_file()}
    assert {"README.md", "THIRD_PARTY_NOTICES.txt", ROW.settings_file, "Package.swift"} <= names
    assert not [name for name in names if name.startswith(tuple(WRITTEN_BY_BUNDLE))]
