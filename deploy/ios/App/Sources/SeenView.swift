import CloFormerCore
import CloFormerCoreML
import SwiftUI
import UIKit

/// Maps, boxes and points over the photograph, which is shown upright and as large as the view.
struct SeenOverlay: View {
    let seen: Seen

    var body: some View {
        Canvas { context, size in
            let place = seen.place
            context.scaleBy(x: size.width / CGFloat(place.width), y: size.height / CGFloat(place.height))
            let line = CGFloat(max(place.width, place.height)) / 300
            for map in seen.maps {
                draw(map, in: &context)
            }
            for box in seen.boxes.reversed() {  // the best last, on top
                draw(box, line: line, in: &context)
            }
            for (number, point) in seen.points.enumerated() {
                let dot = CGRect(x: point.x - 2 * line, y: point.y - 2 * line, width: 4 * line, height: 4 * line)
                context.fill(Path(ellipseIn: dot), with: .color(color(of: number + 1)))
            }
        }
        .accessibilityHidden(true)
    }

    private func draw(_ box: Box, line: CGFloat, in context: inout GraphicsContext) {
        let frame = CGRect(x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top)
        context.stroke(Path(frame), with: .color(color(of: box.index + 1)), lineWidth: line)
        let score = box.score.formatted(.number.precision(.fractionLength(2)))
        let text = Text("\(box.label ?? "\(box.index)") \(score)").font(.system(size: 8 * line))
        context.draw(
            text.foregroundColor(color(of: box.index + 1)), at: CGPoint(x: box.left + line, y: box.top),
            anchor: .bottomLeading
        )
    }

    /// All of the input lies at its place in the photograph; what is beyond the photograph's edge is border.
    private func draw(_ map: ClassMap, in context: inout GraphicsContext) {
        guard let image = picture(of: map) else { return }
        let place = seen.place
        let start = place.back(x: 0, y: 0)
        let end = place.back(x: Double(seen.inputWidth), y: Double(seen.inputHeight))
        let frame = CGRect(x: start.x, y: start.y, width: end.x - start.x, height: end.y - start.y)
        var over = context
        over.opacity = 0.5
        over.draw(Image(decorative: image, scale: 1).interpolation(.none), in: frame)
    }

    private func picture(of map: ClassMap) -> CGImage? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * map.classes.count)
        var known: [Int: [UInt8]] = [-1: [0, 0, 0, 0]]
        for index in map.classes {
            let color = known[index] ?? components(of: index)
            known[index] = color
            bytes += color
        }
        guard let provider = CGDataProvider(data: Data(bytes) as CFData) else { return nil }
        return CGImage(
            width: map.width, height: map.height, bitsPerComponent: 8, bitsPerPixel: 32, bytesPerRow: 4 * map.width,
            space: CGColorSpaceCreateDeviceRGB(),
            bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.premultipliedLast.rawValue), provider: provider,
            decode: nil, shouldInterpolate: false, intent: .defaultIntent
        )
    }

    private func components(of index: Int) -> [UInt8] {
        var (red, green, blue, alpha): (CGFloat, CGFloat, CGFloat, CGFloat) = (0, 0, 0, 0)
        UIColor(color(of: index)).getRed(&red, green: &green, blue: &blue, alpha: &alpha)
        return [red, green, blue, 1].map { UInt8(min(max($0 * 255, 0), 255)) }
    }

    /// The colour of a class, the same in every picture; of class 0 black, which is the background as a rule.
    private func color(of index: Int) -> Color {
        guard index > 0 else { return .black }
        let hue = (0.02 + Double(index) * 0.618034).truncatingRemainder(dividingBy: 1)
        return Color(hue: hue, saturation: 0.75, brightness: 1)
    }
}

/// What was found, in words: the best boxes, or how much of a map each class has; and how long it took.
struct SightView: View {
    let sight: Classifier.Sight
    let labels: [String]?

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            if let picture = sight.seen.pictures.first, let shown = image(of: picture) {
                Image(decorative: shown, scale: 1).resizable().scaledToFit()
            }
            ForEach(Array(rows.prefix(5).enumerated()), id: \.offset) { _, row in
                HStack(alignment: .firstTextBaseline) {
                    Text(row.name)
                    Spacer()
                    Text(row.share, format: .percent.precision(.fractionLength(1))).monospacedDigit()
                }
                .accessibilityElement(children: .combine)
            }
            Text("Model \(time(sight.modelNanoseconds)), photograph \(time(sight.preparationNanoseconds))")
                .font(.footnote)
                .foregroundStyle(.secondary)
        }
    }

    private var rows: [(name: String, share: Double)] {
        let boxes = sight.seen.boxes.map { (name: $0.label ?? "Class \($0.index)", share: $0.score) }
        let maps = sight.seen.maps.flatMap(sight.seen.shares(of:)).map { (name: name($0.index), share: $0.share) }
        return boxes + maps
    }

    private func name(_ index: Int) -> String {
        guard let labels, labels.indices.contains(index) else { return "Class \(index)" }
        return labels[index]
    }

    private func image(of picture: Pixels) -> CGImage? {
        guard let provider = CGDataProvider(data: Data(picture.bytes) as CFData) else { return nil }
        return CGImage(
            width: picture.width, height: picture.height, bitsPerComponent: 8, bitsPerPixel: 24,
            bytesPerRow: 3 * picture.width, space: CGColorSpaceCreateDeviceRGB(),
            bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue), provider: provider, decode: nil,
            shouldInterpolate: false, intent: .defaultIntent
        )
    }

    private func time(_ nanoseconds: Int) -> String {
        let milliseconds = Double(nanoseconds) / 1e6
        return "\(milliseconds.formatted(.number.precision(.fractionLength(1)))) ms"
    }
}
