//! The demo's processes: started as their operators would start them, ended with the demo.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use almoner_federation::Name;
use almoner_node::{NodeConfig, SystemClock};

use crate::cli_error::CliError;
use crate::demo::party::{Parties, Server};

/// How long a process may take to read its data and listen.
const START: Duration = Duration::from_secs(300);

/// Between two looks at whether a process listens.
const LOOK: Duration = Duration::from_millis(50);

struct Running {
    name: Name,
    port: u16,
    log: PathBuf,
    child: Child,
}

/// Running processes; each ends when this is dropped.
pub(super) struct Processes(Vec<Running>);

impl Processes {
    /// Starts one process for every party that serves; none listens yet.
    pub(super) fn start(parties: &Parties, dir: &Path) -> Result<Self, CliError> {
        let mut processes = Processes(Vec::new());
        for server in &parties.nodes {
            let config = NodeConfig::read(&server.config)?;
            almoner_node::init(&config, &config.keys.join("officer.key"), &SystemClock)?;
            processes.spawn("node", server, dir)?;
        }
        processes.spawn("coordinator", &parties.coordinator, dir)?;
        Ok(processes)
    }

    fn spawn(&mut self, role: &str, server: &Server, dir: &Path) -> Result<(), CliError> {
        let log = dir.join(format!("{}.log", server.name));
        let failed = |source| CliError::Write { path: log.clone(), source };
        let file = File::create(&log).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .args([role, "serve", "--config"])
            .arg(&server.config)
            .env("ALMONER_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(failed)?;
        self.0.push(Running { name: server.name.clone(), port: server.port, log, child });
        Ok(())
    }

    /// Waits until every process listens.
    ///
    /// # Errors
    /// The log of a process that ended, or of one that takes too long.
    pub(super) async fn wait_until_all_listen(&mut self) -> Result<(), CliError> {
        let began = Instant::now();
        for process in &mut self.0 {
            while tokio::net::TcpStream::connect(("127.0.0.1", process.port)).await.is_err() {
                let ended = process.child.try_wait().is_ok_and(|status| status.is_some());
                if ended || began.elapsed() > START {
                    let log = std::fs::read_to_string(&process.log).unwrap_or_default();
                    let what = if ended { "ended" } else { "does not listen" };
                    return Err(CliError::Demo(format!("{} {what}:\n{log}", process.name)));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // A process that has ended already is what we want.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
