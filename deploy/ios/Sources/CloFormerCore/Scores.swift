import Foundation

/// A class: its index, its name if the model has labels, its probability.
public struct Guess: Equatable, Identifiable, Sendable {
    public let index: Int
    public let label: String?
    public let probability: Double

    public var id: Int { index }
    public var name: String { label ?? "Class \(index)" }

    public init(index: Int, label: String?, probability: Double) {
        self.index = index
        self.label = label
        self.probability = probability
    }
}

/// Probabilities, in 64 bits. The largest logit is taken away first, so that nothing overflows.
public func softmax(_ logits: [Float]) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let shifted = logits.map { exp(Double($0) - largest) }
    let sum = shifted.reduce(0, +)
    return shifted.map { $0 / sum }
}

/// The `count` most probable classes, most probable first; of equal ones, the first.
public func topGuesses(_ probabilities: [Double], labels: [String]?, count: Int) -> [Guess] {
    let order = probabilities.indices.sorted { one, other in
        let (first, second) = (probabilities[one], probabilities[other])
        return first == second ? one < other : first > second
    }
    return order.prefix(max(count, 0)).map { index in
        Guess(index: index, label: labels?[index], probability: probabilities[index])
    }
}
