//! Names of things. Ids that a client makes are time-ordered UUIDs (RFC 9562, version 7); names that an operator
//! chooses (banks, terminals, merchants) are short lower-case slugs that also stand in certificates.

use std::fmt;
use std::sync::Arc;

use uuid::{Uuid, Variant};

use crate::Reason;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id that this federation made or stored.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the 36-character form. Refuses anything but version 7: scattered keys cost the writer dearly.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                parse_uuid_v7(text).map(Self)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// A payment or a refund, made by the terminal before it first sends.
    PaymentId
}
uuid_id! {
    /// One movement at one bank for one payment, made by the hub.
    LegId
}
uuid_id! {
    /// One try at authorising a payment, made by the terminal: the same try sent twice counts once.
    AttemptId
}
uuid_id! {
    /// An account in a bank's ledger.
    AccountId
}
uuid_id! {
    /// A card that a bank has issued. Its number is a secret of its own: see [`Pan`](crate::card::Pan).
    CardId
}
uuid_id! {
    /// A person who holds accounts.
    PersonId
}
uuid_id! {
    /// A phone that is bound to a person by its device key.
    DeviceId
}
uuid_id! {
    /// An offer that a bank makes to people, made by the bank.
    OfferId
}
uuid_id! {
    /// A bill as the hub keeps it, made when it is first taken in.
    BillId
}
uuid_id! {
    /// An order to freeze something or set it free, made by whoever sends it.
    OrderId
}
uuid_id! {
    /// A reminder that a person has set.
    ReminderId
}
uuid_id! {
    /// A consent that a person has signed, made by the phone before it signs.
    ConsentId
}
uuid_id! {
    /// A sign-up of a person, made by the mobile carrier that asks for it.
    SignUpId
}
uuid_id! {
    /// What somebody has done at a terminal besides paying, made by the terminal.
    ErrandId
}
uuid_id! {
    /// An inquiry into a credit history, made by the bank that asks.
    InquiryId
}

fn parse_uuid_v7(text: &str) -> Result<Uuid, Reason> {
    // `Uuid::try_parse` also reads braces, URNs and bare hex; one id with several spellings is one too many.
    if text.len() != 36 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')) {
        return Err(Reason::IdMalformed);
    }
    let id = Uuid::try_parse(text).map_err(|_| Reason::IdMalformed)?;
    if id.get_version_num() != 7 || id.get_variant() != Variant::RFC4122 {
        return Err(Reason::IdMalformed);
    }
    Ok(id)
}

macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// 1 to 64 of `a`–`z`, `0`–`9` and `-`, as in the path of a SPIFFE id.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                let fine = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                if fine { Ok(Self(text.into())) } else { Err(Reason::NameMalformed) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid_id! {
    /// A version of what merchants are charged, made by the operator who sets it.
    FeeScheduleId
}

slug_id! {
    /// A bank of the federation: the `<id>` of `spiffe://<federation>/bank/<id>`.
    BankId
}
slug_id! {
    /// Somebody who operates the hub or a bank's counter: the `<id>` of `spiffe://<federation>/operator/<id>`.
    OperatorId
}
slug_id! {
    /// A mobile carrier: the `<id>` of `spiffe://<federation>/carrier/<id>`.
    CarrierId
}
slug_id! {
    /// A payment terminal: the `<id>` of `spiffe://<federation>/terminal/<id>`.
    TerminalId
}
slug_id! {
    /// A merchant whose terminals take payments.
    MerchantId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_exactly_one_spelling() {
        let good = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        assert_eq!(PaymentId::parse(good).unwrap().to_string(), good);
        for bad in [
            "",
            "0192f0c1",
            "0192F0C1-7A6B-7C3D-8E4F-5A6B7C8D9E0F",
            "0192f0c17a6b7c3d8e4f5a6b7c8d9e0f",
            "{0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0}",
            "0192f0c1-7a6b-4c3d-8e4f-5a6b7c8d9e0f",
            "0192f0c1-7a6b-7c3d-0e4f-5a6b7c8d9e0f",
            "00000000-0000-0000-0000-000000000000",
            "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f ",
        ] {
            assert_eq!(PaymentId::parse(bad), Err(Reason::IdMalformed), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_a_short_lower_case_slug() {
        assert_eq!(BankId::parse("bank-a").unwrap().as_str(), "bank-a");
        for bad in ["", "Bank", "bank a", "bank/a", "*", "bänk", "bank\n", &"a".repeat(65)] {
            assert_eq!(BankId::parse(bad), Err(Reason::NameMalformed), "{bad:?}");
        }
    }
}
