import CloFormerCore
import CloFormerCoreML
import XCTest

/// What the model computes inside on this device, with each choice of compute units, for
/// `cloformer parity --device-values`, which judges it. The files are attached and lie beside the report.
final class ProbeTests: XCTestCase {
    func testValuesAreWritten() async throws {
        for units in ["cpuOnly", "cpuAndGPU", "cpuAndNeuralEngine", "all"] {
            let file = try await values(with: units)
            let attachment = XCTAttachment(contentsOfFile: file)
            attachment.name = file.lastPathComponent
            attachment.lifetime = .keepAlways
            add(attachment)
        }
    }

    /// Runs the vectors through the app's model and through each model of the probe, one loaded at a time.
    private func values(with units: String) async throws -> URL {
        let proof = try await DeviceProof(units: units)
        let index = try ProbeIndex.read(
            Data(contentsOf: proof.folder.appendingPathComponent(ProbeIndex.fileName))
        )
        XCTAssertEqual(index.manifestSHA256, proof.payload.manifestSHA256, "the probe is of another model")
        let vectors = proof.kit.vectors.filter { index.vectors.contains($0.name) }
        XCTAssertEqual(vectors.count, index.vectors.count, "the kit lacks a vector of the probe")
        let file = try DeviceProof.folderOfReports().appendingPathComponent(ProbeIndex.file(for: units))
        let writer = try SafetensorsWriter(file)
        for vector in vectors {
            for (output, numbers) in try await proof.classifier.outputs(for: proof.expectedPixels(vector)) {
                try writer.add("\(vector.name)/model/\(output)", Tensor(numbers))
            }
        }
        for (number, entry) in index.models.enumerated() {
            for listed in entry.files {
                try listed.verify(in: proof.folder, sha256: sha256)
            }
            let model = try await ProbeModel(
                entry, in: proof.folder, payload: proof.payload, units: proof.classifier.options.computeUnits
            )
            for vector in vectors {
                for (name, tensor) in try model.tensors(for: proof.expectedPixels(vector)) {
                    try writer.add("\(vector.name)/\(number)/\(name)", tensor)
                }
            }
        }
        let report = proof.report([], nil)
        try writer.finish(index.told(report.device, report.runtime), sha256: sha256)
        return file
    }
}
