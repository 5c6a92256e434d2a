import CloFormerCore
import Foundation
import XCTest

/// Cases that Python computed (`Fixtures/shared.json`); a Python test computes them again.
struct SharedFixtures: Decodable {
    let sizes: [Size]
    let orientations: [Turned]
    let resizes: [Resized]
    let crops: [Cropped]
    let letterboxes: [Letterbox]
    let softmax: [Softmax]
    let top: [Top]
    let judged: [Judged]
    let seen: [SeenRow]
    let matched: [Matched]
    let strided: [Strided]
    let numbers: [Numbers]

    struct Picture: Decodable {
        let width: Int
        let height: Int
        let bytes: [UInt8]

        var pixels: Pixels { Pixels(width: width, height: height, bytes: bytes) }
    }

    struct Size: Decodable {
        let width: Int
        let height: Int
        let resizeSize: Int
        let crop: [Int]
        let resized: [Int]
        let corner: [Int]
    }

    struct Turned: Decodable {
        let orientation: Int
        let stored: Picture
        let upright: Picture
    }

    struct Resized: Decodable {
        let interpolation: Interpolation
        let stored: Picture
        let resized: Picture
    }

    struct Cropped: Decodable {
        let interpolation: Interpolation
        let resizeSize: Int
        let crop: [Int]
        let stored: Picture
        let cropped: Picture
    }

    struct Letterbox: Decodable {
        let interpolation: Interpolation
        let fill: Int
        let into: [Int]
        let stored: Picture
        let fitted: Picture
        let points: [[Double]]
    }

    struct Softmax: Decodable {
        let logits: [Float]
        let probabilities: [Double]
    }

    struct Top: Decodable {
        let probabilities: [Double]
        let count: Int
        let order: [Int]
    }

    struct Judged: Decodable {
        let expected: [Float]
        let got: [Float]
        let maxRel: Double
        let minCosine: Double
        let passed: Bool
        let maxAbs: Double?
        let cosine: Double
    }

    struct SeenRow: Decodable {
        let manifest: String
        let labels: [String]?
        let image: [Int]
        let given: [String: [Float]]
        let boxes: [SeenBox]
        let points: [[Double]]
        let maps: [[Int]]
        let shares: [[[Double]]]
        let pictures: [[UInt8]]
    }

    struct SeenBox: Decodable {
        let index: Int
        let label: String?
        let score: Double
        let corners: [Double]
    }

    struct Matched: Decodable {
        let manifest: String
        let expected: [String: [Float]]
        let given: [String: [Float]]
        let ordered: [String: [Float]]
    }

    struct Strided: Decodable {
        let memory: Int
        let shape: [Int]
        let strides: [Int]
        let width: Int
        let bytes: [UInt8]
    }

    struct Numbers: Decodable {
        let tensors: [Row]
        let header: String
        let bytes: [UInt8]

        struct Row: Decodable {
            let name: String
            let type: String
            let shape: [Int]
            let bytes: [UInt8]
        }
    }

    static func read() throws -> SharedFixtures {
        let file = Bundle.module.url(forResource: "shared", withExtension: "json", subdirectory: "Fixtures")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(SharedFixtures.self, from: Data(contentsOf: XCTUnwrap(file)))
    }
}
