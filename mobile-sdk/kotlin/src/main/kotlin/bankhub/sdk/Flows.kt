package bankhub.sdk

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * Events as they happen, each once and in order. An event counts as handled when the collector has done with it; one that was not
 * comes again the next time, also after the app was killed. The flow ends with the collector, or by an [SdkException].
 */
fun Phone.eventFlow(afterSequence: Long? = null): Flow<Event> = flow {
    val feed = events(afterSequence)
    try {
        while (true) {
            val event = feed.nextEvent()
            emit(event)
            feed.eventHandled(event.sequence)
        }
    } finally {
        feed.cancel()
        feed.close()
    }
}

/** All purchases that are asked for, page by page as they are collected. */
fun Phone.paymentFlow(filter: PurchaseFilter? = null, pageSize: UInt = 0u): Flow<Purchase> = flow {
    var token: String? = null
    do {
        val page = payments(filter, pageSize, token)
        page.purchases.forEach { emit(it) }
        token = page.nextPageToken
    } while (token != null)
}

/** The person's repayments, the last one first, page by page as they are collected. */
fun Phone.repaymentFlow(pageSize: UInt = 0u): Flow<Repayment> = flow {
    var token: String? = null
    do {
        val page = repayments(pageSize, token)
        page.repayments.forEach { emit(it) }
        token = page.nextPageToken
    } while (token != null)
}

/** The offers that have come and were not declined, the last delivered first, page by page as they are collected. */
fun Phone.offerFlow(pageSize: UInt = 0u): Flow<Offer> = flow {
    var token: String? = null
    do {
        val page = offers(pageSize, token)
        page.offers.forEach { emit(it) }
        token = page.nextPageToken
    } while (token != null)
}

/** The pieces of a file. It is whole when the flow has ended by itself. */
fun Phone.exportFlow(format: ExportFormat, filter: PurchaseFilter? = null): Flow<ByteArray> = flow {
    export(format, filter).use { export ->
        while (true) {
            emit(export.next() ?: break)
        }
    }
}
