//! A whole federation of real processes on loopback with mutual TLS, for the tests beside it. Keys,
//! manifest and configuration are made with the binary under test, as its users make them.

// Each test file compiles this module for itself and uses a part of it.
#![allow(dead_code)]

pub mod client;
pub mod eusilc;
pub mod places;
pub mod shared_data;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use almoner_federation::Manifest;
use tempfile::TempDir;

/// The binary under test.
pub const ALMONER: &str = env!("CARGO_BIN_EXE_almoner");

/// How long a process may take to listen, unless a test has more patience.
const START: Duration = Duration::from_secs(60);

/// Stands in a constitution for the line that names the agencies' sketch key.
pub const SKETCH_KEY: &str = "@sketch-key@\n";

/// What a federation is made of.
pub struct Setup {
    /// `[unit]` and `[policy]` tables.
    pub constitution: String,
    /// `[[sector]]` and `[[table]]` tables.
    pub tables: String,
    /// Each planner's name and rho.
    pub planners: Vec<(&'static str, &'static str)>,
    /// Each agency's name, sector and files by name.
    pub agencies: Vec<AgencySetup>,
    /// Added to every node.toml, such as `[limits]` lines.
    pub node_limits: String,
    /// Added to coordinator.toml.
    pub coordinator_limits: String,
}

/// One agency's part of a setup.
pub struct AgencySetup {
    pub name: String,
    pub sector: Option<&'static str>,
    pub files: Vec<(String, String)>,
}

impl Setup {
    /// Three agencies with a few people each, person by person known to the tests: every agency holds
    /// `people`, at most one row a person, all of one disjoint sector.
    pub fn small() -> Setup {
        let people = |rows: &[(&str, &str, &str)]| {
            let mut csv = "person_id,area,income\n".to_owned();
            for (person, area, income) in rows {
                writeln!(csv, "{person},{area},{income}").expect("writing to a string");
            }
            vec![("people.csv".to_owned(), csv)]
        };
        let agency = |name: &str, rows: &[(&str, &str, &str)]| AgencySetup {
            name: name.into(),
            sector: Some("residence"),
            files: people(rows),
        };
        Setup {
            constitution: "[unit]\nkind = \"person\"\ncolumn = \"person_id\"\npopulation = 1000\n\n\
                [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 3\ncolluders = 1\nmin_honest = 2\nquality_limit = 0.1\n"
                .into(),
            tables: "[[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n\n\
                [[table]]\nname = \"people\"\nrows_per_unit = 1\n\
                [[table.column]]\nname = \"area\"\ntype = \"text\"\ndomain = [\"hill\", \"plain\"]\n\
                [[table.column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\nresolution = 1\n"
                .into(),
            planners: vec![("ministry", "500"), ("institute", "1")],
            agencies: vec![
                agency("north", &[("1", "hill", "100"), ("2", "hill", "200"), ("3", "plain", "300")]),
                agency("middle", &[("4", "plain", "400"), ("5", "hill", "")]),
                agency("south", &[("6", "plain", "600")]),
            ],
            node_limits: String::new(),
            coordinator_limits: String::new(),
        }
    }

    /// The same where no agency witnesses another's ledger: a node by itself may answer.
    pub fn without_witnesses(mut self) -> Setup {
        self.constitution = self.constitution.replace("[policy]\n", "[policy]\nwitnesses = 0\n");
        self
    }
}

/// A federation's files and processes; everything ends when it is dropped.
pub struct Federation {
    pub dir: TempDir,
    pub manifest: Manifest,
    /// How long a process may take to listen.
    pub patience: Duration,
    nodes: BTreeMap<String, Child>,
    coordinator: Option<Child>,
    ports: BTreeMap<String, u16>,
}

impl Federation {
    /// Makes keys, manifest and configurations; starts nothing.
    pub fn make(setup: &Setup) -> Federation {
        let dir = TempDir::new().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name).display().to_string();
        run(&["keys", "authority", &at("authority"), "--federation", "test"]);

        // Held until all are chosen, so that no two are the same.
        let sockets: Vec<TcpListener> = (0..=setup.agencies.len())
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let mut free = sockets.iter().map(|socket| socket.local_addr().expect("bound").port());
        let mut ports = BTreeMap::new();
        let mut manifest = "[federation]\nid = \"test\"\nepoch = 1\n\n".to_owned();
        let authority = at("authority");
        let mut party = |role: &str, name: &str, more: &[&str], port: Option<u16>| {
            let (out, endpoint) =
                (at(&format!("keys/{name}")), format!("https://127.0.0.1:{}", port.unwrap_or(0)));
            let mut args = vec!["keys", role, name, "--authority", &authority, "--out", &out];
            args.extend(more);
            if port.is_some() {
                args.extend(["--endpoint", &endpoint, "--host", "127.0.0.1"]);
            }
            manifest.push_str(&String::from_utf8(run(&args).stdout).expect("UTF-8"));
            manifest.push('\n');
        };
        let port = free.next().expect("one port more than agencies");
        ports.insert("coordinator".to_owned(), port);
        party("coordinator", "coordinator", &[], Some(port));
        for (planner, rho) in &setup.planners {
            party("planner", planner, &["--rho", rho], None);
        }
        party("auditor", "court-of-audit", &[], None);
        for (number, agency) in setup.agencies.iter().enumerate() {
            let (port, number) = (free.next().expect("one port an agency"), (number + 1).to_string());
            ports.insert(agency.name.clone(), port);
            let mut more = vec!["--node", &number];
            if let Some(sector) = agency.sector {
                more.extend(["--sector", sector]);
            }
            party("agency", &agency.name, &more, Some(port));
            let folder = dir.path().join("data").join(&agency.name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for (name, text) in &agency.files {
                std::fs::write(folder.join(name), text).expect("a data file");
            }
        }
        drop(sockets);
        let constitution = if setup.constitution.contains(SKETCH_KEY) {
            let first = at(&format!("keys/{}", setup.agencies[0].name));
            let line = String::from_utf8(run(&["keys", "sketch", &first]).stdout).expect("UTF-8");
            for other in &setup.agencies[1..] {
                let to = at(&format!("keys/{}/sketch.key", other.name));
                std::fs::copy(format!("{first}/sketch.key"), to).expect("a copy of the key");
            }
            setup.constitution.replace(SKETCH_KEY, &line)
        } else {
            setup.constitution.clone()
        };
        let manifest = format!("{manifest}{constitution}\n{}", setup.tables);
        std::fs::write(dir.path().join("federation.toml"), &manifest).expect("the manifest");
        let manifest = Manifest::parse(&manifest, "federation.toml").expect("the setup's manifest is sound");

        let common = |port: u16, keys: &str| {
            format!(
                "listen = \"127.0.0.1:{port}\"\nmanifest = \"federation.toml\"\nmanifest_sha256 = \"{}\"\n\
                 keys = \"keys/{keys}\"\nstate = \"state/{keys}\"\n",
                manifest.hash()
            )
        };
        for agency in &setup.agencies {
            let name = &agency.name;
            let text = format!(
                "agency = \"{name}\"\ndata = \"data/{name}\"\n{}{}",
                common(ports[name], name),
                setup.node_limits
            );
            std::fs::write(dir.path().join(format!("{name}.toml")), text).expect("node.toml");
        }
        let text = format!("{}{}", common(ports["coordinator"], "coordinator"), setup.coordinator_limits);
        std::fs::write(dir.path().join("coordinator.toml"), text).expect("coordinator.toml");
        for agency in &setup.agencies {
            run(&["node", "init", "--config", &at(&format!("{}.toml", agency.name))]);
        }
        Federation { dir, manifest, patience: START, nodes: BTreeMap::new(), coordinator: None, ports }
    }

    /// Makes a federation and starts every process.
    pub fn start(setup: &Setup) -> Federation {
        let mut federation = Federation::make(setup);
        federation.serve();
        federation
    }

    /// Starts every process of a federation that was made.
    pub fn serve(&mut self) {
        let agencies: Vec<String> =
            self.manifest.agencies.iter().map(|agency| agency.name.to_string()).collect();
        for agency in &agencies {
            self.spawn_node(agency, &[]);
        }
        self.spawn_coordinator();
        for agency in &agencies {
            self.wait_for(agency);
        }
        self.wait_for("coordinator");
        self.wait_until_confirmed();
    }

    /// Starts a node again that was killed, and waits until it listens.
    pub fn restart_node(&mut self, name: &str) {
        self.kill_node(name);
        self.spawn_node(name, &[]);
        self.wait_for(name);
    }

    /// Waits until every node that runs has heard from the others that its ledger is the newest.
    pub fn wait_until_confirmed(&self) {
        let began = Instant::now();
        for name in self.nodes.keys().filter(|_| self.manifest.policy.witnesses > 0) {
            while !self.log(name).contains("this node answers") {
                assert!(began.elapsed() < START, "{name} is not confirmed: {}", self.log(name));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    fn spawn(&self, name: &str, args: &[&str]) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(&format!("{name}.log")))
            .expect("a log file");
        Command::new(ALMONER)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .env("ALMONER_LOG", "info")
            .env_remove("RUST_BACKTRACE")
            .spawn()
            .expect("the binary under test starts")
    }

    /// Starts a node without waiting for it.
    pub fn spawn_node(&mut self, name: &str, more: &[&str]) {
        let config = self.path(&format!("{name}.toml")).display().to_string();
        let args: Vec<&str> =
            ["node", "serve", "--config", &config].into_iter().chain(more.iter().copied()).collect();
        let child = self.spawn(name, &args);
        self.nodes.insert(name.to_owned(), child);
    }

    /// Starts a second node of agency `of`, called `name` here, on a port of its own and the state in `state/NAME`.
    pub fn spawn_copy(&mut self, name: &str, of: &str) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        drop(socket);
        let text = std::fs::read_to_string(self.path(&format!("{of}.toml"))).expect("node.toml");
        let text = text
            .replace(&format!("127.0.0.1:{}", self.ports[of]), &format!("127.0.0.1:{port}"))
            .replace(&format!("state/{of}"), &format!("state/{name}"));
        std::fs::write(self.path(&format!("{name}.toml")), text).expect("node.toml");
        self.ports.insert(name.to_owned(), port);
        self.spawn_node(name, &[]);
    }

    /// Where a process listens.
    pub fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    pub fn spawn_coordinator(&mut self) {
        let config = self.path("coordinator.toml").display().to_string();
        self.coordinator = Some(self.spawn("coordinator", &["coordinator", "serve", "--config", &config]));
    }

    /// Waits until the process listens.
    pub fn wait_for(&self, name: &str) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ports[name])).is_err() {
            assert!(began.elapsed() < self.patience, "{name} does not listen: {}", self.log(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends a node as a power failure would, and waits until it is gone.
    pub fn kill_node(&mut self, name: &str) {
        if let Some(mut child) = self.nodes.remove(name) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn kill_coordinator(&mut self) {
        if let Some(mut child) = self.coordinator.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until a node has ended by itself; returns its exit code, if it was not killed.
    pub fn wait_for_end(&mut self, name: &str) -> Option<i32> {
        let began = Instant::now();
        // Kept in the list meanwhile, so that it ends with the test even when this gives up.
        let ended = loop {
            if let Some(ended) =
                self.nodes.get_mut(name).expect("it was started").try_wait().expect("a child")
            {
                break ended;
            }
            assert!(began.elapsed() < START, "{name} does not end: {}", self.log(name));
            std::thread::sleep(Duration::from_millis(20));
        };
        self.nodes.remove(name);
        ended.code()
    }

    /// Runs a planner's command, such as `query SQL`.
    pub fn as_planner(&self, planner: &str, args: &[&str]) -> Output {
        Command::new(ALMONER)
            .args(args)
            .env("ALMONER_MANIFEST", self.path("federation.toml"))
            .env("ALMONER_MANIFEST_SHA256", self.manifest.hash().to_string())
            .env("ALMONER_KEYS", self.path(&format!("keys/{planner}")))
            .stdin(Stdio::null())
            .output()
            .expect("the binary under test runs")
    }

    /// Runs a planner's query and reads its JSON.
    pub fn query(&self, planner: &str, sql: &str, more: &[&str]) -> serde_json::Value {
        let args: Vec<&str> =
            ["query", sql, "--format", "json"].into_iter().chain(more.iter().copied()).collect();
        let output = self.as_planner(planner, &args);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        names.iter().for_each(|name| self.kill_node(name));
        self.kill_coordinator();
    }
}

/// Runs the binary under test, which must succeed.
pub fn run(args: &[&str]) -> Output {
    let output = Command::new(ALMONER).args(args).output().expect("the binary under test runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What a failed command told its user.
pub fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
