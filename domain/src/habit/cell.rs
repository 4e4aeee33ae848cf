//! Places, coarsely: cells of a grid over the globe.

use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::Reason;
use crate::purchase::Location;

/// Hundredths of a degree between the south and the north edge of a cell: 1.1 km.
const HEIGHT: i32 = 1;

/// From which distance to the equator, in hundredths of a degree, cells are how many hundredths of a degree wide. Meridians
/// come together towards the poles, so that the numbers grow; each keeps cells about 1 km wide or wider up to the next line.
/// Every width divides the circle.
const WIDTHS: [(i32, i32); 7] =
    [(0, 1), (3_000, 2), (6_000, 4), (7_500, 8), (8_300, 20), (8_700, 100), (8_900, 36_000)];

/// A cell of the grid: 0.01° (1.1 km) from south to north and about 1 to 3 km from west to east, more next to the poles,
/// where the last degree is one cell around. It holds the points on its south and west edges. Named by its south-west
/// corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// In hundredths of a degree, -9000 to 8999.
    south: i32,
    /// In hundredths of a degree, -18000 to 17999.
    west: i32,
}

impl Cell {
    /// The cell that a point lies in; none for what is no point of the globe. The meridians 180° and -180° are one, and the
    /// north pole lies in the northernmost cell.
    pub fn of(location: Location) -> Option<Self> {
        let Location { latitude, longitude } = location;
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        let hundredths = |degrees: f64| (degrees * 100.0).floor().to_i32();
        let south = hundredths(latitude)?.min(9_000 - HEIGHT);
        let east_of_date_line = hundredths(longitude)?.saturating_add(18_000).rem_euclid(36_000);
        let width = width(south);
        Some(Self { south, west: east_of_date_line - east_of_date_line % width - 18_000 })
    }

    /// Reads the form that is stored. `Err(FieldUnknown)` for anything but the corner of a cell.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let hundredths = |text: &str| {
            let degrees = Decimal::from_str_exact(text).ok().filter(|degrees| degrees.scale() == 2)?;
            i32::try_from(degrees.mantissa()).ok()
        };
        let corner = text.split_once(',').and_then(|(south, west)| Some((hundredths(south)?, hundredths(west)?)));
        let (south, west) = corner.ok_or(Reason::FieldUnknown)?;
        let cell = Self { south, west };
        let fine = (-9_000..9_000).contains(&south)
            && (-18_000..18_000).contains(&west)
            && (west + 18_000) % width(south) == 0
            && cell.to_string() == text;
        if fine { Ok(cell) } else { Err(Reason::FieldUnknown) }
    }
}

/// The width of the cells of this row. A row of the south is as wide as the one that mirrors it in the north.
fn width(south: i32) -> i32 {
    let from_equator = if south < 0 { -south - HEIGHT } else { south };
    WIDTHS.iter().rev().find(|(from, _)| from_equator >= *from).map_or(1, |(_, width)| *width)
}

/// The south-west corner in degrees, such as `31.23,121.47`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", Decimal::new(self.south.into(), 2), Decimal::new(self.west.into(), 2))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(latitude: f64, longitude: f64) -> Option<String> {
        Cell::of(Location { latitude, longitude }).map(|cell| cell.to_string())
    }

    #[test]
    fn r4_a_place_is_known_to_about_a_kilometre() {
        let table = [
            ("Shanghai", 31.2304, 121.4737, "31.23,121.46"),
            ("a street further", 31.2309, 121.4790, "31.23,121.46"),
            ("two kilometres east", 31.2304, 121.4937, "31.23,121.48"),
            ("Singapore", 1.2903, 103.8520, "1.29,103.85"),
            ("Tromsø", 69.6492, 18.9553, "69.64,18.92"),
            ("Ushuaia", -54.8019, -68.3030, "-54.81,-68.32"),
            ("where the equator and Greenwich meet", 0.0, 0.0, "0.00,0.00"),
            ("just south-west of it", -0.001, -0.001, "-0.01,-0.01"),
            ("east of the date line", -16.5, -179.999, "-16.50,-180.00"),
            ("on the date line", -16.5, 180.0, "-16.50,-180.00"),
            ("west of it", -16.5, 179.999, "-16.50,179.99"),
            ("the north pole", 90.0, 12.0, "89.99,-180.00"),
            ("the south pole", -90.0, -77.0, "-90.00,-180.00"),
        ];
        for (name, latitude, longitude, wanted) in table {
            assert_eq!(cell(latitude, longitude).as_deref(), Some(wanted), "{name}");
        }
    }

    #[test]
    fn what_is_no_point_of_the_globe_has_no_cell() {
        for (latitude, longitude) in
            [(f64::NAN, 0.0), (0.0, f64::NAN), (90.1, 0.0), (-91.0, 0.0), (0.0, 180.1), (f64::INFINITY, 0.0)]
        {
            assert_eq!(cell(latitude, longitude), None, "{latitude} {longitude}");
        }
    }

    #[test]
    fn only_the_corner_of_a_cell_is_read() {
        for bad in
            ["", "31.23", "31.23,121.47", "31.2,121.4", "31.230,121.46", "90.00,0.00", "0.00,180.00", "+1.00,1.00"]
        {
            assert_eq!(Cell::parse(bad), Err(Reason::FieldUnknown), "{bad:?}");
        }
    }

    #[test]
    fn every_width_divides_the_circle_and_is_about_a_kilometre_or_more() {
        for (number, (from, width)) in WIDTHS.iter().enumerate() {
            assert_eq!(36_000 % width, 0);
            let end = WIDTHS.get(number + 1).map_or(9_000, |(next, _)| *next);
            for latitude in *from..end.min(8_900) {
                let kilometres = 1.112 * f64::from(*width) * (f64::from(latitude + 1) / 100.0).to_radians().cos();
                assert!(kilometres > 0.96, "{latitude}: {kilometres} km");
            }
        }
    }

    proptest! {
        #[test]
        fn every_point_of_the_globe_lies_in_one_cell(latitude in -90.0_f64..=90.0, longitude in -180.0_f64..=180.0) {
            let cell = Cell::of(Location { latitude, longitude }).unwrap();
            prop_assert_eq!(Cell::parse(&cell.to_string()), Ok(cell));
            let south = f64::from(cell.south) / 100.0;
            let east = f64::from(cell.west + width(cell.south)) / 100.0;
            prop_assert!(south <= latitude && latitude <= south + 0.010_001);
            prop_assert!(longitude >= f64::from(cell.west) / 100.0 || longitude >= 180.0);
            prop_assert!(longitude <= east + 1e-9 || longitude >= 180.0);
        }
    }
}
