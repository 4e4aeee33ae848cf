//! How far two places are apart.

use crate::purchase::Location;

/// The mean radius of the earth, in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Metres along the surface of a sphere of the earth's mean radius, by the haversine formula: right to about half a percent.
pub fn great_circle_m(a: Location, b: Location) -> f64 {
    let half_sine_squared = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let cosines = a.latitude.to_radians().cos() * b.latitude.to_radians().cos();
    let h = half_sine_squared(b.latitude - a.latitude) + cosines * half_sine_squared(b.longitude - a.longitude);
    // Rounding can take it past 1 at the antipodes.
    2.0 * EARTH_RADIUS_M * h.clamp(0.0, 1.0).sqrt().asin()
}

/// To the nearest hundred metres, and no less than one hundred: nobody needs to know it better, and nothing is 0 metres away.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a distance on earth, and casts saturate")]
pub(super) fn rounded_m(metres: f64) -> u32 {
    let hundreds = (metres / 100.0).round().max(1.0) as u32;
    hundreds.saturating_mul(100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Location {
        Location { latitude, longitude }
    }

    #[test]
    fn p2_distances_are_those_of_a_sphere() {
        // Calculated by the angle between two vectors, which is another formula.
        let table = [
            ("the same place", at(39.9042, 116.4074), at(39.9042, 116.4074), 0.0),
            ("eleven metres", at(39.9042, 116.4074), at(39.9043, 116.4074), 11.1),
            ("a degree of the equator", at(0.0, 0.0), at(0.0, 1.0), 111_195.1),
            ("a quarter", at(0.0, 0.0), at(90.0, 0.0), 10_007_557.2),
            ("half round the equator", at(0.0, 0.0), at(0.0, 180.0), 20_015_114.4),
            ("from pole to pole", at(90.0, 0.0), at(-90.0, 33.0), 20_015_114.4),
            ("over the date line", at(0.0, 179.995), at(0.0, -179.995), 1_112.0),
            ("Paris to London", at(48.8566, 2.3522), at(51.5074, -0.1278), 343_556.5),
            ("Beijing to Shanghai", at(39.9042, 116.4074), at(31.2304, 121.4737), 1_067_311.6),
            ("New York to Sydney", at(40.6413, -73.7781), at(-33.9399, 151.1753), 16_013_506.5),
        ];
        for (name, a, b, wanted) in table {
            for got in [great_circle_m(a, b), great_circle_m(b, a)] {
                assert!((got - wanted).abs() < 0.1, "{name}: {got}");
            }
        }
        assert!(great_circle_m(at(f64::NAN, 0.0), at(0.0, 0.0)).is_nan());
    }

    #[test]
    fn p2_a_distance_is_told_to_a_hundred_metres() {
        let table =
            [(0.0, 100), (49.9, 100), (149.9, 100), (150.0, 200), (1_949.9, 1_900), (1_999.0, 2_000), (f64::NAN, 100)];
        for (metres, wanted) in table {
            assert_eq!(rounded_m(metres), wanted, "{metres}");
        }
    }

    proptest! {
        #[test]
        fn p2_no_way_is_shorter_over_a_third_place(places in prop::array::uniform3((-90.0..=90.0, -180.0..=180.0))) {
            let [a, b, c] = places.map(|(latitude, longitude)| at(latitude, longitude));
            let (direct, over) = (great_circle_m(a, c), great_circle_m(a, b) + great_circle_m(b, c));
            prop_assert!((0.0..=20_015_114.5).contains(&direct) && direct <= over + 0.01, "{} {}", direct, over);
        }
    }
}
