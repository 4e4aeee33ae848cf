//! Limits, as the contract says them and as they are understood.

use std::time::Duration;

use domain::limit::{Limit, LimitKey, Measure, Subject};
use domain::{Currency, OperatorId, Reason};
use proto::operator as pb;

use super::PaymentLimits;
use super::sql::Kept;

/// What a limit is of. `Err` with `FieldUnknown`, `CurrencyUnknown` or what [`LimitKey::new`] says.
pub(crate) fn read_key(limit: &pb::Limit) -> Result<LimitKey, Reason> {
    let subject = match limit.subject() {
        pb::LimitSubject::Person => Subject::Person,
        pb::LimitSubject::Terminal => Subject::Terminal,
        pb::LimitSubject::Unspecified => return Err(Reason::FieldUnknown),
    };
    let measure = match limit.measure() {
        pb::LimitMeasure::Each => Measure::Each,
        pb::LimitMeasure::Sum => Measure::Sum,
        pb::LimitMeasure::Count => Measure::Count,
        pb::LimitMeasure::Unspecified => return Err(Reason::FieldUnknown),
    };
    let of = Some(limit.of.as_str()).filter(|of| !of.is_empty());
    let window = u64::try_from(limit.window_seconds).map_err(|_| Reason::LimitMalformed)?;
    LimitKey::new((subject, of), Currency::parse(&limit.currency_code)?, (measure, Duration::from_secs(window)))
}

/// A limit for people to read, on one line.
pub(crate) fn words(key: &LimitKey, most: Option<i64>) -> String {
    let whose = match (key.subject, key.of.as_deref()) {
        (Subject::Person, None) => "each person".to_owned(),
        (Subject::Terminal, None) => "each terminal".to_owned(),
        (Subject::Person, Some(id)) => format!("person {id}"),
        (Subject::Terminal, Some(id)) => format!("terminal {id}"),
    };
    let (currency, seconds) = (key.currency.code(), key.window.as_secs());
    let what = match key.measure {
        Measure::Each => format!("one payment in {currency}"),
        Measure::Sum => format!("payments in {currency} within {seconds} s"),
        Measure::Count => format!("the number of payments in {currency} within {seconds} s"),
    };
    let most = match (most, key.measure) {
        (None, _) => "no limit".to_owned(),
        (Some(most), Measure::Count) => format!("at most {most}"),
        (Some(most), _) => format!("at most {}", domain::Money::new(key.currency, most)),
    };
    format!("{whose}, {what}: {most}")
}

fn kept_to_pb(kept: &Kept) -> pb::Limit {
    pb::Limit {
        set_at: Some(proto::to_timestamp(kept.set_at)),
        changed_at: Some(proto::to_timestamp(kept.changed_at)),
        changed_by: kept.changed_by.clone(),
        above_everybody: kept.is_above_everybody(),
        ..to_pb(&kept.key, kept.most.unwrap_or_default())
    }
}

/// A limit as somebody asks for it.
pub(crate) fn to_pb(key: &LimitKey, most: i64) -> pb::Limit {
    let subject = match key.subject {
        Subject::Person => pb::LimitSubject::Person,
        Subject::Terminal => pb::LimitSubject::Terminal,
    };
    let measure = match key.measure {
        Measure::Each => pb::LimitMeasure::Each,
        Measure::Sum => pb::LimitMeasure::Sum,
        Measure::Count => pb::LimitMeasure::Count,
    };
    pb::Limit {
        subject: subject.into(),
        of: key.of.clone().unwrap_or_default(),
        currency_code: key.currency.code().to_owned(),
        measure: measure.into(),
        window_seconds: i64::try_from(key.window.as_secs()).unwrap_or(i64::MAX),
        most,
        ..pb::Limit::default()
    }
}

impl PaymentLimits {
    pub(crate) async fn list_all(&self) -> Result<pb::ListLimitsResponse, Reason> {
        let limits = self.list().await.map_err(|error| error.reason())?;
        Ok(pb::ListLimitsResponse { limits: limits.iter().map(kept_to_pb).collect() })
    }

    /// Sets a limit that allows no more than before. `Err(LimitNotLower)`.
    pub(crate) async fn lower(
        &self,
        by: OperatorId,
        request: &pb::LowerLimitRequest,
    ) -> Result<pb::LowerLimitResponse, Reason> {
        let limit = request.limit.as_ref().ok_or(Reason::FieldMissing)?;
        let set = (read_key(limit)?, Some(Limit::check(limit.most)?));
        let kept = self.set(by, set, false).await.map_err(|error| error.reason())??;
        Ok(pb::LowerLimitResponse { limit: Some(kept_to_pb(&kept)) })
    }

    /// Sets or removes a limit, whatever it allowed before.
    pub(crate) async fn raise(
        &self,
        by: OperatorId,
        request: &pb::RaiseLimitRequest,
    ) -> Result<pb::RaiseLimitResponse, Reason> {
        let set = read_raise(request)?;
        let removed = set.1.is_none();
        let kept = match self.set(by, set, true).await.map_err(|error| error.reason())? {
            Ok(kept) => kept,
            // Carried out again after its end was not known.
            Err(Reason::LimitUnknown) if removed => return Ok(pb::RaiseLimitResponse { limit: None }),
            Err(reason) => return Err(reason),
        };
        Ok(pb::RaiseLimitResponse { limit: kept.most.map(|_| kept_to_pb(&kept)) })
    }
}

/// What is to be raised, or removed. `Err` as [`read_key`], or with `FieldMissing` or `AmountMalformed`.
pub(crate) fn read_raise(request: &pb::RaiseLimitRequest) -> Result<(LimitKey, Option<i64>), Reason> {
    let limit = request.limit.as_ref().ok_or(Reason::FieldMissing)?;
    let most = if request.remove { None } else { Some(Limit::check(limit.most)?) };
    Ok((read_key(limit)?, most))
}
