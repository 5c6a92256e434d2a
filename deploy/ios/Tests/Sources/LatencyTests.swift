import CloFormerCore
import XCTest

/// How long the model takes on this device: raw times, which go into the same report. A phone that is warm, saving
/// power or busy is slower; see the README.
final class LatencyTests: XCTestCase {
    func testLatency() async throws {
        let proof = try await DeviceProof()
        let inputs = try proof.kit.vectors.map { try proof.expectedPixels($0) }
        let latency = try await proof.classifier.measureLatency(.quick, inputs: inputs)
        XCTAssertGreaterThanOrEqual(latency.sampleNanoseconds.count, LatencyProtocol.quick.queries)
        var vectors = proof.savedVectors()
        if vectors == nil {
            vectors = await proof.vectors()  // a report without them proves nothing
        }
        let plan = await proof.classifier.computePlan()
        add(try proof.save(proof.report(vectors ?? [], latency, plan)))
    }
}
