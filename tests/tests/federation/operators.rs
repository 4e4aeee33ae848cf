//! Those who run the hub, over the wire: roles by certificate, and a second person over a kill.

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::world::{Setup, World};
use proto::operator as pb;
use proto::operator::operator_service_client::OperatorServiceClient;
use proto::operator::proposed_act::Act;
use server_kit::identity::Role;
use tonic::transport::Channel;

use crate::refused;

fn client(world: &World, name: &str) -> OperatorServiceClient<Channel> {
    OperatorServiceClient::new(world.hub_channel(&world.member(Role::Operator, name)))
}

fn set(name: &str, role: pb::OperatorRole) -> pb::SetOperatorRequest {
    let operator = pb::Operator { operator_id: name.to_owned(), role: role.into(), ..pb::Operator::default() };
    pb::SetOperatorRequest { operator: Some(operator) }
}

fn suspend(suspended: bool) -> pb::SetTerminalSuspendedRequest {
    pb::SetTerminalSuspendedRequest { terminal_id: "till-9".to_owned(), suspended }
}

#[tokio::test]
async fn m9_a_certificate_is_not_enough_and_what_is_dangerous_takes_two_persons_over_a_kill() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let mut founder = client(&world, "founder");
    // A certificate of the federation that nobody has registered is worth nothing.
    let unknown = client(&world, "mallory").list_banks(pb::ListBanksRequest {}).await;
    assert_eq!(refused(unknown), Reason::OperatorUnknown);
    for (name, role) in [("vic", pb::OperatorRole::Viewer), ("second", pb::OperatorRole::Admin)] {
        founder.set_operator(set(name, role)).await.unwrap();
    }
    let mut vic = client(&world, "vic");
    vic.list_banks(pb::ListBanksRequest {}).await.unwrap();
    let merchant = proto::common::Merchant {
        merchant_id: "kiosk".to_owned(),
        display_name: "Kiosk".to_owned(),
        category_code: "5994".to_owned(),
    };
    let register = pb::RegisterMerchantRequest { merchant: Some(merchant) };
    assert_eq!(refused(vic.register_merchant(register.clone()).await), Reason::OperatorRoleLacking);
    assert_eq!(refused(vic.set_operator(set("vic", pb::OperatorRole::Admin)).await), Reason::OperatorRoleLacking);
    founder.register_merchant(register).await.unwrap();
    let terminal =
        pb::Terminal { terminal_id: "till-9".to_owned(), merchant_id: "kiosk".to_owned(), ..pb::Terminal::default() };
    founder.register_terminal(pb::RegisterTerminalRequest { terminal: Some(terminal) }).await.unwrap();

    let hub = world.server("hub-1");
    hub.stop().await.unwrap();
    hub.set("operators.second_person", "true");
    hub.set("operators.admins", r#"["founder", "second"]"#);
    hub.start().await.unwrap();
    let mut founder = client(&world, "founder");
    assert_eq!(refused(founder.set_terminal_suspended(suspend(true)).await), Reason::SecondPersonNeeded);
    let propose = pb::ProposeActRequest {
        proposal_id: "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f".to_owned(),
        act: Some(pb::ProposedAct { act: Some(Act::SetTerminalSuspended(suspend(true))) }),
        why: "it was stolen".to_owned(),
    };
    founder.propose_act(propose.clone()).await.unwrap();
    let approve = pb::ApproveProposalRequest { proposal_id: propose.proposal_id.clone() };
    assert_eq!(refused(founder.approve_proposal(approve.clone()).await), Reason::SecondPersonIsFirst);

    // What was proposed is there after a kill, and what was approved is done and stays so.
    for kill in [true, false] {
        if kill {
            let hub = world.server("hub-1");
            hub.kill().await.unwrap();
            hub.start().await.unwrap();
        }
        let mut second = client(&world, "second");
        let approved = second.approve_proposal(approve.clone()).await.unwrap().into_inner().proposal.unwrap();
        assert_eq!(approved.state(), pb::ProposalState::Done);
        assert_eq!((approved.proposed_by.as_str(), approved.decided_by.as_str()), ("founder", "second"));
    }
    let log = pb::FindLogLinesRequest {
        by: "founder".to_owned(),
        kind: "TERMINAL_SUSPENDED".to_owned(),
        ..Default::default()
    };
    let lines = client(&world, "second").find_log_lines(log).await.unwrap().into_inner().lines;
    assert_eq!(lines.len(), 1, "once, and in the name of who proposed it: {lines:?}");
    world.settled().await;
}
