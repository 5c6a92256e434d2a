import CloFormerCore
import CloFormerCoreML
import PhotosUI
import SwiftUI
import UIKit

struct ContentView: View {
    @StateObject private var model = PhotoClassifier()
    @State private var chosen: PhotosPickerItem?
    @State private var picture: UIImage?
    @State private var isCameraShown = false

    var body: some View {
        NavigationStack {
            ScrollView {
                VStack(spacing: 20) {
                    photo
                    status
                    if let answer = model.answer {
                        AnswerView(answer: answer)
                    }
                    if let sight = model.sight {
                        SightView(sight: sight, labels: model.payload?.labels)
                    }
                    buttons
                }
                .padding()
            }
            .navigationTitle("What is it?")
            .toolbar {
                NavigationLink {
                    AboutView(payload: model.payload)
                } label: {
                    Label("About this model", systemImage: "info.circle")
                }
            }
        }
        .task { await model.load() }
        .task(id: chosen) {
            guard let chosen else { return }
            if let data = try? await chosen.loadTransferable(type: Data.self) {
                await model.classify(data)
            }
        }
        .task(id: picture) {
            if let picture {
                await model.classify(picture)
            }
        }
        .fullScreenCover(isPresented: $isCameraShown) {
            CameraPicker(picture: $picture).ignoresSafeArea()
        }
    }

    @ViewBuilder private var photo: some View {
        if let shown = model.shown {
            Image(uiImage: shown)
                .resizable()
                .scaledToFit()
                .overlay {
                    if let sight = model.sight {
                        SeenOverlay(seen: sight.seen)
                    }
                }
                .frame(maxHeight: 360)
                .clipShape(RoundedRectangle(cornerRadius: 12))
                .accessibilityLabel("The photograph that you chose")
        } else {
            Image(systemName: "photo")
                .font(.largeTitle)
                .foregroundStyle(.secondary)
                .padding(40)
                .accessibilityHidden(true)
        }
    }

    @ViewBuilder private var status: some View {
        switch model.state {
        case .loading:
            ProgressView("Loading the model; the first time takes longer")
        case .working:
            ProgressView("Looking")
        case .failed(let message):
            Label(message, systemImage: "exclamationmark.triangle").foregroundStyle(.red)
        case .ready:
            if model.answer == nil && model.sight == nil {
                Text("Choose a photograph, or take one.")
            }
        }
    }

    private var buttons: some View {
        VStack(spacing: 12) {
            // As it is stored: another encoding would change its pixels.
            PhotosPicker(selection: $chosen, matching: .images, preferredItemEncoding: .current) {
                Label("Choose a photograph", systemImage: "photo.on.rectangle").frame(maxWidth: .infinity)
            }
            .buttonStyle(.borderedProminent)
            if UIImagePickerController.isSourceTypeAvailable(.camera) {
                Button {
                    isCameraShown = true
                } label: {
                    Label("Take one", systemImage: "camera").frame(maxWidth: .infinity)
                }
                .buttonStyle(.bordered)
            }
        }
        .controlSize(.large)
        .disabled(isBusy)
    }

    private var isBusy: Bool { model.state == .loading || model.state == .working }
}

/// The most probable classes, and how long they took.
struct AnswerView: View {
    let answer: Classifier.Answer

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            ForEach(answer.guesses) { guess in
                VStack(alignment: .leading, spacing: 4) {
                    HStack(alignment: .firstTextBaseline) {
                        Text(guess.name)
                        Spacer()
                        Text(guess.probability, format: .percent.precision(.fractionLength(1))).monospacedDigit()
                    }
                    ProgressView(value: min(max(guess.probability, 0), 1)).accessibilityHidden(true)
                }
                .accessibilityElement(children: .combine)
            }
            Text("Model \(time(answer.modelNanoseconds)), photograph \(time(answer.preparationNanoseconds))")
                .font(.footnote)
                .foregroundStyle(.secondary)
        }
    }

    private func time(_ nanoseconds: Int) -> String {
        let milliseconds = Double(nanoseconds) / 1e6
        return "\(milliseconds.formatted(.number.precision(.fractionLength(1)))) ms"
    }
}

/// What the app carries, and whose it is.
struct AboutView: View {
    let payload: Payload?

    var body: some View {
        List {
            if let payload {
                LabeledContent("Model", value: payload.manifest.name)
                LabeledContent("Precision", value: payload.manifest.precision.name)
                LabeledContent("Exported by cloformer", value: payload.manifest.versions["cloformer"] ?? "unknown")
                if let notices = payload.notices {
                    Section("Licences") {
                        Text(notices).font(.footnote)
                    }
                }
            }
        }
        .navigationTitle("About this model")
    }
}
