import XCTest

@testable import CloFormerCore

final class SafetensorsTests: XCTestCase {
    func testNumbersApart() throws {
        for row in try SharedFixtures.read().strided {
            let memory = (0..<row.memory).map { UInt8($0) }
            let found = try memory.withUnsafeBytes {
                try contiguous($0, shape: row.shape, strides: row.strides, width: row.width)
            }
            XCTAssertEqual(Array(found), row.bytes, "\(row.shape) by \(row.strides)")
        }
    }

    func testMemoryThatIsTooShort() {
        let memory = [UInt8](repeating: 0, count: 7)
        memory.withUnsafeBytes { bytes in
            XCTAssertThrowsError(try contiguous(bytes, shape: [2, 2], strides: [2, 1], width: 2))
            XCTAssertThrowsError(try contiguous(bytes, shape: [2], strides: [-1], width: 1))
            XCTAssertThrowsError(try contiguous(bytes, shape: [2], strides: [1, 1], width: 1))
        }
    }

    /// The file that Python's own reader takes, header and numbers.
    func testTheFile() throws {
        let wanted = try XCTUnwrap(SharedFixtures.read().numbers.first)
        let told = try XCTUnwrap(object(Data(wanted.header.utf8))["__metadata__"] as? [String: String])
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors")
        defer { try? FileManager.default.removeItem(at: file) }
        let writer = try SafetensorsWriter(file)
        for row in wanted.tensors {
            try writer.add(row.name, Tensor(type: row.type, shape: row.shape, data: Data(row.bytes)))
        }
        XCTAssertThrowsError(try writer.add("half", Tensor([0])))
        var hashed = Data()
        try writer.finish(["kind": "test"]) { content in
            hashed = content
            return told["numbers_sha256"] ?? ""
        }
        let data = try Data(contentsOf: file)
        let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        XCTAssertEqual(length % 8, 0)
        XCTAssertEqual(
            try object(data.dropFirst(8).prefix(length)) as NSDictionary,
            try object(Data(wanted.header.utf8)) as NSDictionary
        )
        XCTAssertEqual(Array(data.dropFirst(8 + length)), wanted.bytes)
        XCTAssertEqual(Array(hashed), wanted.bytes)
    }

    func testFloats() {
        let tensor = Tensor([1, -2])
        XCTAssertEqual(tensor, Tensor(type: "F32", shape: [2], data: Data([0, 0, 128, 63, 0, 0, 0, 192])))
    }

    func testIndex() throws {
        let text = """
            {"schema_version": 1, "manifest_sha256": "a", "mode": "all", "plan_sha256": "b", "optimization": null,
             "vectors": ["photograph"], "models": [{"path": "probe-0.mlpackage",
               "files": [{"path": "probe-0.mlpackage/Manifest.json", "sha256": "1", "bytes": 1}],
               "values": [{"value": "x", "output": "x"}]}]}
            """
        let index = try ProbeIndex.read(Data(text.utf8))
        XCTAssertEqual(index.models.first?.values.first?.output, "x")
        for (old, new) in [("\"schema_version\": 1", "\"schema_version\": 2"), ("probe-0.mlpackage\",", "../p\",")] {
            let changed = text.replacingOccurrences(of: old, with: new)
            XCTAssertThrowsError(try ProbeIndex.read(Data(changed.utf8)), new)
        }
        let device = DeviceReport.Device(manufacturer: "Apple", model: "m", os: "o", cpu: "c", appBuild: "release")
        let told = index.told(device, .init(name: "coreml", version: "18", provider: "all", threads: 0))
        XCTAssertEqual(told["runtime_provider"], "all")
        XCTAssertEqual(told["plan_sha256"], "b")
        XCTAssertEqual(ProbeIndex.file(for: "all"), "device-values-all.safetensors")
    }

    private func object(_ data: Data) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
}
