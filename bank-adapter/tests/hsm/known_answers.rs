//! What others have published or computed.

use bank_adapter::hsm::{
    Algorithm, CardFace, Check, CvvKind, ExpiryDigits, Kcv, Made, PinBlock, PinBlockFormat, PinPad, PinTarget, Pvv,
    PvvKeyIndex, Side,
};
use domain::card::Cvv;

use crate::world::{AES, DES, World, clear, face, hex, name, pan, typed};

pub fn c5_cvvs_are_those_that_are_published(world: &World) {
    for (key, number, expiry, service_code, expected) in [
        // The example of Visa's CVV that manuals of hardware modules and calculators repeat.
        (DES, "4123456789012345", "8701", "101", "561"),
        // An example of a CVC with all its steps: ...24E1A05574051BBF, 2410557405140115 (a course of an acquirer,
        // github.com/UrielYair/CredoraxCourse, CVCTest.java).
        ("D676DCF3AFB7350532EAF00EA253D875", "4123450990122129", "0721", "202", "241"),
        // psec, tests/test_cvv.py (github.com/knovichikhin/psec).
        ("99999999999999998888888888888888", "2222222222222222", "3333", "111", "361"),
    ] {
        let version = world.import_des("cvk-credit", key).version;
        let number = pan(number);
        let card = face(&number, expiry, service_code);
        let made = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
        assert_eq!((made.value.reveal(), made.version), (expected, version));
        assert_eq!(world.hsm.verify_cvv(Side::Credit, &card, &made).unwrap(), Check::Matches);
        let other = Made { value: Cvv::parse("000").unwrap(), version };
        assert_eq!(world.hsm.verify_cvv(Side::Credit, &card, &other).unwrap(), Check::Differs);
    }
    // The printed one is made with service code 000, the one on the chip with 999.
    let (number, expiry) = (pan("6222020000000008"), "3012");
    for (kind, service_code) in [(CvvKind::Printed, "000"), (CvvKind::Chip, "999")] {
        let card = CardFace { pan: &number, expiry: ExpiryDigits::parse(expiry).unwrap(), kind };
        let made = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
        assert_eq!(made, world.hsm.make_cvv(Side::Credit, &face(&number, expiry, service_code), None).unwrap());
    }
}

/// psec, tests/test_pin.py (github.com/knovichikhin/psec).
pub fn pvvs(world: &World) {
    world.import_des("pvv", DES);
    let pad = world.terminal("terminal-pin:t1", Algorithm::TripleDes);
    for (index, pin, number, expected) in [
        (1, "4524", "1122334455667788", "8523"),
        (2, "1912", "1122334455667788", "3244"),
        (1, "0570", "1122334455667718", "3144"),
        (1, "8299", "1122334455667708", "4422"),
    ] {
        let (index, number) = (PvvKeyIndex::new(index).unwrap(), pan(number));
        // Of a longer PIN the first four digits count.
        for pin in [pin.to_owned(), format!("{pin}77")] {
            let block = typed(&pad, PinBlockFormat::Iso0, &number, &pin);
            let made = world.hsm.make_pvv(&block, &number, index).unwrap();
            assert_eq!(made.value.reveal(), expected);
            assert_eq!(world.hsm.verify_pvv(&block, &number, index, &made).unwrap(), Check::Matches);
            let other = Made { value: Pvv::parse("0000").unwrap(), version: made.version };
            assert_eq!(world.hsm.verify_pvv(&block, &number, index, &other).unwrap(), Check::Differs);
        }
    }
}

/// The fields in clear are those of psec, tests/test_pinblock.py; OpenSSL encrypted them. The blocks of format 4 are
/// those of psec and of paysec (github.com/5n00py/paysec). The key comes as RFC 3394, section 4.3 wraps it.
pub fn pin_blocks(world: &World) {
    let wrapped = clear(Algorithm::Aes128, AES).wrap(&name("terminal-pin:t4"), &world.kek).unwrap();
    assert_eq!(wrapped.whole.bytes, hex("64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"));
    world.hsm.import(&name("terminal-pin:t4"), &name("key-transport:office"), &wrapped).unwrap();
    world.import_des("terminal-pin:t0", DES);
    world.import_des("zone-pin:network", DES);
    world.hsm.generate(&name("pin-verification")).unwrap();

    let zone = bank_adapter::hsm::KeyId::parse("network").unwrap();
    let to = PinTarget { zone, format: PinBlockFormat::Iso0 };
    for (format, block, number, translated) in [
        // 041261AAAAEDCBA9 in clear.
        (PinBlockFormat::Iso0, "230B4C43B8BA2C5C", "5555555551234567", "230B4C43B8BA2C5C"),
        // 04124C6FEDCBA987 in clear, once it is of format 0.
        (PinBlockFormat::Iso4, "28B41FDDD29B743E93124BD8E32D921E", "1234567890123456789", "ABFB7A6C0CBC4234"),
    ] {
        let key = name(if format == PinBlockFormat::Iso0 { "terminal-pin:t0" } else { "terminal-pin:t4" });
        let block = PinBlock { key, version: None, format, bytes: hex(block) };
        let gone_on = world.hsm.translate_pin(&block, &pan(number), &to).unwrap();
        assert_eq!(gone_on.bytes, hex(translated));
    }
    let pad = PinPad::new(name("terminal-pin:t4"), None, &clear(Algorithm::Aes128, AES)).unwrap();
    for (pin, number, block) in [
        ("1234", "1234567890123456789", "28B41FDDD29B743E93124BD8E32D921E"),
        ("1234", "1234567890123456", "52DB178C6EDCE52E3A70F7FBC8E9C758"),
        ("123456", "123456789012345678", "847A0209C659E4C4A79CA6A2A2217D31"),
        ("12345678", "1234567890123456789", "018BFEC8B5EF60181A327AD8325A2BA4"),
    ] {
        let (number, format) = (pan(number), PinBlockFormat::Iso4);
        let stored = world.hsm.set_pin(&typed(&pad, format, &number, pin), &number).unwrap();
        let block = PinBlock { key: name("terminal-pin:t4"), version: None, format, bytes: hex(block) };
        assert_eq!(world.hsm.verify_pin(&block, &number, &stored).unwrap(), Check::Matches);
    }
}

/// ISO/IEC 9797-1:2011, annex B.4.
pub fn retail_macs(world: &World) {
    world.import_des("mac:credit-system", DES);
    let key = name("mac:credit-system");
    for (message, expected) in
        [("Now is the time for all ", "A1C72E74EA3FA9B6"), ("Now is the time for it", "2E2B1428CC78254F")]
    {
        let made = world.hsm.mac(&key, message.as_bytes()).unwrap();
        assert_eq!(made.value.as_slice(), hex(expected));
        assert_eq!(world.hsm.verify_mac(&key, None, message.as_bytes(), &made.value).unwrap(), Check::Matches);
    }
    // A message of one block is encrypted once by triple DES: with zeros that is the start of the check value.
    assert_eq!(world.hsm.mac(&key, &[]).unwrap().value.as_slice(), hex("08D7B4FB629D0885"));
}

/// RFC 4493, section 4, of each the first eight bytes.
pub fn cmacs(world: &World) {
    world.import("mac:network", &clear(Algorithm::Aes128, "2B7E151628AED2A6ABF7158809CF4F3C"));
    let message = hex(
        "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710",
    );
    for (length, expected) in
        [(0, "BB1D6929E9593728"), (16, "070A16B46B4D4144"), (40, "DFA66747DE9AE630"), (64, "51F0BEBF7E3B9D92")]
    {
        let made = world.hsm.mac(&name("mac:network"), &message[..length]).unwrap();
        assert_eq!(made.value.as_slice(), hex(expected));
    }
}

/// That of the triple DES key is in the manuals of hardware modules; OpenSSL computed the others.
pub fn check_values(world: &World) {
    let bytes = (0..32).map(|byte| format!("{byte:02X}")).collect::<String>();
    for (key, algorithm, digits, expected) in [
        ("cvk-debit", Algorithm::TripleDes, DES, [0x08, 0xD7, 0xB4]),
        ("pvv", Algorithm::TripleDes, DES, [0x08, 0xD7, 0xB4]),
        ("mac:a", Algorithm::TripleDes, DES, [0x08, 0xD7, 0xB4]),
        ("zone-pin:a", Algorithm::Aes128, AES, [0x53, 0xE1, 0x07]),
        ("mac:b", Algorithm::Aes128, "2B7E151628AED2A6ABF7158809CF4F3C", [0x7A, 0xD3, 0x86]),
        ("terminal-pin:a", Algorithm::Aes256, &bytes, [0x37, 0x78, 0x22]),
        ("pin-verification", Algorithm::HmacSha256, &bytes, [0xD3, 0x8B, 0x42]),
    ] {
        assert_eq!(world.import(key, &clear(algorithm, digits)).kcv, Kcv(expected), "{key}");
    }
    let office = world.hsm.keys().unwrap().into_iter().find(|key| key.name == name("key-transport:office"));
    assert_eq!(office.unwrap().kcv.to_string(), "377822");
}

/// Computed with Python's hmac and hashlib: HMAC-SHA-256 over "bankhub pin 1", 16, the card number, 6, and the digits 1
/// to 6.
pub fn pin_values(world: &World) {
    let bytes = (0..32).map(|byte| format!("{byte:02X}")).collect::<String>();
    world.import("pin-verification", &clear(Algorithm::HmacSha256, &bytes));
    let pad = world.terminal("terminal-pin:t1", Algorithm::TripleDes);
    let number = pan("6222020000000008");
    let stored = world.hsm.set_pin(&typed(&pad, PinBlockFormat::Iso0, &number, "123456"), &number).unwrap();
    let expected = "010000000145A2395B627903422F77CFAB578DCD484A16DBF20355AD9848E83A04FF6BB6F7";
    assert_eq!(stored.to_bytes().as_slice(), hex(expected));
}
