//! The front dies by SIGKILL at a point where something has just become durable, or is about to. This test starts itself again
//! as the process that dies. Needs the feature `fault-points`.

use std::os::unix::process::ExitStatusExt as _;

use bank_adapter::credit_system::{Advice, CardStatus, ChangeId, Kind, PinState, State};
use domain::LegId;
use domain::card::CardState;
use server_kit::fault;
use server_kit::store::testing::TestDatabase;

use crate::front::{self, Front, cny};
use crate::world::World;

/// Tells the process that dies: the URL of the database, the issuer's port, the folder of the keys, the legs.
const CHILD: &str = "BANKHUB_KILLED_TEST";

const POINTS: [&str; 10] = [
    "front.asked",
    "front.answered",
    "front.settled",
    "credit.sending.before",
    "credit.sending.after",
    "credit.told.before",
    "credit.told.after",
    "credit.told.after@2",
    "credit.pin.before",
    "credit.pin.after",
];

#[tokio::test]
async fn c8_c4_a_front_that_is_killed_at_any_point_comes_to_the_same_end() {
    if let Ok(told) = std::env::var(CHILD) {
        return die(&told).await;
    }
    let this_test = "killed::c8_c4_a_front_that_is_killed_at_any_point_comes_to_the_same_end";
    for point in POINTS {
        let Some(mut world) = World::new().await else { return };
        world.up().await;
        let (held, posted) = (world.leg(), world.leg());
        assert_eq!(world.hold(held, 100).await, Ok(State::Approved));
        let (port, folder, url) = (world.issuer.port, world.folder().to_owned(), world.database_url().to_owned());
        let told = format!("{url}|{port}|{}|{held}|{posted}", folder.display());
        world = killed(world, this_test, &told, point).await;

        // What was decided before the kill is told, once; what was only asked is voided.
        world.all_told().await;
        let hold = world.order(posted, Kind::Hold).await.unwrap();
        let owed = match hold.state {
            State::Unanswered => 0,
            State::Approved => {
                // The ledger had not posted it yet, or it had: it does so again.
                let _ = world.queue(Advice::Post { leg_id: posted, amount: cny(300) }).await;
                world.acknowledged(posted, Kind::Post).await;
                300
            }
            state => panic!("{point}: {state:?}"),
        };
        let _ = world.queue(Advice::Void { leg_id: held }).await;
        world.acknowledged(held, Kind::Void).await;
        assert_eq!(world.books().await, (0, owed), "{point}");
        assert_eq!(hold.state == State::Unanswered, matches!(point, "front.asked" | "front.answered"), "{point}");
        let row = world.store().fetch_one("SELECT change_id FROM pin_changes", Vec::new()).await.unwrap();
        let pin = match row.map(|row| ChangeId::from_uuid(row.id(0).unwrap())) {
            None => "123456",
            Some(change) => {
                assert_eq!(world.pin_change_over(change).await.state, PinState::Done, "{point}");
                "65432"
            }
        };
        world.both_have(pin).await;
        world.end().await;
    }
}

#[tokio::test]
async fn c9_a_front_that_is_killed_while_it_tells_of_a_card_tells_all_of_it_in_order() {
    if let Ok(told) = std::env::var(CHILD) {
        return freeze_and_die(&told).await;
    }
    let this_test = "killed::c9_a_front_that_is_killed_while_it_tells_of_a_card_tells_all_of_it_in_order";
    for point in ["credit.sending.before", "credit.sending.after", "credit.told.before", "credit.told.after"] {
        let Some(mut world) = World::new().await else { return };
        world.up().await;
        let told = format!("{}|{}|{}", world.database_url(), world.issuer.port, world.folder().display());
        world = killed(world, this_test, &told, point).await;
        world.tell_card(&world.card_as(CardState::Active, false)).await;
        world.card_reaches(world.card, CardStatus::Active, State::Acknowledged).await;
        world.all_told().await;
        let state = world.issuer.state().await;
        let files: Vec<_> = state["changes"].as_array().unwrap().iter().map(|change| change[1].clone()).collect();
        // What was not sent before the kill may have been sent by the next front, or have given way.
        let gave_way = point == "credit.sending.before" && files == ["ACTIVE"];
        assert!(gave_way || files == ["FROZEN", "ACTIVE"], "{point}: {files:?}");
        world.end().await;
    }
}

/// Has a front die at a point, and starts another one in its place.
async fn killed(world: World, this_test: &'static str, told: &str, point: &'static str) -> World {
    let told = told.to_owned();
    let world = world
        .without_front(|database| async move {
            let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", this_test]).env(CHILD, told).env(fault::ENVIRONMENT, point);
            let output = child.kill_on_drop(true).output().await.unwrap();
            assert_eq!(output.status.signal(), Some(9), "{point}: {}", String::from_utf8_lossy(&output.stdout));
            database
        })
        .await;
    world.up().await;
    world
}

/// Tells of a freeze until the fault point that is armed.
async fn freeze_and_die(told: &str) {
    let [url, port, folder] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let config = front::config(port.parse().unwrap(), "ascii");
    let front = Front::open(TestDatabase::of_another_process(url), config, folder.as_ref()).await;
    front.up().await;
    front.tell_card(&front.card_as(CardState::Active, true)).await;
    front.card_reaches(front.card, CardStatus::Frozen, State::Acknowledged).await;
    panic!("nothing killed this process");
}

/// Holds, posts, voids and changes the PIN until the fault point that is armed.
async fn die(told: &str) {
    let [url, port, folder, held, posted] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let config = front::config(port.parse().unwrap(), "ascii");
    let front = Front::open(TestDatabase::of_another_process(url), config, folder.as_ref()).await;
    let [held, posted] = [held, posted].map(|leg| LegId::parse(leg).unwrap());
    front.up().await;
    let answer = front.ask_and_forget(posted, 300).await;
    fault::point("front.answered");
    assert_eq!(front.settle(posted, &answer).await, State::Approved);
    fault::point("front.settled");
    front.post(posted, 300).await;
    front.acknowledged(posted, Kind::Post).await;
    front.void(held).await;
    front.acknowledged(held, Kind::Void).await;
    let change = front.intend_pin("65432").await.unwrap();
    front.pin_change_over(change).await;
    panic!("nothing killed this process");
}
