@_exported import BankhubMobile
import Foundation

/// Events as they happen, each once and in order. An event counts as handled when the loop comes back for the next; one that was not comes
/// again the next time, also after the app was killed.
public struct EventSequence: AsyncSequence {
    public typealias Element = Event

    let phone: Phone
    let afterSequence: Int64?

    public func makeAsyncIterator() -> Iterator {
        Iterator(phone: phone, afterSequence: afterSequence)
    }

    /// Ends the feed with the last who holds the iterator.
    final class Held {
        let feed: EventFeed

        init(_ feed: EventFeed) {
            self.feed = feed
        }

        deinit {
            feed.cancel()
        }
    }

    public struct Iterator: AsyncIteratorProtocol {
        let phone: Phone
        let afterSequence: Int64?
        var held: Held?
        var last: Int64?

        init(phone: Phone, afterSequence: Int64?) {
            self.phone = phone
            self.afterSequence = afterSequence
        }

        public mutating func next() async throws -> Event? {
            if Task.isCancelled {
                return nil
            }
            let held = try self.held ?? Held(phone.events(afterSequence: afterSequence))
            self.held = held
            if let last {
                try held.feed.eventHandled(sequence: last)
            }
            // A task that is cancelled while it waits ends the feed, which ends the waiting.
            let event = try await withTaskCancellationHandler {
                try await held.feed.nextEvent()
            } onCancel: {
                held.feed.cancel()
            }
            last = event.sequence
            return event
        }
    }
}

extension Phone {
    /// See ``EventSequence``. From the stored cursor, or from where the app says.
    public func eventSequence(afterSequence: Int64? = nil) -> EventSequence {
        EventSequence(phone: self, afterSequence: afterSequence)
    }

    /// All purchases that are asked for, page by page as they are taken.
    public func paymentSequence(filter: PurchaseFilter? = nil, pageSize: UInt32 = 0) -> AsyncThrowingStream<Purchase, Error> {
        pages { token in
            let page = try await self.payments(filter: filter, pageSize: pageSize, pageToken: token)
            return (page.purchases, page.nextPageToken)
        }
    }

    /// The person's repayments, the last one first, page by page as they are taken.
    public func repaymentSequence(pageSize: UInt32 = 0) -> AsyncThrowingStream<Repayment, Error> {
        pages { token in
            let page = try await self.repayments(pageSize: pageSize, pageToken: token)
            return (page.repayments, page.nextPageToken)
        }
    }

    /// The offers that have come and were not declined, the last delivered first, page by page as they are taken.
    public func offerSequence(pageSize: UInt32 = 0) -> AsyncThrowingStream<Offer, Error> {
        pages { token in
            let page = try await self.offers(pageSize: pageSize, pageToken: token)
            return (page.offers, page.nextPageToken)
        }
    }

    /// The pieces of a file. It is whole when the loop has ended by itself.
    public func exportSequence(format: ExportFormat, filter: PurchaseFilter? = nil) -> AsyncThrowingStream<Data, Error> {
        var export: Export?
        return AsyncThrowingStream {
            if export == nil {
                export = try await self.export(format: format, filter: filter)
            }
            return try await export?.next()
        }
    }
}

/// The elements of pages that are fetched one after the other, each when the one before it is used up.
private func pages<Element>(
    _ fetch: @escaping (String?) async throws -> ([Element], String?)
) -> AsyncThrowingStream<Element, Error> {
    var waiting: [Element] = []
    var token: String?
    var isLast = false
    return AsyncThrowingStream {
        while waiting.isEmpty && !isLast {
            let (elements, next) = try await fetch(token)
            waiting = elements.reversed()
            token = next
            isLast = next == nil
        }
        return waiting.popLast()
    }
}
