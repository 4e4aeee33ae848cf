//! Looks for what must not be shown, for tests.

/// Whether the secret stands there. Up to eight digits may stand in any long text by chance, for one in the microseconds of a time: they are
/// found as a word, and not inside a longer number or an id.
pub fn holds(place: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> bool {
    let (place, secret) = (place.as_ref(), secret.as_ref());
    let is_short = secret.len() <= 8 && secret.iter().all(u8::is_ascii_digit);
    place.windows(secret.len()).enumerate().filter(|(_, window)| *window == secret).any(|(at, _)| {
        let (before, after) = place.split_at(at);
        // The letter of `\n` ends a word.
        let goes_on_before = before.last().is_some_and(u8::is_ascii_alphanumeric) && !matches!(before, [.., b'\\', _]);
        let goes_on_after = after.get(secret.len()).is_some_and(u8::is_ascii_alphanumeric);
        !is_short || !goes_on_before && !goes_on_after
    })
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_short_number_is_found_as_a_word_and_anything_else_anywhere() {
        for place in [
            "271828",
            "code=271828,",
            "\"271828\"",
            "0.271828 s",
            "314159 271828.",
            "271828271828 271828",
            r"PIN\n271828\r\n",
        ] {
            assert!(holds(place, "271828"), "{place}");
        }
        for place in ["", "1271828", "2718281", "10:00:00.271828Z", "a271828f", "271828271828"] {
            assert!(!holds(place, "271828"), "{place}");
        }
        assert!(holds("8613800138000", "13800138000") && holds("unsecretly", "secret") && !holds("secre", "secret"));
    }
}
