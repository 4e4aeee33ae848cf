//! A front, and an issuer at the other end of its line.

use std::ops::Deref;
use std::path::Path;

use bank_adapter::credit_system::CreditSystemConfig;
use bank_adapter::credit_system::config::PeerTlsConfig;
use bank_adapter::hsm::Check;
use serde_json::Value;
use server_kit::store::testing::TestDatabase;
use tempfile::TempDir;

use crate::front::{self, Front};
use crate::issuer::{Issuer, Settings};
use crate::keys;

pub const LIMIT: i64 = 1_000;
pub const CASH: i64 = 200;

pub struct World {
    pub issuer: Issuer,
    front: Front,
    folder: TempDir,
}

/// Anything of the configuration that a test wants otherwise.
pub type Change = fn(&mut CreditSystemConfig);

impl Deref for World {
    type Target = Front;

    fn deref(&self) -> &Front {
        &self.front
    }
}

impl World {
    /// With short times; `None` without the issuer's Python.
    pub async fn new() -> Option<Self> {
        Self::with("ascii", |_| {}).await
    }

    pub async fn with(dialect: &'static str, change: Change) -> Option<Self> {
        Self::on(TestDatabase::sqlite(), dialect, change).await
    }

    pub async fn on(database: TestDatabase, dialect: &'static str, change: Change) -> Option<Self> {
        Self::build(database, dialect, change, None).await
    }

    /// Over TLS, with an issuer whose certificate this authority has issued, to a front that trusts the one or another.
    pub async fn over_tls(is_trusted: bool) -> Option<Self> {
        Self::build(TestDatabase::sqlite(), "ascii", |_| {}, Some(is_trusted)).await
    }

    async fn build(database: TestDatabase, dialect: &'static str, change: Change, tls: Option<bool>) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let state = folder.path().join("issuer.journal");
        let files = tls.map(|is_trusted| keys::tls_files(folder.path(), is_trusted));
        let certificate = files.as_ref().map(|files| (files.certificate.clone(), files.key.clone()));
        let (mac, zone_key) = (format!("des:{}", keys::MAC), keys::ZONE.to_owned());
        let settings = Settings { dialect, mac, zone_key, state, certificate };
        let mut issuer = Issuer::start(settings).await?;
        let mut config = front::config(issuer.port, dialect);
        config.tls = files.map(|files| PeerTlsConfig {
            server_ca: files.authority,
            server_name: None,
            certificate: None,
            key: None,
        });
        change(&mut config);
        let front = Front::open(database, config, folder.path()).await;
        issuer.tell(&format!("account {} {LIMIT} {CASH} 123456", front.pan.reveal())).await;
        front.issue("123456").await;
        Some(Self { issuer, front, folder })
    }

    /// The front's process dies, and another one is started on the same database.
    pub async fn crash(self) -> Self {
        let Self { issuer, front, folder } = self;
        let front = front.crash(folder.path()).await;
        Self { issuer, front, folder }
    }

    /// The front's process dies; while it is gone something else may happen to the database.
    pub async fn without_front<F: Future<Output = TestDatabase>>(
        self,
        meanwhile: impl FnOnce(TestDatabase) -> F,
    ) -> Self {
        let Self { issuer, front, folder } = self;
        let (database, config) = front.kill().await;
        let front = Front::open(meanwhile(database).await, config, folder.path()).await;
        Self { issuer, front, folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The issuer dies, if it has not yet, and is started again.
    pub async fn restart_issuer(mut self) -> Self {
        self.issuer = self.issuer.restart().await;
        self
    }

    /// Both sides have this PIN.
    pub async fn both_have(&mut self, pin: &str) {
        assert_eq!(self.takes(pin).await, Check::Matches);
        let state = self.issuer.state().await;
        assert_eq!(state["accounts"][self.pan.reveal()]["pin"], pin, "C4: both or neither");
    }

    /// What the issuer has of the card: held and owed.
    pub async fn books(&mut self) -> (i64, i64) {
        let state = self.issuer.state().await;
        let account: &Value = &state["accounts"][self.pan.reveal()];
        (account["held"].as_i64().unwrap(), account["owed"].as_i64().unwrap())
    }

    pub async fn end(self) {
        self.front.kill().await;
    }

    /// Signs off and waits until everything has ended by itself.
    pub async fn shut_down(self) -> Issuer {
        self.front.shut_down().await;
        self.issuer
    }
}
