//! The demo's parties: keys, manifest and configuration files, as their owners would make them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use almoner_federation::{Digest, Manifest, Name, NodeId};
use ring::rand::SystemRandom;
use time::OffsetDateTime;

use crate::cli_error::CliError;
use crate::demo::Scenario;
use crate::keys::{AgencyAbout, Authority, Host, KeyMaker, SketchKey, Validity};
use crate::planner::PlannerFiles;

/// One process to be started.
pub(super) struct Server {
    pub name: Name,
    pub port: u16,
    pub config: PathBuf,
}

/// All parties of the demo.
pub(super) struct Parties {
    pub dir: PathBuf,
    pub manifest_sha256: Digest,
    pub nodes: Vec<Server>,
    pub coordinator: Server,
}

const PLANNER: &str = "planning-office";
const AUDITOR: &str = "court-of-audit";
const COORDINATOR: &str = "statistics-bureau";

/// How long the demo's certificates hold.
const DAYS: u32 = 2;

impl Parties {
    /// Makes every party's keys, the manifest that names them, and one configuration for each process.
    pub(super) fn make(scenario: &Scenario, dir: &Path) -> Result<Parties, CliError> {
        let now = OffsetDateTime::now_utc();
        let random = SystemRandom::new();
        let authority = Authority::create(scenario.federation.clone(), now)?;
        let maker = KeyMaker::new(&authority, Validity::days(now, DAYS)?, &random);
        let hosts: [Host; 1] = ["127.0.0.1".parse()?];
        let name = |name: &str| -> Name { name.parse().expect("the demo's names are short lowercase words") };
        let keys = |name: &str| dir.join("keys").join(name);

        let mut ports = free_ports(scenario.agencies.len() + 1)?.into_iter();
        let mut port = || ports.next().expect("one port for each process");
        let endpoint = |port: u16| format!("https://127.0.0.1:{port}");
        let coordinator_port = port();
        let coordinator =
            maker.coordinator(name(COORDINATOR), endpoint(coordinator_port), &hosts, &keys(COORDINATOR))?;
        let planner = maker.planner(name(PLANNER), Some(scenario.total_rho), &keys(PLANNER))?;
        let auditor = maker.auditor(name(AUDITOR), &keys(AUDITOR))?;
        let sketch_key = SketchKey::generate(&random)?;
        let mut agencies = Vec::new();
        for (number, (short, legal_name)) in (1..).zip(&scenario.agencies) {
            let port = port();
            let about = AgencyAbout {
                node: NodeId(number),
                name: short.clone(),
                legal_name: legal_name.clone(),
                sector: scenario.sector(),
                endpoint: endpoint(port),
            };
            agencies.push((maker.agency(about, &hosts, &keys(short.as_str()))?, port));
            sketch_key.write(&keys(short.as_str()))?;
        }

        let public: Vec<_> = agencies.iter().map(|(public, _)| public.clone()).collect();
        let text = scenario.federation_toml(&coordinator, &planner, &auditor, &public, &sketch_key);
        let path = dir.join("federation.toml");
        let manifest = Manifest::parse(&text, &path.display().to_string())?;
        write(&path, &text)?;

        let server = |name: &Name, port: u16, more: &str| {
            let text = format!(
                "listen = \"127.0.0.1:{port}\"\nmanifest = \"federation.toml\"\nmanifest_sha256 = \"{}\"\n\
                 keys = \"keys/{name}\"\nstate = \"state/{name}\"\n{more}",
                manifest.hash()
            );
            let config = dir.join(format!("{name}.toml"));
            write(&config, &text)?;
            Ok::<_, CliError>(Server { name: name.clone(), port, config })
        };
        let nodes = agencies
            .iter()
            .map(|(public, port)| {
                let agency = &public.about.name;
                server(agency, *port, &format!("agency = \"{agency}\"\ndata = \"data/{agency}\"\n"))
            })
            .collect::<Result<_, _>>()?;
        let coordinator = server(&name(COORDINATOR), coordinator_port, "")?;
        Ok(Parties { dir: dir.to_owned(), manifest_sha256: manifest.hash(), nodes, coordinator })
    }

    /// What the planner needs to ask.
    pub(super) fn planner_files(&self) -> PlannerFiles {
        PlannerFiles {
            manifest: self.dir.join("federation.toml"),
            manifest_sha256: Some(self.manifest_sha256),
            keys: self.dir.join("keys").join(PLANNER),
        }
    }

    /// The auditor's key folder.
    pub(super) fn auditor_keys(&self) -> PathBuf {
        self.dir.join("keys").join(AUDITOR)
    }
}

/// Ports that are free now; all are held until the last is found, so that no two are the same.
fn free_ports(count: usize) -> Result<Vec<u16>, CliError> {
    let bind =
        || TcpListener::bind("127.0.0.1:0").and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
    let bound: Result<Vec<_>, _> = (0..count).map(|_| bind()).collect();
    let bound = bound.map_err(|error| CliError::Demo(format!("no free port on loopback: {error}")))?;
    Ok(bound.into_iter().map(|(port, _)| port).collect())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.to_owned(), source })
}
