//! Secrets made in one place, certificates in another.

use almoner_api::TlsFiles;
use almoner_api::v1::AccountRequest;
use almoner_api::v1::node_client::NodeClient;
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::desk::{Desk, reason};
use super::*;

#[test]
fn secrets_and_certificates_are_made_apart_and_fit_together() {
    let desk = Desk::open(now());
    let folder = desk.agency("tax");
    for missing in ["tls.pem", "ca.pem"] {
        assert!(!folder.join(missing).exists(), "{missing}");
    }
    let request = Request::read(&folder.join("tls.csr")).expect("sound");
    assert_eq!(*request.identity(), identity(Role::Agency, "tax"));
    assert_eq!(request.to_string().lines().nth(1), Some("# hosts: 127.0.0.1 node.example"));
    let shown = show(&folder, now()).expect("shown");
    assert!(shown.starts_with(&request.to_string()) && shown.contains("no certificate yet"), "{shown}");
    assert!(shown.ends_with(&fs::read_to_string(folder.join("public.toml")).expect("read")), "{shown}");

    let certificate = desk.sign(&folder.join("tls.csr"), "tax.pem").expect("signed");
    let installed = desk.install(&certificate, &folder, false).expect("installed");
    assert_eq!(installed.identity, identity(Role::Agency, "tax"));
    assert_eq!(identity_of(&folder.join("tls.pem")).expect("read"), installed.identity);
    assert_eq!(fs::read_to_string(folder.join("ca.pem")).expect("read"), desk.authority.certificate());
    let shown = show(&desk.at("ca"), now()).expect("shown");
    assert!(shown.contains(&installed.authority.to_string()), "{shown}");
    assert_eq!(mode(&folder.join("tls.key")), 0o600);
}

#[test]
fn every_role_can_ask() {
    let desk = Desk::open(now());
    let random = SystemRandom::new();
    let maker = KeyMaker::requesting(desk.authority.federation(), &random);
    let name = |name: &str| name.parse().expect("a name");
    let endpoint = "https://127.0.0.1:7000".to_owned();
    maker.coordinator(name("coordinator"), endpoint, &[], &desk.at("coordinator")).expect("made");
    maker.planner(name("planner"), None, &desk.at("planner")).expect("made");
    maker.auditor(name("auditor"), &desk.at("auditor")).expect("made");
    for role in [Role::Coordinator, Role::Planner, Role::Auditor] {
        let folder = desk.at(role.as_str());
        let certificate = desk.sign(&folder.join("tls.csr"), "signed.pem").expect("signed");
        let installed = desk.install(&certificate, &folder, false).expect("installed");
        assert_eq!(installed.identity, identity(role, role.as_str()));
    }
}

#[test]
fn a_certificate_is_replaced_only_on_request_and_its_authority_never() {
    let desk = Desk::open(now());
    let folder = desk.agency("tax");
    let request = folder.join("tls.csr");
    let first = desk.sign(&request, "first.pem").expect("signed");
    let second = desk.sign(&request, "second.pem").expect("signed");
    desk.install(&first, &folder, false).expect("installed");
    let held = || fs::read_to_string(folder.join("tls.pem")).expect("read");
    let before = held();
    assert!(matches!(desk.install(&second, &folder, false), Err(KeysError::Installed { .. })));
    assert_eq!(held(), before);
    desk.install(&second, &folder, true).expect("renewed");
    assert_eq!(held(), fs::read_to_string(&second).expect("read"));
    assert_eq!(mode(&folder.join("tls.pem")), mode(&folder.join("ca.pem")));
    let serial = |pem: &str| {
        let der = first_certificate(pem).expect("PEM");
        X509Certificate::from_der(&der).expect("DER").1.raw_serial().to_owned()
    };
    assert_ne!(serial(&before), serial(&held()), "no two certificates have one number");

    let other = Desk::open(now());
    let foreign = other.sign(&request, "tax.pem").expect("signed");
    let why = reason(other.install(&foreign, &folder, true));
    assert!(why.contains("another authority already") && why.contains("move"), "{why}");
    assert_eq!(fs::read_to_string(folder.join("ca.pem")).expect("read"), desk.authority.certificate());
}

#[test]
fn a_certificate_goes_into_its_own_folder_alone() {
    let desk = Desk::open(now());
    let (tax, north) = (desk.agency("tax"), desk.agency("north"));
    let certificate = desk.sign(&tax.join("tls.csr"), "tax.pem").expect("signed");
    let why = reason(desk.install(&certificate, &north, false));
    assert!(why.contains("/tax's") && why.contains("/north's") && why.contains("its own"), "{why}");

    let copy = desk.root.path().join("elsewhere");
    let namesake = KeyMaker::requesting(desk.authority.federation(), &SystemRandom::new())
        .agency(about("tax", 1), &[], &copy)
        .map(|_| copy)
        .expect("made");
    let why = reason(desk.install(&certificate, &namesake, false));
    assert!(why.contains("another key") && why.contains("have this folder's tls.csr signed"), "{why}");

    let other = Desk::open(now());
    let why = reason(install(&certificate, &other.at("ca/ca.pem"), &tax, false, now()));
    assert!(why.contains("not issued by this authority"), "{why}");
    let why = reason(desk.install(&desk.at("ca/ca.pem"), &tax, false));
    assert!(why.contains("not a party's certificate"), "{why}");
    let why = reason(install(&certificate, &certificate, &tax, false, now()));
    assert!(why.contains("not an authority's certificate"), "{why}");
    for (days, word) in [(366, "expired"), (-1, "not valid yet")] {
        let then = now() + Duration::days(days);
        let why = reason(install(&certificate, &desk.at("ca/ca.pem"), &tax, false, then));
        assert!(why.contains(word), "{why}");
    }
    let both = fs::read_to_string(&certificate).expect("read") + other.authority.certificate();
    fs::write(desk.at("both.pem"), both).expect("written");
    let why = reason(desk.install(&desk.at("both.pem"), &tax, false));
    assert!(why.contains("exactly one certificate"), "{why}");
    for folder in [&tax, &north, &namesake] {
        assert!(!folder.join("tls.pem").exists() && !folder.join("ca.pem").exists(), "nothing was written");
    }
}

#[tokio::test]
async fn installed_certificates_make_a_mutual_connection() {
    let desk = Desk::open(OffsetDateTime::now_utc());
    let folders = ["north", "south"].map(|name| desk.agency(name));
    for folder in &folders {
        let certificate = desk.sign(&folder.join("tls.csr"), "signed.pem").expect("signed");
        desk.install(&certificate, folder, false).expect("installed");
    }
    let [server, client] = folders.map(|folder| TlsFiles::read(&folder).expect("complete"));
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let endpoint = format!("https://{}", incoming.local_addr().expect("bound"));
    let router = Server::builder().tls_config(server.server()).expect("sound").add_routes(Routes::default());
    let serving = tokio::spawn(router.serve_with_incoming(incoming));

    let code = async |who: &str| {
        let channel = client.channel(&endpoint, &identity(Role::Agency, who)).expect("sound");
        let answer = NodeClient::new(channel).account(AccountRequest::default()).await;
        answer.expect_err("nothing is served there").code()
    };
    assert_eq!(code("north").await, Code::Unimplemented, "the server was reached");
    assert_eq!(code("south").await, Code::Unavailable, "and it is nobody else");
    serving.abort();
}
