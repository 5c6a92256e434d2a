import XCTest

@testable import CloFormerCore

final class ScoresTests: XCTestCase {
    func testSoftmax() throws {
        for row in try SharedFixtures.read().softmax {
            let got = softmax(row.logits)
            XCTAssertEqual(got.count, row.probabilities.count)
            for (one, other) in zip(got, row.probabilities) {
                XCTAssertEqual(one, other, accuracy: 1e-15)
            }
        }
    }

    func testTop() throws {
        for row in try SharedFixtures.read().top {
            let guesses = topGuesses(row.probabilities, labels: nil, count: row.count)
            XCTAssertEqual(guesses.map(\.index), row.order)
            XCTAssertEqual(guesses.map(\.probability), row.order.map { row.probabilities[$0] })
        }
    }

    func testNames() {
        let named = topGuesses([0.25, 0.75], labels: ["cat", "dog"], count: 1)
        XCTAssertEqual(named, [Guess(index: 1, label: "dog", probability: 0.75)])
        XCTAssertEqual(named[0].name, "dog")
        XCTAssertEqual(topGuesses([1], labels: nil, count: 9).map(\.name), ["Class 0"])
    }

    func testJudge() throws {
        for row in try SharedFixtures.read().judged {
            let tolerance = ConformanceKit.Expected(
                file: "", maxRel: row.maxRel, minCosine: row.minCosine, because: ""
            )
            let output = DeviceReport.Output(got: row.got, expected: row.expected, tolerance: tolerance)
            XCTAssertEqual(output.passed, row.passed, "\(row)")
            XCTAssertEqual(output.maxAbs, row.maxAbs ?? .greatestFiniteMagnitude, "\(row)")
            XCTAssertEqual(output.cosine, row.cosine, accuracy: 1e-15, "\(row)")
        }
    }

    func testNothingToCompareFails() {
        let tolerance = ConformanceKit.Expected(file: "", maxRel: 1e9, minCosine: -1, because: "")
        // No NaN may get into the report: JSON has none.
        let failed = DeviceReport.Output(passed: false, maxAbs: .greatestFiniteMagnitude, largest: 1, cosine: 0)
        for got in [nil, [], [1], [1, .nan], [.nan, 1], [.infinity, 1]] as [[Float]?] {
            XCTAssertEqual(DeviceReport.Output(got: got, expected: [1, 1], tolerance: tolerance), failed)
        }
        XCTAssertFalse(DeviceReport.Output(got: [], expected: [], tolerance: tolerance).passed)
    }

    func testPixelsAreJudgedToTheBit() {
        let black = Pixels(width: 1, height: 1, bytes: [0, 0, 0])
        let almost = Pixels(width: 1, height: 1, bytes: [0, 1, 0])
        let wide = Pixels(width: 2, height: 1, bytes: [0, 0, 0, 0, 0, 0])
        XCTAssertEqual(
            DeviceReport.Preprocessed(got: black, expected: black), DeviceReport.Preprocessed(passed: true, maxAbs: 0)
        )
        XCTAssertEqual(
            DeviceReport.Preprocessed(got: almost, expected: black), DeviceReport.Preprocessed(passed: false, maxAbs: 1)
        )
        XCTAssertFalse(DeviceReport.Preprocessed(got: wide, expected: black).passed)
    }
}
