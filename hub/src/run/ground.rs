//! What every part of the hub stands on, and how each is started.

use std::sync::Arc;

use jiff::tz::TimeZone;
use server_kit::clock::{SharedClock, SystemClock};
use server_kit::keystore::{SealedFile, SharedKeyStore};
use server_kit::lifecycle::VitalTasks;
use server_kit::rng::{IdMaker, SharedRng, SystemRng};
use server_kit::rotation::{KeyFile, Rotation};
use server_kit::shutdown::Shutdown;
use server_kit::store::{Owner, Store, StoreOptions, WriterOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{RunError, migrations};
use crate::bank::Banks;
use crate::bills::{BillParts, Bills};
use crate::cardholder::{CardholderApi, CardholderParts};
use crate::config::{Config, Payments};
use crate::credit_history::{self, CreditHistory, CreditHistoryParts};
use crate::directory::{Directory, DirectoryOptions, DirectoryParts};
use crate::errand::{ErrandParts, Errands};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::follow::{self, FollowParts, Followers};
use crate::freeze::{FreezeParts, Freezes, tell_banks};
use crate::habits::Habits;
use crate::keys::KeyParts;
use crate::notify::{Notices, NoticesParts, NotifyConfig, Telling};
use crate::offers::{self, OfferParts, Offers};
use crate::payment::Approvals;
use crate::prices::Prices;
use crate::records::{RecordParts, Records};
use crate::reminders::{ReminderParts, Reminders, remind};
use crate::repayment::{self, RepaymentParts, Repayments};
use crate::safety_code::{SafetyCodeParts, SafetyCodes};
use crate::sign_in::{SignInParts, SignIns};
use crate::sign_up::{self, SignUpParts, SignUps};
use crate::voice::{Desk as VoiceDesk, HubDesk, HubDeskParts, Voice, VoiceConfig, VoiceParts, VoicePinPad};
use crate::web::{Web, WebParts};

/// What every capability stands on.
pub(super) struct Ground {
    pub(super) clock: SharedClock,
    pub(super) rng: SharedRng,
    pub(super) ids: IdMaker,
    pub(super) keys: SharedKeyStore,
    pub(super) rotation: Rotation,
    pub(super) store: Store,
    /// The name of this replica …
    pub(super) replica: String,
    /// … which is owned by this process.
    pub(super) mark: Uuid,
    pub(super) owner: Arc<Owner>,
    /// The capabilities' tasks.
    pub(super) vital: VitalTasks,
}

impl Ground {
    pub(super) async fn open(config: &Config, shutdown: &Shutdown) -> Result<Self, RunError> {
        let clock = SystemClock::shared();
        let rng = SystemRng::shared();
        let ids = IdMaker::new(clock.clone(), rng.clone());
        let file = KeyFile {
            keys: Arc::new(SealedFile::open(&config.keys.file, &config.keys.master.read()?)?),
            master: config.keys.master.clone(),
        };
        let keys: SharedKeyStore = file.keys.clone();
        let password = config.database.password.as_ref().map(|secret| secret.read()).transpose()?;
        let options =
            StoreOptions { password, readers: config.database.readers, ..StoreOptions::new(&config.database.url) };
        let store = Store::open(&options, &migrations(), clock.clone()).await?;
        let (mark, replica) = (ids.uuid()?, config.replica.clone());
        let owner = Arc::new(Owner::take(&store, &replica, mark).await?);
        let (store_of_keys, options) = (store.clone(), config.keys.rotation.options());
        let parts =
            KeyParts { store: store_of_keys, keys: keys.clone(), file: Some(file), owner: owner.clone(), options };
        let (rotation, task) = crate::keys::open(parts).await?;
        let mut vital = VitalTasks::default();
        vital.watch("keys", task);
        // Keys rotate while the hub runs: what every hub holds is used, and columns are rewritten.
        vital.watch("versions of keys", rotation.run(shutdown.served()).map_err(RunError::Signals)?);
        vital.watch("rewriting under new keys", rotation.rewrite(shutdown.draining()));
        Ok(Self { clock, rng, ids, keys, rotation, store, replica, mark, owner, vital })
    }

    pub(super) fn directory(&mut self, config: &Config) -> Directory {
        let parts = DirectoryParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            replica: self.replica.clone(),
        };
        let options = DirectoryOptions { lookups: config.lookups, ..DirectoryOptions::default() };
        let (directory, task) = Directory::start(parts, options);
        self.vital.watch("directory", task);
        directory
    }

    pub(super) fn feed(&self, followers: &Followers, draining: CancellationToken) -> Feed {
        let parts = FeedParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            replica: self.mark,
            followers: followers.all().to_vec(),
            draining,
        };
        let feed = Feed::new(parts, FeedOptions::default());
        tokio::spawn(feed.clone().listen());
        feed
    }

    pub(super) fn records(&mut self, feed: &Feed) -> Records {
        let (records, task) = Records::start(RecordParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            writer: WriterOptions::default(),
        });
        self.vital.watch("records", task);
        records
    }

    pub(super) fn habits(&mut self, zone: TimeZone) -> Habits {
        let (habits, task) = Habits::start(self.store.clone(), self.owner.clone(), zone);
        self.vital.watch("habits", task);
        habits
    }

    pub(super) fn prices(&mut self) -> Prices {
        let (prices, task) = Prices::start(self.store.clone(), self.owner.clone());
        self.vital.watch("prices", task);
        prices
    }

    pub(super) fn notices(&mut self, config: &NotifyConfig, draining: CancellationToken) -> Result<Notices, RunError> {
        let parts = NoticesParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            replica: self.replica.clone(),
        };
        let telling = Telling::start(config, parts, config.options(), &draining)?;
        telling.tasks.into_iter().for_each(|(name, task)| self.vital.watch(name, task));
        Ok(telling.notices)
    }

    pub(super) fn bills(&mut self, feed: &Feed, zone: TimeZone) -> Bills {
        let (bills, task) = Bills::start(BillParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            zone,
        });
        self.vital.watch("bills", task);
        bills
    }

    /// What is done about events beside letting phones read them.
    pub(super) fn follow(
        &mut self,
        followers: &Followers,
        (directory, feed): (&Directory, Feed),
        (notices, prices): (&Notices, &Prices),
        draining: CancellationToken,
    ) {
        let parts = FollowParts {
            store: self.store.clone(),
            owner: self.owner.clone(),
            clock: self.clock.clone(),
            directory: directory.clone(),
            feed,
            notices: notices.clone(),
            prices: prices.clone(),
        };
        follow::start(parts, followers, draining).into_iter().for_each(|task| self.vital.watch("follow", task));
    }

    pub(super) fn reminders(&mut self, config: &Config, feed: &Feed, draining: CancellationToken) -> Reminders {
        let (reminders, task) = Reminders::start(ReminderParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            zone: config.records.time_zone.rules().clone(),
        });
        self.vital.watch("reminders", task);
        let sending = remind(reminders.clone(), config.reminders.look_every.get(), draining);
        self.vital.watch("reminding", tokio::spawn(sending));
        reminders
    }

    pub(super) fn credit_history(
        &mut self,
        config: &Config,
        (directory, feed, habits): (&Directory, &Feed, &Habits),
        draining: CancellationToken,
    ) -> CreditHistory {
        let (history, task) = CreditHistory::start(CreditHistoryParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            zone: config.records.time_zone.rules().clone(),
            habits: habits.clone(),
            habits_floor: config.offers.purchases_floor.get().into(),
            inquiries_per_bank_per_minute: config.credit_history.inquiries_per_bank_per_minute,
            lookups: directory.lookups().clone(),
        });
        self.vital.watch("credit history", task);
        let every = config.credit_history.sweep_every.get();
        self.vital
            .watch("credit history's sweeper", tokio::spawn(credit_history::sweep(history.clone(), every, draining)));
        history
    }

    pub(super) fn freezes(
        &mut self,
        config: &Config,
        banks: &Banks,
        feed: &Feed,
        draining: CancellationToken,
    ) -> Freezes {
        let (freezes, task) = Freezes::start(FreezeParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            banks: banks.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            policy: config.payments.policy(),
            safety: config.safety_code.policy(),
        });
        self.vital.watch("freezes", task);
        let every = config.payments.sweep_every.get();
        self.vital.watch("telling banks of freezes", tokio::spawn(tell_banks(freezes.clone(), every, draining)));
        freezes
    }

    pub(super) fn safety_codes(&mut self, config: &Config, feed: &Feed) -> SafetyCodes {
        let (safety_codes, task) = SafetyCodes::start(SafetyCodeParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            policy: config.safety_code.policy(),
            payments: config.payments.policy(),
        });
        self.vital.watch("safety codes", task);
        safety_codes
    }

    /// The desk of callers, whoever speaks with them.
    pub(super) fn desk_of_calls(
        &self,
        config: &Config,
        (directory, banks): (&Directory, &Banks),
        (freezes, safety_codes): (&Freezes, &SafetyCodes),
    ) -> Result<HubDesk, RunError> {
        let config = &config.safety_code;
        let pin_pad = match &config.pin_pad_key {
            Some(key) => Some(Arc::new(VoicePinPad::new(&config.pin_pad, &key.read()?)?)),
            None => None,
        };
        Ok(HubDesk::new(HubDeskParts {
            store: self.store.clone(),
            directory: directory.clone(),
            banks: banks.clone(),
            freezes: freezes.clone(),
            safety_codes: safety_codes.clone(),
            rng: self.rng.clone(),
            pin_pad,
            calls_per_number_per_minute: config.calls_per_number_per_minute,
            calls_in_all_per_minute: config.calls_in_all_per_minute,
        }))
    }

    pub(super) fn sign_ups(
        &mut self,
        config: &Config,
        (directory, banks): (&Directory, &Banks),
        feed: &Feed,
        draining: CancellationToken,
    ) -> SignUps {
        let (sign_ups, task) = SignUps::start(SignUpParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            directory: directory.clone(),
            banks: banks.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            zone: config.records.time_zone.clone(),
        });
        self.vital.watch("sign-ups", task);
        let carrying = sign_up::carry_on(sign_ups.clone(), config.payments.sweep_every.get(), draining);
        self.vital.watch("sign-ups' sweeper", tokio::spawn(carrying));
        sign_ups
    }

    pub(super) fn errands(&mut self, config: &Config, directory: &Directory, feed: &Feed) -> Errands {
        let (errands, task) = Errands::start(ErrandParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            directory: directory.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            policy: config.payments.policy(),
            safety: config.safety_code.policy(),
        });
        self.vital.watch("errands", task);
        errands
    }

    pub(super) fn sign_ins(&mut self, config: &Config, feed: &Feed) -> SignIns {
        let (sign_ins, task) = SignIns::start(SignInParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            policy: config.sign_in.policy(),
            payments: config.payments.policy(),
        });
        self.vital.watch("sign-ins", task);
        sign_ins
    }

    pub(super) fn offers(
        &mut self,
        config: &Config,
        (feed, habits): (&Feed, &Habits),
        draining: CancellationToken,
    ) -> Offers {
        let (offers, task) = Offers::start(OfferParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            feed: feed.clone(),
            habits: habits.clone(),
            owner: self.owner.clone(),
            floor: config.offers.deliveries_floor.get(),
        });
        self.vital.watch("offers", task);
        let sweeping = offers::sweep(offers.clone(), config.offers.look_every.get(), draining);
        self.vital.watch("offers' sweeper", tokio::spawn(sweeping));
        offers
    }

    pub(super) fn repayments(
        &mut self,
        config: &Payments,
        banks: &Banks,
        feed: &Feed,
        draining: CancellationToken,
    ) -> Repayments {
        let (repayments, task) = Repayments::start(RepaymentParts {
            store: self.store.clone(),
            banks: banks.clone(),
            feed: feed.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            owner: self.owner.clone(),
            policy: config.policy(),
            answer_within: config.answer_within.get(),
        });
        self.vital.watch("repayments", task);
        let sweeping = repayment::sweep(repayments.clone(), config.sweep_every.get(), draining);
        self.vital.watch("repayments' sweeper", tokio::spawn(sweeping));
        repayments
    }

    /// Telephone calls, whose wishes go to `desk`.
    pub(super) async fn take_calls(
        &mut self,
        config: &VoiceConfig,
        desk: Arc<dyn VoiceDesk>,
        zone: TimeZone,
        draining: CancellationToken,
    ) -> Result<(), RunError> {
        let (clock, rng, ids) = (self.clock.clone(), self.rng.clone(), self.ids.clone());
        let voice = Voice::start(config, VoiceParts { desk, clock, rng, ids, zone }, draining).await?;
        voice.tasks.into_iter().for_each(|(name, task)| self.vital.watch(name, task));
        Ok(())
    }

    /// The pages for browsers, of what phones ask about.
    pub(super) fn web(&self, config: &Config, directory: &Directory, of: &Asked) -> Web {
        let parts = WebParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            directory: directory.clone(),
            sign_ins: of.sign_ins.clone(),
            freezes: of.freezes.clone(),
            bills: of.bills.clone(),
            credit_history: of.credit_history.clone(),
            zone: config.records.time_zone.rules().clone(),
        };
        Web::new(parts, config.web.clone())
    }

    pub(super) fn cardholder(
        &mut self,
        config: &Config,
        directory: &Directory,
        feed: Feed,
        of: Asked,
    ) -> CardholderApi {
        let parts = CardholderParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            directory: directory.clone(),
            feed,
            habits: of.habits,
            bills: of.bills,
            reminders: of.reminders,
            credit_history: of.credit_history,
            freezes: of.freezes,
            approvals: of.approvals,
            safety_codes: of.safety_codes,
            sign_ins: of.sign_ins,
            offers: of.offers,
            repayments: of.repayments,
            notices: of.notices,
            codes: domain::enrolment::Policy::default(),
            payments: config.payments.policy(),
            replica: self.replica.clone(),
        };
        let (cardholder, tasks) = CardholderApi::start(parts, config.phones.options());
        tasks.into_iter().for_each(|task| self.vital.watch("cardholder", task));
        cardholder
    }
}

/// What phones ask about beside their record.
pub(super) struct Asked {
    pub(super) habits: Habits,
    pub(super) bills: Bills,
    pub(super) reminders: Reminders,
    pub(super) credit_history: CreditHistory,
    pub(super) freezes: Freezes,
    pub(super) approvals: Approvals,
    pub(super) safety_codes: SafetyCodes,
    pub(super) sign_ins: SignIns,
    pub(super) offers: Offers,
    pub(super) repayments: Repayments,
    pub(super) notices: Notices,
}
