//! What an authority signs, and what it refuses to.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData,
    SanType, SignatureAlgorithm, SigningKey as RequestKey,
};

use super::desk::{Desk, reason};
use super::*;

const TAX: &str = "spiffe://prefecture/agency/tax";

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().expect("ASCII"))
}

#[test]
fn a_request_names_one_party_and_no_other_partys_server() {
    let desk = Desk::open(now());
    let own = "tax.agency.prefecture.almoner.internal";
    let request = desk.ask(vec![uri(TAX), dns(own), dns("Node.Example")]).expect("sound");
    assert_eq!(request.hosts(), ["node.example".parse::<Host>().expect("a host")]);
    assert_eq!(desk.ask(vec![uri(TAX)]).expect("sound").hosts(), []);

    for uris in [vec![], vec![uri(TAX), uri(TAX)], vec![uri(TAX), uri("https://node.example")]] {
        let why = reason(desk.ask(uris));
        assert!(why.contains("exactly one URI") && why.contains("almoner keys"), "{why}");
    }
    for name in [
        "north.agency.prefecture.almoner.internal",
        "TAX.agency.prefecture.almoner.internal",
        "tax.agency.prefecture.almoner.internal.",
        "almoner.internal",
        "*.example",
    ] {
        let why = reason(desk.ask(vec![uri(TAX), dns(own), dns(name)]));
        assert!(why.contains(name) && why.contains("outside almoner.internal"), "{why}");
    }
    let email = SanType::Rfc822Name("tax@example".try_into().expect("ASCII"));
    assert!(reason(desk.ask(vec![uri(TAX), email])).contains("neither a URI"));
    for name in [dns("node.example"), dns("ministry.planner.prefecture.almoner.internal")] {
        let why = reason(desk.ask(vec![uri("spiffe://prefecture/planner/ministry"), name]));
        assert!(why.contains("must name no host"), "{why}");
    }

    desk.ask(vec![uri("spiffe://elsewhere/agency/tax")]).expect("sound, but not this authority's");
    let foreign = desk.sign(&desk.at("asked.csr"), "foreign.pem");
    assert!(matches!(&foreign, Err(KeysError::Foreign { .. })));
    let why = foreign.expect_err("refused").to_string();
    assert!(why.contains("use that federation's authority"), "{why}");
}

/// Shows another's public key and signs with its own.
struct Thief {
    shown: KeyPair,
    own: KeyPair,
}

impl PublicKeyData for Thief {
    fn der_bytes(&self) -> &[u8] {
        self.shown.der_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.shown.algorithm()
    }
}

impl RequestKey for Thief {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.own.sign(message)
    }
}

#[test]
fn only_who_holds_the_key_can_ask_for_it() {
    let desk = Desk::open(now());
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(TAX)];
    let thief = Thief { shown: new_key(), own: new_key() };
    let why = reason(desk.ask_with(&params, &thief));
    assert!(why.contains("not signed with the key") && why.contains("again"), "{why}");

    let request = desk.agency("tax").join("tls.csr");
    let text = fs::read_to_string(&request).expect("read");
    // The signature is the end of the request.
    let at = text.find("-----END").expect("PEM") - 16;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    fs::write(&request, format!("{}{other}{}", &text[..at], &text[at + 1..])).expect("written");
    let why = reason(Request::read(&request));
    assert!(why.contains("not signed with the key"), "{why}");

    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("the random source works");
    assert!(reason(desk.ask_with(&params, &p384)).contains("P-256"));
    fs::write(&request, desk.authority.certificate()).expect("written");
    assert!(reason(Request::read(&request)).contains("not a certificate signing request"));
    fs::write(&request, " ".repeat(100_000)).expect("written");
    assert!(matches!(Request::read(&request), Err(KeysError::Read { .. })));
}

#[test]
fn what_a_certificate_may_do_is_never_taken_from_the_request() {
    let desk = Desk::open(now());
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://prefecture/planner/ministry")];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any];
    desk.ask_with(&params, &new_key()).expect("sound");
    let signed = desk.sign(&desk.at("asked.csr"), "signed.pem").expect("signed");
    let der = first_certificate(&fs::read_to_string(signed).expect("read")).expect("PEM");
    let (_, certificate) = X509Certificate::from_der(&der).expect("DER");
    assert!(!certificate.is_ca());
    let usage = certificate.key_usage().expect("readable").expect("present").value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let purposes = certificate.extended_key_usage().expect("readable").expect("present").value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.any);
}
