/// How an image becomes the model's input. The law is `export/preprocessing.py` of cloformer: decode, turn upright,
/// resize the short side, cut out the middle; or fit in the whole image, with a border. Scaling and normalization are
/// inside the Core ML model.
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
    /// What a letterbox's border is, 0 to 255; nil where the middle is cut out.
    public let fill: Int?

    enum CodingKeys: String, CodingKey {
        case height, width, interpolation, crop, scale, mean, std, fill
        case resizeSize = "resize_size"
        case colorOrder = "color_order"
    }

    public init(height: Int, width: Int, resizeSize: Int, interpolation: Interpolation, fill: Int? = nil) {
        self.height = height
        self.width = width
        self.resizeSize = resizeSize
        self.interpolation = interpolation
        self.fill = fill
        crop = fill == nil ? "center" : "letterbox"
        colorOrder = "RGB"
        scale = 1.0 / 255.0
        mean = [0, 0, 0]
        std = [1, 1, 1]
    }

    // An image so thin that it would be enormous is refused: Pillow's own limit, in pixels.
    private static let mostPixels = 178_956_970

    func check() throws {
        guard min(height, width) >= 1, resizeSize >= max(height, width), resizeSize <= 1 << 20,
            crop == (fill == nil ? "center" : "letterbox"), (0...255).contains(fill ?? 0),
            mean.count == 3, std.count == 3
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

    /// Where an upright image of `width` x `height` pixels lies in the input.
    public func placement(width: Int, height: Int) throws -> Placement {
        guard fill == nil else {
            guard min(width, height) >= 1 else {
                throw CloFormerError("the image has no pixels", advice: "choose another")
            }
            return .letterbox(width: width, height: height, across: self.width, down: self.height)
        }
        let size = try resizedSize(width: width, height: height)
        let corner = cropCorner(width: size.width, height: size.height)
        return Placement(
            width: width, height: height, resizedWidth: size.width, resizedHeight: size.height, left: corner.x,
            top: corner.y
        )
    }

    /// Upright pixels, resized, and then the middle of them or all of them with a border: what the model takes.
    public func apply(to pixels: Pixels) throws -> Pixels {
        let place = try placement(width: pixels.width, height: pixels.height)
        let resized = pixels.resized(width: place.resizedWidth, height: place.resizedHeight, interpolation)
        guard let fill else {
            return resized.cropped(x: place.left, y: place.top, width: width, height: height)
        }
        return resized.bordered(x: -place.left, y: -place.top, width: width, height: height, fill: UInt8(fill))
    }

    /// How much of an upright image's width and height the crop shows, in its middle: 1 is all of it.
    public func shownPart(width: Int, height: Int) throws -> (width: Double, height: Double) {
        let size = try resizedSize(width: width, height: height)
        return (Double(self.width) / Double(size.width), Double(self.height) / Double(size.height))
    }
}
