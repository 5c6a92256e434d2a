"""The app's name, from what the bundle command writes to what a launcher shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from checklist import run

from cloformer.export.bundle.systems import SYSTEMS

from .compiled import NAMESPACES
from .parts import build_tools
from .tools import aapt2, java


def shown(work: Path, names: Sequence[str]) -> list[str]:
    """Each name through the settings that carry it, Java's reader of them, XML, and Android's packer."""
    work.mkdir()
    row = SYSTEMS["android"]
    files = [work / f"{place}.properties" for place in range(len(names))]
    for name, file in zip(names, files, strict=True):
        file.write_text(row.settings(replace(row.default, app_name=name), {}), "utf-8")
    read = work / "names.txt"
    run(java(), Path(__file__).with_name("Names.java"), read, *files)
    return [_label(work, value) for value in read.read_text("utf-8").split("\n")[:-1]]


def _label(work: Path, value: str) -> str:
    manifest, package = work / "AndroidManifest.xml", work / "label.apk"
    root = ElementTree.Element("manifest", package="com.example")
    ElementTree.SubElement(root, "application", {f"{{{NAMESPACES['android']}}}label": value})
    ElementTree.ElementTree(root).write(manifest, "utf-8", xml_declaration=True)
    aapt2("link", "-o", package, "-I", build_tools() / "android.jar", "--manifest", manifest)
    found = aapt2("dump", "xmltree", "--file", manifest.name, package)
    label = re.search(r':label\(0x01010001\)="(.*)" \(Raw: "', found)
    return label[1] if label else ""
