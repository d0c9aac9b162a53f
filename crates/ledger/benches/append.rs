//! What group commit is worth: reservations and charges per second through [`NodeLedger`], by 1, 8 and 64
//! threads, together and one at a time, on a real file whose every commit is synced.
//!
//! `cargo bench -p almoner-ledger` prints one table. "One at a time" is the same ledger behind a lock of
//! the caller, so that no two calls can meet; the two take turns in each row, for disks have moods.

// Of the tests' support only the federation with real keys is needed.
#[allow(dead_code)]
#[path = "../tests/ledger/support.rs"]
mod support;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use almoner_ledger::{NodeLedger, Policy};

use support::{Federation, NOW, asked, open, policy, query};

const THREADS: [u64; 3] = [1, 8, 64];
/// Attempts, each a RESERVE and a CHARGE, of one run.
const ATTEMPTS: u64 = 768;
const REPEATS: usize = 5;

fn limits() -> Policy {
    policy(u64::MAX, &[("tax", u64::MAX)])
}

/// Appends `ATTEMPTS` RESERVE and then as many CHARGE entries to a new ledger; returns both times.
fn run(path: &Path, us: &Federation, threads: u64, alone: Option<&Mutex<()>>) -> [Duration; 2] {
    let ledger = open(path, limits()).expect("a new ledger");
    let one_at_a_time = || alone.map(|lock| lock.lock().expect("no panic"));
    let reserve = |ledger: &NodeLedger, number| {
        let _turn = one_at_a_time();
        us.reserve(ledger, asked(number, "tax", 1)).expect("fits").ready
    };
    let readys = Mutex::new(vec![]);
    let reserved = timed(threads, |number| {
        let ready = reserve(&ledger, number);
        readys.lock().expect("no panic").push((number, ready));
    });
    // Contexts are accepted outside the ledger, and outside its time.
    let mut accepted: Vec<_> = (0..ATTEMPTS).map(|_| None).collect();
    for (number, ready) in readys.into_inner().expect("no panic") {
        accepted[number as usize] = Some(us.accept(&ready, 0));
    }
    let charged = timed(threads, |number| {
        let accepted = accepted[number as usize].as_ref().expect("reserved above");
        let _turn = one_at_a_time();
        ledger.charge(query(number), 0, accepted, NOW).expect("reserved above");
    });
    assert_eq!(ledger.position().expect("position").size, 1 + 2 * ATTEMPTS);
    [reserved, charged]
}

/// How long `threads` take for all attempts, from the moment all of them are there.
fn timed(threads: u64, each: impl Fn(u64) + Sync) -> Duration {
    let (begun, each) = (&Barrier::new(threads as usize + 1), &each);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    begun.wait();
                    (thread..ATTEMPTS).step_by(threads as usize).for_each(each);
                })
            })
            .collect();
        begun.wait();
        let begun = Instant::now();
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
        begun.elapsed()
    })
}

/// The middle one of several runs, in entries per second.
fn per_second(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    ATTEMPTS as f64 / times[times.len() / 2].as_secs_f64()
}

/// What one commit must cost at least here: the middle one of many syncs of 4 KiB more.
fn one_sync(path: &Path) -> Duration {
    let mut file = File::create(path).expect("a new file");
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("room");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let us = Federation::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("one sync of 4 KiB takes {:?} here", one_sync(&folder.path().join("sync")));
    println!("entries per second, median of {REPEATS} runs of {ATTEMPTS} each; every commit is synced");
    println!("{:>8} {:>8} {:>12} {:>12} {:>7}", "step", "threads", "one by one", "together", "ratio");
    for threads in THREADS {
        let mut times = [const { [const { Vec::new() }; 2] }; 2];
        for repeat in 0..REPEATS {
            for (way, alone) in [Some(&Mutex::new(())), None].into_iter().enumerate() {
                let path = folder.path().join(format!("{threads}-{repeat}-{way}.db"));
                for (step, time) in run(&path, &us, threads, alone).into_iter().enumerate() {
                    times[step][way].push(time);
                }
            }
        }
        for (step, [alone, together]) in ["reserve", "charge"].into_iter().zip(times) {
            let (alone, together) = (per_second(alone), per_second(together));
            println!("{step:>8} {threads:>8} {alone:>12.0} {together:>12.0} {:>6.1}x", together / alone);
        }
    }
}
