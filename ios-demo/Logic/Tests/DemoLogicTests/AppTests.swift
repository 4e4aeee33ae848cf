import XCTest

@testable import DemoLogic

/// Row S3: the app as a person uses it, over the played federation, whose time the test moves.
@MainActor
final class AppTests: XCTestCase {
    private let noon = Date(timeIntervalSince1970: 1_795_320_000)
    private let shanghai = TimeZone(secondsFromGMT: 8 * 3_600)!
    private var told: [String] = []

    private func app() async -> (Presenter, PlayedHub) {
        let hub = PlayedHub(.english, zone: shanghai, start: noon)
        let noon = self.noon
        let screens = Screens(Formats(.english, zone: shanghai), isPlayed: true)
        let presenter = Presenter(hub: hub, screens: screens, now: { noon }, alert: { _, text in self.told.append(text) })
        await presenter.start()
        await presenter.act(
            .signIn, typed: [.number: Secret("+86 138-0013-8000"), .code: Secret(PlayedHub.code), .password: Secret("271828")])
        return (presenter, hub)
    }

    /// Waits until the screen is as it should be; the test's own limit ends a wait for what never comes.
    private func until(_ presenter: Presenter, _ holds: (Screen) -> Bool) async {
        while !holds(presenter.screen) {
            await Task.yield()
        }
    }

    private func rows(_ screen: Screen) -> [(title: String, detail: String, amount: String)] {
        screen.pieces.compactMap { piece in
            if case let .row(title, detail, amount, _, _) = piece { return (title, detail, amount) }
            return nil
        }
    }

    func test_s3_what_cannot_be_right_is_not_sent() async {
        let hub = PlayedHub(.english, zone: shanghai, start: noon)
        let noon = self.noon
        let screens = Screens(Formats(.english, zone: shanghai), isPlayed: true)
        let presenter = Presenter(hub: hub, screens: screens, now: { noon }, alert: { _, _ in })
        let words = Words(.english)
        for (number, code, password, message) in [
            ("13800138000", PlayedHub.code, "271828", Message.numberMalformed),
            (PlayedHub.number, "1234567", "271828", .codeMalformed),
            (PlayedHub.number, "١٢٣٤٥٦٧٨", "271828", .codeMalformed),
            (PlayedHub.number, PlayedHub.code, "27182", .passwordMalformed),
        ] {
            await presenter.act(.signIn, typed: [.number: Secret(number), .code: Secret(code), .password: Secret(password)])
            XCTAssertEqual(presenter.screen.notice, .note(words.message(message), .warning))
            XCTAssertTrue(presenter.screen.tabs.isEmpty)
        }
    }

    func test_s3_a_payment_is_approved_with_the_password_and_the_charge_follows() async {
        let (presenter, hub) = await app()
        await hub.pass(15)
        await until(presenter) { $0.tabs.first { $0.tab == .approvals }?.badge == 1 }
        await presenter.act(.open(.approvals))
        await until(presenter) { $0.pieces.contains { if case .press = $0 { return true } else { return false } } }
        await presenter.act(.askApprove("played-1"))
        XCTAssertTrue(presenter.screen.isSecret)
        await presenter.act(.confirm, typed: [.password: Secret("000000")])
        XCTAssertEqual(presenter.screen.notice, .note("That did not work. The password is not right.", .warning))
        await presenter.act(.confirm, typed: [.password: Secret("271828")])
        XCTAssertEqual(presenter.screen.notice, .note(Words(.english).message(.approved), .good))
        await presenter.act(.open(.charges))
        await until(presenter) { self.rows($0).first?.title == "Book Corner" }
        XCTAssertEqual(rows(presenter.screen).first?.amount, "CNY 128.00")
        XCTAssertEqual(told, ["Paid CNY 36.80 at Noodle House", "Book Corner asks for CNY 128.00", "Paid CNY 128.00 at Book Corner"])
    }

    func test_s3_a_freeze_shows_the_bank_that_confirms_late() async {
        let (presenter, hub) = await app()
        await presenter.act(.open(.cards))
        await until(presenter) { self.rows($0).count == 3 }
        await presenter.act(.freezeAll)
        await hub.pass(3)
        await until(presenter) { self.rows($0).filter { $0.detail.hasPrefix("Frozen") }.count == 2 }
        XCTAssertTrue(rows(presenter.screen).last?.detail.hasPrefix("Stopped at the hub.") ?? false)
        await hub.pass(PlayedHub.lateBankSeconds)
        await until(presenter) { self.rows($0).filter { $0.detail.hasPrefix("Frozen") }.count == 3 }
    }
}
