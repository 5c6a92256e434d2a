import XCTest

@testable import CloFormerCore

final class ReportTests: XCTestCase {
    private let latency = Latency(
        loadNanoseconds: 5, firstNanoseconds: 4, warmUpNanoseconds: [3], sampleNanoseconds: [1, 2], threads: 0,
        preset: "quick"
    )

    private let plan = ComputePlan(
        asked: "all",
        operators: [
            .init(
                name: "conv_0", kind: "ios17.conv", device: "neural_engine",
                supported: ["cpu", "gpu", "neural_engine"], cost: 0.75
            ),
            .init(name: "gelu_0", kind: "ios17.gelu", device: nil, supported: nil, cost: nil),
        ]
    )

    private func report(_ latency: Latency?, _ plan: ComputePlan? = nil) -> DeviceReport {
        let device = DeviceReport.Device(
            manufacturer: "Apple", model: "iPhone16,1", os: "iOS 18.1 (22B83)", cpu: "6 cores", appBuild: "release"
        )
        let runtime = DeviceReport.Runtime(name: "coreml", version: "18.1 (22B83)", provider: "all", threads: 0)
        let output = DeviceReport.Output(passed: true, maxAbs: 0.001, largest: 2.5, cosine: 1)
        let vector = DeviceReport.Vector(
            name: "crop", preprocessing: .init(passed: true, maxAbs: 0), outputs: ["class_logits": output]
        )
        let modelAlone = DeviceReport.Vector(
            name: "photograph", preprocessing: nil, outputs: ["class_logits": output]
        )
        return DeviceReport(
            manifestSHA256: String(repeating: "a", count: 64), modelSHA256: nil, device: device, runtime: runtime,
            vectors: [vector, modelAlone], latency: latency, placement: plan
        )
    }

    /// The file that the Python side checks against its schema.
    func testJSON() throws {
        let folder = try XCTUnwrap(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
        let old = ComputePlan(asked: "all", whyNot: "MLComputePlan needs iOS 17.4, and this device has an older one")
        let reports = [
            ("report", report(latency, plan)), ("report-without-latency", report(nil)),
            ("report-without-plan", report(latency, old)),
        ]
        for (name, report) in reports {
            let wanted = try Data(contentsOf: folder.appendingPathComponent("\(name).json"))
            let one = try XCTUnwrap(JSONSerialization.jsonObject(with: report.json()) as? NSDictionary)
            XCTAssertEqual(one, try XCTUnwrap(JSONSerialization.jsonObject(with: wanted) as? NSDictionary), name)
            XCTAssertEqual(try JSONDecoder().decode(DeviceReport.self, from: report.json()), report, name)
        }
    }

    /// An app of an earlier bundle wrote it, and an update of the app finds it.
    func testVersion1IsRead() throws {
        let folder = try XCTUnwrap(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
        let data = try Data(contentsOf: folder.appendingPathComponent("report-version-1.json"))
        let read = try JSONDecoder().decode(DeviceReport.self, from: data)
        XCTAssertEqual(read.schemaVersion, 1)
        XCTAssertNil(read.placement)
        XCTAssertEqual(read.vectors, report(nil).vectors)
        XCTAssertTrue(read.isOfTheSame(as: report(latency, plan)))
    }

    func testAPlanWithoutOperatorsSaysWhy() {
        let empty = ComputePlan(asked: "cpuOnly", operators: [])
        XCTAssertEqual(empty, ComputePlan(asked: "cpuOnly", whyNot: "Core ML's plan names no operator of a program"))
        XCTAssertNil(empty.source)
        XCTAssertEqual(ComputePlan(asked: "all", whyNot: String(repeating: "x", count: 600)).whyNot?.count, 500)
    }

    func testConstantsAreNotComputed() {
        for kind in ["const", "ios16.constexpr_affine_dequantize", "ios18.constexpr_lut_to_dense"] {
            XCTAssertTrue(isConstant(kind: kind), kind)
        }
        for kind in ["ios17.conv", "conv", "ios15.concat", ""] {
            XCTAssertFalse(isConstant(kind: kind), kind)
        }
    }

    func testSameDevice() {
        XCTAssertTrue(report(nil).isOfTheSame(as: report(latency)))
        let passed = report(nil).vectors.allSatisfy(\.passed)
        XCTAssertTrue(passed)
    }

    /// A clock that goes on by as much as the test says.
    private final class Clock {
        var now = 0
        var asked: [Int] = []
    }

    private func measure(_ plan: LatencyProtocol, eachTakes time: Int) throws -> (Latency, [Int]) {
        let clock = Clock()
        let latency = try plan.measure(loadNanoseconds: 7, threads: 0, now: { clock.now }) { number in
            clock.asked.append(number)
            clock.now += time
        }
        return (latency, clock.asked)
    }

    func testFastModelsAreMeasuredForTheWholeTime() throws {
        let (latency, asked) = try measure(.quick, eachTakes: 10_000_000)
        XCTAssertEqual(latency.loadNanoseconds, 7)
        XCTAssertEqual(latency.firstNanoseconds, 10_000_000)
        XCTAssertEqual(latency.warmUpNanoseconds.count, 100)  // a second
        XCTAssertEqual(latency.sampleNanoseconds.count, 1000, accuracy: 1)  // ten seconds
        XCTAssertEqual(Array(asked.prefix(4)), [0, 0, 1, 2])
    }

    func testSlowModelsAreMeasuredOftenEnough() throws {
        let (latency, _) = try measure(.quick, eachTakes: 1_000_000_000)
        XCTAssertEqual(latency.warmUpNanoseconds.count, 10)
        XCTAssertEqual(latency.sampleNanoseconds, [Int](repeating: 1_000_000_000, count: 128))
    }

    func testAMeasurementEnds() throws {
        let (latency, _) = try measure(.quick, eachTakes: 60_000_000_000)
        XCTAssertEqual(latency.sampleNanoseconds.count, 10)
    }

    func testTheClockGoesForward() {
        let start = clockNanoseconds()
        XCTAssertGreaterThanOrEqual(clockNanoseconds(), start)
    }
}
