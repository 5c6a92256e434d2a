/// A class, its name if the model has labels, how sure the model is, and where: in the photograph's own pixels.
public struct Box: Equatable, Sendable {
    public let index: Int
    public let label: String?
    public let score: Double
    public let left: Double
    public let top: Double
    public let right: Double
    public let bottom: Double
}

/// A place in the photograph, in its own pixels, and how sure the model is; nil where it does not say.
public struct SeenPoint: Equatable, Sendable {
    public let x: Double
    public let y: Double
    public let score: Double?
}

/// Numbers of classes over all of the model's input, row by row; of masks, -1 where none is.
public struct ClassMap: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let classes: [Int]
}

/// What the model says of a photograph, in which its input of `inputWidth` x `inputHeight` pixels lies at `place`.
public struct Seen: Equatable, Sendable {
    public let place: Placement
    public let inputWidth: Int
    public let inputHeight: Int
    public let boxes: [Box]
    public let maps: [ClassMap]
    public let points: [SeenPoint]
    public let pictures: [Pixels]

    /// How much of the photograph each class of a map has, the most first: a pixel is of the class that lies under its
    /// middle, or of the nearest one where the input does not show it.
    public func shares(of map: ClassMap) -> [(index: Int, share: Double)] {
        let columns = Self.under(place.width, place.resizedWidth, place.left, inputWidth, map.width)
        let rows = Self.under(place.height, place.resizedHeight, place.top, inputHeight, map.height)
        var counts: [Int: Int] = [:]
        for (at, index) in map.classes.enumerated() where index >= 0 {
            let pixels = rows[at / map.width] * columns[at % map.width]
            if pixels > 0 {
                counts[index, default: 0] += pixels
            }
        }
        let order = counts.sorted { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }
        return order.map { ($0.key, Double($0.value) / Double(place.width * place.height)) }
    }

    /// Over each of `cells`, which cover `input` pixels, how many of a photograph's rows or columns have their middle.
    private static func under(_ length: Int, _ resized: Int, _ offset: Int, _ input: Int, _ cells: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: cells)
        for at in 0..<length {
            let there = (Double(at) + 0.5) * Double(resized) / Double(length) - Double(offset)
            let cell = Int((there * Double(cells) / Double(input)).rounded(.down))
            counts[min(max(cell, 0), cells - 1)] += 1
        }
        return counts
    }
}

/// The law is `export/artifact/seen.py` of cloformer.
public struct Seeing: Sendable {
    // Of the best boxes, where the model itself suppresses none.
    private static let candidates = 400
    private static let most = 0.5
    private static let sure: Float = 0.5

    let manifest: Manifest
    let labels: [String]?

    public init(manifest: Manifest, labels: [String]?) {
        self.manifest = manifest
        self.labels = labels
    }

    /// What `given`, the outputs by name, say of a photograph; boxes have a score of `minScore` at least.
    public func see(_ given: [String: [Float]], at place: Placement, minScore: Double = 0.3) -> Seen {
        func values(of role: String) -> [(Manifest.Output, [Float])] {
            manifest.outputs.filter { $0.role == role }.compactMap { output in given[output.name].map { (output, $0) } }
        }
        let maps =
            values(of: "class_map").map { numbers($0, $1) } + values(of: "class_scores").map { best($0, $1) }
            + values(of: "masks").map { masks($0, $1) }
        return Seen(
            place: place, inputWidth: manifest.input.shape[3], inputHeight: manifest.input.shape[2],
            boxes: boxes(given, place, minScore), maps: maps,
            points: values(of: "keypoints").flatMap { points($0, $1, place) },
            pictures: values(of: "image").map { picture($0, $1) }
        )
    }

    private func boxes(_ given: [String: [Float]], _ place: Placement, _ minScore: Double) -> [Box] {
        guard let output = manifest.output(of: "boxes"), let values = given[output.name],
            let scored = manifest.output(of: "box_scores"), let scores = given[scored.name]
        else {
            return []
        }
        let count = values.count / 4
        let numbers = manifest.output(of: "box_classes").flatMap { given[$0.name] }
        let classes = count > 0 ? scores.count / count : 0
        let index = (0..<count).map { at in
            numbers.map { Int($0[at]) } ?? largest(scores, from: at * classes, count: classes, step: 1)
        }
        let score = (0..<count).map { Double(numbers == nil ? scores[$0 * classes + index[$0]] : scores[$0]) }
        let all = (0..<count).map { corners(output, values, 4 * $0, place) }
        let order = (0..<count).filter { score[$0] >= minScore && score[$0] > 0 }.sorted { one, other in
            score[one] == score[other] ? one < other : score[one] > score[other]
        }
        var kept: [Int] = []
        for at in order.prefix(Self.candidates) {
            let isCovered = kept.contains { index[$0] == index[at] && overlap(all[$0], all[at]) > Self.most }
            if manifest.isSuppressed || !isCovered {
                kept.append(at)
            }
        }
        let (width, height) = (Double(place.width), Double(place.height))
        return kept.map { at in
            Box(
                index: index[at], label: name(index[at]), score: score[at], left: min(max(all[at][0], 0), width),
                top: min(max(all[at][1], 0), height), right: min(max(all[at][2], 0), width),
                bottom: min(max(all[at][3], 0), height)
            )
        }
    }

    private func name(_ index: Int) -> String? {
        guard let labels, labels.indices.contains(index) else { return nil }
        return labels[index]
    }

    /// Left, top, right and bottom in the photograph.
    private func corners(_ output: Manifest.Output, _ values: [Float], _ at: Int, _ place: Placement) -> [Double] {
        var box = (0..<4).map { Double(values[at + $0]) }
        if output.coordinates?.form == "center_size" {
            let (x, y, width, height) = (box[0], box[1], box[2] / 2, box[3] / 2)
            box = [x - width, y - height, x + width, y + height]
        }
        let (across, down) = unit(output)
        let first = place.back(x: box[0] * across, y: box[1] * down)
        let last = place.back(x: box[2] * across, y: box[3] * down)
        return [first.x, first.y, last.x, last.y]
    }

    private func points(_ output: Manifest.Output, _ values: [Float], _ place: Placement) -> [SeenPoint] {
        let size = output.shape.last ?? 2
        let (across, down) = unit(output)
        return (0..<(values.count / size)).map { number in
            let at = number * size
            let found = place.back(x: Double(values[at]) * across, y: Double(values[at + 1]) * down)
            let score = size > 2 ? Double(values[at + 2]) : nil
            return SeenPoint(x: found.x, y: found.y, score: score)
        }
    }

    /// By what coordinates are multiplied, so that they are pixels of the input.
    private func unit(_ output: Manifest.Output) -> (Double, Double) {
        guard output.coordinates?.unit == "shares" else { return (1, 1) }
        return (Double(manifest.input.shape[3]), Double(manifest.input.shape[2]))
    }

    private func numbers(_ output: Manifest.Output, _ values: [Float]) -> ClassMap {
        let size = output.shape.suffix(2)
        return ClassMap(width: size.last ?? 0, height: size.first ?? 0, classes: values.map { Int($0) })
    }

    /// The class of the largest score at each place; of equal ones the first.
    private func best(_ output: Manifest.Output, _ values: [Float]) -> ClassMap {
        let (width, height) = (output.shape[3], output.shape[2])
        let classes = (0..<(width * height)).map { place in
            largest(values, from: place, count: output.shape[1], step: width * height)
        }
        return ClassMap(width: width, height: height, classes: classes)
    }

    /// The number of the last mask that a place is in, from 1 on.
    private func masks(_ output: Manifest.Output, _ values: [Float]) -> ClassMap {
        let (width, height) = (output.shape[3], output.shape[2])
        let area = width * height
        let classes = (0..<area).map { place in
            (0..<output.shape[1]).last { values[$0 * area + place] > Self.sure }.map { $0 + 1 } ?? -1
        }
        return ClassMap(width: width, height: height, classes: classes)
    }

    /// Shares from 0 to 1, or pixels where one is larger than 2, as red, green and blue.
    private func picture(_ output: Manifest.Output, _ values: [Float]) -> Pixels {
        let (width, height) = (output.shape[3], output.shape[2])
        let area = width * height
        let scale = values.contains { $0 > 2 } ? 1.0 : 255.0
        let bytes = (0..<(3 * area)).map { at -> UInt8 in
            let channel = output.shape[1] == 1 ? 0 : at % 3
            let value = Double(values[channel * area + at / 3]) * scale
            return UInt8(min(max(value.isNaN ? 0 : value.rounded(.toNearestOrEven), 0), 255))
        }
        return Pixels(width: width, height: height, bytes: bytes)
    }

    /// Which of `count` values is the largest, the first of equal ones.
    private func largest(_ values: [Float], from start: Int, count: Int, step: Int) -> Int {
        var found = 0
        for index in 0..<max(count, 0) where values[start + index * step] > values[start + found * step] {
            found = index
        }
        return found
    }
}
