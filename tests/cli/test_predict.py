"""``cloformer predict`` on what people have: folders of photographs, damaged ones, and models of every kind."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from outcome import Command
from photographs import encoded, write_photographs
from shared import Exports

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.predict import Prediction, save_outputs
from cloformer.export.reference.cases import PHOTOGRAPH

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Good ones of every form, two that cannot be read, and what is none."""
    folder = tmp_path / "photos"
    write_photographs(folder)
    (folder / "bad.jpg").write_bytes(b"none")
    (folder / "below" / "cut.png").write_bytes(encoded("PNG")[:100])
    (folder / "notes.txt").write_text("words")
    return folder


@pytest.fixture(scope="module")
def two_heads(exported: Exports) -> Path:
    from cloformer.export.source.spec import ModelSpec

    spec = ModelSpec(outputs=("scores", "features"), labels=("crane", "maillot", "crane"))
    return exported(model="user_models:two_heads", image_size=(32, 32), spec=spec)["onnx"]


def test_a_bad_photograph_is_named_and_stops_no_other(command: Command, photographs: Path) -> None:
    shown = command("predict", KEPT / "onnx", photographs)
    assert shown.code == 3
    good = sorted(
        path
        for path in photographs.rglob("*")
        if path.is_file() and path.name[:3] not in ("bad", "cut", "not")
    )
    assert [line for line in shown.out.splitlines() if not line.startswith(" ")] == list(map(str, good))
    said = shown.err.splitlines()
    assert said[0] == f"left out of {photographs}: 1 file that is no image (notes.txt)"
    assert said[1].startswith(f"image {photographs / 'bad.jpg'} cannot be read: ")
    assert said[2].startswith(f"image {photographs / 'below' / 'cut.png'} cannot be read: ")
    assert said[3:] == [
        "error: 2 images cannot be read",
        f"  {len(good)} other images were taken: mend or remove what cannot be read",
    ]
    document = command("predict", KEPT / "onnx", photographs, "--json").json
    assert [item["image"] for item in document["predictions"]] == list(map(str, good))
    assert [item["image"] for item in document["unreadable"]] == [
        str(photographs / name) for name in ("bad.jpg", "below/cut.png")
    ]
    assert document["unreadable"][0]["reason"] == said[1]
    assert document["left_out"] == [{"folder": str(photographs), "files": ["notes.txt"]}]


def test_when_none_can_be_read(command: Command, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"none")
    shown = command("predict", KEPT / "onnx", tmp_path, "--json")
    assert (shown.code, shown.json["error"]["exit_code"]) == (3, 3)
    assert len(shown.json["error"]["unreadable"]) == 2
    one = command("predict", KEPT / "onnx", tmp_path / "a.png")
    assert (one.code, one.out, len(one.err.splitlines())) == (3, "", 2)
    missing = command("predict", KEPT / "onnx", PHOTOGRAPH, tmp_path / "missing.jpg")
    assert (missing.code, missing.out) == (3, "")  # before anything is run
    assert "there is no file or folder" in missing.err


def test_heic_without_its_package(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "photo.heic").write_bytes(encoded("HEIF"))
    shown = command("predict", KEPT / "onnx", tmp_path)
    assert (shown.code, "pip install 'cloformer[heic]'" in shown.err) == (5, True)


def test_an_output_that_is_no_scores_is_shown_by_its_range(
    command: Command, small: Path, tmp_path: Path
) -> None:
    """A user's module without labels: nobody has said that these numbers are classes."""
    shown = command("predict", small, PHOTOGRAPH, "--save", tmp_path / "out", "--json")
    assert shown.code == 0
    (item,) = shown.json["predictions"]
    saved = np.load(Path(item["saved"]) / "output.npy", allow_pickle=False)
    assert saved.shape == (1, 10)
    (output,) = item["outputs"]
    figures = {"min": saved.min(), "mean": saved.astype(np.float64).mean(), "max": saved.max()}
    assert (
        output
        == {"name": "output", "shape": [1, 10], "dtype": "float32", "role": "tensor", "top": None} | figures
    )
    assert item["top"] == []
    text = command("predict", small).out
    assert (
        f"output float32 [1, 10] (tensor): min {saved.min():.6g}, mean {figures['mean']:.6g}, max {saved.max():.6g}"
        in text
    )
    assert "%" not in text
    assert "export --labels FILE" in text


def test_several_heads(command: Command, two_heads: Path, tmp_path: Path) -> None:
    """Each by its name; two classes may have the same one."""
    shown = command("predict", two_heads)
    lines = shown.out.splitlines()
    assert lines[1].startswith("  scores float32 [1, 3] (logits): min ")
    assert sorted(line.split()[-1] for line in lines[2:5]) == ["crane", "crane", "maillot"]
    assert sum(float(line.split()[0].rstrip("%")) for line in lines[2:5]) == pytest.approx(100, abs=0.02)
    assert lines[5].startswith("  features float32 [1, 8, 16, 16] (tensor): min ")
    (item,) = command("predict", two_heads, "--json", "--top", "2").json["predictions"]
    assert item["top"] == item["outputs"][0]["top"]
    assert [guess["label"] for guess in item["top"]] == [lines[2].split()[-1], lines[3].split()[-1]]
    assert item["outputs"][1]["top"] is None


def test_what_no_app_shows_is_not_led_to_one(command: Command, two_heads: Path, exported: Exports) -> None:
    """By parity: of a classifier yes, of what has no classes no."""
    from cloformer.export.source.spec import ModelSpec

    spec = ModelSpec(outputs=("scores", "features"))
    plain = exported(model="user_models:two_heads", image_size=(32, 32), spec=spec)["onnx"]
    for folder, is_led in ((two_heads, True), (plain, False)):
        shown = command("parity", folder, "--model", "user_models:two_heads", "--no-operators")
        assert (shown.code, "next: cloformer bundle" in shown.out) == (0, is_led), shown.err


@pytest.mark.parametrize("form", ["onnx", "coreml"])
def test_the_model_s_file_in_place_of_the_folder(command: Command, form: str) -> None:
    folder = KEPT / form
    path = read_artifact(folder).model_path
    assert read_artifact(path).folder == folder
    assert command("predict", path).out == command("predict", folder).out


def test_a_model_that_takes_something_else(command: Command, exported: Exports) -> None:
    from cloformer.export.source.spec import ModelSpec, parse_input

    spec = ModelSpec((parse_input("image=1x3x8x8"), parse_input("scalars=1x4")))
    folder = exported(model="user_models:two_inputs", spec=spec)["onnx"]
    shown = command("predict", folder)
    assert shown.code == 4
    assert "takes image float32 [1, 3, 8, 8] (image), scalars float32 [1, 4] (tensor)" in shown.err
    assert "run model.onnx with arrays of these shapes" in shown.err


@pytest.mark.parametrize(
    ("images", "folders"),
    [
        (("a/photo.jpg", "b/photo.png", "b/Photo.gif"), ("photo", "photo-2", "Photo-3")),
        (("...jpg", "....", "x/.hidden", " .png"), ("image", "image-2", "hidden", "image-3")),
        (("n" * 250 + ".png",), ("n" * 100,)),
    ],
)
def test_where_outputs_are_saved(tmp_path: Path, images: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """Below the folder, whatever an image is called, and none in place of another."""
    taken: set[str] = set()
    places = [save_outputs(Prediction(image, ()), tmp_path, taken) for image in images]
    assert places == [tmp_path / name for name in folders]


def test_outputs_are_not_saved_into_an_artifact(command: Command, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(KEPT / "onnx", tmp_path / "copy"))
    before = sorted(copy.rglob("*"))
    shown = command("predict", KEPT / "onnx", "--save", copy)
    assert (shown.code, "choose another --save" in shown.err) == (3, True)
    assert sorted(copy.rglob("*")) == before


def test_what_is_saved_holds_no_objects(command: Command, tmp_path: Path) -> None:
    assert command("predict", KEPT / "onnx", "--save", tmp_path / "out").code == 0
    (path,) = (tmp_path / "out").rglob("*.npy")
    assert path.relative_to(tmp_path).as_posix() == "out/chelsea/logits.npy"
    assert np.load(io.BytesIO(path.read_bytes()), allow_pickle=False).shape == (1, 3)
