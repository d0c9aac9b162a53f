//! What the secure sum costs: a node's masks and the coordinator's sum beside the key stream and the addition
//! that bound them, and whole releases of up to 3,000 nodes in one process.
//!
//! `cargo bench -p almoner-secure-sum --bench rounds` prints the tables, `-- 100` with at most 100,000 cells times
//! 100 nodes in a whole release. What is compared takes turns within each row.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_federation::{Digest, NodeId, PicoRho, SigningKey};
use almoner_secure_sum::{
    AcceptedContext, Collecting, MaskKey, Masked, Member, NodeRound, Output, PairRoots, Question, Ready,
    ReleaseRules, Releasing, Ring, Roster, Signed, mask,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const TURNS: usize = 5;
const NOW_S: u64 = 1_000;
const CHUNK: usize = 64 * 1024;

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// The middle one of several times, in seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// The exponent b of the least squares fit `time = a size^b`.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(size, time)| (size.ln(), time.ln())).collect();
    let n = logs.len() as f64;
    let mean = (logs.iter().map(|(x, _)| x).sum::<f64>() / n, logs.iter().map(|(_, y)| y).sum::<f64>() / n);
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean.0) * (y - mean.1)).sum();
    covariance / logs.iter().map(|(x, _)| (x - mean.0).powi(2)).sum::<f64>()
}

/// The most memory this process ever held, where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |line| line.trim().into())
}

/// Members numbered from 0 with keys that are the same in every run.
struct Federation {
    roster: Arc<Roster>,
    coordinator: SigningKey,
    signing: Vec<SigningKey>,
    masks: Vec<MaskKey>,
}

fn secret(text: String) -> [u8; 32] {
    Digest::of(text.as_bytes()).0
}

impl Federation {
    fn new(n: u32) -> Self {
        let key = |text| SigningKey::from_seed(&secret(text)).expect("32 bytes");
        let coordinator = key("coordinator".into());
        let signing: Vec<_> = (0..n).map(|node| key(format!("signing {node}"))).collect();
        let masks: Vec<_> = (0..n).map(|node| MaskKey::from_bytes(&secret(format!("mask {node}")))).collect();
        let members = signing.iter().zip(&masks).zip(0..).map(|((signing, masks), node)| {
            (NodeId(node), Member { signing_key: signing.verifying_key(), mask_key: masks.public() })
        });
        let name = "bench".parse().expect("a name");
        let roster = Roster::new(name, Digest::of(b"manifest"), coordinator.verifying_key(), members)
            .expect("a roster");
        Federation { roster: Arc::new(roster), coordinator, signing, masks }
    }

    fn ready(&self, node: NodeId, question: &Question) -> Ready {
        Ready {
            spec_hash: question.spec_hash,
            manifest_hash: self.roster.manifest_hash(),
            node,
            attempt: 0,
            nonce: secret(format!("nonce {node}")),
            expires_at_s: NOW_S + 1,
            ledger_size: 1,
            ledger_root: Digest::of(b"ledger"),
            cost: question.cost,
            plan_hash: question.plan_hash,
            ring: question.ring,
            snapshot: Digest::of(b"snapshot"),
        }
    }

    /// READYs of all, signed by the nodes and verified by the coordinator, and the context; the coordinator's
    /// time alone.
    fn releasing(&self, question: Question) -> (Releasing, Duration) {
        let readies: Vec<_> = (0..self.signing.len() as u32)
            .map(NodeId)
            .map(|node| (node, Signed::sign(self.ready(node, &question), &self.signing[node.0 as usize])))
            .collect();
        timed(|| {
            let mut collecting = Collecting::new(self.roster.clone(), question).expect("a question");
            for (node, ready) in &readies {
                collecting.receive(*node, ready.as_signed(), NOW_S).expect("honest");
            }
            collecting.release(&self.coordinator, NOW_S).expect("a quorum")
        })
    }

    fn accept(&self, node: NodeId, question: &Question, releasing: &Releasing) -> AcceptedContext {
        let release = releasing.release_for(node).expect("a participant");
        NodeRound::prepared(self.ready(node, question))
            .accept(&release, &self.roster, &rules(question), NOW_S)
            .expect("an honest release")
    }

    fn roots(&self, accepted: &AcceptedContext) -> PairRoots {
        let node = accepted.node();
        PairRoots::derive_with(&self.roster, node, &self.masks[node.0 as usize], accepted.neighbours())
            .expect("honest keys")
    }
}

fn question(n: u32, cells: usize) -> Question {
    Question {
        spec_hash: Digest::of(b"spec"),
        plan_hash: Digest::of(b"plan"),
        cost: PicoRho::new(1),
        ring: Ring::Z64,
        cells,
        attempt: 0,
        quorum: n,
        colluders: n / 3,
    }
}

fn rules(question: &Question) -> ReleaseRules {
    let anchors = BTreeSet::new();
    let (quorum, colluders) = (question.quorum, question.colluders);
    ReleaseRules { quorum, colluders, honest: 2, min_honest: 2, anchors, min_anchors: 0 }
}

/// The cells of one node, so that the sum of all is known.
fn noisy(node: NodeId, cells: usize) -> Vec<i64> {
    (0..cells as i64).map(|cell| cell * 1_000_003 - i64::from(node.0)).collect()
}

/// As much key stream as `pads` masks of so many cells are, and nothing else.
fn key_stream(cells: usize, pads: usize) {
    let mut buffer = vec![0u8; CHUNK];
    let keys: Vec<_> = (0..pads)
        .map(|pad| {
            let key = secret(format!("pad {pad}"));
            LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key"))
        })
        .collect();
    for begun in (0..cells * 8).step_by(CHUNK) {
        let bytes = &mut buffer[..CHUNK.min(cells * 8 - begun)];
        for key in &keys {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let _tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), bytes).expect("short");
        }
    }
    black_box(&buffer);
}

/// A node's masks; returns seconds by cells for the fit.
fn masks(federation: &Federation, cells: &[usize]) -> Vec<(f64, f64)> {
    let n = federation.signing.len() as u32;
    let mut points = Vec::new();
    for cells in cells {
        let question = question(n, *cells);
        let (releasing, _) = federation.releasing(question);
        let accepted = federation.accept(NodeId(n / 2), &question, &releasing);
        let (roots, noisy) = (federation.roots(&accepted), noisy(accepted.node(), *cells));
        let degree = accepted.neighbours().len();
        let repeats = (20_000_000 / (cells * degree)).clamp(1, 200);
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..TURNS {
            times[0].push(timed(|| (0..repeats).for_each(|_| key_stream(*cells, degree))).1);
            let all = || (0..repeats).for_each(|_| drop(mask(&noisy, &accepted, &roots).expect("own roots")));
            times[1].push(timed(all).1);
        }
        let [stream, masked] = times.map(|times| median(times) / repeats as f64);
        let bytes = (cells * 8 * degree) as f64;
        println!(
            "{n:>6} {degree:>7} {cells:>9} {:>11.3} {:>7.2} {:>11.3} {:>7.2} {:>7.2}",
            stream * 1e3,
            bytes / stream / 1e9,
            masked * 1e3,
            bytes / masked / 1e9,
            masked / stream
        );
        points.push((*cells as f64, masked));
    }
    points
}

/// The coordinator's work for one vector: hash and addition, beside plain additions.
fn sums() {
    println!("\nthe coordinator's work for one vector, nanoseconds a cell");
    println!("{:>9} {:>10} {:>10} {:>10}", "cells", "plain sum", "combine", "hash");
    for cells in [1_000usize, 10_000, 100_000, 1_000_000] {
        let masked = Masked::from_cells((0..cells as u64).collect()).expect("a vector");
        let mut sum = vec![0u64; cells];
        let repeats = 4_000_000 / cells;
        let each = |times| median(times) / (repeats * cells) as f64 * 1e9;
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..TURNS {
            let plain = || {
                for _ in 0..repeats {
                    let pairs = black_box(&mut sum).iter_mut().zip(masked.cells());
                    pairs.for_each(|(sum, cell)| *sum = sum.wrapping_add(*cell));
                }
            };
            times[0].push(timed(plain).1);
            let combine = || {
                (0..repeats).for_each(|_| Ring::Z64.combine(black_box(&mut sum), masked.cells()));
            };
            times[1].push(timed(combine).1);
            times[2].push(timed(|| (0..repeats).for_each(|_| _ = black_box(masked.hash()))).1);
        }
        let [plain, combine, hash] = times.map(each);
        println!("{cells:>9} {plain:>10.3} {combine:>10.3} {hash:>10.3}");
    }
}

/// One release by all: each node masks after the other, and its vector is added and forgotten. Returns the
/// coordinator's seconds.
fn release(federation: &Federation, cells: usize) -> f64 {
    let n = federation.signing.len() as u32;
    let question = question(n, cells);
    let (mut releasing, mut coordinator) = federation.releasing(question);
    let gather = coordinator;
    let mut times = [Duration::ZERO; 3];
    for node in (0..n).map(NodeId) {
        let (release, time) = timed(|| releasing.release_for(node).expect("a participant"));
        coordinator += time;
        let round = NodeRound::prepared(federation.ready(node, &question));
        let rules = rules(&question);
        let (accepted, accepting) =
            timed(|| round.accept(&release, &federation.roster, &rules, NOW_S).expect("an honest release"));
        let (roots, agreeing) = timed(|| federation.roots(&accepted));
        let noisy = noisy(node, cells);
        let ((masked, output), masking) = timed(|| {
            let masked = mask(&noisy, &accepted, &roots).expect("own roots");
            let output = Output {
                ctx_hash: accepted.hash(),
                node,
                vector_hash: masked.hash(),
                ledger_size: 2,
                ledger_root: Digest::of(b"ledger"),
            };
            let output = Signed::sign(output, &federation.signing[node.0 as usize]);
            (masked, output)
        });
        times.iter_mut().zip([accepting, agreeing, masking]).for_each(|(sum, time)| *sum += time);
        coordinator += timed(|| releasing.receive(node, output.as_signed(), &masked).expect("honest")).1;
    }
    let (total, time) = timed(|| releasing.finish().expect("all outputs are in"));
    coordinator += time;
    let n = i64::from(n);
    let right = |(cell, sum): (i64, &i64)| *sum == n * cell * 1_000_003 - n * (n - 1) / 2;
    assert!((0..).zip(&total.cells).all(right), "the masks cancel");
    let [accept, agree, masking] = times.map(|time| time.as_secs_f64() * 1e3 / n as f64);
    println!(
        "{n:>6} {cells:>9} {accept:>10.3} {agree:>10.2} {masking:>10.3} {:>12.3} {:>12.3} {:>9.3} {:>14}",
        gather.as_secs_f64(),
        coordinator.as_secs_f64(),
        coordinator.as_secs_f64() * 1e9 / (n as f64 * cells as f64),
        peak()
    );
    coordinator.as_secs_f64()
}

fn main() {
    let most: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(3_000) * 100_000;
    println!("one node's masks, median of {TURNS} turns; key stream by one thread");
    println!(
        "{:>6} {:>7} {:>9} {:>11} {:>7} {:>11} {:>7} {:>7}",
        "nodes", "degree", "cells", "stream ms", "GB/s", "mask ms", "GB/s", "ratio"
    );
    let cells = [1_000, 10_000, 100_000, 1_000_000];
    let federations = [5, 100, 3_000].map(Federation::new);
    let fits = federations.each_ref().map(|federation| exponent(&masks(federation, &cells)));
    println!("mask time grows as cells to the power {:.2}, {:.2}, {:.2}", fits[0], fits[1], fits[2]);
    let by_degree: Vec<_> = [3, 9, 33, 129]
        .map(|n| (f64::from(n - 1).min(96.0), masks(&Federation::new(n), &[100_000])[0].1))
        .into();
    println!("and as the degree to the power {:.2}", exponent(&by_degree));
    sums();
    println!("\nwhole releases, all nodes one after another in this process");
    println!(
        "{:>6} {:>9} {:>10} {:>10} {:>10} {:>12} {:>12} {:>9} {:>14}",
        "", "", "node ms:", "", "", "coordinator", "coordinator", "ns a", "memory"
    );
    println!(
        "{:>6} {:>9} {:>10} {:>10} {:>10} {:>12} {:>12} {:>9} {:>14}",
        "nodes", "cells", "accept", "agree*", "mask", "READYs s", "in all s", "cell", "peak"
    );
    let sizes = [(1, 1_000), (1, 100_000), (1, 1_000_000), (2, 1_000), (2, 10_000), (2, 100_000)];
    let mut points = Vec::new();
    for (federation, cells) in sizes {
        let federation = &federations[federation];
        let size = federation.signing.len() * cells;
        if size <= most {
            points.push((size as f64, release(federation, cells)));
        }
    }
    let of_vectors: Vec<_> = points.iter().copied().filter(|(size, _)| *size >= 1e7).collect();
    println!(
        "the coordinator's time grows as nodes x cells to the power {:.2} (from 1e7 on)",
        exponent(&of_vectors)
    );
    println!("* once an epoch in a federation: here with the neighbours of one context alone");
}
