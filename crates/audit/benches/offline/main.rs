//! How long an audit takes, and how much memory: `cargo bench -p almoner-audit --bench offline [RELEASES [AGENCIES]]`.
//!
//! A federation with every release's whole evidence is written to a temporary folder, about 34 KB a release of 20
//! agencies; then one ledger is audited by itself, and after it everything. Each is done by a process of its own, so that
//! its peak of memory is its own. A thousand releases take seconds, 100,000 a quarter of an hour and 4 GB of room.

mod federation;
// Shared with the tests, which need more of it.
#[allow(dead_code)]
#[path = "../../tests/audit/support/parties.rs"]
mod parties;
mod release;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use almoner_audit::{Mirror, audit};

use federation::Federation;

/// Of this process so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// What all threads of this process have computed so far, in seconds. Linux counts it in hundredths.
fn computed_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which is in brackets: the 12th and 13th field.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn timed(what: &str, folder: &Path) {
    let begun = Instant::now();
    let report = audit(&Mirror::new(folder), &[]).expect("readable");
    let seconds = begun.elapsed().as_secs_f64();
    assert!(report.is_clean(), "{report}");
    let entries: u64 = report.nodes.iter().map(|node| node.log.size).sum();
    println!(
        "{what:>12} {:>9} {entries:>9} {:>9} {seconds:>9.2} {:>9.2} {:>9}",
        report.nodes.len(),
        report.releases.len(),
        computed_s(),
        peak_mib()
    );
}

/// Runs this program again for one of its parts.
fn part(arguments: &[&str], folder: &Path) {
    let program = std::env::current_exe().expect("this program");
    let status = Command::new(program).args(arguments).arg(folder).status().expect("it starts");
    assert!(status.success(), "{arguments:?} failed");
}

/// The first ledger of `whole` with nothing but the manifest.
fn alone(whole: &Path, folder: &Path) {
    std::fs::create_dir(folder.join("nodes")).expect("room");
    symlink(whole.join("manifests"), folder.join("manifests")).expect("room");
    symlink(whole.join("nodes/north"), folder.join("nodes/north")).expect("room");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", releases, agencies, folder] => {
            let number = |text: &str| text.parse().expect("a number");
            Federation::begin(Path::new(folder), number(agencies) as usize).make(number(releases));
        }
        ["audit", what, folder] => timed(what, Path::new(folder)),
        ref numbers => {
            let releases = numbers.first().copied().unwrap_or("1000");
            let agencies = numbers.get(1).copied().unwrap_or("20");
            let (whole, one) = (tempfile::tempdir(), tempfile::tempdir());
            let (whole, one) = (whole.expect("a temporary folder"), one.expect("a temporary folder"));
            let begun = Instant::now();
            part(&["make", releases, agencies], whole.path());
            println!("made in {:.0} seconds", begun.elapsed().as_secs_f64());
            println!(
                "{:>12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                "", "ledgers", "entries", "releases", "seconds", "computed", "peak MiB"
            );
            alone(whole.path(), one.path());
            part(&["audit", "one ledger"], one.path());
            part(&["audit", "everything"], whole.path());
        }
    }
}
