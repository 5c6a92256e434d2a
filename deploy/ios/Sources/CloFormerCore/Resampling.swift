import Foundation

/// The filters that images are resized with, by their names in the manifest.
public enum Interpolation: String, Codable, CaseIterable, Sendable {
    case nearest, bilinear, bicubic, lanczos

    /// How far the filter reaches, in pixels of the smaller image.
    var reach: Double {
        switch self {
        case .nearest: return 0
        case .bilinear: return 1
        case .bicubic: return 2
        case .lanczos: return 3
        }
    }

    func weight(_ distance: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .nearest:
            return 0
        case .bilinear:
            return x < 1 ? 1 - x : 0
        case .bicubic:  // Keys' filter with a = -0.5
            if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0
        case .lanczos:
            return x < 3 ? sinc(distance) * sinc(distance / 3) : 0
        }
    }

    private func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(x * .pi) / (x * .pi)
    }
}

// Pillow computes in fixed point so that every machine gives the same bytes: weights of 22 bits, sums of 32.
private let bits: Int32 = 22
private let half: Int32 = 1 << (bits - 1)
private let one = 4_194_304.0  // 2 to the 22nd

/// The pixels that one pixel of the result is made of: from `start` on, one weight each.
private struct Taps {
    let start: Int
    let weights: [Int32]

    static func all(from oldSize: Int, to newSize: Int, _ filter: Interpolation) -> [Taps] {
        let scale = Double(oldSize) / Double(newSize)
        let stretch = max(scale, 1)  // a smaller image takes a wider filter, which is the antialiasing
        let narrowing = 1 / stretch
        let reach = filter.reach * stretch
        return (0..<newSize).map { index in
            let center = (Double(index) + 0.5) * scale
            let first = max(Int(center - reach + 0.5), 0)
            let end = min(Int(center + reach + 0.5), oldSize)
            let exact = (first..<end).map { filter.weight((Double($0) - center + 0.5) * narrowing) }
            let sum = exact.reduce(0, +)
            let weights = exact.map { weight -> Int32 in
                let scaled = (sum == 0 ? weight : weight / sum) * one
                return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
            }
            return Taps(start: first, weights: weights)
        }
    }
}

extension Pixels {
    /// Resized with Pillow's antialiasing, to the bit: rows first, then columns, each rounded to 8 bits.
    public func resized(width: Int, height: Int, _ filter: Interpolation) -> Pixels {
        if filter == .nearest {
            return picked(width: width, height: height)
        }
        let wide = width == self.width ? self : withRowsResampled(to: width, filter)
        return height == self.height ? wide : wide.withColumnsResampled(to: height, filter)
    }

    private func picked(width: Int, height: Int) -> Pixels {
        let columns = Self.nearest(from: self.width, to: width)
        let rows = Self.nearest(from: self.height, to: height)
        var result: [UInt8] = []
        result.reserveCapacity(width * height * 3)
        for row in rows {
            for column in columns {
                let place = (row * self.width + column) * 3
                result += bytes[place..<(place + 3)]
            }
        }
        return Pixels(width: width, height: height, bytes: result)
    }

    private static func nearest(from oldSize: Int, to newSize: Int) -> [Int] {
        let scale = Double(oldSize) / Double(newSize)
        var place = scale * 0.5
        return (0..<newSize).map { _ in
            defer { place += scale }  // added up, as Pillow does: a product would round elsewhere
            return min(Int(place), oldSize - 1)
        }
    }

    private func withRowsResampled(to newWidth: Int, _ filter: Interpolation) -> Pixels {
        let taps = Taps.all(from: width, to: newWidth, filter)
        var result = [UInt8](repeating: 0, count: newWidth * height * 3)
        bytes.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { target in
                var out = 0
                for row in 0..<height {
                    for tap in taps {
                        var red = half
                        var green = half
                        var blue = half
                        var place = (row * width + tap.start) * 3
                        for weight in tap.weights {
                            red += weight * Int32(source[place])
                            green += weight * Int32(source[place + 1])
                            blue += weight * Int32(source[place + 2])
                            place += 3
                        }
                        target[out] = UInt8(clamping: red >> bits)
                        target[out + 1] = UInt8(clamping: green >> bits)
                        target[out + 2] = UInt8(clamping: blue >> bits)
                        out += 3
                    }
                }
            }
        }
        return Pixels(width: newWidth, height: height, bytes: result)
    }

    private func withColumnsResampled(to newHeight: Int, _ filter: Interpolation) -> Pixels {
        let taps = Taps.all(from: height, to: newHeight, filter)
        let rowBytes = width * 3
        var result = [UInt8](repeating: 0, count: rowBytes * newHeight)
        bytes.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { target in
                var out = 0
                for tap in taps {
                    for column in 0..<rowBytes {
                        var sum = half
                        var place = tap.start * rowBytes + column
                        for weight in tap.weights {
                            sum += weight * Int32(source[place])
                            place += rowBytes
                        }
                        target[out] = UInt8(clamping: sum >> bits)
                        out += 1
                    }
                }
            }
        }
        return Pixels(width: width, height: newHeight, bytes: result)
    }
}
