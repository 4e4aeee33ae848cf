//! A bank with cards, and a terminal with a PIN pad.

use std::sync::Arc;

use domain::card::{BinRange, BinTable, Pan, Product, Proof};
use domain::ledger::{Available, Charge, Flow, HoldOrder, Leg, LegOrder, LegState, Nature, Part, Party, Receipt};
use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{AccountId, CardId, LegId, MerchantId, PaymentId, Reason};
use proto::common;
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::rng::{SeededRng, SharedRng, SystemRng};
use server_kit::store::testing::TestDatabase;
use tempfile::TempDir;
use uuid::Uuid;

use super::super::{CardParts, CardRules, Cards, Face, Issuing, PinSetting, Presented, pin_block};
use crate::call::CallError;
use crate::hsm::{
    self, Algorithm, ClearKey, Hsm, HsmConfig, KeyName, PanDigits, PinBlockFormat, PinPad, SealedFileConfig,
};
use crate::ledger::LedgerError;
use crate::ledger::card_steps::CardChange;
use crate::ledger::conformance::bank::{Bank, bank_id, calendar, cny, teller};

pub(super) const COMBINED: &str = "62284800";
pub(super) const DEBIT_ONLY: &str = "62284801";
pub(super) const CREDIT_ONLY: &str = "62284802";
pub(super) const PIN: &str = "271828";

pub(super) struct Trial {
    pub(super) bank: Bank,
    pub(super) cards: Cards,
    pub(super) hsm: Arc<dyn Hsm>,
    pad: PinPad,
    folder: TempDir,
}

/// A card with its accounts.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) card: CardId,
    pub(super) face: Face,
    pub(super) debit: AccountId,
    pub(super) credit: AccountId,
}

pub(super) fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

/// The PIN pad of the terminal till-1, whose key the key store gets.
pub(crate) fn pin_pad(hsm: &dyn Hsm) -> PinPad {
    let random = |algorithm| ClearKey::random(algorithm, &SystemRng::new()).unwrap();
    let (kek, half) = (random(Algorithm::Aes256), random(Algorithm::Aes256));
    let other = ClearKey::combine(&[kek.clone(), half.clone()]).unwrap();
    hsm.load(&name("key-transport:office"), &[half, other]).unwrap();
    let (pad_key, key) = (random(Algorithm::Aes128), name("terminal-pin:till-1"));
    hsm.import(&key, &name("key-transport:office"), &pad_key.wrap(&key, &kek).unwrap()).unwrap();
    PinPad::new(key, None, &pad_key).unwrap()
}

/// What a PIN pad makes of a PIN of this card.
pub(crate) fn typed(pad: &PinPad, pan: &Pan, pin: &str) -> common::PinBlock {
    let made = pad.encrypt(PinBlockFormat::Iso4, &PanDigits::from(pan), pin, &SystemRng::new());
    common::PinBlock { format: common::PinBlockFormat::Iso4.into(), key_version: 0, block: made.unwrap().bytes }
}

fn cards_of(bank: &Bank, hsm: &Arc<dyn Hsm>, rng: SharedRng) -> Cards {
    let mut ranges = BinTable::default();
    for (bin, product) in
        [(COMBINED, Product::Combined), (DEBIT_ONLY, Product::DebitOnly), (CREDIT_ONLY, Product::CreditOnly)]
    {
        ranges.register(BinRange::new(bin, bin, 16, product, bank_id()).unwrap()).unwrap();
    }
    Cards::new(CardParts {
        ledger: bank.ledger.clone(),
        hsm: hsm.clone(),
        keys: bank.keys.clone(),
        rng,
        clock: SystemClock::shared(),
        calendar: calendar(),
        rules: CardRules { ranges, valid_years: 5, without_pin_minor: 100 },
    })
}

/// Why a call fails.
pub(super) fn reason(error: &CallError) -> Reason {
    error.reason("test")
}

impl Trial {
    pub(super) async fn start(database: TestDatabase) -> Self {
        let (bank, folder) = (Bank::open(database).await, TempDir::new().unwrap());
        let master = folder.path().join("master");
        {
            use std::io::Write as _;
            use std::os::unix::fs::OpenOptionsExt as _;
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&master);
            write!(file.unwrap(), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        }
        let file = SealedFileConfig { file: folder.path().join("hsm.keys"), master: SecretRef::File(master) };
        let config = HsmConfig { sealed_file: Some(file), pkcs11: None };
        let hsm = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap();
        for key in ["cvk-credit", "cvk-debit", "pin-verification"] {
            hsm.generate(&name(key)).unwrap();
        }
        let pad = pin_pad(&*hsm);
        let cards = cards_of(&bank, &hsm, SystemRng::shared());
        Self { bank, cards, hsm, pad, folder }
    }

    /// The same cards, whose numbers are drawn from this seed.
    pub(super) fn drawing(&self, seed: u64) -> Cards {
        cards_of(&self.bank, &self.hsm, Arc::new(SeededRng::new(seed)))
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) async fn end(self) {
        drop(self.cards);
        self.bank.end().await;
    }

    pub(super) fn id(&self) -> Uuid {
        self.bank.ids.uuid().unwrap()
    }

    pub(super) fn card_id(&self) -> CardId {
        CardId::from_uuid(self.id())
    }

    pub(super) async fn credit_account(&self, limit_minor: i64, cash_limit_minor: i64) -> AccountId {
        self.bank.credit_account(limit_minor, cash_limit_minor).await
    }

    pub(super) async fn issue(&self, issuing: Issuing) -> Result<(CardId, Face), Reason> {
        let issued = self.cards.issue(issuing, teller()).await;
        issued.map(|(card, face)| (card.id, face)).map_err(|error| reason(&error))
    }

    /// A card that is active and has its PIN: 500 on its debit side, a limit of 1,000 on its credit side, 300 of it as cash.
    pub(super) async fn holder(&self) -> Holder {
        let (debit, credit) = (self.bank.account_with(500).await, self.credit_account(1_000, 300).await);
        let issuing = Issuing {
            card_id: self.card_id(),
            bin: domain::card::Bin::parse(COMBINED).unwrap(),
            debit: Some(debit),
            credit: Some(credit),
            pan: None,
        };
        let (card, face) = self.issue(issuing).await.unwrap();
        self.change(card, CardChange::Activate).await.unwrap();
        let holder = Holder { card, face, debit, credit };
        self.set_pin(&holder, PIN, None).await.unwrap();
        holder
    }

    pub(super) async fn change(&self, card: CardId, change: CardChange) -> Result<(), Reason> {
        let changed = self.cards.change(card, change, teller()).await;
        changed.map(|_| ()).map_err(|error| reason(&error))
    }

    pub(super) async fn set_pin(&self, holder: &Holder, pin: &str, current: Option<&str>) -> Result<(), Reason> {
        self.set_pin_as(self.id(), holder, pin, current).await
    }

    pub(super) async fn set_pin_as(
        &self,
        change_id: Uuid,
        holder: &Holder,
        pin: &str,
        current: Option<&str>,
    ) -> Result<(), Reason> {
        let typed = |pin| pin_block(&self.typed(&holder.face, pin), "till-1").unwrap();
        let setting = PinSetting { ids: (holder.card, change_id), new: typed(pin), current: current.map(typed) };
        let set = self.cards.set_pin(setting, teller()).await;
        set.map(|_| ()).map_err(|error| reason(&error))
    }

    /// What the terminal's PIN pad makes of a PIN.
    pub(super) fn typed(&self, face: &Face, pin: &str) -> common::PinBlock {
        typed(&self.pad, &face.pan, pin)
    }

    /// The card as it is read, with this PIN.
    pub(super) fn read(&self, face: &Face, pin: Option<&str>) -> common::PresentedCard {
        common::PresentedCard {
            pan: face.pan.reveal().to_owned(),
            expiry: face.expiry.yymm(),
            cvv2: String::new(),
            track2: face.track.reveal(),
            pin_block: pin.map(|pin| self.typed(face, pin)),
        }
    }

    /// A hold with a card as it was presented.
    pub(super) async fn hold(
        &self,
        leg: LegId,
        card: &common::PresentedCard,
        nature: Nature,
        minor: i64,
    ) -> Result<Leg, Reason> {
        let presented = Presented::read(card, "till-1")?;
        let proved = self.cards.prove(presented, nature, cny(minor)).await;
        let (party, proof) = proved.map_err(|error| reason(&error))?;
        self.hold_of(leg, party, proof, nature, minor).await
    }

    /// A hold of a party that is named.
    pub(super) async fn hold_of(
        &self,
        leg_id: LegId,
        party: Party,
        proof: Proof,
        nature: Nature,
        minor: i64,
    ) -> Result<Leg, Reason> {
        let order = Self::order_of(leg_id, party, proof, nature, minor);
        self.bank.ledger.hold(order).await.map_err(|error| match error {
            LedgerError::Refused(reason) => reason,
            LedgerError::Store(error) => panic!("{error}"),
        })
    }

    pub(super) fn order_of(leg_id: LegId, party: Party, proof: Proof, nature: Nature, minor: i64) -> HoldOrder {
        let merchant = Merchant {
            id: MerchantId::parse("tea-house").unwrap(),
            name: Line::parse("Tea House").unwrap(),
            category: CategoryCode::parse("5812").unwrap(),
        };
        let amount = cny(minor);
        let order = match nature.flow() {
            Flow::In => LegOrder::Receipt(Receipt { payee: party, nature, amount, merchant, savings: None }),
            _ => LegOrder::Charge(Charge { payer: party, nature, amount, merchant, savings: None, sale: None }),
        };
        HoldOrder { leg_id, payment_id: PaymentId::from_uuid(leg_id.uuid()), order, proof }
    }

    /// A new hold with the card that is read; what became of it.
    pub(super) async fn pay(&self, holder: &Holder, pin: Option<&str>, minor: i64) -> Result<LegState, Reason> {
        let card = self.read(&holder.face, pin);
        self.hold(self.bank.leg_id(), &card, Nature::Purchase, minor).await.map(|leg| leg.state)
    }

    pub(super) async fn balance(&self, card: &common::PresentedCard) -> Result<Available, Reason> {
        let told = self.cards.balance(Presented::read(card, "till-1")?).await;
        told.map(|(_, available, _)| available).map_err(|error| reason(&error))
    }

    /// Wrong PINs that are counted.
    pub(super) async fn wrong_pins(&self, holder: &Holder) -> u8 {
        self.cards.card(holder.card).await.unwrap().0.tries.wrong()
    }
}

/// The parts of a leg.
pub(super) fn parts(leg: &Leg) -> Vec<(Part, i64)> {
    leg.splits.iter().map(|split| (split.part, split.amount_minor)).collect()
}
