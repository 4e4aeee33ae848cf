//! Coarse groups of categories, as people sort their spending.

use std::fmt;

use crate::Reason;

macro_rules! groups {
    ($($(#[$doc:meta])* $variant:ident $word:literal $en:literal $zh:literal;)*) => {
        /// A coarse group of merchant categories.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Group { $($(#[$doc])* $variant,)* }

        impl Group {
            /// Every group.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The name for people who read English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// The name for people who read Chinese (zh-CN).
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }
        }
    };
}

groups! {
    /// Food and drink to take home.
    Groceries "groceries" "Groceries" "食品超市";
    /// Food and drink that others serve.
    Restaurants "restaurants" "Restaurants" "餐饮";
    /// Getting about near home, and what a car needs but its fuel.
    Transport "transport" "Transport" "交通出行";
    /// Petrol, charging, heating fuel.
    Fuel "fuel" "Fuel" "燃料加油";
    /// Hotels and camp sites.
    Lodging "lodging" "Lodging" "住宿";
    /// Airlines, agencies, car rental, ships.
    Travel "travel" "Travel" "旅行";
    /// Doctors, hospitals, pharmacies.
    Health "health" "Health" "医疗健康";
    /// Clothes and shoes.
    Clothing "clothing" "Clothing" "服装鞋帽";
    /// Building, furnishing, repairing and renting a home.
    Home "home" "Home" "家居";
    /// Devices, software, and their repair.
    Electronics "electronics" "Electronics" "电子数码";
    /// Sports, games, culture, outings.
    Entertainment "entertainment" "Entertainment" "休闲娱乐";
    /// Schools, courses, child care.
    Education "education" "Education" "教育";
    /// Taxes, fees, fines.
    Government "government" "Government" "政务";
    /// Power, water, telephone, networks.
    Utilities "utilities" "Utilities and telecom" "水电通信";
    /// Cash, insurance, money sent.
    Financial "financial" "Financial and cash" "金融与现金";
    /// Shops of no other group: department stores, books, gifts, cosmetics.
    Shopping "shopping" "Shopping" "购物";
    /// What others do for a person or a business.
    Services "services" "Services" "生活与商务服务";
    /// What is in no group, and codes that are not known.
    Other "other" "Other" "其他";
}

impl Group {
    /// Reads the word that is stored. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.iter().copied().find(|group| group.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.english())
    }
}
