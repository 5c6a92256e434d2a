import CloFormerCore
import XCTest

/// Does the model on this device give what the PyTorch model gives? Each vector shows one mistake, so the one that
/// fails says what is wrong.
final class ConformanceTests: XCTestCase {
    func testEveryVector() async throws {
        let proof = try await DeviceProof()
        let results = await proof.vectors()
        XCTAssertEqual(results.count, proof.kit.vectors.count, "a vector that cannot be run has failed")
        for (vector, result) in zip(proof.kit.vectors, results) where results.count == proof.kit.vectors.count {
            if let preprocessed = result.preprocessing {
                XCTAssertTrue(
                    preprocessed.passed,
                    "\(vector.name) shows \(vector.aimsAt): pixels differ by up to \(preprocessed.maxAbs)"
                )
            }
            for (name, output) in result.outputs {
                XCTAssertTrue(
                    output.passed,
                    "\(vector.name): \(name) is off by \(output.maxAbs) of \(output.largest), cosine \(output.cosine); "
                        + "allowed \(vector.outputs[name]?.maxRel ?? 0): \(vector.outputs[name]?.because ?? "")"
                )
            }
        }
        let plan = await proof.classifier.computePlan()
        add(try proof.save(proof.report(results, nil, plan)))
    }
}
