/// Where a model's operators run on this device, as Core ML plans it for the compute units that were `asked` for.
/// Without operators, `whyNot` is a sentence that says why.
public struct ComputePlan: Codable, Equatable, Sendable {
    public let asked: String
    public let source: String?
    /// What costs are counted in.
    public let cost: String?
    /// In the order of the program.
    public let operators: [Operator]
    public let whyNot: String?

    /// An operator by the name of its first output. `device` is the one that Core ML prefers, of those `supported`:
    /// cpu, gpu or neural_engine; both nil where it does not say. `cost` is its estimated share of the whole model.
    public struct Operator: Codable, Equatable, Sendable {
        public let name: String
        public let kind: String
        public let device: String?
        public let supported: [String]?
        public let cost: Double?

        public init(name: String, kind: String, device: String?, supported: [String]?, cost: Double?) {
            self.name = String(name.prefix(ComputePlan.longest))
            self.kind = String(kind.prefix(ComputePlan.longest))
            self.device = device
            self.supported = supported
            self.cost = cost
        }

        /// What is not known is written as null, not left out.
        public func encode(to encoder: Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(kind, forKey: .kind)
            try container.encode(device, forKey: .device)
            try container.encode(supported, forKey: .supported)
            try container.encode(cost, forKey: .cost)
        }
    }

    enum CodingKeys: String, CodingKey {
        case asked, source, cost, operators
        case whyNot = "why_not"
    }

    /// The plan of a program without operators is none.
    public init(asked: String, operators: [Operator]) {
        if operators.isEmpty {
            self.init(asked: asked, whyNot: "Core ML's plan names no operator of a program")
        } else {
            self.init(
                asked: asked, source: "mlcomputeplan", cost: "estimated_share", operators: operators, whyNot: nil
            )
        }
    }

    public init(asked: String, whyNot: String) {
        let why = String(whyNot.prefix(Self.longest))
        self.init(asked: asked, source: nil, cost: nil, operators: [], whyNot: why)
    }

    private init(asked: String, source: String?, cost: String?, operators: [Operator], whyNot: String?) {
        self.asked = asked
        self.source = source
        self.cost = cost
        self.operators = operators
        self.whyNot = whyNot
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(asked, forKey: .asked)
        try container.encode(source, forKey: .source)
        try container.encode(cost, forKey: .cost)
        try container.encode(operators, forKey: .operators)
        try container.encode(whyNot, forKey: .whyNot)
    }

    /// Characters of a name in a report.
    static let longest = 500
}

/// Whether an operator of a program is a constant, which is not computed when the model runs: `const`, or
/// `ios16.constexpr_affine_dequantize`.
public func isConstant(kind: String) -> Bool {
    kind.split(separator: ".").last?.hasPrefix("const") ?? false
}
