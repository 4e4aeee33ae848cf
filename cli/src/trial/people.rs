//! People with accounts and phones, and shops with terminals, set up as operators do it.

use domain::purchase::{CategoryCode, Location, Merchant, Terminal};
use domain::text::Line;
use domain::{AccountId, Currency, MerchantId, Money, PersonId, PhoneNumber, Reason, TerminalId};
use secrecy::SecretString;

use super::{Federation, TrialError, bank_id};
use crate::operator::{NewMerchant, NewTerminal, Operator};
use crate::phone::{DeviceKey, Enrolment, Phone, PhoneFolder};

/// A person who is to have an account at one bank and a phone.
#[derive(Clone, Debug)]
pub struct NewPerson<'a> {
    pub name: &'a str,
    /// In international form.
    pub phone: &'a str,
    pub bank: &'a str,
    /// What is paid in at the counter, in minor units of `currency`; 0 for nothing.
    pub balance_minor: i64,
    pub currency: Currency,
    /// Six digits.
    pub password: &'a str,
}

/// A person with an account that is bound, and a phone that is enrolled.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    pub phone: PhoneNumber,
    pub bank: String,
    pub account: AccountId,
    pub account_masked: String,
    pub password: SecretString,
    pub device: Phone,
}

/// A shop with one terminal.
#[derive(Clone, Debug)]
pub struct Shop<'a> {
    pub merchant: &'a str,
    pub name: &'a str,
    /// ISO 18245.
    pub category: &'a str,
    pub terminal: &'a str,
    pub place: &'a str,
    pub location: Option<(f64, f64)>,
}

impl Shop<'_> {
    /// The terminal as the hub's directory has it.
    pub fn enrolled(&self) -> Result<Terminal, TrialError> {
        let merchant = Merchant {
            id: named(self.merchant, MerchantId::parse)?,
            name: named(self.name, Line::parse)?,
            category: named(self.category, CategoryCode::parse)?,
        };
        Ok(Terminal {
            id: named(self.terminal, TerminalId::parse)?,
            merchant,
            place: Some(named(self.place, Line::parse)?),
            location: self.location.map(|(latitude, longitude)| Location { latitude, longitude }),
            suspended: false,
        })
    }
}

fn named<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Reason>) -> Result<T, TrialError> {
    parse(text).map_err(|reason| TrialError::Name { name: text.to_owned(), reason })
}

impl Federation {
    /// Opens an account, pays money in, and binds it to a new person. Gives the account and its masked number.
    pub async fn open_account(
        &self,
        operator: &Operator,
        person: &NewPerson<'_>,
    ) -> Result<(PersonId, AccountId, String), TrialError> {
        let bank = bank_id(person.bank)?;
        let counter = operator.counter(&bank).await?;
        let opened = counter.open_account(person.name, person.currency, 0).await?;
        let account = named(&opened.account_id, AccountId::parse)?;
        if person.balance_minor > 0 {
            counter.deposit(account, Money::new(person.currency, person.balance_minor)).await?;
        }
        let phone = named(person.phone, PhoneNumber::parse)?;
        let id = operator.register_person(&phone, person.name).await?;
        let masked = operator.bind_account(id, &bank, account, true).await?;
        Ok((id, account, masked))
    }

    /// A person with account, binding and phone. The phone's key is kept in memory only.
    pub async fn person(&self, new: &NewPerson<'_>) -> Result<Person, TrialError> {
        let operator = self.operator()?;
        let (id, account, account_masked) = self.open_account(&operator, new).await?;
        let enrolment = self.enrolment(&operator, id, new).await?;
        let device = Phone::enrol(self.phone_channel()?, DeviceKey::generate()?, &enrolment).await?;
        Self::with_device(new, id, account, account_masked, device)
    }

    /// The same with a phone on disk, for `bankhub phone` to go on with.
    pub async fn person_in(&self, new: &NewPerson<'_>, folder: &std::path::Path) -> Result<Person, TrialError> {
        let operator = self.operator()?;
        let (id, account, account_masked) = self.open_account(&operator, new).await?;
        let enrolment = self.enrolment(&operator, id, new).await?;
        let phone = PhoneFolder::new(folder);
        let device = phone.enrol(self.name(), &self.hub_endpoint()?, &self.authority_certificate(), &enrolment).await?;
        Self::with_device(new, id, account, account_masked, device)
    }

    async fn enrolment(
        &self,
        operator: &Operator,
        person: PersonId,
        new: &NewPerson<'_>,
    ) -> Result<Enrolment, TrialError> {
        let issued = operator.enrolment_code(person).await?;
        Ok(Enrolment {
            phone: named(new.phone, PhoneNumber::parse)?,
            code: SecretString::from(issued.enrolment_code),
            transaction_password: Some(SecretString::from(new.password)),
        })
    }

    fn with_device(
        new: &NewPerson<'_>,
        id: PersonId,
        account: AccountId,
        account_masked: String,
        device: Phone,
    ) -> Result<Person, TrialError> {
        Ok(Person {
            id,
            name: new.name.to_owned(),
            phone: named(new.phone, PhoneNumber::parse)?,
            bank: new.bank.to_owned(),
            account,
            account_masked,
            password: SecretString::from(new.password),
            device,
        })
    }

    /// Enrols a shop and its terminal.
    pub async fn shop(&self, shop: &Shop<'_>) -> Result<(), TrialError> {
        let operator = self.operator()?;
        let merchant = NewMerchant {
            id: named(shop.merchant, MerchantId::parse)?,
            name: shop.name.to_owned(),
            category: shop.category.to_owned(),
        };
        operator.register_merchant(&merchant).await?;
        let terminal = NewTerminal {
            id: named(shop.terminal, TerminalId::parse)?,
            merchant: merchant.id,
            place: shop.place.to_owned(),
            location: shop.location,
        };
        operator.register_terminal(&terminal).await?;
        Ok(())
    }
}
