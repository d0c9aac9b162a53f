//! Who takes part: names, keys, the manifest's text, and each agency's policy as the manifest has it.

use almoner_federation::Agency;
use almoner_federation::{Manifest, Name, Role, SigningKey};
use almoner_ledger::{Limits, Policy, ReleaseLimits, TerritoryLimit};
use almoner_secure_sum::MaskKey;

/// When all begins, Unix seconds.
pub const NOW: u64 = 1_800_000_000;

/// Most agencies that a manifest here may have.
const MAX_AGENCIES: usize = 99;

/// The first agencies' names; the others are numbered.
const NAMES: [&str; 6] = ["north", "south", "tax", "welfare", "health", "schools"];

pub const SQL: [&str; 4] = [
    "SELECT COUNT(*) AS n FROM residents",
    "SELECT age, COUNT(*) AS n FROM residents GROUP BY age",
    "SELECT COUNT(*) AS n FROM residents WHERE county = 'A'",
    "SELECT county, COUNT(*) AS n FROM residents GROUP BY county",
];

/// The key of this number: an agency's is its node's, its officer's 100 more.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a seed of 32 bytes")
}

pub fn name(text: &str) -> Name {
    text.parse().expect("a well-formed name")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a manifest of `agencies`, each holding everybody of a place of its own.
pub fn manifest_text(agencies: usize, epoch: u32, total: &str) -> String {
    let public = |seed| hex(key(seed).verifying_key().as_bytes());
    let mut text = format!(
        r#"[federation]
id = "tests"
epoch = {epoch}
[coordinator]
name = "office"
endpoint = "https://127.0.0.1:7000"
signing_key = "{}"
[unit]
kind = "person"
column = "id"
population = 100000
[policy]
delta = 1e-9
total_rho = {total}
quorum = 3
colluders = 1
min_honest = 2
witnesses = 2
changes_need_auditor = true
period = "year"
period_rho = {total}
[[planner]]
name = "ministry"
signing_key = "{}"
rho = {total}
[[planner]]
name = "city"
signing_key = "{}"
rho = {total}
[[auditor]]
name = "court"
signing_key = "{}"
[[sector]]
name = "residence"
agencies_per_unit = 1
[territory]
column = "county"
rho = {total}
"#,
        public(200),
        public(201),
        public(202),
        public(203)
    );
    assert!(agencies <= MAX_AGENCIES, "keys and ports are numbered by two digits");
    for node in 1..=agencies as u8 {
        let name =
            NAMES.get(usize::from(node) - 1).map_or_else(|| format!("agency-{node}"), |name| (*name).into());
        let mask = MaskKey::from_bytes(&[node; 32]).public();
        text += &format!(
            "[[agency]]\nnode = {node}\nname = \"{name}\"\nlegal_name = \"{name}\"\nsector = \"residence\"\n\
             endpoint = \"https://127.0.0.1:70{node:02}\"\nsigning_key = \"{}\"\nofficer_key = \"{}\"\nmask_key = \"{}\"\n",
            public(node),
            public(100 + node),
            hex(&mask)
        );
    }
    text += "[[table]]\nname = \"residents\"\nrows_per_unit = 1\n\
             [[table.column]]\nname = \"county\"\ntype = \"text\"\ndomain = [\"A\", \"B\", \"C\"]\n\
             [[table.column]]\nname = \"age\"\ntype = \"integer\"\nmin = 0\nmax = 120\n";
    text
}

/// The policy that the manifest asks of an agency, no stricter.
pub fn policy_of(manifest: &Manifest, agency: &Agency) -> Policy {
    Policy {
        origin: manifest.identity(Role::Agency, &agency.name).key_name(),
        manifest_hash: manifest.hash(),
        limits: Limits {
            total: manifest.policy.total_rho,
            planners: manifest.planners.iter().map(|p| (p.name.clone(), p.rho)).collect(),
            period: manifest.policy.period,
            territory: TerritoryLimit::of(manifest),
        },
        release: ReleaseLimits::default(),
        rules: String::new(),
        officer: agency.officer_key,
        auditors: manifest.auditors.iter().map(|auditor| auditor.signing_key).collect(),
    }
}
