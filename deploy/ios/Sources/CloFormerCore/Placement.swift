/// Where an upright image of `width` x `height` pixels lies in the model's input: resized to `resizedWidth` x
/// `resizedHeight`, of which the input's first pixel is the one at (`left`, `top`); these are negative where a border
/// lies before it.
public struct Placement: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let resizedWidth: Int
    public let resizedHeight: Int
    public let left: Int
    public let top: Int

    /// A place in the input, in pixels, as a place in the image.
    public func back(x: Double, y: Double) -> (x: Double, y: Double) {
        (
            (x + Double(left)) * Double(width) / Double(resizedWidth),
            (y + Double(top)) * Double(height) / Double(resizedHeight)
        )
    }

    /// The whole image as large as it fits into `across` x `down` pixels; the side that does not fill is rounded, a
    /// half up, and the odd pixel lies after it.
    public static func letterbox(width: Int, height: Int, across: Int, down: Int) -> Placement {
        let isFlat = width * down >= height * across
        let resizedWidth = isFlat ? across : fitted(width, down, height)
        let resizedHeight = isFlat ? fitted(height, across, width) : down
        return Placement(
            width: width, height: height, resizedWidth: resizedWidth, resizedHeight: resizedHeight,
            left: -((across - resizedWidth) / 2), top: -((down - resizedHeight) / 2)
        )
    }

    private static func fitted(_ side: Int, _ target: Int, _ other: Int) -> Int {
        max(1, (2 * side * target + other) / (2 * other))
    }
}
