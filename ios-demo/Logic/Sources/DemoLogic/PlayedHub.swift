import Foundation

/// A federation that is played on the phone, for trying the app without a server: three banks, a person, charges that arrive, payments
/// that ask for approval, and one bank that confirms a freeze late. The same every time; it keeps nothing when it ends.
///
/// Time passes by ``pass(_:)`` alone, so that a test moves it as it likes; ``run()`` moves it with the clock.
public actor PlayedHub: Hub {
    public static let number = "+8613800138000"
    public static let code = "20261122"
    public static let lateBankSeconds: TimeInterval = 20
    private static let codeSeconds: TimeInterval = 180

    private struct Bank {
        let name: InstrumentName
        let masked: String
        let confirmsAfter: TimeInterval
        let english: String
        let chinese: String
    }

    /// A charge at a bank, or, without one, a payment that asks for approval.
    private struct Scene {
        let after: TimeInterval
        let bank: Int?
        let fen: Int64
        let english: (String, String)
        let chinese: (String, String)
    }

    private static let banks = [
        Bank(
            name: InstrumentName(bankId: "bank-a", id: "account-1", isCard: false), masked: "****4821", confirmsAfter: 0.8, english: "Harbour Bank",
            chinese: "海港银行"),
        Bank(
            name: InstrumentName(bankId: "bank-b", id: "card-1", isCard: true), masked: "622202******7719", confirmsAfter: 1.5,
            english: "Mountain Bank", chinese: "山岳银行"),
        Bank(
            name: InstrumentName(bankId: "bank-c", id: "card-2", isCard: true), masked: "621700******0356", confirmsAfter: lateBankSeconds,
            english: "Tea Bank", chinese: "茶乡银行"),
    ]
    private static let script = [
        Scene(after: 5, bank: 0, fen: 3_680, english: ("Noodle House", "Nanjing Road"), chinese: ("面馆", "南京路")),
        Scene(after: 8, bank: nil, fen: 12_800, english: ("Book Corner", "People's Square"), chinese: ("书角", "人民广场")),
        Scene(after: 12, bank: 1, fen: 45_900, english: ("River Cinema", "The Bund"), chinese: ("江畔影院", "外滩")),
        Scene(after: 20, bank: 2, fen: 6_250, english: ("Green Grocer", "Xujiahui"), chinese: ("绿叶果蔬", "徐家汇")),
    ]

    private struct Planned {
        let at: Date
        let name: InstrumentName
        let ordered: FreezeState
        let confirmed: FreezeState
    }

    private let words: Words
    private let zone: TimeZone
    private var clock: Date
    private var nextScene: Date?
    private var round = 0
    private var password: Secret?
    private var wrongPasswords = 0
    private var told: [HubEvent] = []
    private var bought: [Purchase] = []
    private var waiting: [Approval] = []
    private var planned: [Planned] = []
    private var held: [Instrument]

    public init(_ language: Language, zone: TimeZone, start: Date) {
        let words = Words(language)
        self.words = words
        self.zone = zone
        clock = start
        held = Self.banks.enumerated().map { index, bank in
            Instrument(
                name: bank.name, bankName: words.say(bank.english, bank.chinese), masked: bank.masked, isDefault: index == 0, freezeState: .free)
        }
    }

    /// Lets the federation go on with the phone's clock until the task is cancelled.
    public func run() async {
        while (try? await Task.sleep(nanoseconds: 200_000_000)) != nil {
            pass(Date().timeIntervalSince(clock))
        }
    }

    /// Lets so many seconds pass, with everything that happens in them, in its order.
    public func pass(_ seconds: TimeInterval) {
        let end = clock.addingTimeInterval(max(0, seconds))
        while let next = ([nextScene] + planned.map { $0.at }).compactMap({ $0 }).min(), next <= end {
            clock = next
            if next == nextScene {
                play()
            }
            let due = planned.filter { $0.at <= next }
            planned.removeAll { $0.at <= next }
            due.forEach(confirm)
        }
        clock = end
    }

    public func isEnrolled() -> Bool { password != nil }

    public func enrol(phoneNumber: String, code: Secret, transactionPassword: Secret) throws {
        guard phoneNumber == Self.number, code.reveal() == Self.code else {
            throw HubError(.refused, "ENROLMENT_REFUSED", words.say("The number or the code is not right.", "号码或绑定码不正确。"))
        }
        password = transactionPassword
        bought = [purchase(Self.script[3], "before-1", hoursAgo: 26), purchase(Self.script[0], "before-2", hoursAgo: 49)]
        nextScene = clock.addingTimeInterval(Self.script[0].after)
    }

    /// Events are handed out as they are told; between them it looks again ten times a second.
    public func listen(_ hear: @Sendable (HubEvent) async -> Void) async throws {
        var heard = 0
        while !Task.isCancelled {
            while heard < told.count {
                let event = told[heard]
                heard += 1
                await hear(event)
            }
            try? await Task.sleep(nanoseconds: 100_000_000)
        }
    }

    public func purchases() -> Kept<[Purchase]> { Kept(bought) }

    public func bills() -> Kept<Bills> {
        let (soon, later) = (day(3), day(12))
        let bills = [
            Bill(bankId: "bank-b", accountMasked: Self.banks[1].masked, left: Money("CNY", 186_420), dueOn: soon, state: .open),
            Bill(bankId: "bank-c", accountMasked: Self.banks[2].masked, left: Money("CNY", 52_300), dueOn: later, state: .minimumMet),
        ]
        let total = TotalBill(due: Money("CNY", 238_720), minimumMinor: 18_642, nextDueOn: soon, overdueMinor: 0)
        return Kept(Bills(totals: [total], bills: bills))
    }

    public func instruments() -> Kept<[Instrument]> { Kept(held) }

    public func freeze(_ names: [InstrumentName]) -> [Instrument] { order(names, .freezing, .frozen) }

    public func freezeAll() -> [Instrument] { freeze(held.map { $0.name }) }

    public func unfreeze(_ names: [InstrumentName], transactionPassword: Secret) throws -> [Instrument] {
        try check(transactionPassword)
        return order(names, .unfreezing, .free)
    }

    public func pendingApprovals() -> [Approval] { waiting.filter { $0.expiresAt > clock } }

    public func approve(_ approval: Approval, transactionPassword: Secret) throws -> Outcome {
        guard waiting.contains(approval), approval.expiresAt > clock else {
            throw HubError(.refused, "NOT_AWAITING_CODE", words.say("This payment waits no more.", "该笔付款已不在等待。"))
        }
        do {
            try check(transactionPassword)
        } catch let wrong as HubError where wrongPasswords < 3 {
            return Outcome(.awaiting, wrong.text)
        }
        waiting.removeAll { $0 == approval }
        guard pays(0) else { return Outcome(.declined, words.say("The account is frozen.", "账户已冻结。")) }
        let payer = Self.banks[0]
        charge(
            Purchase(
                paymentId: approval.paymentId, amount: approval.amount, occurredAt: clock, bankId: payer.name.bankId, accountMasked: payer.masked,
                merchantName: approval.merchantName, place: approval.place))
        return Outcome(.approved)
    }

    public func decline(paymentId: String) -> Outcome {
        guard let it = waiting.first(where: { $0.paymentId == paymentId }) else { return Outcome(.declined) }
        waiting.removeAll { $0 == it }
        // The feed's event without a code says that the payment has ended.
        tell(.paymentCode(paymentId: paymentId, amount: it.amount, merchantName: it.merchantName, expiresAt: clock, code: nil))
        return Outcome(.declined)
    }

    /// Three wrong ones block the payer, as at a terminal.
    private func check(_ given: Secret) throws {
        if wrongPasswords >= 3 {
            throw HubError(.refused, "PAYER_BLOCKED", words.say("Too many wrong tries; wait 30 minutes.", "错误次数过多，请30分钟后再试。"))
        }
        if given == password {
            wrongPasswords = 0
            return
        }
        wrongPasswords += 1
        throw HubError(.refused, "CREDENTIALS_REFUSED", words.say("The password is not right.", "密码不正确。"))
    }

    /// The hub stands by the order at once; each bank confirms when it does, the late one long after.
    private func order(_ names: [InstrumentName], _ ordered: FreezeState, _ confirmed: FreezeState) -> [Instrument] {
        for bank in Self.banks where names.contains(bank.name) {
            set(bank.name, ordered)
            planned.append(Planned(at: clock.addingTimeInterval(bank.confirmsAfter), name: bank.name, ordered: ordered, confirmed: confirmed))
        }
        return held.filter { names.contains($0.name) }
    }

    private func confirm(_ planned: Planned) {
        guard let it = held.first(where: { $0.name == planned.name }), it.freezeState == planned.ordered else { return }
        set(planned.name, planned.confirmed)
        let what = planned.confirmed == .frozen ? words.say("is frozen.", "已冻结") : words.say("is set free.", "已解冻")
        tell(.news(.security, text: "\(it.bankName) \(it.masked) \(what)"))
    }

    private func set(_ name: InstrumentName, _ state: FreezeState) {
        guard let index = held.firstIndex(where: { $0.name == name }) else { return }
        held[index].freezeState = state
        held[index].frozenSince = state == .frozen ? clock : nil
    }

    private func pays(_ bank: Int) -> Bool {
        held.contains { $0.name == Self.banks[bank].name && $0.freezeState == .free }
    }

    private func play() {
        let scene = Self.script[round % Self.script.count]
        let id = "played-\(round)"
        round += 1
        nextScene = clock.addingTimeInterval(Self.script[round % Self.script.count].after)
        if let bank = scene.bank {
            if pays(bank) {
                charge(purchase(scene, id))
            }
        } else if pays(0) {
            ask(scene, id)
        }
    }

    private func ask(_ scene: Scene, _ id: String) {
        let (merchant, place) = words.language == .chinese ? scene.chinese : scene.english
        let (amount, until) = (Money("CNY", scene.fen), clock.addingTimeInterval(Self.codeSeconds))
        waiting.append(
            Approval(
                paymentId: id, amount: amount, merchantName: merchant, place: place, bankName: held[0].bankName, accountMasked: held[0].masked,
                expiresAt: until))
        tell(.paymentCode(paymentId: id, amount: amount, merchantName: merchant, expiresAt: until, code: Secret("314159")))
    }

    private func purchase(_ scene: Scene, _ id: String, hoursAgo: Double = 0) -> Purchase {
        let (merchant, place) = words.language == .chinese ? scene.chinese : scene.english
        let bank = Self.banks[scene.bank ?? 0]
        return Purchase(
            paymentId: id, amount: Money("CNY", scene.fen), occurredAt: clock.addingTimeInterval(-3_600 * hoursAgo), bankId: bank.name.bankId,
            accountMasked: bank.masked, merchantName: merchant, place: place)
    }

    private func charge(_ purchase: Purchase) {
        bought.insert(purchase, at: 0)
        tell(.charge(purchase))
    }

    private func tell(_ kind: HubEvent.Kind) {
        told.append(HubEvent(sequence: Int64(told.count + 1), at: clock, kind: kind))
    }

    /// So many days from today, such as "2026-11-22".
    private func day(_ days: Int) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let date = calendar.date(byAdding: .day, value: days, to: clock) ?? clock
        let it = calendar.dateComponents([.year, .month, .day], from: date)
        return String(format: "%04d-%02d-%02d", it.year ?? 1970, it.month ?? 1, it.day ?? 1)
    }
}
