import Dispatch

/// How latency is measured: so many runs and seconds that are thrown away, then so many that count.
public struct LatencyProtocol: Equatable, Sendable {
    public let preset: String
    public let queries: Int
    public let seconds: Double
    public let warmUpRuns: Int
    public let warmUpSeconds: Double
    /// A measurement ends here however few queries it has.
    public let mostSeconds: Double

    public static let quick = LatencyProtocol(
        preset: "quick", queries: 128, seconds: 10, warmUpRuns: 10, warmUpSeconds: 1, mostSeconds: 600
    )

    public init(
        preset: String, queries: Int, seconds: Double, warmUpRuns: Int, warmUpSeconds: Double, mostSeconds: Double
    ) {
        self.preset = preset
        self.queries = queries
        self.seconds = seconds
        self.warmUpRuns = warmUpRuns
        self.warmUpSeconds = warmUpSeconds
        self.mostSeconds = mostSeconds
    }

    /// Runs and times. `run` is given the number of the query, so that inputs can take turns; `now` is a clock in
    /// nanoseconds. Only raw times are kept: statistics are made by `cloformer import-device-report`.
    public func measure(
        loadNanoseconds: Int, threads: Int, now: () -> Int = clockNanoseconds, run: (Int) throws -> Void
    ) throws -> Latency {
        func timed(_ number: Int) throws -> Int {
            let start = now()
            try run(number)
            return now() - start
        }
        func repeated(_ runs: Int, _ seconds: Double) throws -> [Int] {
            var times: [Int] = []
            var spent = 0.0
            while (times.count < runs || spent < seconds) && spent < mostSeconds {
                let time = try timed(times.count)
                times.append(time)
                spent += Double(time) / 1e9
            }
            return times
        }
        let first = try timed(0)
        let warmUp = try repeated(warmUpRuns, warmUpSeconds)
        let samples = try repeated(queries, seconds)
        return Latency(
            loadNanoseconds: loadNanoseconds, firstNanoseconds: first, warmUpNanoseconds: warmUp,
            sampleNanoseconds: samples, threads: threads, preset: preset
        )
    }
}

/// Raw times in nanoseconds, each of one inference.
public struct Latency: Codable, Equatable, Sendable {
    public let loadNanoseconds: Int
    public let firstNanoseconds: Int
    public let warmUpNanoseconds: [Int]
    public let sampleNanoseconds: [Int]
    public let threads: Int
    public let preset: String

    enum CodingKeys: String, CodingKey {
        case threads, preset
        case loadNanoseconds = "load_ns"
        case firstNanoseconds = "first_ns"
        case warmUpNanoseconds = "warmup_ns"
        case sampleNanoseconds = "samples_ns"
    }
}

/// A clock that only goes forward, in nanoseconds.
public func clockNanoseconds() -> Int {
    Int(DispatchTime.now().uptimeNanoseconds)
}
