/// An image in memory: rows from the top, three bytes a pixel (red, green, blue).
public struct Pixels: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let bytes: [UInt8]

    public init(width: Int, height: Int, bytes: [UInt8]) {
        precondition(bytes.count == width * height * 3, "three bytes a pixel")
        self.width = width
        self.height = height
        self.bytes = bytes
    }

    /// The part of `width` x `height` pixels whose top left corner is at (`x`, `y`).
    public func cropped(x: Int, y: Int, width: Int, height: Int) -> Pixels {
        precondition(x >= 0 && y >= 0 && x + width <= self.width && y + height <= self.height)
        var part: [UInt8] = []
        part.reserveCapacity(width * height * 3)
        for row in y..<(y + height) {
            let start = (row * self.width + x) * 3
            part += bytes[start..<(start + width * 3)]
        }
        return Pixels(width: width, height: height, bytes: part)
    }

    /// An image of `width` x `height` pixels of `fill`, with this one at (`x`, `y`).
    public func bordered(x: Int, y: Int, width: Int, height: Int, fill: UInt8) -> Pixels {
        precondition(x >= 0 && y >= 0 && x + self.width <= width && y + self.height <= height)
        var whole = [UInt8](repeating: fill, count: width * height * 3)
        for row in 0..<self.height {
            let source = row * self.width * 3
            let target = ((y + row) * width + x) * 3
            whole.replaceSubrange(target..<(target + self.width * 3), with: bytes[source..<(source + self.width * 3)])
        }
        return Pixels(width: width, height: height, bytes: whole)
    }

    /// Turned so that its top is up.
    public func upright(_ orientation: Orientation) -> Pixels {
        if orientation == .up {
            return self
        }
        let (newWidth, newHeight) = orientation.swapsSides ? (height, width) : (width, height)
        var turned = [UInt8](repeating: 0, count: bytes.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let from = orientation.source(x: x, y: y, width: width, height: height)
                let source = (from.y * width + from.x) * 3
                let target = (y * newWidth + x) * 3
                turned[target] = bytes[source]
                turned[target + 1] = bytes[source + 1]
                turned[target + 2] = bytes[source + 2]
            }
        }
        return Pixels(width: newWidth, height: newHeight, bytes: turned)
    }
}

/// EXIF's eight orientations, by EXIF's numbers; `CGImagePropertyOrientation` has the same names and numbers.
public enum Orientation: Int, CaseIterable, Sendable {
    case up = 1
    case upMirrored = 2
    case down = 3
    case downMirrored = 4
    case leftMirrored = 5
    case right = 6
    case rightMirrored = 7
    case left = 8

    public var swapsSides: Bool { rawValue >= 5 }

    /// Where the pixel at (`x`, `y`) of the upright image is in the stored one, which is `width` x `height`.
    public func source(x: Int, y: Int, width: Int, height: Int) -> (x: Int, y: Int) {
        let right = width - 1
        let bottom = height - 1
        switch self {
        case .up: return (x, y)
        case .upMirrored: return (right - x, y)
        case .down: return (right - x, bottom - y)
        case .downMirrored: return (x, bottom - y)
        case .leftMirrored: return (y, x)
        case .right: return (y, bottom - x)
        case .rightMirrored: return (right - y, bottom - x)
        case .left: return (right - y, x)
        }
    }
}
