"""`make ios-checks`: is every symbol of Apple's that the app uses in the oldest iOS that it runs on, or asked for by
`available(iOS ...)` before it is used, in the same function?

Swift spells Objective-C's names in its own way, so the names that the parse trees have are looked up in the tables
below, which a person wrote, and then in published type data. A name that is in no table fails the check, and so does
a row that is not used. It does not know types: `width` is looked up as an image's width whatever it is asked of, and
a name that the app's own code has too may stand for that. Levels of single enumeration cases are not in the data.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from swift_source import IOS, tree, walk
from tree_sitter import Node
from type_data import PACKAGE, Declarations, fetch
from xcode_project import xcconfig

APPLE = re.compile(r"(?:k?(?:ML|VN|CV|CG|CF)|UI)[A-Z]\w+")
CHECKED = "Sources/CloFormerCoreML"  # here members too; elsewhere the names that begin like Apple's

# Types and functions that the data has under another name.
RENAMED = {
    "CFData": "CFDataGetLength",  # references to Core Foundation's types are `any` there: what is done with them counts
    "CFDictionary": "CVPixelBufferCreate",
    "CFString": "kCGImagePropertyOrientation",
    "CGColorSpace": "CGColorSpaceCreateDeviceRGB",
    "CGContext": "CGBitmapContextCreate",
    "CGDataProvider": "CGDataProviderCreateWithCFData",
    "CGImage": "CGImageCreate",
    "CVPixelBuffer": "CVPixelBufferCreate",
    "MLComputeDevice": "MLComputeDeviceProtocol",  # of which Swift makes an enumeration
}

# Swift's member, by the type that has it, and what it is in the data.
MEMBERS = {
    "CGBitmapInfo.alphaInfoMask": "CGBitmapInfo.kCGBitmapAlphaInfoMask",
    "CGBlendMode.copy": "CGBlendMode.kCGBlendModeCopy",
    "CGColorRenderingIntent.defaultIntent": "CGColorRenderingIntent.kCGRenderingIntentDefault",
    "CGColorSpace.model": "CGColorSpaceGetModel",
    "CGColorSpace.numberOfComponents": "CGColorSpaceGetNumberOfComponents",
    "CGColorSpaceModel.monochrome": "CGColorSpaceModel.kCGColorSpaceModelMonochrome",
    "CGContext.bytesPerRow": "CGBitmapContextGetBytesPerRow",
    "CGContext.data": "CGBitmapContextGetData",
    "CGContext.draw": "CGContextDrawImage",
    "CGContext.interpolationQuality": "CGContextSetInterpolationQuality",
    "CGContext.setBlendMode": "CGContextSetBlendMode",
    "CGDataProvider.data": "CGDataProviderCopyData",
    "CGImage.alphaInfo": "CGImageGetAlphaInfo",
    "CGImage.bitmapInfo": "CGImageGetBitmapInfo",
    "CGImage.bitsPerComponent": "CGImageGetBitsPerComponent",
    "CGImage.bitsPerPixel": "CGImageGetBitsPerPixel",
    "CGImage.bytesPerRow": "CGImageGetBytesPerRow",
    "CGImage.colorSpace": "CGImageGetColorSpace",
    "CGImage.dataProvider": "CGImageGetDataProvider",
    "CGImage.height": "CGImageGetHeight",
    "CGImage.width": "CGImageGetWidth",
    "CGImageAlphaInfo.first": "CGImageAlphaInfo.kCGImageAlphaFirst",
    "CGImageAlphaInfo.last": "CGImageAlphaInfo.kCGImageAlphaLast",
    "CGImageAlphaInfo.none": "CGImageAlphaInfo.kCGImageAlphaNone",
    "CGImageAlphaInfo.noneSkipFirst": "CGImageAlphaInfo.kCGImageAlphaNoneSkipFirst",
    "CGImageAlphaInfo.noneSkipLast": "CGImageAlphaInfo.kCGImageAlphaNoneSkipLast",
    "CGImageAlphaInfo.premultipliedFirst": "CGImageAlphaInfo.kCGImageAlphaPremultipliedFirst",
    "CGImageAlphaInfo.premultipliedLast": "CGImageAlphaInfo.kCGImageAlphaPremultipliedLast",
    "CGImagePropertyOrientation.up": "CGImagePropertyOrientation.kCGImagePropertyOrientationUp",
    "CGInterpolationQuality.none": "CGInterpolationQuality.kCGInterpolationNone",
    "MLComputeDevice.cpu": "MLCPUComputeDevice",
    "MLComputeDevice.gpu": "MLGPUComputeDevice",
    "MLComputeDevice.neuralEngine": "MLNeuralEngineComputeDevice",
    "MLComputePlan.deviceUsage": "MLComputePlan.computeDeviceUsageForMLProgramOperation",
    "MLComputePlan.estimatedCost": "MLComputePlan.estimatedCostOfMLProgramOperation",
    "MLComputePlan.load": "MLComputePlan.loadContentsOfURLConfigurationCompletionHandler",
    "MLComputePlan.modelStructure": "MLComputePlan.modelStructure",
    "MLComputePlanCost.weight": "MLComputePlanCost.weight",
    "MLComputePlanDeviceUsage.preferred": "MLComputePlanDeviceUsage.preferredComputeDevice",
    "MLComputePlanDeviceUsage.supported": "MLComputePlanDeviceUsage.supportedComputeDevices",
    "MLComputeUnits.all": "MLComputeUnits.All",
    "MLComputeUnits.cpuAndGPU": "MLComputeUnits.CPUAndGPU",
    "MLComputeUnits.cpuAndNeuralEngine": "MLComputeUnits.CPUAndNeuralEngine",
    "MLComputeUnits.cpuOnly": "MLComputeUnits.CPUOnly",
    "MLFeatureDescription.imageConstraint": "MLFeatureDescription.imageConstraint",
    "MLFeatureProvider.featureValue": "MLFeatureProvider.featureValueForName",
    "MLFeatureType.dictionary": "MLFeatureType.Dictionary",
    "MLFeatureValue.dictionaryValue": "MLFeatureValue.dictionaryValue",
    "MLFeatureValue.multiArrayValue": "MLFeatureValue.multiArrayValue",
    "MLFeatureValue.type": "MLFeatureValue.type",
    "MLImageConstraint.pixelsHigh": "MLImageConstraint.pixelsHigh",
    "MLImageConstraint.pixelsWide": "MLImageConstraint.pixelsWide",
    "MLModel.compileModel": "MLModel.compileModelAtURLCompletionHandler",
    "MLModel.modelDescription": "MLModel.modelDescription",
    "MLModel.prediction": "MLModel.predictionFromFeaturesError",
    "MLModelConfiguration.computeUnits": "MLModelConfiguration.computeUnits",
    "MLModelDescription.inputDescriptionsByName": "MLModelDescription.inputDescriptionsByName",
    "MLModelDescription.outputDescriptionsByName": "MLModelDescription.outputDescriptionsByName",
    "MLModelStructure.program": "MLModelStructure.program",
    "MLModelStructureProgram.functions": "MLModelStructureProgram.functions",
    "MLModelStructureProgramBlock.operations": "MLModelStructureProgramBlock.operations",
    "MLModelStructureProgramFunction.block": "MLModelStructureProgramFunction.block",
    "MLModelStructureProgramOperation.blocks": "MLModelStructureProgramOperation.blocks",
    "MLModelStructureProgramOperation.operatorName": "MLModelStructureProgramOperation.operatorName",
    "MLModelStructureProgramOperation.outputs": "MLModelStructureProgramOperation.outputs",
    "MLMultiArray.count": "MLMultiArray.count",
    "MLMultiArray.dataType": "MLMultiArray.dataType",
    "MLMultiArray.strides": "MLMultiArray.strides",
    "MLMultiArray.withUnsafeBytes": "MLMultiArray.getBytesWithHandler",
    "MLMultiArrayDataType.double": "MLMultiArrayDataType.Double",
    "MLMultiArrayDataType.float16": "MLMultiArrayDataType.Float16",
    "MLMultiArrayDataType.float32": "MLMultiArrayDataType.Float32",
    "MLMultiArrayDataType.int32": "MLMultiArrayDataType.Int32",
    "VNClassificationObservation.confidence": "VNClassificationObservation.confidence",
    "VNClassificationObservation.identifier": "VNClassificationObservation.identifier",
    "VNCoreMLFeatureValueObservation.featureName": "VNCoreMLFeatureValueObservation.featureName",
    "VNCoreMLFeatureValueObservation.featureValue": "VNCoreMLFeatureValueObservation.featureValue",
    "VNCoreMLRequest.imageCropAndScaleOption": "VNCoreMLRequest.imageCropAndScaleOption",
    "VNCoreMLRequest.regionOfInterest": "VNCoreMLRequest.regionOfInterest",
    "VNCoreMLRequest.results": "VNCoreMLRequest.results",
    "VNImageCropAndScaleOption.scaleFill": "VNImageCropAndScaleOption.ScaleFill",
    "VNImageRequestHandler.perform": "VNImageRequestHandler.performRequestsError",
}

# Initializers and subscripts have no name to be found by in a tree: what is called, by its first labels.
CALLED = {
    "CGContext(data:width:": "CGBitmapContextCreate",
    "CGDataProvider(data:": "CGDataProviderCreateWithCFData",
    "CGImage(width:height:": "CGImageCreate",
    "MLDictionaryFeatureProvider(dictionary:": "MLDictionaryFeatureProvider.initWithDictionaryError",
    "MLFeatureValue(pixelBuffer:": "MLFeatureValue.featureValueWithPixelBuffer",
    "MLModel(contentsOf:configuration:": "MLModel.modelWithContentsOfURLConfigurationError",
    "VNCoreMLModel(for:": "VNCoreMLModel.modelForMLModelError",
    "VNCoreMLRequest(model:": "VNCoreMLRequest.initWithModel",
    "VNImageRequestHandler(cgImage:orientation:options:": (
        "VNImageRequestHandler.initWithCGImageOrientationOptions"
    ),
}

# Begin like Apple's in Objective-C, and are Swift's: a view of SwiftUI, and the type of numbers that is as old as Swift.
SWIFTS_OWN = {"CGFloat", "UIViewControllerRepresentable"}

# Swift's own library and Foundation's, which the data spells otherwise or does not have: a compiler's matter.
# By name, the latest iOS that is asked for at each place where it is used.
Uses = dict[str, set[tuple[int, int]]]
_AVAILABLE = re.compile(r"available\(iOS ([0-9]+)\.([0-9]+)")

_ELSEWHERE = (
    "appendingPathComponent cachesDirectory compactMap contentsOfDirectory createDirectory default "
    "environment fileExists first flatMap floatValue hash init intValue isEmpty joined lastPathComponent "
    "localizedDescription main majorVersion map mappedIfSafe max minorVersion moveItem "
    "operatingSystemVersion patchVersion path prefix processInfo processorCount rawValue removeItem "
    "self shape storeBytes subtracting uint32Value url userDomainMask values"
)
ELSEWHERE = frozenset(_ELSEWHERE.split())


def names(*folders: str) -> Uses:
    """The identifiers that begin like Apple's."""
    found: Uses = {}
    for _, node in _nodes(*folders):
        is_module = node.parent is not None and node.parent.type == "identifier"  # in an import
        name = (node.text or b"").decode() if node.type in ("simple_identifier", "type_identifier") else ""
        if not is_module and name not in SWIFTS_OWN and APPLE.fullmatch(name):
            _add(found, name, node)
    return found


def members(folder: str) -> Uses:
    """What is asked of something: `.name`, with or without what it is asked of."""
    found: Uses = {}
    for _, node in _nodes(folder):
        parent = node.parent.type if node.parent is not None else ""
        before = node.prev_sibling.type if node.prev_sibling is not None else ""
        if node.type == "simple_identifier" and (parent == "navigation_suffix" or before in (".", "dot")):
            _add(found, (node.text or b"").decode(), node)
    return found


def _add(found: Uses, name: str, node: Node) -> None:
    found.setdefault(name, set()).add(asked_for(node))


def asked_for(node: Node) -> tuple[int, int]:
    """The latest iOS that the function around a node asks for before it, in its attributes or in a guard; 0.0 for none."""
    owner = node.parent
    while owner is not None and owner.type != "function_declaration":
        owner = owner.parent
    if owner is None:
        return 0, 0
    before = (owner.text or b"")[: node.start_byte - owner.start_byte].decode(errors="replace")
    return max(((int(major), int(minor)) for major, minor in _AVAILABLE.findall(before)), default=(0, 0))


def declared() -> set[str]:
    """The names that the app's own code declares."""
    found = set()
    for folder in (CHECKED, "Sources/CloFormerCore"):
        for _, node in _nodes(folder):
            kind = node.parent.type if node.parent is not None else ""
            if node.type in ("simple_identifier", "type_identifier") and kind in (
                "pattern", "function_declaration", "enum_entry", "class_declaration", "parameter",
            ):  # fmt: skip
                found.add((node.text or b"").decode())
    return found


def calls(folder: str) -> str:
    """The text without blanks, for what has no name in a tree."""
    return "".join("".join(path.read_text("utf-8").split()) for path, _ in _files(folder))


def check(data: Declarations, oldest: tuple[int, int]) -> tuple[list[str], list[str]]:
    """What was found to be there, and what is wrong."""
    good: list[str] = []
    wrong: list[str] = []

    def look_up(spelled: str, symbol: str, asked: tuple[int, int] = (0, 0)) -> None:
        there, since = data.find(symbol)
        if not there:
            wrong.append(f"{spelled}: there is no {symbol}")
        elif since is not None and since > max(oldest, asked):
            wrong.append(f"{spelled}: {symbol} is of iOS {since[0]}.{since[1]}")
        else:
            good.append(symbol)

    for name, versions in sorted(names(CHECKED, "App/Sources", "Tests/Sources").items()):
        look_up(name, RENAMED.get(name, name), min(versions))
    asked, own = members(CHECKED), declared()
    rows = {row.partition(".")[2] for row in MEMBERS}
    wrong += [f".{name}: it is in a table, and not used" for name in sorted(ELSEWHERE - asked.keys())]
    wrong += [
        f".{name}: it is in no table, so nobody has looked whether it is in iOS {oldest[0]}"
        for name in sorted(asked.keys() - rows - ELSEWHERE - own)
    ]
    for row, symbol in MEMBERS.items():
        if (member := row.partition(".")[2]) in asked:
            # A name that the app has too is asked of its own things elsewhere.
            look_up(row, symbol, max(asked[member]) if member in own else min(asked[member]))
        else:
            wrong.append(f"{row}: it is in a table, and not used")
    text = calls(CHECKED)
    for call, symbol in CALLED.items():
        labels = call.partition("(")[2].split(":")[:-1]
        pattern = re.escape(call.partition("(")[0] + "(") + r"[^{}]*?,".join(f"{label}:" for label in labels)
        if re.search(pattern, text):
            look_up(f"{call}...)", symbol)
        else:
            wrong.append(f"{call}...): it is in a table, and not used")
    return good, wrong


def _files(folder: str) -> Iterator[tuple[Path, bytes]]:
    for path in sorted((IOS / folder).glob("*.swift")):
        yield path, path.read_bytes()


def _nodes(*folders: str) -> Iterator[tuple[Path, Node]]:
    for folder in folders:
        for path, source in _files(folder):
            for node in walk(tree(source)):
                yield path, node


def main() -> int:
    settings = xcconfig((IOS / "Bundle.xcconfig").read_text("utf-8"))
    major, minor = map(int, settings["IPHONEOS_DEPLOYMENT_TARGET"].split("."))
    good, wrong = check(fetch(), (major, minor))
    for line in wrong:
        print(f"FAIL  {line}")  # noqa: T201 - a program
    print(  # noqa: T201
        f"{len(good)} symbols are in iOS {major}.{minor}, or in the later one that is asked for, by {PACKAGE}; {len(wrong)} are not or are not known.\n"
        "Not looked up: SwiftUI, PhotosUI, CryptoKit, XCTest and the Swift side of Foundation, which are not in it."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
