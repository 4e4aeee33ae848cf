//! The table of prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::nearby::{Bought, Price, Reach, Shop};
use domain::purchase::{CategoryCode, Location, Terminal};
use domain::text::Line;
use domain::{Currency, MerchantId, Money, TerminalId};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};

const PRICES: Table = Table {
    name: "prices",
    key: &["terminal_id", "goods"],
    columns: &[
        "terminal_id",
        "goods",
        "version",
        "merchant_id",
        "merchant_name",
        "category",
        "latitude",
        "longitude",
        "gtin",
        "name_key",
        "name",
        "code",
        "unit",
        "currency",
        "price_minor",
        "published_at",
    ],
};

/// What a shop asks for some goods.
#[derive(Debug, Default)]
pub(super) struct PriceRow {
    version: i64,
    pub(super) price: Option<Price>,
    location: Option<Location>,
    /// Where it is published anew.
    published: Option<Arc<Terminal>>,
}

impl PriceRow {
    /// Whether it was published when the terminal stood somewhere else.
    pub(super) fn is_elsewhere(&self, terminal: &Terminal) -> bool {
        self.location != terminal.location
    }

    pub(super) fn publish(&mut self, terminal: &Arc<Terminal>, price: &Price) {
        self.location = terminal.location;
        self.price = Some(price.clone());
        self.published = Some(terminal.clone());
    }
}

const COLUMNS: &str = "SELECT terminal_id, goods, version, name, code, unit, currency, price_minor, latitude, longitude \
                       FROM prices WHERE terminal_id";

pub(super) async fn load_prices(
    tx: &mut Tx,
    terminals: BTreeSet<&TerminalId>,
) -> Result<BTreeMap<(TerminalId, String), PriceRow>, StoreError> {
    let load = Load { select: COLUMNS, tail: " ORDER BY terminal_id, goods", lock: true };
    let rows = tx.load(load, Keys::Names(terminals.into_iter().map(ToString::to_string).collect())).await?;
    let read = |row: &Row| {
        let location = location_of(row, 8)?;
        let stored = PriceRow { version: row.int(2)?, price: Some(price_of(row, 3)?), location, published: None };
        Ok(((row.parsed(0, TerminalId::parse)?, row.text(1)?), stored))
    };
    rows.iter().map(read).collect()
}

fn line_of(row: &Row, column: usize) -> Result<Option<Line>, StoreError> {
    match row.maybe_text(column)? {
        None => Ok(None),
        Some(_) => row.parsed(column, Line::parse).map(Some),
    }
}

/// Name, code, unit, currency and price from column `at` on.
fn price_of(row: &Row, at: usize) -> Result<Price, StoreError> {
    Ok(Price {
        name: row.parsed(at, Line::parse)?,
        code: line_of(row, at + 1)?,
        unit: line_of(row, at + 2)?,
        price: Money::new(row.parsed(at + 3, Currency::parse)?, row.int(at + 4)?),
    })
}

fn location_of(row: &Row, at: usize) -> Result<Option<Location>, StoreError> {
    Ok(row.real(at)?.zip(row.real(at + 1)?).map(|(latitude, longitude)| Location { latitude, longitude }))
}

pub(super) async fn put_prices(tx: &mut Tx, rows: BTreeMap<(TerminalId, String), PriceRow>) -> Result<(), StoreError> {
    let now = tx.now();
    let write = |((terminal_id, goods), row): ((TerminalId, String), PriceRow)| {
        let (terminal, price) = (row.published?, row.price?);
        let Location { latitude, longitude } = terminal.location?;
        let (gtin, name_key) = price.found_by();
        let text = |line: Option<Line>| line.map(|line| line.to_string());
        Some(vec![
            terminal_id.as_str().into(),
            goods.into(),
            (row.version + 1).into(),
            terminal.merchant.id.as_str().into(),
            terminal.merchant.name.as_str().into(),
            terminal.merchant.category.as_str().into(),
            Value::Real(Some(latitude)),
            Value::Real(Some(longitude)),
            gtin.into(),
            name_key.into(),
            price.name.as_str().into(),
            text(price.code).into(),
            text(price.unit).into(),
            price.price.currency.code().into(),
            price.price.minor.into(),
            now.into(),
        ])
    };
    tx.put(&PRICES, rows.into_iter().filter_map(write).collect()).await
}

/// So many things are asked about at once; fewer stand there several times.
pub(super) const GOODS_AT_ONCE: usize = 10;

/// What is asked around a place for up to [`GOODS_AT_ONCE`] things: of each the 50 lowest prices. The place is in the index beside what the
/// goods are known by, so that only rows within reach are read; on SQLite the index of numbers has all that is asked, so that no row is.
macro_rules! near {
    ($known_by:literal, $of:literal) => {
        concat!(
            "SELECT terminal_id, merchant_id, merchant_name, category, latitude, longitude, name, code, unit, currency, price_minor \
             FROM (SELECT terminal_id, merchant_id, merchant_name, category, latitude, longitude, name, code, unit, currency, price_minor, \
             row_number() OVER (PARTITION BY ",
            $known_by,
            " ORDER BY price_minor, terminal_id) AS place FROM prices WHERE ",
            $known_by,
            " IN ($8, $9, $10, $11, $12, $13, $14, $15, $16, $17) AND category = $1 AND currency = $2 AND price_minor > 0 \
             AND latitude BETWEEN $3 AND $4 AND longitude BETWEEN $5 AND $6 AND merchant_id <> $7",
            $of,
            ") AS ranked WHERE place <= 50"
        )
    };
}

/// Metres of a degree of latitude, a little less than it has anywhere, so that nothing within reach is passed over.
const DEGREE_M: f64 = 110_000.0;

/// The degrees around a place in which all lies that is within reach: south, north, west, east.
fn around(location: Location, reach: Reach) -> [f64; 4] {
    let high = f64::from(reach.radius_m) / DEGREE_M;
    let (south, north) = (location.latitude - high, location.latitude + high);
    // A degree of longitude is shortest where it is nearest to a pole.
    let narrowest = south.abs().max(north.abs()).min(90.0).to_radians().cos();
    let wide = if narrowest > 0.01 { high / narrowest } else { 360.0 };
    let (west, east) = (location.longitude - wide, location.longitude + wide);
    // Over the date line all longitudes are looked at; the distance decides.
    if west < -180.0 || east > 180.0 { [south, north, -180.0, 180.0] } else { [south, north, west, east] }
}

/// By what the same goods are known elsewhere.
#[derive(Debug, Default)]
struct KnownBy {
    gtins: BTreeSet<String>,
    /// Of goods with a number: where others have one, it decides, so that names are asked of those that have none.
    names_of_numbered: BTreeSet<String>,
    /// Of goods without one: the name decides whatever the others have.
    names: BTreeSet<String>,
}

impl KnownBy {
    fn of(bought: &Bought) -> Self {
        let mut known = Self::default();
        for goods in &bought.goods {
            let (gtin, name_key) = goods.found_by();
            let names = if gtin.is_some() { &mut known.names_of_numbered } else { &mut known.names };
            names.insert(name_key);
            known.gtins.extend(gtin);
        }
        known
    }
}

/// The shops around that sell some of what was bought, with what they ask for it.
pub(super) async fn read_shops(store: &Store, bought: &Bought, reach: Reach) -> Result<Vec<Shop>, StoreError> {
    let KnownBy { gtins, names_of_numbered, names } = KnownBy::of(bought);
    let mut shops: BTreeMap<String, Shop> = BTreeMap::new();
    for (sql, keys) in [
        (near!("gtin", ""), gtins),
        (near!("name_key", " AND gtin IS NULL"), names_of_numbered),
        (near!("name_key", ""), names),
    ] {
        if keys.is_empty() {
            continue;
        }
        for row in &store.fetch(sql, near_args(bought, reach, &keys)).await? {
            let Some(location) = location_of(row, 4)? else { continue };
            let shop = Shop {
                merchant_id: row.parsed(1, MerchantId::parse)?,
                name: row.parsed(2, Line::parse)?,
                category: row.parsed(3, CategoryCode::parse)?,
                location,
                prices: Vec::new(),
            };
            shops.entry(row.text(0)?).or_insert(shop).prices.push(price_of(row, 6)?);
        }
    }
    Ok(shops.into_values().collect())
}

fn near_args(bought: &Bought, reach: Reach, keys: &BTreeSet<String>) -> Vec<Value> {
    let mut args = vec![bought.category.as_str().into(), bought.currency.code().into()];
    args.extend(around(bought.location, reach).map(|degrees| Value::Real(Some(degrees))));
    args.push(bought.merchant_id.as_str().into());
    args.extend(keys.iter().cycle().take(GOODS_AT_ONCE).map(|key| key.as_str().into()));
    args
}

#[cfg(test)]
mod tests {
    use server_kit::store::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn p2_what_is_asked_of_goods_with_numbers_is_in_one_index_on_sqlite() {
        crate::testing::on(&TestDatabase::sqlite(), &async |hub: crate::testing::TestHub| {
            let sql = concat!("EXPLAIN QUERY PLAN ", near!("gtin", ""));
            let args = (0..17).map(|place| if (2..6).contains(&place) { Value::Real(Some(0.0)) } else { "x".into() });
            let plan = hub.store.fetch(sql, args.collect()).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.text(3).unwrap()).collect();
            assert!(plan.iter().any(|step| step.contains("prices USING COVERING INDEX prices_gtin (")), "{plan:?}");
        })
        .await;
    }

    #[test]
    fn p2_all_that_is_within_reach_lies_in_the_degrees_that_are_looked_at() {
        let reach = Reach::default();
        for (latitude, longitude) in [(0.0, 0.0), (31.2, 121.5), (-54.8, -68.3), (69.6, 18.9), (89.99, 10.0)] {
            let [south, north, west, east] = around(Location { latitude, longitude }, reach);
            let at = |latitude: f64, longitude: f64| Location { latitude: latitude.clamp(-90.0, 90.0), longitude };
            let here = at(latitude, longitude);
            for corner in [at(south, longitude), at(north, longitude), at(latitude, west), at(latitude, east)] {
                let far = domain::nearby::great_circle_m(here, corner);
                assert!(
                    far >= f64::from(reach.radius_m) || corner.latitude.abs() >= 90.0 || west == -180.0,
                    "{corner:?} {far}"
                );
            }
        }
        assert_eq!(around(Location { latitude: 0.0, longitude: 179.999 }, reach)[2..], [-180.0, 180.0]);
    }
}
