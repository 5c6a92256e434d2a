import CloFormerCore
import CoreGraphics
import Foundation
import ImageIO

/// An image as a camera or a gallery gives it: stored pixels, and how they are to be turned.
///
/// Unchecked: a `CGImage` never changes, but not every SDK says so.
public struct Photo: @unchecked Sendable {
    public let image: CGImage
    public let orientation: CGImagePropertyOrientation

    public init(image: CGImage, orientation: CGImagePropertyOrientation) {
        self.image = image
        self.orientation = orientation
    }

    /// Throws ``CloFormerError`` unless `data` is the file of an image.
    public init(data: Data) throws {
        guard let source = CGImageSourceCreateWithData(data as CFData, nil),
            let image = CGImageSourceCreateImageAtIndex(source, 0, nil)
        else {
            throw CloFormerError("the file is not an image that can be read", advice: "choose another")
        }
        let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
        let number = (properties?[kCGImagePropertyOrientation] as? NSNumber)?.uint32Value ?? 1
        self.init(image: image, orientation: CGImagePropertyOrientation(rawValue: number) ?? .up)
    }

    /// The size after it is turned.
    var uprightSize: (width: Int, height: Int) {
        turn.swapsSides ? (image.height, image.width) : (image.width, image.height)
    }

    private var turn: Orientation { Orientation(rawValue: Int(orientation.rawValue)) ?? .up }

    /// Upright, with the colours that are stored: no colour profile is applied, and transparency is ignored, as it is
    /// where the model was trained.
    public func pixels() throws -> Pixels {
        let isGrey = image.colorSpace?.model == .monochrome
        // Drawn in the space that it is said to be in, a number stays what it is.
        let space = isGrey ? CGColorSpaceCreateDeviceGray() : CGColorSpaceCreateDeviceRGB()
        let layout: CGImageAlphaInfo = isGrey ? .none : .noneSkipLast
        let (width, height) = (image.width, image.height)
        guard
            let context = CGContext(
                data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 0, space: space,
                bitmapInfo: layout.rawValue
            )
        else {
            throw CloFormerError("there is no memory for \(width) x \(height) pixels", advice: "choose a smaller image")
        }
        context.interpolationQuality = .none
        context.setBlendMode(.copy)
        context.draw(asStored(in: space), in: CGRect(x: 0, y: 0, width: width, height: height))
        guard let memory = context.data else {
            throw CloFormerError("the image cannot be drawn", advice: "choose another")
        }
        let rows = UnsafeRawBufferPointer(start: memory, count: context.bytesPerRow * height)
        let bytes = rgb(rows, rowBytes: context.bytesPerRow, step: isGrey ? 1 : 4)
        return Pixels(width: width, height: height, bytes: bytes).upright(turn)
    }

    /// The same bytes, said to be in `space` and opaque. An image that cannot be described so (an indexed or a CMYK
    /// one) stays as it is and is converted when it is drawn.
    private func asStored(in space: CGColorSpace) -> CGImage {
        guard image.colorSpace?.numberOfComponents == space.numberOfComponents,
            let data = image.dataProvider?.data, CFDataGetLength(data) >= image.bytesPerRow * image.height,
            let provider = CGDataProvider(data: data)
        else {
            return image
        }
        let layout = image.bitmapInfo.subtracting(.alphaInfoMask)
        let described = CGImage(
            width: image.width, height: image.height, bitsPerComponent: image.bitsPerComponent,
            bitsPerPixel: image.bitsPerPixel, bytesPerRow: image.bytesPerRow, space: space,
            bitmapInfo: CGBitmapInfo(rawValue: layout.rawValue | opaque(image.alphaInfo).rawValue),
            provider: provider, decode: nil, shouldInterpolate: false, intent: .defaultIntent
        )
        return described ?? image
    }

    private func opaque(_ alpha: CGImageAlphaInfo) -> CGImageAlphaInfo {
        switch alpha {
        case .last, .premultipliedLast: return .noneSkipLast
        case .first, .premultipliedFirst: return .noneSkipFirst
        default: return alpha
        }
    }

    private func rgb(_ rows: UnsafeRawBufferPointer, rowBytes: Int, step: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: image.width * image.height * 3)
        let (green, blue) = step == 1 ? (0, 0) : (1, 2)
        var out = 0
        for row in 0..<image.height {
            var place = row * rowBytes
            for _ in 0..<image.width {
                bytes[out] = rows[place]
                bytes[out + 1] = rows[place + green]
                bytes[out + 2] = rows[place + blue]
                place += step
                out += 3
            }
        }
        return bytes
    }
}
