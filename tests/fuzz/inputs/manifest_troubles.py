"""Manifests that are wrong in more than one field, or by what a field means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..case import ANY, BAD

__all__ = ["TROUBLES", "Edit", "first_input", "first_output"]

Edit = Callable[[Any], Any]


def first_input(manifest: Any) -> Any:
    return manifest["functions"][0]["inputs"][0]


def first_output(manifest: Any) -> Any:
    return manifest["functions"][0]["outputs"][0]


def _shape(*shape: int) -> Edit:
    return lambda manifest: first_input(manifest).update(shape=list(shape))


def _rule(**values: Any) -> Edit:
    return lambda manifest: first_input(manifest)["preprocessing"].update(values)


TROUBLES: dict[str, tuple[Edit, frozenset[int]]] = {
    "an axis of 2**31": (_shape(1, 3, 2**31, 2**31), BAD),
    "an axis of 2**62": (_shape(2**62, 3, 32, 32), BAD),
    "a product of axes of 2**60": (_shape(2**20, 3, 2**20, 2**20), BAD),
    "a batch of a million": (_shape(10**6, 3, 32, 32), ANY),
    "a rank of 65": (_shape(*[1] * 65), BAD),
    "a rank of 100,000": (_shape(*[1] * 100_000), BAD),
    "no axis": (_shape(), BAD),
    "an axis of zero": (_shape(1, 3, 0, 32), BAD),
    "five axes for an image": (_shape(1, 3, 32, 32, 1), BAD),
    "another size than the crop": (_shape(1, 3, 64, 64), ANY),
    "another size than the model's, crop and all": (
        lambda m: (_shape(1, 3, 64, 64)(m), _rule(height=64, width=64, resize_size=64)(m)), ANY),
    "one channel": (_shape(1, 1, 32, 32), ANY),
    "resize_size of 10**9": (_rule(resize_size=10**9), BAD),
    "resize_size of 2**40": (_rule(resize_size=2**40), BAD),
    "resize_size of 40,000": (_rule(resize_size=40_000), ANY),
    "resize_size of 13,000": (_rule(resize_size=13_000), ANY),
    "a crop of 10**6": (_rule(height=10**6, width=10**6, resize_size=10**6), BAD),
    "std of zero": (_rule(std=[0, 0, 0]), BAD),
    "std below zero": (_rule(std=[-1, 1, 1]), BAD),
    "std of 1e-320": (_rule(std=[1e-320] * 3), ANY),
    "mean of 1e308": (_rule(mean=[1e308] * 3), ANY),
    "scale of 1e308": (_rule(scale=1e308), ANY),
    "one mean and three std": (_rule(mean=[0.5]), BAD),
    "four means": (_rule(mean=[0.5] * 4, std=[0.5] * 4), BAD),
    "a grey rule for a colour image": (_rule(mean=[0.5], std=[0.5]), ANY),
    "an unknown filter": (_rule(interpolation="sinc"), BAD),
    "an unknown crop": (_rule(crop="random"), BAD),
    "an unknown colour order": (_rule(color_order="RGBA"), BAD),
    "BGR": (_rule(color_order="BGR"), ANY),
    "no preprocessing for an image": (lambda m: first_input(m).update(preprocessing=None), ANY),
    "preprocessing for a tensor": (lambda m: first_input(m).update(role="tensor"), ANY),
    "the preprocessing inside": (lambda m: first_input(m).update(preprocessing_inside=True), ANY),
    "an unknown format": (lambda m: m.update(format="tflite"), frozenset({3, 4})),
    "the other format": (lambda m: m.update(format="coreml"), ANY),
    "an unknown precision": (lambda m: m["precision"].update(name="fp7"), ANY),
    "an unknown type of activations": (lambda m: m["precision"].update(activations="float7"), ANY),
    "another precision": (lambda m: m["precision"].update(name="fp16", activations="float16"), ANY),
    "an unknown opset": (lambda m: m["request"].update(opset="999"), ANY),
    "an unknown model": (lambda m: m["request"].update(model="cloformer_xxxl"), ANY),
    "a model that is a module": (lambda m: m["request"].update(model="os:getcwd"), ANY),
    "a built-in model": (lambda m: m["request"].update(model="cloformer_xxs"), ANY),
    "a built-in model of 10**9 classes": (
        lambda m: (m["request"].update(model="cloformer_xxs", num_classes=10**9), m["weights"].update(origin="random")),
        ANY),
    "two functions": (lambda m: m["functions"].append(dict(m["functions"][0], name="other")), ANY),
    "two functions of one name": (lambda m: m["functions"].append(m["functions"][0]), ANY),
    "two inputs of one name": (lambda m: m["functions"][0]["inputs"].append(first_input(m)), ANY),
    "two outputs of one name": (lambda m: m["functions"][0]["outputs"].append(first_output(m)), ANY),
    "10,000 outputs": (
        lambda m: m["functions"][0].update(outputs=[dict(first_output(m), name=f"o{n}") for n in range(10_000)]), ANY),
    "an input of another name": (lambda m: first_input(m).update(name="pixels"), ANY),
    "an output of another name": (lambda m: first_output(m).update(name="scores"), ANY),
    "an output of another shape": (lambda m: first_output(m).update(shape=[1, 1000]), ANY),
    "an output without axes": (lambda m: first_output(m).update(shape=[]), ANY),
    "an output of four axes": (lambda m: first_output(m).update(shape=[1, 10, 1, 1]), ANY),
    "an output of another type": (lambda m: first_output(m).update(dtype="int64"), ANY),
    "labels for probabilities": (lambda m: first_output(m).update(role="probabilities", postprocessing=None), ANY),
    "labels: the manifest": (lambda m: first_output(m).update(labels="manifest.json"), BAD),
    "labels: the model": (lambda m: first_output(m).update(labels="model.onnx"), ANY),
    "labels: the kit": (lambda m: first_output(m).update(labels="kit.safetensors"), ANY),
    "labels: a file that is not there": (lambda m: first_output(m).update(labels="names.txt"), BAD),
    "labels: beside the artifact": (lambda m: first_output(m).update(labels="../canary.txt"), BAD),
    "labels: from the root": (lambda m: first_output(m).update(labels="/etc/passwd"), BAD),
    "labels: another way to write them": (lambda m: first_output(m).update(labels="./labels.txt"), ANY),
    "labels: a folder": (lambda m: first_output(m).update(labels="."), BAD),
    "model: the manifest": (lambda m: m["model"].update(path="manifest.json"), BAD),
    "model: the labels": (lambda m: m["model"].update(path="labels.txt"), ANY),
    "model: beside the artifact": (lambda m: m["model"].update(path="../canary.onnx"), BAD),
    "model: a file that is not there": (lambda m: m["model"].update(path="m.onnx"), BAD),
    "model: the folder": (lambda m: m["model"].update(path="."), BAD),
    "model: another way to write it": (lambda m: m["model"].update(path="./model.onnx"), ANY),
    "files: one twice": (lambda m: m["files"].append(m["files"][0]), ANY),
    "files: none": (lambda m: m.update(files=[]), BAD),
    "files: 100,000 that are not there": (
        lambda m: m.update(files=[dict(m["files"][0], path=f"f{n}") for n in range(100_000)]), BAD),
    "files: one of 2**62 bytes": (lambda m: m["files"][0].update(bytes=2**62), BAD),
    "files: the manifest itself": (lambda m: m["files"].append(dict(m["files"][0], path="manifest.json")), BAD),
    "files: a hash in capitals": (lambda m: m["files"][0].update(sha256=m["files"][0]["sha256"].upper()), BAD),
    "files: the hash of another": (lambda m: m["files"][0].update(sha256=m["files"][1]["sha256"]), BAD),
    "files: roles of others": (lambda m: [entry.update(role="model") for entry in m["files"]], ANY),
    "files: no role that is known": (lambda m: [entry.update(role="other") for entry in m["files"]], ANY),
    "version zero": (lambda m: m.update(schema_version=0), BAD),
    "version 99": (lambda m: m.update(schema_version=99), BAD),
    "version 10**400": (lambda m: m.update(schema_version=10**400), BAD),
    "version 1.0": (lambda m: m.update(schema_version=1.0), ANY),
    "version 1.5": (lambda m: m.update(schema_version=1.5), BAD),
    "a name of a path": (lambda m: m.update(name="../../out"), ANY),
    "a million sites": (
        lambda m: m["passes"][0].update(sites=m["passes"][0]["sites"][:1] * 100_000 if m["passes"][0]["sites"] else []),
        ANY),
}  # fmt: skip
