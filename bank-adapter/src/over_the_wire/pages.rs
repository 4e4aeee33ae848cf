//! Legs, page by page.

use super::*;

#[tokio::test]
async fn the_books_of_hub_and_bank_are_compared_page_by_page() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    for _ in 0..7 {
        let leg = trial.id();
        trial.hold(hold(&leg, &account, 10)).await.unwrap();
    }
    let span = |page_size, page_token: &str| ListLegsRequest {
        changed_from: Some(proto::to_timestamp(Timestamp::from_micros(0))),
        changed_before: Some(proto::to_timestamp(Timestamp::from_micros(i64::MAX))),
        page_size,
        page_token: page_token.to_owned(),
    };
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = trial.hub.list_legs(span(3, &token)).await.unwrap().into_inner();
        let lines: String = page.legs.iter().map(|leg| format!("{} HELD 10\n", leg.leg_id)).collect();
        assert_eq!(page.digest_sha256, digest(&SHA256, lines.as_bytes()).as_ref());
        seen.extend(page.legs.into_iter().map(|leg| leg.leg_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    let whole = trial.hub.list_legs(span(0, "")).await.unwrap().into_inner();
    assert!(whole.legs.iter().map(|leg| &leg.leg_id).eq(seen.iter()) && whole.next_page_token.is_empty());

    let no_span = ListLegsRequest { changed_from: None, ..span(0, "") };
    for (request, reason) in [
        (span(201, ""), Reason::PageSizeOutOfRange),
        (span(-1, ""), Reason::PageSizeOutOfRange),
        (span(3, "AAAA"), Reason::PageTokenMalformed),
        (no_span, Reason::FieldMissing),
    ] {
        let refused = trial.hub.list_legs(request.clone()).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{request:?}");
    }
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_page_of_legs_fits_into_a_message() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    for _ in 0..200 {
        let leg = trial.id();
        trial.hold(hold(&leg, &account, 1)).await.unwrap();
    }
    let request = ListLegsRequest {
        changed_from: Some(proto::to_timestamp(Timestamp::from_micros(0))),
        changed_before: Some(proto::to_timestamp(Timestamp::from_micros(i64::MAX))),
        page_size: 200,
        page_token: String::new(),
    };
    let mut hub = trial.hub.clone().max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
    assert_eq!(hub.list_legs(request).await.unwrap().into_inner().legs.len(), 200);
    trial.node.stop().await.unwrap();
}
