//! Which channel gets which kind, and what a person can choose of it.

use std::collections::BTreeMap;
use std::fmt;

use super::{ChannelKind, NoticeKind};
use crate::Reason;

/// What a person has chosen where it differs from the default. Stored as words such as `+CHARGE/MAIL -CHARGE/SMS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(BTreeMap<(NoticeKind, ChannelKind), bool>);

impl Choices {
    /// Wants, or does not want, notices of a kind by a channel.
    pub fn choose(&mut self, kind: NoticeKind, channel: ChannelKind, wanted: bool) -> Result<(), Reason> {
        if wanted == is_default(kind, channel) {
            self.0.remove(&(kind, channel));
            return Ok(());
        }
        if kind.is_fixed() {
            return Err(Reason::NoticeFixed);
        }
        self.0.insert((kind, channel), wanted);
        Ok(())
    }

    /// Whether notices of the kind go out by the channel.
    pub fn wants(&self, kind: NoticeKind, channel: ChannelKind) -> bool {
        let chosen = self.0.get(&(kind, channel)).copied();
        // What is fixed stays so, whatever a row says.
        chosen.filter(|_| !kind.is_fixed()).unwrap_or_else(|| is_default(kind, channel))
    }

    /// Reads the stored words.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut choices = Self::default();
        for word in text.split_ascii_whitespace() {
            let (wanted, name) = match word.split_at_checked(1) {
                Some(("+", name)) => (true, name),
                Some(("-", name)) => (false, name),
                _ => return Err(Reason::FieldUnknown),
            };
            let (kind, channel) = name.split_once('/').ok_or(Reason::FieldUnknown)?;
            choices.choose(NoticeKind::parse(kind)?, ChannelKind::parse(channel)?, wanted)?;
        }
        Ok(choices)
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, ((kind, channel), wanted)) in self.0.iter().enumerate() {
            let (space, sign) = (if n == 0 { "" } else { " " }, if *wanted { '+' } else { '-' });
            write!(f, "{space}{sign}{}/{}", kind.name(), channel.name())?;
        }
        Ok(())
    }
}

/// Whether a kind goes out by a channel unless the person says otherwise. A code goes where the phone number is proved, and never by
/// mail, which is read elsewhere and too late, except the one that proves an address, which goes nowhere else. Offers come by what costs nobody's attention.
fn is_default(kind: NoticeKind, channel: ChannelKind) -> bool {
    use NoticeKind::{Address, Bill, Enrolment, Inquiry, Offer, Personal, Security};
    match channel {
        ChannelKind::Push => !matches!(kind, Address | Enrolment),
        ChannelKind::Sms => !matches!(kind, Bill | Offer | Personal | Address),
        ChannelKind::Mail => matches!(kind, Security | Bill | Inquiry | Address),
    }
}

/// The channels by which a person gets a kind of notice, of those that there are.
pub fn goes_by(kind: NoticeKind, choices: &Choices, there_are: &[ChannelKind]) -> Vec<ChannelKind> {
    there_are.iter().copied().filter(|channel| choices.wants(kind, *channel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelKind::{Mail, Push, Sms};

    #[test]
    fn r6_each_kind_has_its_channels_unless_the_person_chose_others() {
        for (kind, by) in [
            (NoticeKind::Code, &[Sms, Push][..]),
            (NoticeKind::Security, &[Sms, Mail, Push]),
            (NoticeKind::Charge, &[Sms, Push]),
            (NoticeKind::GiveBack, &[Sms, Push]),
            (NoticeKind::PaidIn, &[Sms, Push]),
            (NoticeKind::Bill, &[Mail, Push]),
            (NoticeKind::Reminder, &[Sms, Push]),
            (NoticeKind::Offer, &[Push]),
            (NoticeKind::Inquiry, &[Sms, Mail, Push]),
            (NoticeKind::Personal, &[Push]),
            (NoticeKind::Address, &[Mail]),
            (NoticeKind::Enrolment, &[Sms]),
        ] {
            assert_eq!(goes_by(kind, &Choices::default(), ChannelKind::ALL), by, "{kind:?}");
            assert_eq!(goes_by(kind, &Choices::default(), &[]), [], "{kind:?}");
        }
        let mut choices = Choices::default();
        choices.choose(NoticeKind::Charge, Mail, true).unwrap();
        choices.choose(NoticeKind::Charge, Sms, false).unwrap();
        assert_eq!(goes_by(NoticeKind::Charge, &choices, ChannelKind::ALL), [Mail, Push]);
        choices.choose(NoticeKind::Charge, Sms, true).unwrap();
        assert_eq!(goes_by(NoticeKind::Charge, &choices, &[Sms, Mail]), [Sms, Mail]);
    }

    #[test]
    fn r6_codes_and_security_notices_cannot_be_turned_off() {
        for kind in [NoticeKind::Code, NoticeKind::Security, NoticeKind::Address, NoticeKind::Enrolment] {
            for channel in ChannelKind::ALL {
                let mut choices = Choices::default();
                let default = is_default(kind, *channel);
                assert_eq!(choices.choose(kind, *channel, !default), Err(Reason::NoticeFixed));
                assert_eq!(choices.choose(kind, *channel, default), Ok(()));
                assert_eq!(choices, Choices::default());
                // Not even by a row that somebody has edited.
                let edited = Choices([((kind, *channel), !default)].into());
                assert_eq!(edited.wants(kind, *channel), default);
            }
        }
    }

    #[test]
    fn choices_are_stored_as_words() {
        let mut choices = Choices::default();
        for kind in NoticeKind::ALL.iter().filter(|kind| !kind.is_fixed()) {
            for channel in ChannelKind::ALL {
                choices.choose(*kind, *channel, !is_default(*kind, *channel)).unwrap();
                assert_eq!(Choices::parse(&choices.to_string()), Ok(choices.clone()));
            }
        }
        assert_eq!(Choices::parse("+CHARGE/MAIL -CHARGE/SMS").unwrap().to_string(), "-CHARGE/SMS +CHARGE/MAIL");
        for bad in ["CHARGE/SMS", "+CHARGE", "+CHARGE/FAX", "+X/SMS", "-", "é", "-CODE/SMS"] {
            assert!(Choices::parse(bad).is_err(), "{bad}");
        }
    }
}
