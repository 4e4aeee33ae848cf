import Foundation

/// Money and time as a language writes them, in the phone's time zone. The same on every phone: no locale data are asked.
public struct Formats: Sendable {
    public let words: Words
    private let zone: TimeZone

    /// How many digits the minor unit of a currency has (ISO 4217), where it is not two.
    private static let digits: [String: Int] = [
        "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0,
        "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    ]
    private static let ofTwoDigits: Set<String> = [
        "AED", "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "MOP", "MXN", "MYR", "NOK",
        "NZD", "PHP", "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "ZAR",
    ]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    public init(_ language: Language, zone: TimeZone) {
        self.words = Words(language)
        self.zone = zone
    }

    /// An amount of a currency that this app does not know is said in minor units, not guessed at.
    public func money(_ money: Money) -> String {
        guard let digits = Self.digits[money.currencyCode] ?? (Self.ofTwoDigits.contains(money.currencyCode) ? 2 : nil) else {
            return "\(money.currencyCode) \(money.minorUnits) (\(words.minorUnits))"
        }
        let padded = String(repeating: "0", count: digits + 1)
        var whole = String(money.minorUnits.magnitude)
        whole = String(padded.prefix(max(0, digits + 1 - whole.count))) + whole
        let fraction = String(whole.suffix(digits))
        var grouped = ""
        for (index, digit) in whole.dropLast(digits).reversed().enumerated() {
            if index > 0 && index % 3 == 0 {
                grouped.insert(",", at: grouped.startIndex)
            }
            grouped.insert(digit, at: grouped.startIndex)
        }
        let sign = money.minorUnits < 0 ? "-" : ""
        let amount = digits == 0 ? grouped : "\(grouped).\(fraction)"
        let isYuan = words.language == .chinese && money.currencyCode == "CNY"
        return isYuan ? "\(sign)¥\(amount)" : "\(money.currencyCode) \(sign)\(amount)"
    }

    public func time(_ at: Date) -> String {
        let it = parts(at)
        let clock = two(it.hour) + ":" + two(it.minute)
        return words.language == .chinese ? "\(day(it)) \(clock)" : "\(day(it)), \(clock)"
    }

    /// The time of day to the second, for what ends within minutes.
    public func clock(_ at: Date) -> String {
        let it = parts(at)
        return [it.hour, it.minute, it.second].map(two).joined(separator: ":")
    }

    /// A due day such as "2026-11-22", with how far it is; what is no day is shown as it came.
    public func due(_ on: String, now: Date) -> String {
        let numbers = on.split(separator: "-", omittingEmptySubsequences: false).compactMap { Int($0) }
        guard numbers.count == 3, on.count == 10 else { return on }
        let wanted = DateComponents(year: numbers[0], month: numbers[1], day: numbers[2])
        let calendar = self.calendar
        guard let date = calendar.date(from: wanted), calendar.dateComponents([.year, .month, .day], from: date) == wanted else { return on }
        let days = calendar.dateComponents([.day], from: calendar.startOfDay(for: now), to: date).day ?? 0
        return words.due(day(parts(date)), days)
    }

    private var calendar: Calendar {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        return calendar
    }

    private func parts(_ at: Date) -> DateComponents {
        calendar.dateComponents([.month, .day, .hour, .minute, .second], from: at)
    }

    private func day(_ it: DateComponents) -> String {
        let (month, day) = (it.month ?? 1, it.day ?? 1)
        return words.language == .chinese ? "\(month)月\(day)日" : "\(day) \(Self.months[(month - 1) % 12])"
    }

    private func two(_ number: Int?) -> String {
        let text = String(number ?? 0)
        return text.count < 2 ? "0" + text : text
    }
}
