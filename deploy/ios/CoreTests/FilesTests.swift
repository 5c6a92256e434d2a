import XCTest

@testable import CloFormerCore

/// What the app reads, and what it refuses.
final class FilesTests: XCTestCase {
    private let manifest = """
        {"schema_version": 2, "name": "net", "format": "coreml", "precision": {"name": "fp16"},
         "model": {"path": "net.mlpackage"}, "versions": {"cloformer": "0.1.0"},
         "files": [{"path": "net.mlpackage/Manifest.json", "role": "model", "sha256": "5", "bytes": 5},
                   {"path": "labels.txt", "role": "labels", "sha256": "4", "bytes": 4},
                   {"path": "origins.json", "role": "origins", "sha256": "0", "bytes": 0}],
         "functions": [{"name": "main",
           "inputs": [{"name": "image", "dtype": "float32", "shape": [1, 3, 224, 192], "preprocessing_inside": true,
             "preprocessing": {"height": 224, "width": 192, "resize_size": 256, "interpolation": "bicubic",
               "crop": "center", "color_order": "RGB", "scale": 0.00392156862745098,
               "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}],
           "outputs": [{"name": "logits", "role": "logits", "shape": [1, 2], "labels": "labels.txt",
             "postprocessing": "softmax"}]}]}
        """

    private let kit = """
        {"schema_version": 2, "manifest_sha256": "a", "model_sha256": null,
         "files": [{"path": "a.png", "sha256": "1", "bytes": 1}, {"path": "a.pixels.png", "sha256": "1", "bytes": 1},
                   {"path": "a.input.f32", "sha256": "1", "bytes": 1}, {"path": "a.f32", "sha256": "1", "bytes": 1}],
         "vectors": [{"name": "a", "aims_at": "the order", "image": "a.png", "compares": "pixels",
           "pixels": "a.pixels.png", "input": "a.input.f32", 
           "outputs": {"class_logits":
             {"file": "a.f32", "max_rel": 1e-2, "min_cosine": 0.999, "because": "float16"}}}]}
        """

    func testManifest() throws {
        let read = try Manifest.read(Data(manifest.utf8))
        XCTAssertEqual(read.name, "net")
        XCTAssertEqual(read.input.shape, [1, 3, 224, 192])
        XCTAssertEqual(read.input.preprocessing?.resizeSize, 256)
        XCTAssertEqual(read.input.preprocessing?.interpolation, .bicubic)
        XCTAssertEqual(read.output.labels, "labels.txt")
        XCTAssertEqual(read.versions["cloformer"], "0.1.0")
        XCTAssertEqual(read.filesInApp.map(\.path), ["net.mlpackage/Manifest.json", "labels.txt"])
    }

    func testANewerManifestIsRefused() {
        // Nothing else of it can be known.
        refuses(
            #"{"schema_version": 3}"#,
            "this model was exported by a newer cloformer (manifest version 3, this app reads 2): "
                + "update the app's cloformer code"
        )
    }

    func testManifestsThatAreRefused() {
        refuses("", "manifest.json cannot be read")
        refuses("[1]", "manifest.json cannot be read")
        refuses(changed("\"name\": \"net\", ", ""), "manifest.json cannot be read")
        refuses(changed("\"coreml\"", "\"onnx\""), "the model is onnx, and this app runs Core ML")
        for path in ["../net.mlpackage", "/etc/passwd", "a/../../b", "a\\\\b", ""] {
            refuses(changed("\"path\": \"net.mlpackage\"", "\"path\": \"\(path)\""), "outside its folder")
        }
        refuses(changed("\"labels\": \"labels.txt\"", "\"labels\": \"../labels.txt\""), "outside its folder")
        refuses(changed("[1, 3, 224, 192]", "[2, 3, 224, 192]"), "boxes, maps or points of one colour image")
        refuses(changed("\"role\": \"logits\"", "\"role\": \"tensor\""), "boxes, maps or points of one colour image")
        refuses(changed("\"role\": \"logits\"", "\"role\": \"boxes\""), "does not say where boxes are")
        refuses(changed("\"preprocessing_inside\": true", "\"preprocessing_inside\": false"), "does not give classes")
        refuses(changed("\"center\"", "\"top\""), "preprocessing is not one that this app knows")
        refuses(changed("\"bicubic\"", "\"hamming\""), "manifest.json cannot be read")
        refuses(changed("\"resize_size\": 256", "\"resize_size\": 200"), "preprocessing is not one")
    }

    func testFilesAreHeldToTheirHashes() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let entry = FileEntry(path: "labels.txt", role: "labels", sha256: "4", bytes: 4)
        let hash: (Data) -> String = { "\($0.count)" }
        XCTAssertThrowsError(try entry.verify(in: folder, sha256: hash)) { error in
            XCTAssertTrue("\(error)".hasPrefix("labels.txt is missing"), "\(error)")
        }
        let place = folder.appendingPathComponent("labels.txt")
        try Data("a\nb\n".utf8).write(to: place)
        XCTAssertNoThrow(try entry.verify(in: folder, sha256: hash))
        XCTAssertThrowsError(try entry.verify(in: folder, sha256: { _ in "5" }))
        try Data("a\nb".utf8).write(to: place)
        XCTAssertThrowsError(try entry.verify(in: folder, sha256: { _ in "4" }))
    }

    func testLabels() throws {
        XCTAssertEqual(try readLabels("cat\nDänische Dogge\n", classes: 2), ["cat", "Dänische Dogge"])
        XCTAssertEqual(try readLabels("a\n\nb", classes: 3), ["a", "", "b"])
        XCTAssertThrowsError(try readLabels("a\nb\n", classes: 3))
    }

    func testKit() throws {
        let read = try ConformanceKit.read(Data(kit.utf8))
        XCTAssertNil(read.modelSHA256)
        let wanted = ConformanceKit.Expected(file: "a.f32", maxRel: 0.01, minCosine: 0.999, because: "float16")
        XCTAssertEqual(read.vectors[0].outputs, ["class_logits": wanted])
    }

    func testKitsThatAreRefused() {
        refusesKit(#"{"schema_version": 7}"#, "newer cloformer (version 7, this app reads 2)")
        refusesKit(
            kit.replacingOccurrences(of: "\"file\": \"a.f32\"", with: "\"file\": \"b.f32\""),
            "does not list its file b.f32"
        )
        refusesKit(kit.replacingOccurrences(of: "a.png", with: "../a.png"), "does not list its file ../a.png")
        let empty = #"{"schema_version": 2, "manifest_sha256": "a", "model_sha256": null, "files": [], "vectors": []}"#
        refusesKit(empty, "nothing to compare")
    }

    func testFloats() throws {
        XCTAssertEqual(try readFloats(Data([0, 0, 128, 63, 0, 0, 32, 193])), [1, -10])
        XCTAssertEqual(try readFloats(Data([9, 0, 0, 128, 63]).dropFirst()), [1])
        XCTAssertThrowsError(try readFloats(Data([0, 0, 128])))
    }

    private func changed(_ old: String, _ new: String) -> String {
        XCTAssertTrue(manifest.contains(old), old)
        return manifest.replacingOccurrences(of: old, with: new)
    }

    private func refuses(_ text: String, _ message: String, line: UInt = #line) {
        XCTAssertThrowsError(try Manifest.read(Data(text.utf8)), line: line) { error in
            XCTAssertTrue("\(error)".contains(message), "\(error)", line: line)
        }
    }

    private func refusesKit(_ text: String, _ message: String, line: UInt = #line) {
        XCTAssertThrowsError(try ConformanceKit.read(Data(text.utf8)), line: line) { error in
            XCTAssertTrue("\(error)".contains(message), "\(error)", line: line)
        }
    }
}
