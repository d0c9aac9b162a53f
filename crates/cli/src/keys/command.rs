//! The words of `almoner keys`. Public stanzas go to standard output, advice to standard error.

use std::path::PathBuf;

use almoner_federation::{FederationId, Name, NodeId, PicoRho};
use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use time::OffsetDateTime;

use crate::keys::files::write_public_at;
use crate::keys::{
    AgencyAbout, Authority, Host, KeyMaker, KeysError, Request, SketchKey, Validity, install, show,
};

/// `almoner keys ...`
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the federation's certificate authority.
    Authority {
        /// A new folder for ca.pem and the secret ca.key.
        dir: PathBuf,
        /// The federation's id, as in federation.toml.
        #[arg(long, value_name = "ID")]
        federation: FederationId,
    },
    /// Make an agency's keys, and print its entry for federation.toml.
    Agency {
        #[command(flatten)]
        party: Party,
        #[command(flatten)]
        server: Server,
        /// The number the federation gives the node.
        #[arg(long, value_name = "N")]
        node: u32,
        /// The agency's name in law; its short name when left out.
        #[arg(long, value_name = "TEXT")]
        legal_name: Option<String>,
        /// The sector whose overlap rule covers the agency.
        #[arg(long, value_name = "NAME")]
        sector: Option<Name>,
    },
    /// Make the coordinator's keys, and print its entry for federation.toml.
    Coordinator {
        #[command(flatten)]
        party: Party,
        #[command(flatten)]
        server: Server,
    },
    /// Make a planner's keys, and print its entry for federation.toml.
    Planner {
        #[command(flatten)]
        party: Party,
        /// What this planner's questions together may cost.
        #[arg(long)]
        rho: Option<PicoRho>,
    },
    /// Make an auditor's certificate, and print its entry for federation.toml.
    Auditor {
        #[command(flatten)]
        party: Party,
    },
    /// Make the key that all agencies share for counting distinct units, and print its line for federation.toml.
    Sketch {
        /// The key folder of the agency that makes it.
        dir: PathBuf,
    },
    /// Sign a party's request for a certificate, as the federation's authority.
    Sign {
        /// The party's tls.csr.
        request: PathBuf,
        /// The folder of the certificate authority.
        #[arg(long, value_name = "DIR")]
        authority: PathBuf,
        /// A new file for the certificate.
        #[arg(long, value_name = "CERT.pem")]
        out: PathBuf,
        /// How many days the certificate holds.
        #[arg(long, value_name = "N", default_value_t = 365)]
        days: u32,
    },
    /// Put the certificate that the authority sent into its party's folder.
    Install {
        /// The certificate.
        certificate: PathBuf,
        /// The authority's ca.pem.
        #[arg(long, value_name = "ca.pem")]
        ca: PathBuf,
        /// The folder whose tls.csr was signed.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Replace the certificate that is there.
        #[arg(long)]
        renew: bool,
    },
    /// Print a folder's public entry again, and how long its certificate holds.
    Show {
        /// A folder made by this command.
        dir: PathBuf,
    },
}

/// Whose keys, from whom, and where to.
#[derive(Args)]
pub(crate) struct Party {
    /// The party's name, as in federation.toml.
    name: Name,
    #[command(flatten)]
    vouching: Vouching,
    /// A new folder for the keys.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many days the certificate holds.
    #[arg(long, value_name = "N", default_value_t = 365, conflicts_with = "federation")]
    days: u32,
}

/// Where the certificate comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Vouching {
    /// The federation's id: make the secrets here, and a request that the authority signs elsewhere.
    #[arg(long, value_name = "ID")]
    federation: Option<FederationId>,
    /// The folder of the certificate authority, when it is on this machine: for trials.
    #[arg(long, value_name = "DIR")]
    authority: Option<PathBuf>,
}

/// Where a server is reached.
#[derive(Args)]
pub(crate) struct Server {
    /// A host name or address that the certificate names besides the identity; may be repeated.
    #[arg(long, value_name = "HOST")]
    host: Vec<Host>,
    /// Where others reach the server.
    #[arg(long, value_name = "https://HOST:PORT")]
    endpoint: Option<String>,
}

impl Server {
    /// The endpoint, or one that a manifest refuses until the port is filled in.
    fn endpoint(&self) -> String {
        let host = || self.host.first().map_or("HOST".into(), Host::to_string);
        self.endpoint.clone().unwrap_or_else(|| format!("https://{}:PORT", host()))
    }
}

impl KeysCommand {
    /// Does it.
    ///
    /// # Errors
    /// Each names the file and the remedy.
    pub(crate) fn run(self) -> Result<(), KeysError> {
        let now = OffsetDateTime::now_utc();
        match self {
            KeysCommand::Authority { dir, federation } => {
                Authority::create(federation, now)?.save(&dir)?;
                eprint!("{}", show(&dir, now)?);
                eprintln!("Keep {} offline: who has ca.key can pose as any party.", dir.display());
            }
            KeysCommand::Agency { party, server, node, legal_name, sector } => {
                let about = AgencyAbout {
                    node: NodeId(node),
                    legal_name: legal_name.unwrap_or_else(|| party.name.to_string()),
                    name: party.name.clone(),
                    sector,
                    endpoint: server.endpoint(),
                };
                let made = party.make(now, |maker| maker.agency(about, &server.host, &party.out))?;
                party.finish(&made.stanza())?;
            }
            KeysCommand::Coordinator { party, server } => {
                let (name, endpoint) = (party.name.clone(), server.endpoint());
                let made =
                    party.make(now, |maker| maker.coordinator(name, endpoint, &server.host, &party.out))?;
                party.finish(&made.stanza())?;
            }
            KeysCommand::Planner { party, rho } => {
                let made = party.make(now, |maker| maker.planner(party.name.clone(), rho, &party.out))?;
                party.finish(&made.stanza())?;
            }
            KeysCommand::Auditor { party } => {
                let made = party.make(now, |maker| maker.auditor(party.name.clone(), &party.out))?;
                party.finish(&made.stanza())?;
            }
            KeysCommand::Sketch { dir } => {
                let key = SketchKey::generate(&SystemRandom::new())?;
                key.write(&dir)?;
                print!("{}", key.line());
                eprintln!(
                    "The line above belongs into the manifest's [unit]. Send {}/sketch.key to every",
                    dir.display()
                );
                eprintln!("other agency's key folder, and to nobody else: neither coordinator nor planners.");
            }
            KeysCommand::Sign { request, authority, out, days } => {
                let request = Request::read(&request)?;
                eprint!("{request}");
                let (authority, validity) = (Authority::load(&authority)?, Validity::days(now, days)?);
                let (identity, hosts, key) = (request.identity(), request.hosts(), request.public_key());
                write_public_at(&out, &authority.issue(identity, hosts, key, validity)?)?;
                eprintln!("Signed: {}. With it, whoever made the request is this party:", out.display());
                eprintln!("before you hand it over, have the party read its key's SHA-256 to you, and");
                eprintln!("compare it with the one above. Send the authority's ca.pem along.");
            }
            KeysCommand::Install { certificate, ca, dir, renew } => {
                let installed = install(&certificate, &ca, &dir, renew, now)?;
                eprintln!("{} now holds the certificate of {},", dir.display(), installed.identity);
                eprintln!("and trusts the authority with SHA-256 {}:", installed.authority);
                eprintln!("compare it with what `almoner keys show` tells the authority's keeper.");
            }
            KeysCommand::Show { dir } => print!("{}", show(&dir, now)?),
        }
        Ok(())
    }
}

impl Party {
    fn make<T>(
        &self,
        now: OffsetDateTime,
        make: impl FnOnce(KeyMaker<'_>) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let random = SystemRandom::new();
        if let Some(federation) = &self.vouching.federation {
            return make(KeyMaker::requesting(federation, &random));
        }
        let authority = self.vouching.authority.as_deref().expect("clap requires one of the two");
        let authority = Authority::load(authority)?;
        make(KeyMaker::new(&authority, Validity::days(now, self.days)?, &random))
    }

    /// Prints the public entry, and what is to be done next.
    fn finish(&self, stanza: &str) -> Result<(), KeysError> {
        print!("{stanza}");
        let folder = self.out.display();
        eprintln!("Made {folder}. Its *.key files never leave this machine; the entry above is public");
        eprintln!("and belongs into federation.toml, with every placeholder filled in.");
        if self.vouching.federation.is_some() {
            let request = self.out.join("tls.csr");
            eprintln!("Send {} to the authority's keeper, and read this key to them:", request.display());
            eprint!("{}", Request::read(&request)?);
            eprintln!("Then `almoner keys install CERT.pem --ca ca.pem --dir {folder}` what they send back.");
        }
        Ok(())
    }
}
