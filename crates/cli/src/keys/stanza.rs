//! What a party makes public of itself: its entry in federation.toml.

use almoner_federation::{Name, NodeId, PicoRho, VerifyingKey};

/// What an agency's entry says besides its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyAbout {
    /// The node's number, which the federation gives.
    pub node: NodeId,
    /// Short name.
    pub name: Name,
    /// The name in law.
    pub legal_name: String,
    /// The sector whose overlap rule covers it.
    pub sector: Option<Name>,
    /// `https://HOST:PORT`.
    pub endpoint: String,
}

/// An agency's whole entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyPublic {
    /// Who it is and where.
    pub about: AgencyAbout,
    /// Verifies its READYs, outputs and checkpoints.
    pub signing_key: VerifyingKey,
    /// Verifies what the data officer signs.
    pub officer_key: VerifyingKey,
    /// X25519 public key.
    pub mask_key: [u8; 32],
}

impl AgencyPublic {
    /// The entry as TOML.
    pub fn stanza(&self) -> String {
        let AgencyAbout { node, name, legal_name, sector, endpoint } = &self.about;
        let sector = sector.as_ref().map_or(String::new(), |sector| format!("sector = {}\n", quoted(sector)));
        format!(
            "[[agency]]\nnode = {node}\nname = {}\nlegal_name = {}\n{sector}endpoint = {}\n\
             signing_key = \"{}\"\nofficer_key = \"{}\"\nmask_key = \"{}\"\n",
            quoted(name),
            quoted(legal_name),
            quoted(endpoint),
            self.signing_key,
            self.officer_key,
            hex::encode(self.mask_key)
        )
    }
}

/// The coordinator's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorPublic {
    /// Its name.
    pub name: Name,
    /// `https://HOST:PORT`.
    pub endpoint: String,
    /// Verifies its contexts and publications.
    pub signing_key: VerifyingKey,
}

impl CoordinatorPublic {
    /// The entry as TOML.
    pub fn stanza(&self) -> String {
        format!(
            "[coordinator]\nname = {}\nendpoint = {}\nsigning_key = \"{}\"\n",
            quoted(&self.name),
            quoted(&self.endpoint),
            self.signing_key
        )
    }
}

/// A planner's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannerPublic {
    /// Its name.
    pub name: Name,
    /// Verifies its questions.
    pub signing_key: VerifyingKey,
    /// What its questions together may cost. Without it the entry holds a 0, which no manifest accepts.
    pub rho: Option<PicoRho>,
}

impl PlannerPublic {
    /// The entry as TOML.
    pub fn stanza(&self) -> String {
        let rho = self.rho.map_or("0 # the agencies agree on a number above 0".into(), |rho| rho.to_string());
        format!(
            "[[planner]]\nname = {}\nsigning_key = \"{}\"\nrho = {rho}\n",
            quoted(&self.name),
            self.signing_key
        )
    }
}

/// An auditor's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditorPublic {
    /// Its name.
    pub name: Name,
    /// Verifies its cosignatures and countersignatures.
    pub signing_key: VerifyingKey,
}

impl AuditorPublic {
    /// The entry as TOML.
    pub fn stanza(&self) -> String {
        format!("[[auditor]]\nname = {}\nsigning_key = \"{}\"\n", quoted(&self.name), self.signing_key)
    }
}

/// A TOML string, escaped where necessary.
fn quoted(text: &impl ToString) -> String {
    toml::Value::String(text.to_string()).to_string()
}
