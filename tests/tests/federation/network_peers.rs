//! Somebody else's acquirers on a link: jPOS with its own channel and multiplexer, and pyiso8583 (M7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use federation_tests::databases::Engine;
use federation_tests::links::{INSTITUTION, PIN_KEY, key};
use federation_tests::payer::Payer;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use server_kit::identity::Role;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Python with pyiso8583. Whoever names it wants every peer: one that is missing is a failure then.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A peer's program, which answers a line with a line.
struct Peer {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What stands between the type and the fields: the header, where the peer has one there.
    header: Option<&'static str>,
    stan: u64,
}

type Answer = BTreeMap<u8, String>;

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

impl Peer {
    fn start(mut command: Command, header: Option<&'static str>) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _child: child, input, output: BufReader::new(output).lines(), header, stan: 0 }
    }

    async fn try_to_say(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = bounded("a peer's answer", World::HEALING, self.output.next_line()).await;
        answer.unwrap().unwrap_or_else(|| panic!("the peer has ended"))
    }

    async fn say(&mut self, line: String) -> String {
        let answer = self.try_to_say(&line).await;
        let said = answer.strip_prefix("ok").unwrap_or_else(|| panic!("{line}: {answer}"));
        said.trim().to_owned()
    }

    /// Sends a message, with a name of its own unless it has one; gives the type and the fields of the answer.
    async fn ask(&mut self, mti: &str, fields: &[(u8, &str)]) -> (String, Answer) {
        self.stan += 1;
        let (stan, mut words) = (format!("{:06}", self.stan), vec![format!("ask {mti}")]);
        words.extend(self.header.map(str::to_owned));
        let mut all: BTreeMap<u8, String> = [(7, TIME), (11, stan.as_str()), (32, INSTITUTION)]
            .into_iter()
            .chain((mti != "0800").then_some((41, "TILL-1  ")))
            .map(|(field, text)| (field, hex(text)))
            .collect();
        // Field 52 is octets already.
        all.extend(
            fields.iter().map(|(field, text)| (*field, if *field == 52 { (*text).to_owned() } else { hex(text) })),
        );
        words.extend(all.iter().map(|(field, value)| format!("{field}={value}")));
        let said = self.say(words.join(" ")).await;
        let mut words = said.split_whitespace();
        let mti = words.next().unwrap().to_owned();
        let read = |word: &str| {
            let (field, value) = word.split_once('=')?;
            let octets = (0..value.len() / 2).map(|at| u8::from_str_radix(&value[2 * at..2 * at + 2], 16).unwrap());
            Some((field.parse().unwrap(), octets.map(char::from).collect()))
        };
        (mti, words.filter_map(read).collect())
    }
}

/// Field 7. It has no year, so that it is never far from any clock.
const TIME: &str = "1122200000";

/// Field 90 of what is about the first message of a payment.
fn original(stan: u64) -> String {
    format!("0200{stan:06}{TIME}{INSTITUTION:0>11}{:0>11}", "")
}

/// A whole payment, an echo, new keys and a reversal.
async fn pays(peer: &mut Peer, block: impl AsyncFnOnce(&mut Peer, &Payer) -> String, payer: &Payer) {
    let (mti, answer) = peer.ask("0800", &[(70, "001")]).await;
    assert_eq!((mti.as_str(), answer[&39].as_str()), ("0810", "00"), "sign-on");
    let (_, answer) = peer.ask("0800", &[(70, "301")]).await;
    assert_eq!((answer[&39].as_str(), answer[&70].as_str()), ("00", "301"), "echo");
    let phone = payer.number().to_owned();
    let paying = [(3, "000000"), (4, "000000001250"), (49, "156"), (102, phone.as_str())];
    let (mti, answer) = peer.ask("0200", &paying).await;
    assert_eq!((mti.as_str(), answer[&39].as_str()), ("0210", "N0"), "{answer:?}");
    assert_eq!((answer[&37].len(), answer[&4].as_str()), (12, "000000001250"));
    let first = original(peer.stan);
    let (_, code) = payer.next_code().await;
    let (block, private) = (block(peer, payer).await, format!("01006{code}"));
    let mut second = paying.to_vec();
    second.extend([(52, block.as_str()), (90, first.as_str()), (120, private.as_str())]);
    let (mti, answer) = peer.ask("0200", &second).await;
    assert_eq!((mti.as_str(), answer[&39].as_str()), ("0210", "00"), "{answer:?}");
    assert_eq!(answer[&38].len(), 6);
    let (mti, again) = peer.ask("0201", &[&second[..], &[(11, format!("{:06}", peer.stan).as_str())]].concat()).await;
    assert_eq!(
        (mti.as_str(), &again[&39], &again[&38]),
        ("0210", &answer[&39], &answer[&38]),
        "a repeat is answered alike"
    );
    let back = [(3, "000000"), (4, "000000001250"), (49, "156"), (90, first.as_str())];
    for mti in ["0400", "0421"] {
        let (answered, answer) = peer.ask(mti, &back).await;
        assert_eq!((answered.as_str(), answer[&39].as_str()), (if mti == "0400" { "0410" } else { "0430" }, "00"));
    }
    let totals =
        [(50, "156"), (76, "0000000001"), (88, "0000000000001250"), (77, "0000000001"), (89, "0000000000001250")];
    let (mti, answer) = peer.ask("0500", &totals).await;
    assert_eq!((mti.as_str(), answer[&39].as_str(), answer[&66].as_str()), ("0510", "00", "1"), "{answer:?}");
    let (_, answer) = peer.ask("0800", &[(70, "101")]).await;
    assert_eq!(answer[&39], "00", "key exchange");
    assert!(answer[&120].starts_with("11038"), "{}", answer[&120].len());
    let (_, answer) = peer.ask("0800", &[(70, "002")]).await;
    assert_eq!(answer[&39], "00", "sign-off");
}

async fn world(engine: Engine, dialect: &str) -> (World, SocketAddr, Payer) {
    let mut world = Setup::on(engine).start().await;
    let addr = world.open_link(dialect, &[]).await;
    let payer = world.payer("bank-a", 100_000).await;
    (world, addr, payer)
}

/// The peer's program built by Maven, or none where there is no JDK.
async fn jpos() -> Option<Command> {
    for program in ["java", "mvn"] {
        if std::process::Command::new(program)
            .arg("-version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            assert!(std::env::var_os(PYTHON).is_none(), "no `{program}`, which tests/run wants");
            println!("skipped: no `{program}`; tests/run sets it up");
            return None;
        }
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jpos-acquirer");
    let mut build = Command::new("mvn");
    build.args(["--quiet", "--batch-mode", "package"]).current_dir(root().join("tests/peers/jpos"));
    let built = build.arg(format!("-Dpeer.folder={}", folder.display())).output().await.unwrap();
    assert!(built.status.success(), "jPOS was not built: {}", String::from_utf8_lossy(&built.stdout));
    let mut command = Command::new("java");
    command.arg("-cp").arg(format!("{0}/peer.jar:{0}/libraries/*", folder.display())).arg("peer.Acquirer");
    Some(command)
}

#[tokio::test]
async fn m7_jpos_pays_by_phone_number_and_takes_it_back() {
    let Some(command) = jpos().await else { return };
    let (world, addr, payer) = world(Engine::Sqlite, "iso-1987-ascii").await;
    let mut peer = Peer::start(command, None);
    let folder = world.federation.folder().join("jpos");
    peer.say(format!("connect {} {} {}", addr.ip(), addr.port(), folder.display())).await;
    let block = async |peer: &mut Peer, payer: &Payer| {
        let digits = payer.number().trim_start_matches('+').to_owned();
        peer.say(format!("pin {PIN_KEY} {} {digits}", payer.password())).await
    };
    pays(&mut peer, block, &payer).await;
    assert_eq!(world.settled().await.charged_minor(), 0);
}

fn python() -> Option<PathBuf> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let found = named.unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let there = found.exists().then_some(found);
    if there.is_none() {
        println!("skipped: no Python; tests/run sets it up");
    }
    there
}

async fn pyiso8583_pays(engine: Engine) {
    let Some(python) = python().filter(|_| engine.is_there()) else { return };
    let (world, addr, payer) = world(engine, "union-pay").await;
    let mut command = Command::new(python);
    command.arg(root().join("tests/peers/pyiso8583/acquirer.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut peer = Peer::start(command, Some("6000030000602200000000"));
    peer.say(format!("connect {} {} union-pay", addr.ip(), addr.port())).await;
    let block = async |_: &mut Peer, payer: &Payer| {
        let block = key(PIN_KEY).close_password(payer.password(), &payer.person.phone);
        block.iter().map(|byte| format!("{byte:02X}")).collect()
    };
    pays(&mut peer, block, &payer).await;
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m8_a_link_under_tls_listens_to_nobody_without_a_certificate() {
    let Some(python) = python() else { return };
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let hub = world.federation.server("hub-1").unwrap().member();
    let (certificate, authority) = (hub.certificate().display().to_string(), hub.authority().display().to_string());
    let key = format!("file:{}", hub.key().display());
    let tls = [("tls.certificate", certificate.as_str()), ("tls.key", &key), ("tls.client_ca", &authority)];
    let addr = world.open_link("union-pay", &tls).await;
    let start = || {
        let mut command = Command::new(&python);
        command.arg(root().join("tests/peers/pyiso8583/acquirer.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        Peer::start(command, Some("6000030000602200000000"))
    };
    let connect = format!("connect {} {} union-pay {authority}", addr.ip(), addr.port());
    let own = world.federation.member(Role::Terminal, "till-1").unwrap();
    let mut member = start();
    member.say(format!("{connect} {} {}", own.certificate().display(), own.key().display())).await;
    let (_, answer) = member.ask("0800", &[(70, "001")]).await;
    assert_eq!(answer[&39], "00");
    let mut stranger = start();
    stranger.say(connect).await;
    let said =
        stranger.try_to_say("ask 0800 6000030000602200000000 7=31313232323030303030 11=303030303031 70=303031").await;
    assert!(said.starts_with("error"), "{said}");
    world.settled().await;
}

#[tokio::test]
async fn m6_pyiso8583_pays_over_the_network_and_takes_it_back() {
    pyiso8583_pays(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_pyiso8583_pays_over_the_network_and_takes_it_back_on_postgres() {
    pyiso8583_pays(Engine::Postgres).await;
}
