import SwiftUI

@main
struct SampleApp: App {
    var body: some Scene {
        WindowGroup {
            if isTested {
                // Tests load the model themselves, and a second one would disturb what they measure.
                Text("Tests are running")
            } else {
                ContentView()
            }
        }
    }

    private var isTested: Bool {
        ProcessInfo.processInfo.environment["XCTestConfigurationFilePath"] != nil
    }
}
