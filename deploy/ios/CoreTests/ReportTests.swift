import XCTest

@testable import CloFormerCore

final class ReportTests: XCTestCase {
    private let latency = Latency(
        loadNanoseconds: 5, firstNanoseconds: 4, warmUpNanoseconds: [3], sampleNanoseconds: [1, 2], threads: 0,
        preset: "quick"
    )

    private func report(_ latency: Latency?) -> DeviceReport {
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
            vectors: [vector, modelAlone], latency: latency
        )
    }

    /// The file that the Python side checks against its schema.
    func testJSON() throws {
        let folder = try XCTUnwrap(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
        for (name, report) in [("report", report(latency)), ("report-without-latency", report(nil))] {
            let wanted = try Data(contentsOf: folder.appendingPathComponent("\(name).json"))
            let one = try XCTUnwrap(JSONSerialization.jsonObject(with: report.json()) as? NSDictionary)
            XCTAssertEqual(one, try XCTUnwrap(JSONSerialization.jsonObject(with: wanted) as? NSDictionary), name)
            XCTAssertEqual(try JSONDecoder().decode(DeviceReport.self, from: report.json()), report, name)
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
