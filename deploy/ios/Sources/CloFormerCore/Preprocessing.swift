/// How an image becomes the model's input. The law is `export/preprocessing.py` of cloformer: decode, turn upright,
/// resize the short side, cut out the middle. Scaling and normalization are inside the Core ML model.
public struct Preprocessing: Codable, Equatable, Sendable {
    public let height: Int
    public let width: Int
    /// The short side before the crop.
    public let resizeSize: Int
    public let interpolation: Interpolation
    public let crop: String
    public let colorOrder: String
    public let scale: Double
    public let mean: [Double]
    public let std: [Double]

    enum CodingKeys: String, CodingKey {
        case height, width, interpolation, crop, scale, mean, std
        case resizeSize = "resize_size"
        case colorOrder = "color_order"
    }

    public init(height: Int, width: Int, resizeSize: Int, interpolation: Interpolation) {
        self.height = height
        self.width = width
        self.resizeSize = resizeSize
        self.interpolation = interpolation
        crop = "center"
        colorOrder = "RGB"
        scale = 1.0 / 255.0
        mean = [0, 0, 0]
        std = [1, 1, 1]
    }

    // An image so thin that it would be enormous is refused: Pillow's own limit, in pixels.
    private static let mostPixels = 178_956_970

    func check() throws {
        guard min(height, width) >= 1, resizeSize >= max(height, width), resizeSize <= 1 << 20,
            crop == "center", mean.count == 3, std.count == 3
        else {
            throw CloFormerError("the manifest's preprocessing is not one that this app knows", advice: updateTheApp)
        }
    }

    /// The size of an image of `width` x `height` pixels after the resize.
    public func resizedSize(width: Int, height: Int) throws -> (width: Int, height: Int) {
        guard min(width, height) >= 1 else {
            throw CloFormerError("the image has no pixels", advice: "choose another")
        }
        let short = min(width, height)
        let long = max(width, height)
        let exact = Double(resizeSize * long) / Double(short)
        guard exact <= Double(Self.mostPixels), resizeSize * Int(exact) <= Self.mostPixels else {
            throw CloFormerError(
                "an image of \(width) x \(height) pixels is too thin", advice: "cut out the part that matters"
            )
        }
        let other = Int(exact)
        return width <= height ? (resizeSize, other) : (other, resizeSize)
    }

    /// The top left corner of the crop in a resized image. A half is rounded to the even number, as Python does.
    public func cropCorner(width: Int, height: Int) -> (x: Int, y: Int) {
        let left = Double(width - self.width) / 2
        let top = Double(height - self.height) / 2
        return (Int(left.rounded(.toNearestOrEven)), Int(top.rounded(.toNearestOrEven)))
    }

    /// Upright pixels, resized and cropped: what the model takes.
    public func apply(to pixels: Pixels) throws -> Pixels {
        let size = try resizedSize(width: pixels.width, height: pixels.height)
        let resized = pixels.resized(width: size.width, height: size.height, interpolation)
        let corner = cropCorner(width: size.width, height: size.height)
        return resized.cropped(x: corner.x, y: corner.y, width: width, height: height)
    }

    /// How much of an upright image's width and height the crop shows, in its middle: 1 is all of it.
    public func shownPart(width: Int, height: Int) throws -> (width: Double, height: Double) {
        let size = try resizedSize(width: width, height: height)
        return (Double(self.width) / Double(size.width), Double(self.height) / Double(size.height))
    }
}
