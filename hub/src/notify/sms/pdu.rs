//! The messages of SMPP 3.4 that an ESME needs, as octets and back (SMPP v3.4, issue 1.2, sections 3 and 4).

/// command_length, command_id, command_status, sequence_number.
pub(super) const HEADER: usize = 16;
/// More than any message of this list needs; what says that it is longer is no message.
pub(super) const MOST_OCTETS: usize = 8_192;

/// command_id, section 5.1.2.1.
pub(super) mod id {
    pub(in super::super) const GENERIC_NACK: u32 = 0x8000_0000;
    pub(in super::super) const SUBMIT_SM: u32 = 0x0000_0004;
    pub(in super::super) const DELIVER_SM: u32 = 0x0000_0005;
    pub(in super::super) const UNBIND: u32 = 0x0000_0006;
    pub(in super::super) const BIND_TRANSCEIVER: u32 = 0x0000_0009;
    pub(in super::super) const ENQUIRE_LINK: u32 = 0x0000_0015;
    pub(in super::super) const ALERT_NOTIFICATION: u32 = 0x0000_0102;
    /// What makes a response of a request.
    pub(in super::super) const RESPONSE: u32 = 0x8000_0000;
}

/// command_status, section 5.1.3.
pub(super) mod status {
    pub(in super::super) const OK: u32 = 0x00;
    pub(in super::super) const INVALID_LENGTH: u32 = 0x02;
    pub(in super::super) const INVALID_COMMAND: u32 = 0x03;
    pub(in super::super) const INVALID_BIND_STATE: u32 = 0x04;
    pub(in super::super) const SYSTEM_ERROR: u32 = 0x08;
    pub(in super::super) const QUEUE_FULL: u32 = 0x14;
    pub(in super::super) const SUBMIT_FAILED: u32 = 0x45;
    pub(in super::super) const THROTTLED: u32 = 0x58;
    pub(in super::super) const TEMPORARY_ERROR: u32 = 0x64;
}

/// Optional parameters, section 5.3.2.
pub(super) mod tag {
    pub(in super::super) const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub(in super::super) const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub(in super::super) const MESSAGE_STATE: u16 = 0x0427;
}

/// esm_class: the short message begins with a user data header, section 5.2.12.
pub(super) const HAS_HEADER: u8 = 0x40;
/// data_coding: UCS-2, section 5.2.19.
pub(super) const UCS2: u8 = 0x08;

/// A message with its number. `Debug` shows neither addresses nor texts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pdu {
    pub(super) status: u32,
    pub(super) sequence: u32,
    pub(super) body: Body,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Body {
    BindTransceiver(Bind),
    /// The name of the other side; nothing of it is used.
    BindTransceiverResp,
    SubmitSm(Box<Short>),
    /// None when the response is a refusal and has no body.
    SubmitSmResp(Option<String>),
    DeliverSm(Box<Short>),
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Unbind,
    UnbindResp,
    GenericNack,
    /// One that this list does not have.
    Other(u32),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) system_id: String,
    pub(super) password: String,
    pub(super) system_type: String,
}

/// An address with its type of number and its numbering plan, sections 5.2.5 and 5.2.6.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Addr {
    pub(super) ton: u8,
    pub(super) npi: u8,
    pub(super) digits: String,
}

/// What submit_sm and deliver_sm have in common, sections 4.4.1 and 4.6.1.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) source: Addr,
    pub(super) destination: Addr,
    pub(super) esm_class: u8,
    /// Empty, or 16 characters (section 7.1.1).
    pub(super) validity_period: String,
    pub(super) registered_delivery: u8,
    pub(super) data_coding: u8,
    /// 254 octets at most.
    pub(super) message: Vec<u8>,
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PduError {
    #[error("a message says that it has {0} octets")]
    Length(u32),
    /// The number of the message, so that it can be answered.
    #[error("the body of a message cannot be read")]
    Body { sequence: u32 },
}

impl Body {
    pub(super) const fn command(&self) -> u32 {
        match self {
            Self::BindTransceiver(_) => id::BIND_TRANSCEIVER,
            Self::BindTransceiverResp => id::BIND_TRANSCEIVER | id::RESPONSE,
            Self::SubmitSm(_) => id::SUBMIT_SM,
            Self::SubmitSmResp(_) => id::SUBMIT_SM | id::RESPONSE,
            Self::DeliverSm(_) => id::DELIVER_SM,
            Self::DeliverSmResp => id::DELIVER_SM | id::RESPONSE,
            Self::EnquireLink => id::ENQUIRE_LINK,
            Self::EnquireLinkResp => id::ENQUIRE_LINK | id::RESPONSE,
            Self::Unbind => id::UNBIND,
            Self::UnbindResp => id::UNBIND | id::RESPONSE,
            Self::GenericNack => id::GENERIC_NACK,
            Self::Other(command) => *command,
        }
    }
}

/// How long the message is that begins with these four octets.
pub(super) fn length(first: [u8; 4]) -> Result<usize, PduError> {
    let said = u32::from_be_bytes(first);
    let length = usize::try_from(said).unwrap_or(usize::MAX);
    if (HEADER..=MOST_OCTETS).contains(&length) { Ok(length) } else { Err(PduError::Length(said)) }
}

impl Pdu {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut octets = vec![0; 4];
        for word in [self.body.command(), self.status, self.sequence] {
            octets.extend(word.to_be_bytes());
        }
        match &self.body {
            Body::BindTransceiver(bind) => {
                for text in [&bind.system_id, &bind.password, &bind.system_type] {
                    put_text(&mut octets, text);
                }
                // interface_version 3.4, any address.
                octets.extend([0x34, 0, 0, 0]);
            }
            Body::SubmitSm(short) | Body::DeliverSm(short) => short.put(&mut octets),
            Body::SubmitSmResp(Some(message_id)) => put_text(&mut octets, message_id),
            Body::BindTransceiverResp | Body::DeliverSmResp => octets.push(0),
            _ => {}
        }
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        if let Some(first) = octets.first_chunk_mut::<4>() {
            *first = length.to_be_bytes();
        }
        octets
    }

    /// Reads one whole message, its length included.
    pub(super) fn decode(octets: &[u8]) -> Result<Self, PduError> {
        let mut reader = Reader(octets);
        let header = (|| Some((reader.word()?, reader.word()?, reader.word()?, reader.word()?)))();
        let Some((length, command, status, sequence)) = header else { return Err(PduError::Length(0)) };
        if usize::try_from(length) != Ok(octets.len()) {
            return Err(PduError::Length(length));
        }
        let unreadable = PduError::Body { sequence };
        let body = match command {
            id::BIND_TRANSCEIVER => Body::BindTransceiver(bind_of(&mut reader).ok_or(unreadable)?),
            id::SUBMIT_SM => Body::SubmitSm(Box::new(short_of(&mut reader).ok_or(unreadable)?)),
            id::DELIVER_SM => Body::DeliverSm(Box::new(short_of(&mut reader).ok_or(unreadable)?)),
            id::UNBIND => Body::Unbind,
            id::ENQUIRE_LINK => Body::EnquireLink,
            id::GENERIC_NACK => Body::GenericNack,
            response if response & id::RESPONSE != 0 => match response & !id::RESPONSE {
                id::BIND_TRANSCEIVER => Body::BindTransceiverResp,
                id::SUBMIT_SM => Body::SubmitSmResp(reader.text(65).filter(|id| !id.is_empty())),
                id::DELIVER_SM => Body::DeliverSmResp,
                id::UNBIND => Body::UnbindResp,
                id::ENQUIRE_LINK => Body::EnquireLinkResp,
                _ => Body::Other(response),
            },
            other => Body::Other(other),
        };
        Ok(Self { status, sequence, body })
    }
}

impl Short {
    pub(super) fn option(&self, tag: u16) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.as_slice())
    }

    fn put(&self, octets: &mut Vec<u8>) {
        // service_type
        octets.push(0);
        for address in [&self.source, &self.destination] {
            octets.extend([address.ton, address.npi]);
            put_text(octets, &address.digits);
        }
        // protocol_id, priority_flag, schedule_delivery_time
        octets.extend([self.esm_class, 0, 0, 0]);
        put_text(octets, &self.validity_period);
        // replace_if_present_flag, sm_default_msg_id
        octets.extend([self.registered_delivery, 0, self.data_coding, 0]);
        let message = self.message.get(..254).unwrap_or(&self.message);
        octets.push(u8::try_from(message.len()).unwrap_or(0));
        octets.extend(message);
        for (tag, value) in &self.options {
            octets.extend(tag.to_be_bytes());
            octets.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
            octets.extend(value);
        }
    }
}

fn bind_of(reader: &mut Reader<'_>) -> Option<Bind> {
    Some(Bind { system_id: reader.text(16)?, password: reader.text(9)?, system_type: reader.text(13)? })
}

fn address_of(reader: &mut Reader<'_>) -> Option<Addr> {
    Some(Addr { ton: reader.octet()?, npi: reader.octet()?, digits: reader.text(21)? })
}

fn short_of(reader: &mut Reader<'_>) -> Option<Short> {
    let _service_type = reader.text(6)?;
    let (source, destination) = (address_of(reader)?, address_of(reader)?);
    let esm_class = reader.octet()?;
    let (_protocol_id, _priority) = (reader.octet()?, reader.octet()?);
    let _schedule = reader.text(17)?;
    let validity_period = reader.text(17)?;
    let registered_delivery = reader.octet()?;
    let _replace = reader.octet()?;
    let data_coding = reader.octet()?;
    let _default_message = reader.octet()?;
    let length = usize::from(reader.octet()?);
    let message = reader.take(length)?.to_vec();
    let mut options = Vec::new();
    while !reader.0.is_empty() {
        let (tag, length) = (reader.half()?, reader.half()?);
        options.push((tag, reader.take(usize::from(length))?.to_vec()));
    }
    Some(Short { source, destination, esm_class, validity_period, registered_delivery, data_coding, message, options })
}

/// A C-octet string: text without a zero, and a zero.
fn put_text(octets: &mut Vec<u8>, text: &str) {
    octets.extend(text.bytes().filter(|b| *b != 0));
    octets.push(0);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn half(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A C-octet string of so many octets at most, its zero included.
    fn text(&mut self, most: usize) -> Option<String> {
        let end = self.0.iter().take(most).position(|b| *b == 0)?;
        let text = std::str::from_utf8(self.take(end)?).ok()?.to_owned();
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    fn short() -> Short {
        Short {
            source: Addr { ton: 5, npi: 0, digits: "bankhub".to_owned() },
            destination: Addr { ton: 1, npi: 1, digits: "8613800138000".to_owned() },
            esm_class: HAS_HEADER,
            validity_period: String::new(),
            registered_delivery: 1,
            data_coding: UCS2,
            message: vec![0x60, 0x4F],
            options: vec![(tag::USER_MESSAGE_REFERENCE, vec![0x12, 0x34])],
        }
    }

    #[test]
    fn r6_each_message_has_the_octets_of_the_standard() {
        let bind = Bind { system_id: "hub".to_owned(), password: "secret".to_owned(), system_type: String::new() };
        for (body, status, octets) in [
            (
                Body::BindTransceiver(bind),
                0,
                "00000020 00000009 00000000 00000001 68756200 73656372657400 00 34 00 00 00",
            ),
            (Body::BindTransceiverResp, 0x0E, "00000011 80000009 0000000E 00000001 00"),
            (
                Body::SubmitSm(Box::new(short())),
                0,
                "0000003D 00000004 00000000 00000001 00 0500 62616E6B68756200 0101 3836313338303031333830303000 \
                 40 00 00 00 00 01 00 08 00 02 604F 0204 0002 1234",
            ),
            (Body::SubmitSmResp(Some("a1".to_owned())), 0, "00000013 80000004 00000000 00000001 613100"),
            (Body::SubmitSmResp(None), 0x58, "00000010 80000004 00000058 00000001"),
            (Body::DeliverSmResp, 0, "00000011 80000005 00000000 00000001 00"),
            (Body::EnquireLink, 0, "00000010 00000015 00000000 00000001"),
            (Body::EnquireLinkResp, 0, "00000010 80000015 00000000 00000001"),
            (Body::Unbind, 0, "00000010 00000006 00000000 00000001"),
            (Body::UnbindResp, 0, "00000010 80000006 00000000 00000001"),
            (Body::GenericNack, 3, "00000010 80000000 00000003 00000001"),
            (Body::Other(0x103), 0, "00000010 00000103 00000000 00000001"),
        ] {
            let pdu = Pdu { status, sequence: 1, body };
            assert_eq!(pdu.encode(), hex(octets), "{octets}");
            assert!(Pdu::decode(&hex(octets)) == Ok(pdu), "{octets}");
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_no_message() {
        assert_eq!(length([0, 0, 0, 15]), Err(PduError::Length(15)));
        assert_eq!(length([0, 0, 0, 16]), Ok(16));
        assert_eq!(length([0xFF; 4]), Err(PduError::Length(u32::MAX)));
        let whole = Pdu { status: 0, sequence: 7, body: Body::DeliverSm(Box::new(short())) }.encode();
        for cut in 0..whole.len() {
            assert!(Pdu::decode(&whole[..cut]).is_err(), "{cut}");
            let mut said = whole[..cut].to_vec();
            if let Some(first) = said.first_chunk_mut::<4>() {
                *first = u32::try_from(cut).unwrap().to_be_bytes();
            }
            // Without its options it is a message, too.
            assert!(Pdu::decode(&said).is_err() || cut == whole.len() - 6, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_break_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Pdu::decode(&octets);
        }

        #[test]
        fn no_body_breaks_the_reader(
            command in prop::sample::select(vec![
                id::SUBMIT_SM, id::DELIVER_SM, id::BIND_TRANSCEIVER, id::SUBMIT_SM | id::RESPONSE, id::BIND_TRANSCEIVER | id::RESPONSE,
            ]),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut octets = u32::try_from(HEADER + body.len()).unwrap().to_be_bytes().to_vec();
            for word in [command, 0, 9] {
                octets.extend(word.to_be_bytes());
            }
            octets.extend(&body);
            match Pdu::decode(&octets) {
                Ok(pdu) => prop_assert_eq!(pdu.sequence, 9),
                Err(error) => prop_assert_eq!(error, PduError::Body { sequence: 9 }),
            }
        }

        #[test]
        fn what_was_written_is_read_again(
            digits in "[0-9]{0,20}",
            message in prop::collection::vec(any::<u8>(), 0..254),
            options in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            (esm_class, data_coding, sequence) in any::<(u8, u8, u32)>(),
        ) {
            let destination = Addr { ton: 1, npi: 1, digits };
            let short = Short { destination, message, options, esm_class, data_coding, ..Short::default() };
            let pdu = Pdu { status: 0, sequence, body: Body::DeliverSm(Box::new(short)) };
            prop_assert!(Pdu::decode(&pdu.encode()) == Ok(pdu));
        }
    }
}
