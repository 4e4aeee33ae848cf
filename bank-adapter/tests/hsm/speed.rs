//! How many operations a second one caller gets of either store. For whoever asks: `cargo test --release -p
//! bank-adapter --test hsm -- --ignored --nocapture speed`.

use bank_adapter::hsm::{Algorithm, Check, PinBlockFormat, Side};
use server_kit::clock::Stopwatch;

use crate::world::{World, face, name, pan, typed};

#[allow(clippy::print_stderr, reason = "this is what it is for")]
fn measure(store: &str, world: &World) {
    world.generate_own_keys();
    let number = pan("6222020000000008");
    let card = face(&number, "3012", "201");
    let cvv = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
    let pads = [
        (PinBlockFormat::Iso0, world.terminal("terminal-pin:t0", Algorithm::TripleDes)),
        (PinBlockFormat::Iso4, world.terminal("terminal-pin:t4", Algorithm::Aes128)),
    ];
    let [block_0, block_4] = [0, 1].map(|at| typed(&pads[at].1, pads[at].0, &number, "123456"));
    let stored = world.hsm.set_pin(&block_0, &number).unwrap();
    let [mac, cmac] = [("mac:a", Algorithm::TripleDes), ("mac:b", Algorithm::Aes128)].map(|(key, algorithm)| {
        world.random(key, algorithm);
        name(key)
    });
    let message = [0x30; 256];
    let operations: [(&str, &dyn Fn()); 5] = [
        ("CVV verified", &|| {
            assert_eq!(world.hsm.verify_cvv(Side::Credit, &card, &cvv).unwrap(), Check::Matches);
        }),
        ("PIN verified, format 0", &|| {
            assert_eq!(world.hsm.verify_pin(&block_0, &number, &stored).unwrap(), Check::Matches);
        }),
        ("PIN verified, format 4", &|| {
            assert_eq!(world.hsm.verify_pin(&block_4, &number, &stored).unwrap(), Check::Matches);
        }),
        ("retail MAC of 256 bytes", &|| assert_eq!(world.hsm.mac(&mac, &message).unwrap().version, 1)),
        ("CMAC of 256 bytes", &|| assert_eq!(world.hsm.mac(&cmac, &message).unwrap().version, 1)),
    ];
    for (what, operation) in operations {
        let (watch, mut count) = (Stopwatch::start(), 0_u32);
        while watch.elapsed().as_millis() < 1000 {
            (0..100).for_each(|_| operation());
            count += 100;
        }
        eprintln!("{store:12} {what:24} {:>9.0} a second", f64::from(count) / watch.elapsed().as_secs_f64());
    }
}

#[test]
#[ignore = "a measurement, not a test"]
fn speed_of_the_sealed_file() {
    measure("sealed file", &World::in_sealed_file());
}

#[test]
#[ignore = "a measurement, not a test"]
fn speed_of_softhsm() {
    crate::softhsm::measured("speed::softhsm_itself");
}

#[test]
#[ignore = "run by the one above, in a process of its own"]
fn softhsm_itself() {
    crate::softhsm::with_token(|world| measure("SoftHSM", &world));
}
