import XCTest

@testable import DemoLogic

/// Row S3: money, time and words, and what an event does.
final class TablesTests: XCTestCase {
    private let noon = Date(timeIntervalSince1970: 1_795_320_000)
    private let shanghai = TimeZone(secondsFromGMT: 8 * 3_600)!
    private lazy var english = Formats(.english, zone: shanghai)
    private lazy var chinese = Formats(.chinese, zone: shanghai)

    func test_s3_money_is_written_by_its_currency_and_never_guessed_at() {
        let table: [(Money, String, String)] = [
            (Money("CNY", 123_456_789), "CNY 1,234,567.89", "¥1,234,567.89"),
            (Money("CNY", -5), "CNY -0.05", "-¥0.05"),
            (Money("CNY", 0), "CNY 0.00", "¥0.00"),
            (Money("JPY", 1250), "JPY 1,250", "JPY 1,250"),
            (Money("BHD", 1250), "BHD 1.250", "BHD 1.250"),
            (Money("CNY", .min), "CNY -92,233,720,368,547,758.08", "-¥92,233,720,368,547,758.08"),
            (Money("???", 1250), "??? 1250 (minor units)", "??? 1250 (最小货币单位)"),
        ]
        for (money, en, zh) in table {
            XCTAssertEqual(english.money(money), en)
            XCTAssertEqual(chinese.money(money), zh)
        }
    }

    func test_s3_due_days_say_how_far_they_are() {
        let table = [
            ("2026-11-25", "due 25 Nov, in 3 days", "11月25日到期，还有3天"),
            ("2026-11-23", "due 23 Nov, in 1 day", "11月23日到期，还有1天"),
            ("2026-11-22", "22 Nov, due today", "11月22日，今天到期"),
            ("2026-11-20", "20 Nov, 2 days late", "11月20日到期，逾期2天"),
            ("soon", "soon", "soon"),
            ("2026-02-30", "2026-02-30", "2026-02-30"),
        ]
        for (on, en, zh) in table {
            XCTAssertEqual(english.due(on, now: noon), en)
            XCTAssertEqual(chinese.due(on, now: noon), zh)
        }
        XCTAssertEqual(english.time(noon), "22 Nov, 12:00")
        XCTAssertEqual(chinese.time(noon), "11月22日 12:00")
    }

    func test_s3_every_message_is_there_in_both_languages() {
        let (en, zh) = (Words(.english), Words(.chinese))
        for message in Message.allCases {
            XCTAssertNotEqual(en.message(message), zh.message(message))
        }
        for state in FreezeState.allCases {
            XCTAssertNotEqual(en.state(state, since: nil), zh.state(state, since: nil))
        }
        for tab in Tab.allCases {
            XCTAssertNotEqual(en.tab(tab), zh.tab(tab))
        }
    }

    func test_s3_an_event_that_comes_again_changes_nothing() {
        let bought = Purchase(
            paymentId: "p1", amount: Money("CNY", 100), occurredAt: noon, bankId: "bank-a", accountMasked: "****1", merchantName: "Shop", place: "")
        var state = AppState(isEnrolled: true)
        XCTAssertTrue(state.hear(HubEvent(sequence: 7, at: noon, kind: .charge(bought))))
        let before = state
        XCTAssertFalse(state.hear(HubEvent(sequence: 7, at: noon, kind: .charge(bought))))
        XCTAssertFalse(state.hear(HubEvent(sequence: 3, at: noon, kind: .charge(bought))))
        XCTAssertEqual(state, before)
    }

    func test_f3_s3_whoever_signs_in_by_web_is_told_of_on_every_page_until_it_ends() {
        func asked(_ sequence: Int64, _ code: Secret?) -> HubEvent {
            HubEvent(sequence: sequence, at: noon, kind: .signInCode(signInId: "s1", expiresAt: noon.addingTimeInterval(120), code: code, errand: nil))
        }
        var state = AppState(isEnrolled: true)
        XCTAssertTrue(state.hear(asked(1, Secret("602214"))))
        XCTAssertFalse("\(state)".contains("602214"))
        XCTAssertEqual(state.nextEnd(noon), noon.addingTimeInterval(120))
        for (formats, words) in [(english, "Somebody signs in to your pages with this code"), (chinese, "有人正用此验证码登录您的网页")] {
            let screens = Screens(formats, isPlayed: true)
            for tab in Tab.allCases {
                state.tab = tab
                let screen = screens.screen(state, now: noon)
                guard case let .row(title, _, _, _, _) = screen.pieces.first else { return XCTFail("no notice on \(tab)") }
                XCTAssertEqual(title, words)
                XCTAssertTrue(screen.isSecret)
                XCTAssertFalse(screens.screen(state, now: noon.addingTimeInterval(120)).isSecret)
            }
            XCTAssertEqual(screens.text(asked(1, Secret("602214"))), words)
        }
        XCTAssertTrue(state.hear(asked(2, nil)))
        XCTAssertEqual(state.signingIn(noon).count, 0)
    }

    func test_s3_a_payment_ends_on_the_phone_when_its_code_is_gone() {
        func asked(_ sequence: Int64, _ code: Secret?) -> HubEvent {
            HubEvent(
                sequence: sequence, at: noon,
                kind: .paymentCode(
                    paymentId: "p1", amount: Money("CNY", 100), merchantName: "Shop", expiresAt: noon.addingTimeInterval(180), code: code))
        }
        var state = AppState(isEnrolled: true)
        XCTAssertTrue(state.hear(asked(1, Secret("123456"))))
        XCTAssertEqual(state.waiting(noon).count, 1)
        XCTAssertEqual(state.waiting(noon.addingTimeInterval(180)).count, 0)
        XCTAssertFalse("\(state)".contains("123456"))
        XCTAssertTrue(state.hear(asked(2, nil)))
        XCTAssertEqual(state.waiting(noon).count, 0)
    }
}
