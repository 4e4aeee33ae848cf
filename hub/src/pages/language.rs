//! The two languages of the pages.

use domain::Reason;
use domain::Timestamp;
use jiff::tz::TimeZone;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Chinese,
    English,
}

impl Language {
    /// The tag of the `lang` attribute.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// A tag as somebody chose it; none for anything else.
    pub(crate) fn parse(tag: &str) -> Option<Self> {
        [Self::Chinese, Self::English].into_iter().find(|language| language.tag() == tag)
    }

    /// The first that a browser accepts (RFC 9110, section 12.5.4, without weights: browsers send the best first); Chinese when it says
    /// nothing that is here.
    pub(crate) fn accepted(header: &str) -> Self {
        let language = |part: &str| match part.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Self::Chinese),
            Some("en") => Some(Self::English),
            _ => None,
        };
        header.split(',').take(20).find_map(language).unwrap_or(Self::Chinese)
    }

    /// One of the two.
    pub(crate) const fn say(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    pub(crate) const fn reason(self, reason: Reason) -> &'static str {
        self.say(reason.english(), reason.chinese())
    }

    /// A moment by the clocks where the person lives.
    pub(crate) fn time(self, at: Timestamp, zone: &TimeZone) -> String {
        let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return String::new() };
        at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_the_language_is_the_first_that_the_browser_accepts_and_is_here() {
        for (header, wanted) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB", Language::English),
            ("fr, en;q=0.5", Language::English),
            ("fr", Language::Chinese),
            ("", Language::Chinese),
            ("好,,;q=,EN", Language::English),
        ] {
            assert_eq!(Language::accepted(header), wanted, "{header:?}");
        }
        assert_eq!(Language::parse("zh-CN"), Some(Language::Chinese));
        assert_eq!(Language::parse("en\r\nset-cookie: x"), None);
    }
}
