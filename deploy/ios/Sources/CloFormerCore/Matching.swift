/// Boxes of an image, as a suppression gives them: left, top, right and bottom of each, its score, 0 where there is
/// none, and its class.
struct Detections {
    // Boxes of one class that share so much of what they cover together are one.
    private static let same = 0.5

    let boxes: [Float]
    let scores: [Float]
    let classes: [Float]

    /// The places that hold one, the best first.
    var are: [Int] {
        scores.indices.filter { scores[$0] > 0 }.sorted { one, other in
            scores[one] == scores[other] ? one < other : scores[one] > scores[other]
        }
    }

    func corners(_ place: Int) -> [Double] {
        (0..<4).map { Double(boxes[4 * place + $0]) }
    }

    /// For each box, the best first, the one of `other` of its class that overlaps it most, and that no better one has.
    func matches(_ other: Detections) -> [Int: Int] {
        var left = other.are
        var found: [Int: Int] = [:]
        for place in are {
            var best = -1.0
            var at = 0
            for (number, candidate) in left.enumerated() {
                let isSame = other.classes[candidate] == classes[place]
                let share = isSame ? overlap(corners(place), other.corners(candidate)) : 0
                if share > best {
                    (best, at) = (share, number)
                }
            }
            if best >= Self.same {
                found[place] = left.remove(at: at)
            }
        }
        return found
    }
}

/// `given` with each box of a suppression at the place of the one that is `expected` and that it matches, for two
/// scores that are nearly equal may change places. A few that match none (a tenth at most) are as expected: a
/// suppression keeps them by a hair. Where they are more, they stay as they are, and are wrong.
func inMatchingOrder(
    _ given: [String: [Float]], expected: [String: [Float]], manifest: Manifest
) -> [String: [Float]] {
    let names = ["boxes", "box_scores", "box_classes"].compactMap { manifest.output(of: $0)?.name }
    guard manifest.isSuppressed, names.count == 3, names.allSatisfy({ given[$0]?.count == expected[$0]?.count }),
        let want = detections(expected, names), let got = detections(given, names),
        zip(got.scores, got.scores.dropFirst()).allSatisfy({ $1 <= $0 })
    else {
        return given
    }
    let pairs = want.matches(got)
    let most = max(want.are.count, got.are.count)
    let areFew = Double(most - pairs.count) <= 0.1 * Double(most)
    let taken = Set(pairs.values)
    var rest = got.scores.indices.filter { !taken.contains($0) }.makeIterator()
    let from = want.scores.indices.map { pairs[$0] ?? rest.next() ?? $0 }
    var ordered = given
    for name in names {
        guard let values = given[name], let wanted = expected[name], !from.isEmpty else { continue }
        let size = values.count / from.count
        ordered[name] = values.indices.map { at in
            let place = at / size
            let isExcused = areFew && pairs[place] == nil
            return isExcused ? wanted[at] : values[from[place] * size + at % size]
        }
    }
    return ordered
}

private func detections(_ values: [String: [Float]], _ names: [String]) -> Detections? {
    guard let boxes = values[names[0]], let scores = values[names[1]], let classes = values[names[2]],
        boxes.count == 4 * scores.count, classes.count == scores.count
    else {
        return nil
    }
    return Detections(boxes: boxes, scores: scores, classes: classes)
}

/// What two boxes share, over what they cover together; 1 of two that are equal and of no size.
func overlap(_ one: [Double], _ other: [Double]) -> Double {
    let across = min(one[2], other[2]) - max(one[0], other[0])
    let down = min(one[3], other[3]) - max(one[1], other[1])
    let shared = max(across, 0) * max(down, 0)
    let ownArea = (one[2] - one[0]) * (one[3] - one[1])
    let union = ownArea + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return union > 0 ? shared / union : one == other ? 1 : 0
}
