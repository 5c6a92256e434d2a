/// The rules that an app's results are judged by, the same on every system.
extension DeviceReport.Preprocessed {
    /// Equal to the bit, or failed. `maxAbs` is in steps of 8-bit pixels. Nothing to compare is a failure too; JSON
    /// has no infinity, and the largest number stands for it.
    public init(got: Pixels, expected: Pixels) {
        guard got.width == expected.width, got.height == expected.height else {
            self.init(passed: false, maxAbs: .greatestFiniteMagnitude)
            return
        }
        let differences = zip(got.bytes, expected.bytes).map { abs(Int($0) - Int($1)) }
        let largest = differences.max() ?? 0
        self.init(passed: largest == 0, maxAbs: Double(largest))
    }
}

extension DeviceReport.Output {
    /// Passes if no number is further off than `maxRel` of the largest expected one, and the direction is the same.
    /// `got` is nil if the model gave no such output.
    public init(got: [Float]?, expected: [Float], tolerance: ConformanceKit.Expected) {
        let wanted = expected.map { Double($0) }
        let largest = wanted.map { abs($0) }.max() ?? 0
        let given = (got ?? []).map { Double($0) }
        guard !wanted.isEmpty, given.count == wanted.count, given.allSatisfy(\.isFinite) else {
            self.init(passed: false, maxAbs: .greatestFiniteMagnitude, largest: largest, cosine: 0)
            return
        }
        let maxAbs = zip(given, wanted).map { abs($0 - $1) }.max() ?? 0
        let angle = cosineOfAngle(given, wanted)
        self.init(
            passed: maxAbs <= tolerance.maxRel * largest && angle >= tolerance.minCosine,
            maxAbs: maxAbs, largest: largest, cosine: angle
        )
    }
}

extension DeviceReport.Output {
    /// A map of classes: `maxAbs` is the share of places that are of another class.
    public init(gotClasses got: [Float]?, expected: [Float], tolerance: ConformanceKit.Expected) {
        guard let got, !expected.isEmpty, got.count == expected.count else {
            self.init(passed: false, maxAbs: .greatestFiniteMagnitude, largest: 1, cosine: 0)
            return
        }
        let others = zip(got, expected).filter { $0 != $1 }.count
        let share = Double(others) / Double(expected.count)
        self.init(passed: share <= tolerance.maxRel, maxAbs: share, largest: 1, cosine: 1 - share)
    }
}

/// Every output of `manifest` that `wanted` has, held to what is `expected`.
public func judged(
    _ given: [String: [Float]], expected: [String: [Float]], wanted: [String: ConformanceKit.Expected],
    manifest: Manifest
) -> [String: DeviceReport.Output] {
    let ordered = inMatchingOrder(given, expected: expected, manifest: manifest)
    let maps = Set(manifest.outputs.filter { $0.role == "class_map" }.map(\.name))
    return Dictionary(
        uniqueKeysWithValues: wanted.map { name, tolerance in
            let values = expected[name] ?? []
            let isMap = maps.contains(name)
            return (
                name,
                isMap
                    ? DeviceReport.Output(gotClasses: ordered[name], expected: values, tolerance: tolerance)
                    : DeviceReport.Output(got: ordered[name], expected: values, tolerance: tolerance)
            )
        }
    )
}

/// Of the angle between two lists of numbers; 1 if both are zero, 0 if one is.
func cosineOfAngle(_ one: [Double], _ other: [Double]) -> Double {
    let product = zip(one, other).map(*).reduce(0, +)
    let lengths = length(one) * length(other)
    if lengths > 0 {
        return product / lengths
    }
    return length(one) == length(other) ? 1 : 0
}

private func length(_ numbers: [Double]) -> Double {
    numbers.map { $0 * $0 }.reduce(0, +).squareRoot()
}
