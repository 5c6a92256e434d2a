import CloFormerCore
import CloFormerCoreML
import Foundation
import XCTest

/// The app's model and the conformance kit, run on this device, and the report of it.
struct DeviceProof {
    let payload: Payload
    let kit: ConformanceKit
    let folder: URL
    let classifier: Classifier

    /// Reads, checks and loads everything. The environment variable CLOFORMER_COMPUTE_UNITS (all, cpuOnly, cpuAndGPU,
    /// cpuAndNeuralEngine) says where Core ML may run the model, unless `units` do.
    init(units: String? = nil) async throws {
        payload = try Payload()
        try payload.verify()
        let bundle = Bundle(for: ConformanceTests.self)
        folder = try XCTUnwrap(
            bundle.url(forResource: "Conformance", withExtension: nil), "the tests have no folder Conformance"
        )
        kit = try ConformanceKit.read(Data(contentsOf: folder.appendingPathComponent("conformance.json")))
        for file in kit.files {
            try file.verify(in: folder, sha256: sha256)
        }
        XCTAssertEqual(kit.manifestSHA256, payload.manifestSHA256, "the kit is of another model than the app's")
        var options = Classifier.Options()
        let wanted = units ?? ProcessInfo.processInfo.environment["CLOFORMER_COMPUTE_UNITS"] ?? "all"
        options.computeUnits = try XCTUnwrap(
            ThisDevice.computeUnits(named: wanted), "Core ML has no compute units \(wanted)"
        )
        options.warmUpRuns = 0  // a report has the first run's time
        classifier = try await Classifier(payload: payload, options: options)
    }

    /// Runs every vector. What cannot be run has failed.
    func vectors() async -> [DeviceReport.Vector] {
        var results: [DeviceReport.Vector] = []
        for vector in kit.vectors {
            do {
                results.append(try await result(of: vector))
            } catch {
                XCTFail("\(vector.name): \(error)")
            }
        }
        return results
    }

    func expectedPixels(_ vector: ConformanceKit.Vector) throws -> Pixels {
        try Photo(data: data(vector.pixels)).pixels()
    }

    private func result(of vector: ConformanceKit.Vector) async throws -> DeviceReport.Vector {
        let pixels = try expectedPixels(vector)
        // Normalization is inside the model: what the app itself makes are pixels, whichever stage a vector names.
        let rule = try XCTUnwrap(payload.manifest.input.preprocessing)
        var preprocessed: DeviceReport.Preprocessed?
        if vector.compares != "outputs" {
            let prepared = try rule.apply(to: Photo(data: data(vector.image)).pixels())
            preprocessed = DeviceReport.Preprocessed(got: prepared, expected: pixels)
        }
        // The model gets the expected pixels, so that no mistake in preparing them hides one of the model.
        let given = try await classifier.outputs(for: pixels)
        let expected = try vector.outputs.mapValues { try readFloats(data($0.file)) }
        let outputs = judged(given, expected: expected, wanted: vector.outputs, manifest: payload.manifest)
        return DeviceReport.Vector(name: vector.name, preprocessing: preprocessed, outputs: outputs)
    }

    private func data(_ name: String) throws -> Data {
        try Data(contentsOf: folder.appendingPathComponent(name))
    }
}

/// `device-report.json` in the app's Documents, and attached to the test's result.
extension DeviceProof {
    func report(
        _ vectors: [DeviceReport.Vector], _ latency: Latency?, _ plan: ComputePlan? = nil
    ) -> DeviceReport {
        #if DEBUG
            let build = "debug"
        #else
            let build = "release"
        #endif
        return DeviceReport(
            manifestSHA256: payload.manifestSHA256, modelSHA256: kit.modelSHA256,
            device: ThisDevice.description(appBuild: build),
            runtime: ThisDevice.runtime(classifier.options.computeUnits), vectors: vectors, latency: latency,
            placement: plan
        )
    }

    /// The vectors of an earlier test on this device with this model; nil if there was none.
    func savedVectors() -> [DeviceReport.Vector]? {
        guard let data = try? Data(contentsOf: Self.file()),
            let saved = try? JSONDecoder().decode(DeviceReport.self, from: data),
            saved.isOfTheSame(as: report([], nil)), saved.vectors.count == kit.vectors.count
        else {
            return nil
        }
        return saved.vectors
    }

    func save(_ report: DeviceReport) throws -> XCTAttachment {
        let file = try Self.file()
        try report.json().write(to: file, options: .atomic)
        let attachment = XCTAttachment(contentsOfFile: file)
        attachment.name = DeviceReport.fileName
        attachment.lifetime = .keepAlways
        return attachment
    }

    private static func file() throws -> URL {
        try folderOfReports().appendingPathComponent(DeviceReport.fileName)
    }

    static func folderOfReports() throws -> URL {
        try FileManager.default.url(
            for: .documentDirectory, in: .userDomainMask, appropriateFor: nil, create: true
        )
    }
}
