//! Merchants: RegisterMerchant.

use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{MerchantId, Reason};
use proto::{common, operator as pb};
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::changes::{Done, Log};
use super::sql;

/// Adds a merchant.
#[derive(Debug)]
pub(super) struct RegisterMerchant {
    merchant: Merchant,
}

impl RegisterMerchant {
    pub(super) fn read(request: pb::RegisterMerchantRequest) -> Result<Self, Reason> {
        let merchant = request.merchant.ok_or(Reason::FieldMissing)?;
        let merchant = Merchant {
            id: MerchantId::parse(&merchant.merchant_id)?,
            name: Line::parse(&merchant.display_name)?,
            category: CategoryCode::parse(&merchant.category_code)?,
        };
        Ok(Self { merchant })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let merchant = &self.merchant;
        match sql::load_merchant(tx, &merchant.id).await? {
            Some(known) if known == *merchant => return Ok(Ok(Done::Merchant(known))),
            Some(_) => return Ok(Err(Reason::NameTaken)),
            None => {}
        }
        sql::insert_merchant(tx, merchant).await?;
        let content = format!("merchant={} category={}", merchant.id, merchant.category.as_str());
        log.add("MERCHANT_REGISTERED", Uuid::nil(), &content);
        Ok(Ok(Done::Merchant(merchant.clone())))
    }
}

pub(super) fn to_pb(merchant: &Merchant) -> common::Merchant {
    common::Merchant {
        merchant_id: merchant.id.to_string(),
        display_name: merchant.name.to_string(),
        category_code: merchant.category.as_str().to_owned(),
    }
}
