import XCTest

@testable import CloFormerCore

/// Equal to the bit to what the Python toolchain computes.
final class PreprocessingTests: XCTestCase {
    func testSizeAndCorner() throws {
        for row in try SharedFixtures.read().sizes {
            let rule = Preprocessing(
                height: row.crop[0], width: row.crop[1], resizeSize: row.resizeSize, interpolation: .bicubic
            )
            let size = try rule.resizedSize(width: row.width, height: row.height)
            XCTAssertEqual([size.width, size.height], row.resized, "\(row)")
            let corner = rule.cropCorner(width: size.width, height: size.height)
            XCTAssertEqual([corner.x, corner.y], row.corner, "\(row)")
        }
    }

    func testOrientations() throws {
        let rows = try SharedFixtures.read().orientations
        XCTAssertEqual(rows.map(\.orientation), Orientation.allCases.map(\.rawValue))
        for row in rows {
            let orientation = try XCTUnwrap(Orientation(rawValue: row.orientation))
            XCTAssertEqual(row.stored.pixels.upright(orientation), row.upright.pixels, "\(orientation)")
        }
    }

    func testFilters() throws {
        for row in try SharedFixtures.read().resizes {
            let wanted = row.resized.pixels
            let got = row.stored.pixels.resized(width: wanted.width, height: wanted.height, row.interpolation)
            XCTAssertEqual(got, wanted, "\(row.interpolation) to \(wanted.width) x \(wanted.height)")
        }
    }

    func testEverythingAtOnce() throws {
        for row in try SharedFixtures.read().crops {
            let rule = Preprocessing(
                height: row.crop[0], width: row.crop[1], resizeSize: row.resizeSize, interpolation: row.interpolation
            )
            XCTAssertEqual(try rule.apply(to: row.stored.pixels), row.cropped.pixels, "\(row.interpolation)")
        }
    }

    func testLetterboxes() throws {
        for row in try SharedFixtures.read().letterboxes {
            let rule = Preprocessing(
                height: row.into[0], width: row.into[1], resizeSize: max(row.into[0], row.into[1]),
                interpolation: row.interpolation, fill: row.fill
            )
            let stored = row.stored.pixels
            XCTAssertEqual(try rule.apply(to: stored), row.fitted.pixels, "\(row.into)")
            let place = try rule.placement(width: stored.width, height: stored.height)
            for point in row.points {
                let found = place.back(x: point[0], y: point[1])
                XCTAssertEqual([found.x, found.y], [point[2], point[3]])
            }
        }
    }

    func testTheShownPartIsTheCrop() throws {
        let rule = Preprocessing(height: 224, width: 224, resizeSize: 256, interpolation: .bicubic)
        let part = try rule.shownPart(width: 640, height: 480)
        XCTAssertEqual(part.width, 224.0 / 341.0)
        XCTAssertEqual(part.height, 0.875)
    }

    func testImagesThatCannotBePrepared() {
        let rule = Preprocessing(height: 224, width: 224, resizeSize: 256, interpolation: .bicubic)
        XCTAssertThrowsError(try rule.resizedSize(width: 1, height: 1_000_000)) { error in
            XCTAssertTrue("\(error)".contains("too thin"), "\(error)")
        }
        XCTAssertThrowsError(try rule.resizedSize(width: 0, height: 5))
    }
}
