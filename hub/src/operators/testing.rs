//! What tests of those who run the hub stand on: operators with their roles, at one replica or more.

use std::net::SocketAddr;
use std::sync::Arc;

use domain::OperatorId;
use domain::operator::step_of;
use domain::sign_in::AccountPassword;
use server_kit::clock::Clock as _;
use server_kit::identity::{self, Principal};
use server_kit::store::Owner;
use server_kit::tls::Peer;

use super::{OperatorParts, Operators, sql, totp};
use crate::testing::TestHub;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// The operators' part of one replica, with ann and bob as its first admins.
pub(crate) async fn replica(hub: &TestHub, name: &str, second_person: bool) -> Operators {
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    let (operators, _) = Operators::start(OperatorParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        owner,
        federation: "test".to_owned(),
        second_person,
    });
    operators.register_first(vec![id("ann"), id("bob")]).await.unwrap();
    operators
}

pub(crate) fn id(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

pub(crate) fn peer(role: identity::Role, name: &str) -> Peer {
    let principal = Some(Principal::member("test", role, name).unwrap());
    Peer { principal, refused: None, addr: SocketAddr::from(([192, 0, 2, 1], 40_000)) }
}

/// An authenticator app.
pub(crate) struct App {
    secret: Vec<u8>,
    hub: TestHub,
}

impl App {
    /// Sets somebody's way into the console, and reads the secret as an app does.
    pub(crate) async fn new(hub: &TestHub, operators: &Operators, name: &str) -> Self {
        let uri = operators.set_sign_in(id(name), PASSWORD).await.unwrap();
        let encoded = uri.split_once("secret=").unwrap().1.split('&').next().unwrap().to_owned();
        Self { secret: decoded(&encoded), hub: hub.clone() }
    }

    /// The code of the step that is so many steps from this one.
    pub(crate) fn code(&self, from_here: i64) -> String {
        totp::code(&self.secret, step_of(self.hub.clock.now()) + from_here)
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let bits: String = text
        .bytes()
        .map(|letter| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap())
        .map(|five| format!("{five:05b}"))
        .collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|eight| u8::from_str_radix(str::from_utf8(eight).unwrap(), 2).unwrap())
        .collect()
}

pub(crate) fn password(text: &str) -> Option<AccountPassword> {
    AccountPassword::parse(text).ok()
}

/// As when nobody had used a one-time password yet.
pub(crate) async fn forget_step(hub: &TestHub, name: &str) {
    let mut tx = hub.store.begin().await.unwrap();
    let mut kept = sql::load_operator(&mut tx, &id(name)).await.unwrap().unwrap();
    (kept.version, kept.totp_step) = (kept.version + 1, 0);
    sql::put_operator(&mut tx, &kept).await.unwrap();
    tx.commit().await.unwrap();
}
