import DemoLogic
import SwiftUI

/// Draws a screen and hands on what is pressed. Text grows with the person's setting, colours follow light and dark, and sides follow the
/// direction of the language, as SwiftUI does by itself.
struct PageView: View {
    let screen: Screen
    let act: (Action, [Input: Secret]) -> Void
    @State private var typed: [Input: String] = [:]

    var body: some View {
        VStack(spacing: 0) {
            NavigationStack {
                List {
                    if let notice = screen.notice {
                        view(notice)
                    }
                    ForEach(Array(screen.pieces.enumerated()), id: \.offset) { _, piece in
                        view(piece)
                    }
                }
                .navigationTitle(screen.title)
            }
            if !screen.tabs.isEmpty {
                tabs
            }
        }
        // What was typed goes with the page that asked for it.
        .onChange(of: screen.title) { _ in typed = [:] }
    }

    private var tabs: some View {
        HStack {
            ForEach(screen.tabs, id: \.tab) { tab in
                Button {
                    act(.open(tab.tab), [:])
                } label: {
                    Text(tab.badge > 0 ? "\(tab.label) \(tab.badge)" : tab.label)
                        .font(.footnote)
                        .bold(tab.tab == screen.open)
                        .frame(maxWidth: .infinity, minHeight: 48)
                }
                .accessibilityAddTraits(tab.tab == screen.open ? [.isSelected] : [])
            }
        }
        .background(.bar)
    }

    @ViewBuilder
    private func view(_ piece: Piece) -> some View {
        switch piece {
        case let .note(text, tone):
            Text(text).foregroundStyle(color(tone))
        case let .row(title, detail, amount, spoken, tone):
            row(title, detail, amount, tone)
                .accessibilityElement(children: .ignore)
                .accessibilityLabel(spoken)
        case let .field(input, label):
            field(input, label)
        case let .press(press):
            Button(press.label) { act(press.action, typed.mapValues { Secret($0) }) }
                .foregroundStyle(press.isEnabled ? color(press.tone == .plain ? .good : press.tone) : .secondary)
                .frame(minHeight: 44)
                .disabled(!press.isEnabled)
                .accessibilityLabel(press.spoken)
        case let .code(label, code):
            VStack(alignment: .leading) {
                Text(label).font(.footnote)
                Text(code.reveal()).font(.largeTitle.monospacedDigit())
            }
            .accessibilityElement(children: .ignore)
            .accessibilityLabel("\(label): \(code.reveal().map(String.init).joined(separator: " "))")
        }
    }

    private func row(_ title: String, _ detail: String, _ amount: String, _ tone: Tone) -> some View {
        VStack(alignment: .leading, spacing: 4) {
            ViewThatFits(in: .horizontal) {
                HStack {
                    Text(title)
                    Spacer()
                    Text(amount).bold()
                }
                VStack(alignment: .leading) {
                    Text(title)
                    Text(amount).bold()
                }
            }
            if !detail.isEmpty {
                Text(detail).font(.subheadline).foregroundStyle(color(tone == .plain ? .quiet : tone))
            }
        }
    }

    @ViewBuilder
    private func field(_ input: Input, _ label: String) -> some View {
        let text = Binding(
            get: { typed[input] ?? "" },
            set: { typed[input] = String($0.prefix(input.length)) }
        )
        if input == .password {
            SecureField(label, text: text).keyboardType(.numberPad).textContentType(.password)
        } else {
            TextField(label, text: text)
                .keyboardType(input == .number ? .phonePad : .numberPad)
                .textContentType(input == .number ? .telephoneNumber : .oneTimeCode)
        }
    }

    private func color(_ tone: Tone) -> Color {
        switch tone {
        case .plain: return .primary
        case .quiet: return .secondary
        case .good: return Color("Good")
        case .warning: return Color("Warning")
        }
    }
}
