use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use almoner_federation::{Identity, Manifest, NodeId, Role, SigningKey};
use almoner_secure_sum::MaskKey;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::authority::first_certificate;
use super::*;

mod desk;
mod remote;
mod requests;

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("a moment in 2026")
}

fn authority() -> Authority {
    Authority::create("prefecture".parse().expect("a name"), now()).expect("the random source works")
}

fn year() -> Validity {
    Validity::days(now(), 365).expect("a year")
}

fn identity(role: Role, name: &str) -> Identity {
    let federation = "prefecture".parse().expect("a name");
    Identity { federation, role, name: name.parse().expect("a name") }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the random source works")
}

fn about(name: &str, node: u32) -> AgencyAbout {
    AgencyAbout {
        node: NodeId(node),
        name: name.parse().expect("a name"),
        legal_name: format!("The \"{name}\" office"),
        sector: None,
        endpoint: format!("https://127.0.0.1:{}", 7000 + node),
    }
}

fn key(folder: &Path, name: &str) -> [u8; 32] {
    let text = fs::read_to_string(folder.join(name)).expect("the file is there");
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).expect("64 hexadecimal digits");
    bytes
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn an_agencys_folder_holds_every_key_and_only_its_owner_reads_the_secrets() {
    let (root, random) = (tempfile::tempdir().expect("a folder"), SystemRandom::new());
    let (authority, folder) = (authority(), root.path().join("keys").join("tax"));
    let maker = KeyMaker::new(&authority, year(), &random);
    let made = maker.agency(about("tax", 3), &[], &folder).expect("made");

    assert_eq!(mode(&folder), 0o700);
    for secret in ["tls.key", "signing.key", "mask.key", "sealing.key", "bounding.key"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    for public in ["tls.csr", "tls.pem", "ca.pem", "public.toml"] {
        assert_eq!(mode(&folder.join(public)), 0o644, "{public}");
    }
    let signing = SigningKey::from_seed(&key(&folder, "signing.key")).expect("a seed");
    assert_eq!(signing.verifying_key(), made.signing_key);
    assert_eq!(MaskKey::from_bytes(&key(&folder, "mask.key")).public(), made.mask_key);
    let secrets = ["signing.key", "mask.key", "sealing.key", "bounding.key"].map(|name| key(&folder, name));
    for (index, secret) in secrets.iter().enumerate() {
        assert!(!secrets[..index].contains(secret), "every secret is drawn anew");
    }
    assert_eq!(identity_of(&folder.join("tls.pem")).expect("read"), identity(Role::Agency, "tax"));
    assert_eq!(fs::read_to_string(folder.join("public.toml")).expect("read"), made.stanza());
}

#[test]
fn nothing_is_ever_overwritten() {
    let (root, random) = (tempfile::tempdir().expect("a folder"), SystemRandom::new());
    let (authority, folder) = (authority(), root.path().join("tax"));
    let maker = KeyMaker::new(&authority, year(), &random);
    maker.agency(about("tax", 3), &[], &folder).expect("made");
    let before = key(&folder, "mask.key");
    let mut others: Vec<_> =
        fs::read_dir(&folder).expect("read").map(|entry| entry.expect("read").path()).collect();
    others.retain(|path| !path.ends_with("mask.key"));
    assert_eq!(others.len(), 9);
    for path in others {
        fs::remove_file(path).expect("removed");
    }
    let again = maker.agency(about("tax", 3), &[], &folder);
    assert!(matches!(again, Err(KeysError::Exists { path }) if path == folder.join("mask.key")));
    assert_eq!(key(&folder, "mask.key"), before);
    assert_eq!(fs::read_dir(&folder).expect("read").count(), 1, "nothing was written beside it");

    authority.save(root.path()).expect("saved");
    assert!(matches!(authority.save(root.path()), Err(KeysError::Exists { .. })));
}

#[test]
fn an_authority_is_itself_again_after_saving() {
    let root = tempfile::tempdir().expect("a folder");
    let created = authority();
    created.save(root.path()).expect("saved");
    assert_eq!(mode(&root.path().join("ca.key")), 0o600);
    let loaded = Authority::load(root.path()).expect("loaded");
    assert_eq!(loaded.federation(), created.federation());
    assert_eq!(loaded.certificate(), created.certificate());

    let other = tempfile::tempdir().expect("a folder");
    authority().save(other.path()).expect("saved");
    fs::copy(other.path().join("ca.key"), root.path().join("ca.key")).expect("copied");
    assert!(matches!(
        Authority::load(root.path()),
        Err(KeysError::Damaged { path, .. }) if path.ends_with("ca.key")
    ));
}

#[test]
fn a_certificate_says_who_and_what_for() {
    let authority = authority();
    let authority_der = first_certificate(authority.certificate()).expect("PEM");
    let (_, issuer) = X509Certificate::from_der(&authority_der).expect("DER");
    assert!(issuer.is_ca());
    let hosts: Vec<Host> = ["127.0.0.1", "Tax.Example"].map(|host| host.parse().expect("a host")).into();
    for (role, serves) in
        [(Role::Agency, true), (Role::Coordinator, true), (Role::Planner, false), (Role::Auditor, false)]
    {
        let who = identity(role, "someone");
        let chain = authority.issue(&who, &hosts, &new_key(), year()).expect("issued");
        let der = first_certificate(&chain).expect("PEM");
        let (_, certificate) = X509Certificate::from_der(&der).expect("DER");
        assert_eq!(Identity::from_certificate(&der), Ok(who.clone()));
        assert_eq!(certificate.issuer(), issuer.subject());
        assert!(!certificate.is_ca());
        assert_eq!(certificate.validity().not_before.timestamp(), now().unix_timestamp() - 3_600);
        assert_eq!(certificate.validity().not_after.timestamp(), now().unix_timestamp() + 365 * 86_400);
        let purposes = certificate.extended_key_usage().expect("readable").expect("present").value;
        assert!(purposes.client_auth);
        assert_eq!(purposes.server_auth, serves, "{role}");
        assert!(!purposes.any);
        let usage = certificate.key_usage().expect("readable").expect("present").value;
        assert!(usage.digital_signature() && !usage.key_cert_sign());
        let names = certificate.subject_alternative_name().expect("readable").expect("present").value;
        let dns: Vec<&str> = names
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(*name),
                _ => None,
            })
            .collect();
        let own = who.server_name();
        assert_eq!(dns, if serves { vec![own.as_str(), "tax.example"] } else { vec![] });
    }
}

#[test]
fn dates_can_be_chosen_but_not_beyond_the_authority() {
    let authority = authority();
    let who = identity(Role::Planner, "planning-office");
    let days = |from: i64, until: i64| {
        Validity::between(now() + Duration::days(from), now() + Duration::days(until))
    };
    let expired = authority.issue(&who, &[], &new_key(), days(-20, -10).expect("a period")).expect("issued");
    let der = first_certificate(&expired).expect("PEM");
    let (_, certificate) = X509Certificate::from_der(&der).expect("DER");
    assert!(certificate.validity().not_after.timestamp() < now().unix_timestamp());

    assert!(matches!(days(5, 5), Err(KeysError::Validity { .. })));
    assert!(matches!(Validity::days(now(), 0), Err(KeysError::Validity { .. })));
    let century = days(0, 30_000).expect("a period");
    assert!(matches!(authority.issue(&who, &[], &new_key(), century), Err(KeysError::Validity { .. })));
    let stranger = "spiffe://elsewhere/planner/planning-office".parse().expect("an identity");
    assert!(matches!(authority.issue(&stranger, &[], &new_key(), year()), Err(KeysError::Foreign { .. })));
}

#[test]
fn a_host_never_borrows_an_identitys_name() {
    for good in ["10.1.2.3", "::1", "localhost", "node-3.tax.example", "almoner.internal.example"] {
        assert!(good.parse::<Host>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "*.example", "-a.example", "x..y", "tax.agency.prefecture.Almoner.Internal"] {
        assert!(matches!(bad.parse::<Host>(), Err(KeysError::Host(_))), "{bad}");
    }
}

#[test]
fn the_printed_entries_make_a_manifest() {
    let (root, random) = (tempfile::tempdir().expect("a folder"), SystemRandom::new());
    let authority = authority();
    let maker = KeyMaker::new(&authority, year(), &random);
    let name = |name: &str| name.parse().expect("a name");
    let folder = |name: &str| root.path().join(name);
    let mut text = "[federation]\nid = \"prefecture\"\nepoch = 1\n\
                    [unit]\nkind = \"person\"\ncolumn = \"person_id\"\npopulation = 1000\n\
                    [policy]\ndelta = 1e-9\ntotal_rho = 1\nquorum = 3\ncolluders = 1\nmin_honest = 2\n\
                    [[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n"
        .to_owned();
    let endpoint = "https://127.0.0.1:7000".to_owned();
    text += &maker.coordinator(name("office"), endpoint, &[], &folder("office")).expect("made").stanza();
    let rho = Some("0.5".parse().expect("a rho"));
    text += &maker.planner(name("ministry"), rho, &folder("ministry")).expect("made").stanza();
    text += &maker.auditor(name("court"), &folder("court")).expect("made").stanza();
    for (node, agency) in (1..).zip(["north", "south", "tax"]) {
        let sector = (node < 3).then(|| name("residence"));
        let about = AgencyAbout { sector, ..about(agency, node) };
        text += &maker.agency(about, &[], &folder(agency)).expect("made").stanza();
    }
    text += "[[table]]\nname = \"residents\"\nrows_per_unit = 1\n\
             [[table.column]]\nname = \"poor\"\ntype = \"boolean\"\n";
    let manifest = Manifest::parse(&text, "federation.toml").expect("the entries are well formed");
    assert_eq!(manifest.agencies[2].legal_name, "The \"tax\" office");
    assert_eq!(manifest.overlap(&manifest.tables[0]), 2);
    for party in ["office", "ministry", "court", "north"] {
        assert!(manifest.knows(&identity_of(&folder(party).join("tls.pem")).expect("read")), "{party}");
    }

    let unfinished = maker.planner(name("bureau"), None, &folder("bureau")).expect("made").stanza();
    assert!(
        Manifest::parse(&(text + &unfinished), "federation.toml").is_err(),
        "an allowance nobody agreed on is not one"
    );
}

#[test]
fn a_folder_shows_whose_it_is_and_for_how_long() {
    let (root, random) = (tempfile::tempdir().expect("a folder"), SystemRandom::new());
    let (authority, folder) = (authority(), root.path().join("tax"));
    let maker = KeyMaker::new(&authority, year(), &random);
    let stanza = maker.agency(about("tax", 3), &[], &folder).expect("made").stanza();

    let shown = show(&folder, now()).expect("shown");
    assert!(shown.starts_with("# spiffe://prefecture/agency/tax\n"), "{shown}");
    assert!(shown.contains(": 365 days left\n"), "{shown}");
    assert!(shown.ends_with(&stanza), "{shown}");
    assert!(show(&folder, now() + Duration::days(366)).expect("shown").contains("EXPIRED"));
    assert!(show(&folder, now() - Duration::days(1)).expect("shown").contains("not valid yet"));

    authority.save(root.path()).expect("saved");
    let shown = show(root.path(), now()).expect("shown");
    assert!(shown.contains("authority of prefecture\n") && shown.contains("1826 days left"), "{shown}");
    assert!(matches!(show(&root.path().join("nowhere"), now()), Err(KeysError::Read { .. })));
    fs::write(root.path().join("ca.pem"), "no certificate").expect("written");
    assert!(matches!(show(root.path(), now()), Err(KeysError::Damaged { .. })));
}
