//! A PostgreSQL server in a temporary folder, on loopback with TLS and on a Unix socket: for the engine's tests and for
//! those of whole federations.

// Each of them compiles this module for itself and uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use almoner_engine::PostgresAccess;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_postgres::{Client, NoTls};

const OWNER: &str = "owner";
pub const NODE: &str = "almoner_node";
const PASSWORD: &str = "a password with ' and \\ in it";

/// A running server. It ends when this process does, however that happens: a shell waits for its end.
pub struct Server {
    folder: PathBuf,
    port: u16,
    pub ca_pem: Vec<u8>,
    user: Option<u32>,
    keeper: Child,
}

/// The one server of these tests; `None` without PostgreSQL, which CI must have.
pub fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("")).as_ref()
}

impl Server {
    /// Starts one of its own; `settings` are lines for postgresql.conf.
    pub fn start(settings: &str) -> Option<Server> {
        if Command::new("initdb").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs PostgreSQL: install it, and put initdb into PATH"
            );
            eprintln!("SKIPPED: no initdb in PATH; install PostgreSQL to run these tests");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        // PostgreSQL refuses to run as root.
        let user = (fs::metadata(&folder).expect("just made").uid() == 0).then(unprivileged);
        chown(&folder, user, user).expect("root may give files away");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut server = Server { keeper: keeper(&folder, user), folder, port, ca_pem: Vec::new(), user };
        server.write("password", PASSWORD);
        let data = server.data();
        server.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                OWNER,
                "--pwfile",
                &server.path("password"),
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-sync",
            ],
        );
        server.certificates();
        let folder = server.folder.display();
        server.write(
            "data/postgresql.auto.conf",
            &format!(
                "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\nfsync = off\n\
                 ssl = on\nssl_cert_file = '{folder}/tls.pem'\nssl_key_file = '{folder}/tls.key'\n\
                 shared_buffers = '256MB'\nmax_connections = 60\n{settings}\n"
            ),
        );
        // Over the network with TLS alone.
        server.write(
            "data/pg_hba.conf",
            "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
        );
        server.up();
        Some(server)
    }

    pub fn up(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-l", &self.path("log"), "-w", "-t", "60", "start"]);
    }

    pub fn down(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// An empty folder that belongs to the server's user.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::create_dir(&path).expect("a new folder");
        self.give(&path);
        path
    }

    /// Gives a folder to the server's user.
    pub fn give(&self, path: &Path) {
        chown(path, self.user, self.user).expect("root may give files away");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("root may change any");
    }

    /// A database of its own, with the role that the guide for data officers describes.
    pub async fn database(&self, name: &str) -> Database<'_> {
        self.database_as(name, "").await
    }

    /// One with these options.
    pub async fn database_as(&self, name: &str, options: &str) -> Database<'_> {
        let owner = self.connect("postgres").await;
        let role = format!(
            "DO $$ BEGIN CREATE ROLE {NODE} LOGIN PASSWORD '{}';
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            PASSWORD.replace('\'', "''")
        );
        owner.batch_execute(&role).await.expect("a role");
        owner.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.expect("a database");
        let owner = self.connect(name).await;
        Database { server: self, name: name.into(), owner }
    }

    async fn connect(&self, name: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user(OWNER).password(PASSWORD).dbname(name);
        let (client, driver) = config.connect(NoTls).await.expect("the owner gets in");
        tokio::spawn(driver);
        client
    }

    fn certificates(&mut self) {
        let key = || KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let own = key();
        let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).expect("names");
        let certificate = params.signed_by(&own, &authority).expect("a certificate");
        self.write("tls.pem", &certificate.pem());
        self.write("tls.key", &own.serialize_pem());
        self.ca_pem = authority.pem().into_bytes();
    }

    fn data(&self) -> String {
        self.path("data")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A file that only the server's user can read.
    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("one's own file");
        chown(&path, self.user, self.user).expect("root may give files away");
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = command(program, self.user);
        let output = command.args(arguments).stdin(Stdio::null()).current_dir(&self.folder);
        // The server keeps what it inherits, so that a pipe would never end.
        let log = fs::File::create(self.folder.join("run.log")).expect("a new file");
        let status = output.stdout(log.try_clone().expect("a handle")).stderr(log).status().expect(program);
        let told = fs::read_to_string(self.folder.join("run.log")).unwrap_or_default();
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(status.success(), "{program} {arguments:?}: {told}\n{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its end of the pipe closes, and it stops the server.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Waits until this process ends or lets go, then stops the server and removes the folder.
fn keeper(folder: &Path, user: Option<u32>) -> Child {
    let mut command = command("sh", user);
    command.args(["-c", "read _; pg_ctl -D \"$0/data\" -m immediate stop; rm -rf \"$0\""]).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    // Not interrupted with the tests by the terminal.
    command.process_group(0).spawn().expect("a shell")
}

fn command(program: &str, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// The number of a user that may own a server.
fn unprivileged() -> u32 {
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    let number = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    };
    number("postgres").or_else(|| number("nobody")).expect("a user postgres or nobody")
}

/// A database with an owner's connection.
pub struct Database<'s> {
    server: &'s Server,
    name: String,
    pub owner: Client,
}

impl Database<'_> {
    /// Connects the owner again, whose connection ended with the server.
    pub async fn reconnect(&mut self) {
        self.owner = self.server.connect(&self.name).await;
    }

    /// Waits until the node's role runs a statement here, or runs none.
    pub async fn wait_until_asked(&self, asked: bool) {
        let running = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{NODE}' AND datname = current_database() AND state = 'active'"
        );
        for attempt in 0.. {
            if (self.owner.query_one(&running, &[]).await.expect("a number").get::<_, i64>(0) > 0) == asked {
                return;
            }
            assert!(
                attempt < 600,
                "the database {} a statement",
                if asked { "never runs" } else { "still runs" }
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends every connection of the node's role to this database; tells how many there were.
    pub async fn terminate(&self) -> i64 {
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{NODE}' AND datname = current_database()"
        );
        self.owner.query_one(&kill, &[]).await.expect("it may").get(0)
    }

    /// Runs SQL as the owner.
    pub async fn run(&self, sql: &str) {
        self.owner.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Lets the node read every table that there is by now.
    pub async fn grant(&self) {
        self.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {NODE}; ANALYZE")).await;
    }

    /// A table with columns of these types, filled from a CSV file: an empty field is NULL, and `""` an empty text.
    pub async fn fill(&self, table: &str, columns: &str, csv: &[u8]) {
        self.run(&format!("CREATE TABLE {table} ({columns})")).await;
        let path = self.server.folder.join(format!("{}-{table}.csv", self.name));
        fs::write(&path, csv).expect("a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("one's own file");
        self.run(&format!("COPY {table} FROM '{}' WITH (FORMAT csv, HEADER)", path.display())).await;
    }

    /// How the node gets in, over the network.
    pub fn access(&self) -> PostgresAccess {
        let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect();
        PostgresAccess {
            url: format!(
                "postgresql://{NODE}:{password}@localhost:{}/{}?hostaddr=127.0.0.1",
                self.server.port, self.name
            ),
            ca_pem: Some(self.server.ca_pem.clone()),
            connections: 4,
            statement_timeout: Duration::from_secs(60),
            tables: BTreeMap::new(),
        }
    }
}
