//! What a server tells of its own calls, and to whom.

use std::time::Duration;

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use server_kit::identity::Role;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::refused;

/// What every server has, whatever else it has.
const EVERYWHERE: [&str; 2] = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];

fn question(question: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest { host: String::new(), message_request: Some(question) }
}

async fn ask(channel: Channel, asked: MessageRequest) -> Result<MessageResponse, Status> {
    let mut client = ServerReflectionClient::new(channel);
    let asked = tokio_stream::once(question(asked));
    let mut answers = client.server_reflection_info(asked).await?.into_inner();
    let answer = answers.message().await?.expect("one answer to one question");
    Ok(answer.message_response.expect("an answer says something"))
}

async fn services(channel: Channel) -> Result<Vec<String>, Status> {
    let MessageResponse::ListServicesResponse(list) = ask(channel, MessageRequest::ListServices(String::new())).await?
    else {
        panic!("the services were asked for");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    Ok(names)
}

/// The file that holds `name`.
async fn file_of(channel: Channel, name: &str) -> FileDescriptorProto {
    let asked = MessageRequest::FileContainingSymbol(name.to_owned());
    let MessageResponse::FileDescriptorResponse(files) = ask(channel, asked).await.unwrap() else {
        panic!("a file was asked for");
    };
    let [file] = files.file_descriptor_proto.as_slice() else { panic!("{name} is in one file") };
    FileDescriptorProto::decode(file.as_slice()).unwrap()
}

fn calls(file: &FileDescriptorProto) -> Vec<&str> {
    file.service.iter().flat_map(|service| &service.method).map(|method| method.name()).collect()
}

/// Starts hub and bank again with the key on.
async fn switch_on(world: &mut World) {
    for server in ["hub-1", "bank-a"] {
        let server = world.server(server);
        server.stop().await.unwrap();
        server.set("reflection", "true");
        server.start().await.unwrap();
    }
}

fn with(own: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = own.iter().chain(&EVERYWHERE).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_server_describes_its_own_calls_when_it_is_told_to_and_not_before() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let operator = world.member(Role::Operator, "founder");
    for channel in [world.hub_channel(&operator), world.bank_channel("bank-a", &operator)] {
        assert_eq!(services(channel).await.unwrap_err().code(), Code::Unimplemented);
    }

    switch_on(&mut world).await;
    let (hub, bank) = (world.hub_channel(&operator), world.bank_channel("bank-a", &operator));
    let audiences = [
        "cardholder.v1.Cardholder",
        "carrier.v1.Carrier",
        "federation.v1.Federation",
        "operator.v1.Operator",
        "terminal.v1.Terminal",
    ]
    .map(|service| format!("bankhub.{service}Service"));
    assert_eq!(services(hub.clone()).await.unwrap(), with(&audiences.each_ref().map(String::as_str)));
    assert_eq!(
        services(bank.clone()).await.unwrap(),
        with(&["bankhub.bank.v1.BankService", "bankhub.counter.v1.CounterService"])
    );

    let file = file_of(hub.clone(), "bankhub.terminal.v1.TerminalService").await;
    assert_eq!(file.package(), "bankhub.terminal.v1");
    assert!(calls(&file).contains(&"CreatePayment"), "{:?}", calls(&file));
    // What a tool needs next are the imports, by the names that the file gives them; and the comments are the documentation.
    for import in &file.dependency {
        let asked = MessageRequest::FileByFilename(import.clone());
        assert!(matches!(ask(hub.clone(), asked).await, Ok(MessageResponse::FileDescriptorResponse(_))), "{import}");
    }
    assert!(
        file.source_code_info.is_some_and(|info| info.location.iter().any(|place| place.leading_comments.is_some()))
    );
    let file = file_of(bank.clone(), "bankhub.bank.v1.BankService").await;
    assert!(calls(&file).contains(&"PostLegs"), "{:?}", calls(&file));
    for name in EVERYWHERE {
        assert!(file_of(bank.clone(), name).await.service.iter().any(|service| name.ends_with(service.name())));
    }
    let unknown = MessageRequest::FileContainingSymbol("bankhub.none.v1.None".to_owned());
    assert_eq!(ask(hub, unknown).await.unwrap_err().code(), Code::NotFound);
    world.settled().await;
}

#[tokio::test]
async fn a_server_describes_nothing_to_those_who_are_no_members() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    switch_on(&mut world).await;
    let elsewhere =
        world.certificate("elsewhere", |shape| shape.uris = vec!["spiffe://elsewhere/operator/ops".to_owned()]);
    for (tls, expected) in [(world.stranger(), Reason::CertificateMissing), (elsewhere, Reason::CertificateRefused)] {
        for channel in [world.hub_channel(&tls), world.bank_channel("bank-a", &tls)] {
            assert_eq!(refused(services(channel.clone()).await), expected);
            let asked = MessageRequest::FileByFilename("bankhub/common/v1/money.proto".to_owned());
            assert_eq!(refused(ask(channel, asked).await), expected);
        }
    }
    // The roles are no secret to each other.
    for (role, id) in [(Role::Terminal, "till-1"), (Role::Bank, "bank-a"), (Role::Carrier, "carrier")] {
        assert!(services(world.hub_channel(&world.member(role, id))).await.is_ok(), "{role}");
    }
    world.settled().await;
}

#[tokio::test]
async fn a_tool_that_leaves_its_questions_open_does_not_hold_up_a_drain() {
    let mut world = Setup::on(Engine::Sqlite).with("limits.grace", "60s").start().await;
    switch_on(&mut world).await;
    let hub = world.hub_channel(&world.member(Role::Operator, "founder"));
    let open = tokio_stream::once(question(MessageRequest::ListServices(String::new()))).chain(tokio_stream::pending());
    let answers = ServerReflectionClient::new(hub).server_reflection_info(open).await.unwrap();
    let mut answers: Streaming<_> = answers.into_inner();
    assert!(answers.message().await.unwrap().is_some());
    bounded("the drain", Duration::from_secs(20), world.server("hub-1").stop()).await.unwrap();
    assert!(answers.message().await.is_ok_and(|answer| answer.is_none()));
    world.server("hub-1").start().await.unwrap();
    world.settled().await;
}
