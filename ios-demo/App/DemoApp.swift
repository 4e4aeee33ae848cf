import BankhubSDK
import DemoHub
import DemoLogic
import SwiftUI
import UserNotifications

@main
struct DemoApp: App {
    @StateObject private var model = DemoModel()
    @Environment(\.scenePhase) private var phase

    var body: some Scene {
        WindowGroup {
            ZStack {
                if let screen = model.screen {
                    PageView(screen: screen, act: model.act)
                } else if let failure = model.failure {
                    Text(failure).padding()
                } else {
                    ProgressView()
                }
                // The system takes a picture of an app that leaves the front; a code is not to be in it.
                if phase != .active && model.screen?.isSecret == true {
                    Color(uiColor: .systemBackground).ignoresSafeArea()
                }
            }
            .task { await model.start() }
        }
    }
}

/// Holds the presenter for the views.
///
/// The hub is that of the bundle's `hub.json` (`endpoint`, and `keyNeedsPerson` for a key that the person has to release), with the
/// federation's authority in `authority.pem`; without these files the banks are played.
@MainActor
final class DemoModel: ObservableObject {
    @Published private(set) var screen: Screen?
    @Published private(set) var failure: String?
    private var presenter: Presenter?
    private var played: Task<Void, Never>?

    private struct Settings: Decodable {
        let endpoint: String
        let keyNeedsPerson: Bool
    }

    func start() async {
        guard presenter == nil else { return }
        let language: DemoLogic.Language = Locale.preferredLanguages.first?.hasPrefix("zh") == true ? .chinese : .english
        do {
            let settings = try settings()
            let hub = try await hub(settings, language)
            let screens = Screens(Formats(language, zone: .current), isPlayed: settings == nil)
            let presenter = Presenter(hub: hub, screens: screens, now: { Date() }, alert: tell)
            presenter.onScreen = { [weak self] in self?.screen = $0 }
            self.presenter = presenter
            screen = presenter.screen
            await presenter.start()
            _ = try? await UNUserNotificationCenter.current().requestAuthorization(options: [.alert, .sound])
        } catch {
            failure = error.localizedDescription
        }
    }

    func act(_ action: Action, _ typed: [DemoLogic.Input: Secret]) {
        Task { await presenter?.act(action, typed: typed) }
    }

    private func settings() throws -> Settings? {
        guard let url = Bundle.main.url(forResource: "hub", withExtension: "json") else { return nil }
        return try JSONDecoder().decode(Settings.self, from: Data(contentsOf: url))
    }

    private func hub(_ settings: Settings?, _ language: DemoLogic.Language) async throws -> any Hub {
        guard let settings, let authority = Bundle.main.url(forResource: "authority", withExtension: "pem") else {
            let hub = PlayedHub(language, zone: .current, start: Date())
            played = Task { await hub.run() }
            return hub
        }
        let folder = try FileManager.default.url(for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        let phone = try await PhoneBuilder()
            .hub(endpoint: settings.endpoint)
            .authority(pem: String(contentsOf: authority, encoding: .utf8))
            .dataFolder(path: folder.appendingPathComponent("bankhub").path)
            .language(language: language == .chinese ? .chinese : .english)
            .deviceKey(key: EnclaveKey(needsPerson: settings.keyNeedsPerson))
            .secureStore(store: KeychainStore())
            .build()
        return SdkHub(phone)
    }

    /// An alert that is told again takes the place of the first.
    private func tell(_ sequence: Int64, _ text: String) {
        let content = UNMutableNotificationContent()
        content.body = text
        content.sound = .default
        UNUserNotificationCenter.current().add(UNNotificationRequest(identifier: "event-\(sequence)", content: content, trigger: nil))
    }
}
