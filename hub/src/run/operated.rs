//! What the people who run the hub work with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::RunError;
use super::ground::{Asked, Ground};
use super::paying::Terms;
use crate::bank::Banks;
use crate::clearing::{Clearing, ClearingParts};
use crate::config::Config;
use crate::console::{Console, ConsoleParts};
use crate::directory::{Directory, OperatorApi};
use crate::feed::Feed;
use crate::operators::{OperatorParts, Operators, carry_out_approved};
use crate::people::{People, PeopleParts};
use crate::sign_up::SignUps;
use crate::standing::Standings;

impl Ground {
    /// Who runs the hub, with the first admins when it has none, and what they call.
    pub(super) async fn operators(
        &mut self,
        config: &Config,
        (directory, banks, feed): (&Directory, &Banks, &Feed),
        (of, sign_ups, terms): (&Asked, &SignUps, &Terms),
        draining: CancellationToken,
    ) -> Result<(Operators, OperatorApi), RunError> {
        let second_person = config.operators.second_person;
        let admins = config.operators.first_admins().map_err(RunError::FirstAdmins)?;
        if second_person && admins.len() == 1 {
            return Err(RunError::OneAdmin);
        }
        if !second_person {
            tracing::warn!("operators.second_person is off: one operator alone does what is dangerous");
        }
        let (operators, task) = Operators::start(OperatorParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            owner: self.owner.clone(),
            federation: config.federation.clone(),
            second_person,
        });
        self.vital.watch("operators", task);
        operators.register_first(admins).await.map_err(RunError::FirstAdmins)?;
        let clearing = self.clearing(config);
        let (people, task) = People::start(PeopleParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            feed: feed.clone(),
            owner: self.owner.clone(),
            policy: config.operators.lookups(),
        });
        self.vital.watch("people", task);
        let api = OperatorApi::new(directory.clone(), Arc::new(banks.clone()), of.notices.clone())
            .serving(of.offers.clone(), of.credit_history.clone())
            .helping(of.freezes.clone(), of.safety_codes.clone())
            .registering(sign_ups.clone())
            .limiting(terms.limits.clone())
            .clearing_with(clearing)
            .charging(terms.fees.clone())
            .finding(people)
            .routing(terms.routing.clone())
            .rotating(self.rotation.clone())
            .run_by(operators.clone());
        let carrying_out = carry_out_approved(api.clone(), operators.clone(), draining);
        self.vital.watch("approved acts", tokio::spawn(carrying_out));
        Ok((operators, api))
    }

    /// Files of what banks owe each other.
    fn clearing(&mut self, config: &Config) -> Clearing {
        let dialects = config.network.links.iter().map(|(id, link)| (id.clone(), link.dialect.dialect()));
        let (clearing, task) = Clearing::start(ClearingParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            zone: config.records.time_zone.rules().clone(),
            owner: self.owner.clone(),
            dialects: dialects.collect(),
            bics: config.network.bics.iter().map(|(bank, bic)| (bank.clone(), bic.0.clone())).collect(),
        });
        self.vital.watch("clearing-log", task);
        clearing
    }

    /// The pages for those who run the hub.
    pub(super) fn console(
        &self,
        config: &Config,
        (operators, api): (&Operators, &OperatorApi),
        standings: &Standings,
        draining: CancellationToken,
    ) -> Console {
        let parts = ConsoleParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            operators: operators.clone(),
            api: api.clone(),
            zone: config.records.time_zone.rules().clone(),
            standings: standings.clone(),
            draining,
        };
        Console::new(parts, config.console.clone())
    }
}
