import XCTest

@testable import CloFormerCore

/// Boxes, maps, points and pictures, in a photograph's own pixels.
final class SeenTests: XCTestCase {
    func testWhatIsSeen() throws {
        for row in try SharedFixtures.read().seen {
            let manifest = try Manifest.read(Data(row.manifest.utf8))
            let rule = try XCTUnwrap(manifest.input.preprocessing)
            let place = try rule.placement(width: row.image[0], height: row.image[1])
            let seen = Seeing(manifest: manifest, labels: row.labels).see(row.given, at: place)
            XCTAssertEqual(seen.boxes.map(\.index), row.boxes.map(\.index))
            XCTAssertEqual(seen.boxes.map(\.label), row.boxes.map(\.label))
            XCTAssertEqual(seen.boxes.map(\.score), row.boxes.map(\.score))
            XCTAssertEqual(seen.boxes.map { [$0.left, $0.top, $0.right, $0.bottom] }, row.boxes.map(\.corners))
            let points = seen.points.map { [$0.x, $0.y] + [$0.score].compactMap { $0 } }
            XCTAssertEqual(points, row.points)
            XCTAssertEqual(seen.maps.map(\.classes), row.maps)
            let shares = seen.maps.map { map in seen.shares(of: map).map { [Double($0.index), $0.share] } }
            XCTAssertEqual(shares, row.shares)
            XCTAssertEqual(seen.pictures.map(\.bytes), row.pictures)
        }
    }

    func testBoxesAreHeldToThoseThatTheyMatch() throws {
        for row in try SharedFixtures.read().matched {
            let manifest = try Manifest.read(Data(row.manifest.utf8))
            XCTAssertEqual(inMatchingOrder(row.given, expected: row.expected, manifest: manifest), row.ordered)
        }
    }

    func testMapsAreHeldByTheirPlaces() {
        let tolerance = ConformanceKit.Expected(file: "", maxRel: 0.25, minCosine: -1, because: "")
        let one = DeviceReport.Output(gotClasses: [1, 2, 3, 4], expected: [1, 2, 3, 5], tolerance: tolerance)
        XCTAssertEqual(one, DeviceReport.Output(passed: true, maxAbs: 0.25, largest: 1, cosine: 0.75))
        XCTAssertFalse(
            DeviceReport.Output(gotClasses: [1, 2, 4, 4], expected: [1, 2, 3, 5], tolerance: tolerance).passed
        )
        XCTAssertFalse(DeviceReport.Output(gotClasses: nil, expected: [1], tolerance: tolerance).passed)
    }
}
