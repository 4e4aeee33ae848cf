//! Keys as objects of a token: how they are marked, found, made and retired.
//!
//! An object's label is `bankhub <name>`, for people who look at the token. Its id tells the rest:
//!
//! ```text
//! form (1) ‖ version (4) ‖ part (1) ‖ algorithm (1) ‖ state (1) ‖ created (8) ‖ check value (3)
//! ```
//!
//! A version is there when its whole key is [`State::InUse`] or [`State::Retired`]: an object is made as
//! [`State::Unfinished`] and changes its id last, so what a crash leaves behind is no key. It is removed when the next
//! key of the name is made.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use domain::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::HsmError;
use super::super::algorithms;
use super::super::device::{NewKey, Source};
use super::super::directory::{Directory, Entry};
use super::super::key::{Algorithm, Kcv, KeyName, Use};
use super::super::transport::{ClearKey, WrappedPart};
use super::asked::{Asked, Handles};
use super::connection::unavailable;

const LABEL: &str = "bankhub ";
const FORM: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unfinished,
    InUse,
    Retired,
}

/// What an object's id tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id {
    version: u32,
    part: Part,
    algorithm: Algorithm,
    state: State,
    created: Timestamp,
    kcv: Kcv,
}

impl Id {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.push(u8::from(self.part == Part::Left));
        bytes.push(self.algorithm.number());
        bytes.push(match self.state {
            State::Unfinished => 0,
            State::InUse => 1,
            State::Retired => 2,
        });
        bytes.extend_from_slice(&self.created.micros().to_be_bytes());
        bytes.extend_from_slice(&self.kcv.0);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(&[FORM])?;
        let (version, bytes) = bytes.split_first_chunk::<4>()?;
        let ([part, algorithm, state], bytes) = bytes.split_first_chunk::<3>()?;
        let (created, kcv) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            version: u32::from_be_bytes(*version),
            part: if *part == 0 { Part::Whole } else { Part::Left },
            algorithm: Algorithm::of_number(*algorithm)?,
            state: match state {
                0 => State::Unfinished,
                1 => State::InUse,
                2 => State::Retired,
                _ => return None,
            },
            created: Timestamp::from_micros(i64::from_be_bytes(*created)),
            kcv: Kcv(kcv.try_into().ok()?),
        })
    }
}

/// One object of ours.
#[derive(Debug)]
struct Object {
    handle: ObjectHandle,
    name: KeyName,
    id: Id,
}

fn failed(error: Error) -> HsmError {
    unavailable(&error)
}

/// Every object of ours. One that may leave the token, or that cannot be read, is refused together with all others:
/// somebody has been at the token.
fn list(session: &Session) -> Result<Vec<Object>, HsmError> {
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
    let handles = session.find_objects(&template).map_err(failed)?;
    let wanted = [AttributeType::Label, AttributeType::Id, AttributeType::Sensitive, AttributeType::Extractable];
    let mut objects = Vec::new();
    for handle in handles {
        let attributes = session.get_attributes(handle, &wanted).map_err(failed)?;
        let (mut name, mut id, mut stays) = (None, None, [false; 2]);
        for attribute in attributes {
            match attribute {
                Attribute::Label(label) => name = String::from_utf8(label).ok(),
                Attribute::Id(bytes) => id = Id::from_bytes(&bytes),
                Attribute::Sensitive(true) => stays[0] = true,
                Attribute::Extractable(false) => stays[1] = true,
                _ => {}
            }
        }
        let Some(name) = name.as_deref().and_then(|label| label.strip_prefix(LABEL)) else { continue };
        let strange = |what: &str| HsmError::unavailable(format!("the token's key {name} {what}"));
        let (Ok(name), Some(id)) = (name.parse(), id) else { return Err(strange("is of a newer program")) };
        if stays != [true; 2] {
            return Err(strange("may leave the token"));
        }
        objects.push(Object { handle, name, id });
    }
    Ok(objects)
}

/// The keys that are there.
pub(super) fn read(session: &Session) -> Result<Directory<Handles>, HsmError> {
    let objects = list(session)?;
    let left_of = |whole: &Object| {
        let is_left = |object: &&Object| {
            object.id.part == Part::Left
                && object.id.state != State::Unfinished
                && (&object.name, object.id.version) == (&whole.name, whole.id.version)
        };
        objects.iter().find(is_left).map(|object| object.handle)
    };
    let is_whole = |object: &&Object| object.id.part == Part::Whole && object.id.state != State::Unfinished;
    let entry = |object: &Object| {
        let algorithm = object.id.algorithm;
        let left = left_of(object).filter(|_| object.name.has_left_half(algorithm));
        Entry {
            name: object.name.clone(),
            version: object.id.version,
            algorithm,
            created: object.id.created,
            kcv: object.id.kcv,
            retired: object.id.state == State::Retired,
            key: Handles { algorithm, whole: object.handle, left },
        }
    };
    Directory::of(objects.iter().filter(is_whole).map(entry).collect())
}

/// What a key may be asked for, and no more.
fn uses(name: &KeyName, algorithm: Algorithm) -> [Attribute; 8] {
    let (mut encrypts, mut decrypts, mut signs, mut unwraps) = (false, false, false, false);
    match (name.is_for(), algorithm) {
        (Use::CardVerification | Use::Pvv, _) | (Use::Macs, Algorithm::TripleDes) => encrypts = true,
        (Use::PinBlocks, _) => (encrypts, decrypts) = (true, true),
        (Use::PinVerification | Use::Macs, _) => signs = true,
        (Use::KeyTransport, _) => unwraps = true,
    }
    [
        Attribute::Encrypt(encrypts),
        Attribute::Decrypt(decrypts),
        Attribute::Sign(signs),
        Attribute::Verify(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(unwraps),
        Attribute::Derive(false),
        Attribute::Modifiable(true),
    ]
}

fn template(name: &KeyName, id: &Id) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(match id.algorithm {
            Algorithm::TripleDes => KeyType::DES3,
            Algorithm::Aes128 | Algorithm::Aes256 => KeyType::AES,
            Algorithm::HmacSha256 => KeyType::GENERIC_SECRET,
        }),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Label(format!("{LABEL}{name}").into_bytes()),
        Attribute::Id(id.to_bytes()),
    ];
    template.extend(uses(name, id.algorithm));
    template
}

/// Makes a version: its parts, unfinished; then, if they are what they should be, its left half, and last the whole.
pub(super) fn install(
    session: &Session,
    keys: &Directory<Handles>,
    new: &NewKey<'_>,
    version: u32,
) -> Result<(), HsmError> {
    for object in list(session)? {
        if object.name == *new.name && object.id.state == State::Unfinished {
            session.destroy_object(object.handle).map_err(failed)?;
        }
    }
    let unfinished = Id {
        version,
        part: Part::Whole,
        algorithm: new.algorithm,
        state: State::Unfinished,
        created: new.created,
        kcv: Kcv([0; 3]),
    };
    let mut made = Vec::new();
    let finished = make(session, keys, new, unfinished, &mut made).and_then(|kcv| {
        for (handle, id) in made.iter().rev() {
            let id = Id { state: State::InUse, kcv, ..*id };
            session.update_attributes(*handle, &[Attribute::Id(id.to_bytes())]).map_err(failed)?;
        }
        Ok(())
    });
    if finished.is_err() {
        for (handle, _) in made {
            // What cannot be removed now is removed with the next key of the name.
            let _ = session.destroy_object(handle);
        }
    }
    finished
}

/// Puts the parts into the token, the whole first, and gives the check value of the whole.
fn make(
    session: &Session,
    keys: &Directory<Handles>,
    new: &NewKey<'_>,
    whole: Id,
    made: &mut Vec<(ObjectHandle, Id)>,
) -> Result<Kcv, HsmError> {
    let (name, algorithm) = (new.name, new.algorithm);
    let left = Id { part: Part::Left, ..whole };
    let mut told = None;
    match &new.source {
        Source::Random if name.has_left_half(algorithm) => {
            // No mechanism makes a key and its left half, so both are made here of the module's randomness.
            let mut random = Zeroizing::new([0; 16]);
            session.generate_random_slice(random.as_mut_slice()).map_err(failed)?;
            put_parts(session, name, &ClearKey::new(algorithm, random.as_slice())?, (whole, left), made)?;
        }
        Source::Random => made.push((generate(session, name, &whole)?, whole)),
        Source::Clear(key) => {
            put_parts(session, name, key, (whole, left), made)?;
            // Such a key encrypts nothing in the token, so that its check value is made of the bytes.
            return key.kcv(name);
        }
        Source::Wrapped { under, key } => {
            let with = keys.current(under)?.key.whole;
            made.push((unwrap(session, name, (under, with), &key.whole, &whole)?, whole));
            if let Some(part) = &key.left {
                made.push((unwrap(session, name, (under, with), part, &left)?, left));
            }
            told = Some((key.whole.kcv, key.left.as_ref().map(|left| left.kcv)));
        }
    }
    check(session, new, made, told)
}

/// Puts a key into the token whose bytes are here.
fn put_parts(
    session: &Session,
    name: &KeyName,
    key: &ClearKey,
    (whole, left): (Id, Id),
    made: &mut Vec<(ObjectHandle, Id)>,
) -> Result<(), HsmError> {
    let half = name.has_left_half(whole.algorithm).then(|| key.left_half()).flatten();
    for (part, id) in [(Some(key), whole), (half.as_ref(), left)] {
        let Some(part) = part else { continue };
        let mut template = template(name, &id);
        template.push(Attribute::Value(part.bytes().to_vec()));
        let put = session.create_object(&template).map_err(failed);
        if let Some(Attribute::Value(bytes)) = template.last_mut() {
            bytes.zeroize();
        }
        made.push((put?, id));
    }
    Ok(())
}

/// Lets the token make a key of its own.
fn generate(session: &Session, name: &KeyName, id: &Id) -> Result<ObjectHandle, HsmError> {
    let mut template = template(name, id);
    if id.algorithm == Algorithm::TripleDes {
        // A double-length key that the token makes is of a type of its own, and is used as the others are.
        template.retain(|attribute| !matches!(attribute, Attribute::KeyType(_)));
        template.push(Attribute::KeyType(KeyType::DES2));
    }
    let mechanism = match id.algorithm {
        Algorithm::TripleDes => Mechanism::Des2KeyGen,
        Algorithm::Aes128 | Algorithm::Aes256 => Mechanism::AesKeyGen,
        Algorithm::HmacSha256 => Mechanism::GenericSecretKeyGen,
    };
    if id.algorithm != Algorithm::TripleDes {
        let length =
            id.algorithm.key_len().try_into().map_err(|_| HsmError::BadAnswer { what: "a key is too long" })?;
        template.push(Attribute::ValueLen(length));
    }
    session.generate_key(&mechanism, &template).map_err(failed)
}

/// Lets the token open a wrapped key.
fn unwrap(
    session: &Session,
    name: &KeyName,
    (under, with): (&KeyName, ObjectHandle),
    part: &WrappedPart,
    id: &Id,
) -> Result<ObjectHandle, HsmError> {
    // What modules say to a seal that is not right; the standard has a code for it that not all of them use.
    const CLOSED: [RvError; 5] = [
        RvError::WrappedKeyInvalid,
        RvError::WrappedKeyLenRange,
        RvError::EncryptedDataInvalid,
        RvError::GeneralError,
        RvError::FunctionFailed,
    ];
    let opened = session.unwrap_key(&Mechanism::AesKeyWrap, with, &part.bytes, &template(name, id));
    opened.map_err(|error| match error {
        Error::Pkcs11(code, _) if CLOSED.contains(&code) => HsmError::DoesNotUnwrap { under: under.clone() },
        error => failed(error),
    })
}

/// Whether the parts are what was told of them, and the check value of the whole.
fn check(
    session: &Session,
    new: &NewKey<'_>,
    made: &[(ObjectHandle, Id)],
    told: Option<(Kcv, Option<Kcv>)>,
) -> Result<Kcv, HsmError> {
    let (algorithm, is_for) = (new.algorithm, new.name.is_for());
    let part = |part| made.iter().find(|(_, id)| id.part == part).map(|(handle, _)| *handle);
    let left = part(Part::Left);
    let whole = part(Part::Whole).ok_or(HsmError::BadAnswer { what: "there is no key" })?;
    let kcv_of = |whole| algorithms::kcv(&Asked(session), &Handles { algorithm, whole, left: None }, algorithm, is_for);
    let kcv = kcv_of(whole)?;
    let left_kcv = left.map(kcv_of).transpose()?;
    if told.is_some_and(|told| told != (kcv, left_kcv)) {
        return Err(HsmError::OtherCheckValue);
    }
    if left.is_some() && algorithms::is_single_des(&Asked(session), &Handles { algorithm, whole, left })? {
        return Err(HsmError::NotDoubleLength);
    }
    Ok(kcv)
}

/// Marks a version as retired. Its whole key comes first, for by that the version is known.
pub(super) fn retire(session: &Session, name: &KeyName, version: u32) -> Result<(), HsmError> {
    let mut parts: Vec<Object> = list(session)?;
    parts.retain(|part| part.name == *name && part.id.version == version && part.id.state != State::Unfinished);
    if parts.is_empty() {
        return Err(HsmError::UnknownVersion { name: name.clone(), version });
    }
    parts.sort_by_key(|part| part.id.part == Part::Left);
    for part in parts {
        let id = Id { state: State::Retired, ..part.id };
        session.update_attributes(part.handle, &[Attribute::Id(id.to_bytes())]).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_an_id_tells_is_read_again_and_what_is_none_is_not(
            (version, micros, kcv) in any::<(u32, i64, [u8; 3])>(),
            bytes in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            for algorithm in Algorithm::ALL {
                for state in [State::Unfinished, State::InUse, State::Retired] {
                    for part in [Part::Whole, Part::Left] {
                        let created = Timestamp::from_micros(micros);
                        let id = Id { version, part, algorithm, state, created, kcv: Kcv(kcv) };
                        prop_assert_eq!(Id::from_bytes(&id.to_bytes()), Some(id));
                        prop_assert_eq!(Id::from_bytes(&id.to_bytes()[1..]), None);
                    }
                }
            }
            if let Some(id) = Id::from_bytes(&bytes) {
                prop_assert_eq!(Id::from_bytes(&id.to_bytes()), Some(id));
            }
        }
    }
}
