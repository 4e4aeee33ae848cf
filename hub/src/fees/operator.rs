//! Fee schedules and settlements, as the contract says them and as they are understood.

use domain::fee::{Returns, Schedule, Scope, Terms, Way};
use domain::{Currency, FeeScheduleId, MerchantId, Money, OperatorId, Reason};
use proto::operator as pb;

use super::Fees;
use super::settlement::Settlement;
use super::sql::Kept;
use super::steps::NewSchedule;
use crate::operators::page_size;
use crate::zone::read_day;

/// Schedules that are listed at most with those of the past.
const MOST_PAST: i64 = 1_000;

/// A schedule that is asked for. `Err` with `FieldMissing`, `FieldUnknown`, `IdMalformed`, `CurrencyMismatch` or what [`Scope::read`] and [`Terms::check`] say.
pub(crate) fn read_schedule(request: &pb::SetFeeScheduleRequest) -> Result<NewSchedule, Reason> {
    let asked = request.schedule.as_ref().ok_or(Reason::FieldMissing)?;
    let way = match pb::FeeWay::try_from(asked.way).map_err(|_| Reason::FieldUnknown)? {
        pb::FeeWay::Unspecified => "",
        pb::FeeWay::Phone => Way::Phone.as_str(),
        pb::FeeWay::CardDebit => Way::CardDebit.as_str(),
        pb::FeeWay::CardCredit => Way::CardCredit.as_str(),
        pb::FeeWay::CardOther => Way::CardOther.as_str(),
    };
    let scope = Scope::read(&asked.merchant_id, &asked.category_code, way, &asked.currency_code)?;
    let terms = if asked.ends { None } else { Some(read_terms(asked, scope.currency)?) };
    let valid_from = asked.valid_from.as_ref().map(proto::from_timestamp);
    Ok(NewSchedule { id: FeeScheduleId::parse(&asked.schedule_id)?, scope, terms, valid_from })
}

fn read_terms(asked: &pb::FeeSchedule, currency: Currency) -> Result<Terms, Reason> {
    let minor = |money: &Option<proto::common::Money>| match money {
        None => Ok(None),
        Some(money) if Currency::parse(&money.currency_code)? == currency => Ok(Some(money.minor_units)),
        Some(_) => Err(Reason::CurrencyMismatch),
    };
    let returns = match pb::FeeReturns::try_from(asked.returns) {
        Ok(pb::FeeReturns::Proportional) => Returns::Proportional,
        Ok(pb::FeeReturns::Nothing) => Returns::Nothing,
        Ok(pb::FeeReturns::Unspecified) | Err(_) => return Err(Reason::FieldUnknown),
    };
    let terms = Terms {
        rate_ppm: asked.rate_ppm,
        fixed_minor: minor(&asked.fixed)?.unwrap_or(0),
        floor_minor: minor(&asked.floor)?.unwrap_or(0),
        cap_minor: minor(&asked.cap)?,
        issuer_ppm: asked.issuer_share_ppm,
        hub_ppm: asked.hub_share_ppm,
        returns,
    };
    terms.check(currency)
}

/// A schedule for people to read, on one line.
pub(crate) fn words(new: &NewSchedule) -> String {
    let Scope { currency, merchant, category, way } = &new.scope;
    let merchant = merchant.as_ref().map_or("every merchant".to_owned(), |id| format!("merchant {id}"));
    let category = category.as_ref().map_or(String::new(), |code| format!(", category {}", code.as_str()));
    let way = way.map_or(String::new(), |way| format!(", {}", way.as_str()));
    let terms = new.terms.map_or_else(|| "nothing said any more".to_owned(), |terms| terms_words(&terms, *currency));
    let from = new.valid_from.map_or("at once".to_owned(), |at| match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(at) => format!("from {at}"),
        Err(_) => format!("from {} µs", at.micros()),
    });
    format!("fee of {merchant}{category}{way}, {}: {terms}; {from}", currency.code())
}

/// What is charged, on one line.
pub(crate) fn terms_words(terms: &Terms, currency: Currency) -> String {
    let money = |minor| Money::new(currency, minor).to_major();
    // Millionths are ten-thousandths of a per cent.
    let percent = |ppm: i64| format!("{}.{:04} %", ppm.div_euclid(10_000), ppm.rem_euclid(10_000));
    let mut words = percent(terms.rate_ppm);
    if terms.fixed_minor > 0 {
        words.push_str(&format!(" + {}", money(terms.fixed_minor)));
    }
    if terms.floor_minor > 0 {
        words.push_str(&format!(", at least {}", money(terms.floor_minor)));
    }
    if let Some(cap) = terms.cap_minor {
        words.push_str(&format!(", at most {}", money(cap)));
    }
    words.push_str(&format!("; issuer {} of it, hub {}", percent(terms.issuer_ppm), percent(terms.hub_ppm)));
    words.push_str(match terms.returns {
        Returns::Proportional => "; given back with refunds",
        Returns::Nothing => "; kept with refunds",
    });
    words
}

/// A schedule as somebody asks for it.
pub(crate) fn wanted(new: &NewSchedule) -> pb::FeeSchedule {
    let NewSchedule { id, scope, terms, valid_from } = new;
    let way = match scope.way {
        None => pb::FeeWay::Unspecified,
        Some(Way::Phone) => pb::FeeWay::Phone,
        Some(Way::CardDebit) => pb::FeeWay::CardDebit,
        Some(Way::CardCredit) => pb::FeeWay::CardCredit,
        Some(Way::CardOther) => pb::FeeWay::CardOther,
    };
    let returns = terms.map_or(pb::FeeReturns::Unspecified, |terms| match terms.returns {
        Returns::Proportional => pb::FeeReturns::Proportional,
        Returns::Nothing => pb::FeeReturns::Nothing,
    });
    let money = |minor| proto::to_money(Money::new(scope.currency, minor));
    pb::FeeSchedule {
        schedule_id: id.to_string(),
        merchant_id: scope.merchant.as_ref().map(ToString::to_string).unwrap_or_default(),
        category_code: scope.category.as_ref().map(|code| code.as_str().to_owned()).unwrap_or_default(),
        way: way.into(),
        currency_code: scope.currency.code().to_owned(),
        rate_ppm: terms.map_or(0, |terms| terms.rate_ppm),
        fixed: terms.map(|terms| money(terms.fixed_minor)),
        floor: terms.map(|terms| money(terms.floor_minor)),
        cap: terms.and_then(|terms| terms.cap_minor).map(money),
        issuer_share_ppm: terms.map_or(0, |terms| terms.issuer_ppm),
        hub_share_ppm: terms.map_or(0, |terms| terms.hub_ppm),
        returns: returns.into(),
        ends: terms.is_none(),
        valid_from: valid_from.map(proto::to_timestamp),
        ..pb::FeeSchedule::default()
    }
}

/// A schedule as it stands.
fn kept_to_pb(kept: &Kept) -> pb::FeeSchedule {
    let Schedule { id, scope, terms, valid_from } = kept.schedule.clone();
    pb::FeeSchedule {
        number: kept.number,
        set_at: Some(proto::to_timestamp(kept.set_at)),
        set_by: kept.set_by.clone(),
        withdrawn_at: kept.withdrawn_at.map(proto::to_timestamp),
        withdrawn_by: kept.withdrawn_by.clone().unwrap_or_default(),
        ..wanted(&NewSchedule { id, scope, terms, valid_from: Some(valid_from) })
    }
}

fn settlement_to_pb(it: &Settlement) -> pb::Settlement {
    let totals = &it.totals;
    pb::Settlement {
        day: it.day.to_string(),
        merchant_id: it.merchant_id.to_string(),
        currency_code: it.currency.code().to_owned(),
        sale_count: totals.sales,
        gross_minor: totals.sales_minor,
        refund_count: totals.refunds,
        refunds_minor: totals.refunds_minor,
        reversal_count: totals.reversals,
        reversals_minor: totals.reversals_minor,
        fees_minor: totals.fees.minor,
        issuer_minor: totals.fees.issuer_minor,
        hub_minor: totals.fees.hub_minor,
        acquirer_minor: totals.fees.acquirer_minor(),
        net_minor: totals.net_minor(),
    }
}

impl Fees {
    pub(crate) async fn list_schedules(
        &self,
        request: &pb::ListFeeSchedulesRequest,
    ) -> Result<pb::ListFeeSchedulesResponse, Reason> {
        let found = self.list(request.with_past, MOST_PAST).await.map_err(|error| error.reason())?;
        Ok(pb::ListFeeSchedulesResponse { schedules: found.iter().map(kept_to_pb).collect() })
    }

    /// Sets a schedule. `Err` with what cannot be read, or what the rules say.
    pub(crate) async fn set_schedule(
        &self,
        by: OperatorId,
        request: &pb::SetFeeScheduleRequest,
    ) -> Result<pb::SetFeeScheduleResponse, Reason> {
        let kept = self.set(by, read_schedule(request)?).await.map_err(|error| error.reason())??;
        Ok(pb::SetFeeScheduleResponse { schedule: Some(kept_to_pb(&kept)) })
    }

    /// Withdraws one. `Err` with `IdMalformed`, `FeeScheduleUnknown` or `FeeScheduleInForce`.
    pub(crate) async fn withdraw_schedule(
        &self,
        by: OperatorId,
        request: &pb::WithdrawFeeScheduleRequest,
    ) -> Result<pb::WithdrawFeeScheduleResponse, Reason> {
        let id = FeeScheduleId::parse(&request.schedule_id)?;
        let kept = self.withdraw(by, id).await.map_err(|error| error.reason())??;
        Ok(pb::WithdrawFeeScheduleResponse { schedule: Some(kept_to_pb(&kept)) })
    }

    /// What merchants are paid for a day. `Err` with `TimeOutOfRange`, `NameMalformed`, `PageSizeOutOfRange` or `PageTokenMalformed`.
    pub(crate) async fn list_settlements(
        &self,
        request: &pb::ListSettlementsRequest,
    ) -> Result<pb::ListSettlementsResponse, Reason> {
        let day = if request.day.is_empty() { self.today()? } else { read_day(&request.day)? };
        let most = page_size(request.page_size)?;
        let closed = self.is_closed(day)?;
        if !request.merchant_id.is_empty() {
            let merchant = MerchantId::parse(&request.merchant_id)?;
            let found = self.settlement_of(day, &merchant).await.map_err(|error| error.reason())?;
            let settlements = found.iter().map(settlement_to_pb).collect();
            return Ok(pb::ListSettlementsResponse { settlements, next_page_token: String::new(), closed });
        }
        let after = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
        let after = after.map(MerchantId::parse).transpose().map_err(|_| Reason::PageTokenMalformed)?;
        let found = self.settlements(day, after.as_ref(), most.saturating_add(1)).await.map_err(|it| it.reason())?;
        let mut merchants: Vec<&MerchantId> = found.iter().map(|it| &it.merchant_id).collect();
        merchants.dedup();
        let shown = usize::try_from(most).unwrap_or(usize::MAX);
        let has_more = merchants.len() > shown;
        let last = merchants.get(shown.saturating_sub(1)).filter(|_| has_more).map(|it| it.to_string());
        let on_page = |it: &&Settlement| last.as_deref().is_none_or(|last| it.merchant_id.as_str() <= last);
        let settlements = found.iter().filter(on_page).map(settlement_to_pb).collect();
        Ok(pb::ListSettlementsResponse { settlements, next_page_token: last.unwrap_or_default(), closed })
    }
}
