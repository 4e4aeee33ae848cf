use std::collections::HashSet;

use super::*;
use crate::Reason;
use crate::text::Line;

fn code(text: &str) -> CategoryCode {
    CategoryCode::parse(text).unwrap()
}

#[test]
fn every_line_of_the_table_is_well_formed_and_the_codes_ascend() {
    let lines = TABLE.lines().count();
    assert_eq!(all().len(), lines, "a line was left out");
    assert!(lines > 300);
    for line in TABLE.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [codes, _, english, chinese] = columns[..] else { panic!("{line}: {} columns", columns.len()) };
        assert!(codes.split('-').all(|code| CategoryCode::parse(code).is_ok()), "{line}: four digits");
        assert!(Line::parse(english).is_ok() && english.is_ascii(), "{line}");
        assert!(Line::parse(chinese).is_ok() && chinese.chars().any(|c| c >= '\u{4e00}'), "{line}");
        assert!(english.len() <= 60 && chinese.chars().count() <= 24, "{line}: too long for a phone");
    }
    assert!(all().iter().all(|category| category.first <= category.last));
    assert!(all().windows(2).all(|pair| pair[0].last < pair[1].first), "sorted, and no code twice");
}

#[test]
fn no_two_categories_and_no_two_groups_have_one_name() {
    let (mut english, mut chinese) = (HashSet::new(), HashSet::new());
    for category in all() {
        assert!(english.insert(category.english), "{}", category.english);
        assert!(chinese.insert(category.chinese), "{}", category.chinese);
    }
    let names: HashSet<_> = Group::ALL.iter().flat_map(|group| [group.english(), group.chinese()]).collect();
    assert_eq!(names.len(), 2 * Group::ALL.len());
    for group in Group::ALL {
        assert_eq!(Group::parse(group.as_str()), Ok(*group));
        assert!(all().iter().any(|category| category.group == *group), "nothing is in {group}");
    }
    assert_eq!(Group::parse("Groceries"), Err(Reason::FieldUnknown));
}

#[test]
fn r3_well_known_codes_have_their_names_and_groups() {
    let table = [
        ("0742", Group::Services, "Veterinary services", "兽医服务"),
        ("3000", Group::Travel, "Airline (code of its own)", "航空公司（专用代码）"),
        ("3350", Group::Travel, "Airline (code of its own)", "航空公司（专用代码）"),
        ("3351", Group::Travel, "Car rental company (code of its own)", "汽车租赁公司（专用代码）"),
        ("3500", Group::Travel, "Car rental company (code of its own)", "汽车租赁公司（专用代码）"),
        ("3501", Group::Lodging, "Hotel chain (code of its own)", "酒店集团（专用代码）"),
        ("3999", Group::Lodging, "Hotel chain (code of its own)", "酒店集团（专用代码）"),
        ("4111", Group::Transport, "Local and suburban commuter transport, ferries", "市内与市郊公共交通、轮渡"),
        ("4121", Group::Transport, "Taxis and limousines", "出租车与专车"),
        ("4511", Group::Travel, "Airlines and air carriers", "航空公司"),
        ("4722", Group::Travel, "Travel agencies and tour operators", "旅行社"),
        ("4814", Group::Utilities, "Telecommunication services", "电信服务"),
        ("4900", Group::Utilities, "Electricity, gas, water and sanitary utilities", "水、电、燃气与环卫"),
        ("5311", Group::Shopping, "Department stores", "百货商店"),
        ("5411", Group::Groceries, "Grocery shops and supermarkets", "超市与食品杂货店"),
        ("5462", Group::Groceries, "Bakeries", "面包糕点店"),
        ("5541", Group::Fuel, "Service stations", "加油站"),
        ("5651", Group::Clothing, "Family clothing", "家庭服装店"),
        ("5712", Group::Home, "Furniture and home furnishings", "家具与家居用品店"),
        ("5732", Group::Electronics, "Electronics shops", "电子产品店"),
        ("5812", Group::Restaurants, "Restaurants and eating places", "餐馆"),
        ("5814", Group::Restaurants, "Fast food", "快餐店"),
        ("5912", Group::Health, "Chemists and pharmacies", "药店"),
        ("5942", Group::Shopping, "Bookshops", "书店"),
        ("6011", Group::Financial, "Cash at an ATM", "自动柜员机取现"),
        ("7011", Group::Lodging, "Hotels, motels and resorts", "酒店、汽车旅馆与度假村"),
        ("7230", Group::Services, "Hairdressers and beauty shops", "美容美发"),
        ("7832", Group::Entertainment, "Cinemas", "电影院"),
        ("8062", Group::Health, "Hospitals", "医院"),
        ("8220", Group::Education, "Colleges and universities", "高等院校"),
        ("9311", Group::Government, "Tax payments", "纳税"),
        ("9950", Group::Other, "Purchases within a company", "公司内部采购"),
    ];
    for (text, wanted, english, chinese) in table {
        let found = find(code(text)).unwrap();
        assert_eq!((found.group, found.english, found.chinese), (wanted, english, chinese), "{text}");
        assert_eq!(group(code(text)), wanted);
    }
}

#[test]
fn a_code_that_is_not_known_has_no_name_and_is_in_the_group_other() {
    for text in ["0000", "0741", "1000", "2999", "4000", "5410", "5412", "6666", "9951", "9999"] {
        assert_eq!(find(code(text)), None, "{text}");
        assert_eq!(group(code(text)), Group::Other, "{text}");
    }
}

#[test]
fn every_code_is_found_as_a_search_of_all_lines_finds_it() {
    for number in 0..=9999_u16 {
        let slow = all().iter().find(|category| (category.first..=category.last).contains(&number));
        assert_eq!(find(code(&format!("{number:04}"))), slow, "{number:04}");
    }
}

#[test]
fn r5_health_belief_politics_gambling_and_trouble_are_sensitive() {
    for (text, wanted) in [
        ("5912", true),
        ("8062", true),
        ("8651", true),
        ("8661", true),
        ("7273", true),
        ("7995", true),
        ("9223", true),
        ("5411", false),
        ("8398", false),
        ("9311", false),
        ("9999", false),
    ] {
        assert_eq!(is_sensitive(code(text)), wanted, "{text}");
    }
    for number in SENSITIVE {
        assert!(find(code(&format!("{number:04}"))).is_some(), "{number}");
    }
}
