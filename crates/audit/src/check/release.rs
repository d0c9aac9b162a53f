//! Each published release by itself, several at a time.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use almoner_api::v1;
use almoner_federation::checkpoint::UnverifiedCheckpoint;
use almoner_federation::{Digest, Manifest, Name, NodeId, PicoRho};
use almoner_ledger::Position;
use almoner_privacy::flips_price;
use almoner_query::{Plan, Spec};
use almoner_secure_sum::Ring;
use prost::Message;

use super::questions::Questions;
use super::registry::{Published, REGISTRY, Rounds};
use super::uniform::Uniform;
use super::uses::{Use, Uses};
use crate::finding::{Code, Finding, doubted};
use crate::mirror::Mirror;
use crate::report::ReleaseLine;
use crate::{EvidenceError, VerifiedRelease, family_of, verify_evidence, verify_release};

/// All releases, and what each agency's ledger must hold because of them.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// Those that prove themselves, in the order of the registry.
    pub(crate) lines: Vec<ReleaseLine>,
    pub(crate) uses: Uses,
    pub(crate) summed: u64,
    pub(crate) unsummed: u64,
    pub(crate) uniform: BTreeMap<Name, Uniform>,
}

/// What has come together of all threads.
struct Done<'q, 'm> {
    releases: Releases,
    questions: &'q mut Questions<'m>,
    found: Vec<Finding>,
    failed: Option<io::Error>,
}

/// Verifies every release that the registry names, on `threads` threads, and adds their questions. Nearly all of an audit's
/// time goes into the signatures here. What is found does not depend on the number of threads.
pub(crate) fn check_releases(
    mirror: &Mirror,
    manifests: &BTreeMap<Digest, Manifest>,
    rounds: &Rounds,
    threads: NonZeroUsize,
    questions: &mut Questions<'_>,
    findings: &mut Vec<Finding>,
) -> io::Result<Releases> {
    let done = Done { releases: Releases::default(), questions, found: Vec::new(), failed: None };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(done));
    let work = || {
        while let Some(published) = rounds.published.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = one(mirror, manifests, rounds, published);
            let mut done = done.lock().expect("no thread panics while it holds the results");
            let added = match outcome {
                Ok(Ok(checked)) => done.add(published, *checked),
                Ok(Err(finding)) => {
                    done.found.push(finding);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            done.failed = done.failed.take().or(added.err());
            if done.failed.is_some() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(work);
        }
    });
    let Done { mut releases, mut found, failed, .. } =
        done.into_inner().expect("no thread panicked while it held the results");
    if let Some(error) = failed {
        return Err(error);
    }
    // Threads finish in no order.
    found.sort_by_key(|finding: &Finding| finding.entry);
    releases.lines.sort_by_key(|release| release.number);
    let mut bare = Vec::new();
    for (agency, uniform) in releases.uniform.iter().filter(|(_, uniform)| !uniform.holds()) {
        let text = format!(
            "of its {} masked words more begin with 16 equal bits than uniform ones do (false alarm below 1e-9): it did \
             not mask",
            uniform.words()
        );
        bare.push(Finding::new(Code::Uniform, agency.as_str(), text));
    }
    findings.extend(bare);
    findings.extend(doubted(found, rounds.doubtful_from));
    Ok(releases)
}

/// A verified release on its way into the results.
struct Checked {
    verified: VerifiedRelease,
    uses: Vec<(Name, Use)>,
    uniform: Vec<(Name, Uniform)>,
    summed: bool,
    /// What it costs a unit when all others are compromised.
    alone: PicoRho,
}

fn one(
    mirror: &Mirror,
    manifests: &BTreeMap<Digest, Manifest>,
    rounds: &Rounds,
    published: &Published,
) -> io::Result<Result<Box<Checked>, Finding>> {
    let finding = |code, text: String| {
        Ok(Err(Finding::new(code, REGISTRY, text).at(published.number).about(published.spec_hash)))
    };
    let bytes = match mirror.release(published.number) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return finding(Code::Evidence, "the release's evidence is missing".into()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return finding(Code::Evidence, error.to_string());
        }
        Err(error) => return Err(error),
    };
    if Digest::of(&bytes) != published.release {
        return finding(Code::Evidence, "the evidence is not what the entry names by its hash".into());
    }
    let evidence = v1::Evidence::decode(bytes.as_slice());
    let Ok(v1::Evidence { release: Some(release), masked }) = evidence else {
        return finding(Code::Evidence, "the evidence is malformed".into());
    };
    let asked = release.spec.as_ref().map_or(&[][..], |asked| &asked.body);
    let Ok(spec) = Spec::decode(asked) else {
        return finding(Code::Release, "its question is malformed".into());
    };
    let Some(manifest) = manifests.get(&spec.manifest_hash) else {
        let text = format!("it was asked under manifest {}, which is not here", spec.manifest_hash);
        return finding(Code::Release, text);
    };
    // Vectors that are too large to keep are replaced by nothing; their hashes are signed.
    let summed = !masked.is_empty();
    let evidence = v1::Evidence { release: Some(release), masked };
    let verified = if summed {
        verify_evidence(manifest, &evidence)
    } else {
        verify_release(manifest, evidence.release.as_ref().expect("put there above"))
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(error @ EvidenceError::Sum) => return finding(Code::Sum, error.to_string()),
        Err(error) => return finding(Code::Release, error.to_string()),
    };
    let price = verified.plan.price();
    let said = (published.spec_hash, &published.planner, published.cost, published.family);
    if said != (verified.spec_hash, &verified.spec.planner, price, family_of(manifest, &verified.plan)) {
        let text = format!(
            "the entry states question, planner, price ({}) or family otherwise than the release does, whose price is {price}",
            published.cost
        );
        return finding(Code::Evidence, text);
    }
    match rounds.contexts.get(&(verified.spec_hash, verified.attempt)) {
        Some(context) if *context == verified.context => {}
        Some(_) => {
            return finding(
                Code::TwoContexts,
                "the round was begun under another context than it was published".into(),
            );
        }
        None => return finding(Code::Omitted, "no CHARGE entry began this round".into()),
    }
    let release = evidence.release.as_ref().expect("put there above");
    let notes = release.checkpoints.iter().map(|note| {
        let parsed = UnverifiedCheckpoint::parse(note).ok()?;
        Some(Position { size: parsed.claimed().size, root: parsed.claimed().root })
    });
    // A manifest to come may give an agency another number.
    let name_of = |node: NodeId| manifest.agency(node).expect("a verified participant").name.clone();
    let participants: Arc<[NodeId]> = verified.participants.as_slice().into();
    let uses = verified.participants.iter().zip(&verified.readies).zip(&verified.receipts).zip(notes);
    let uses = uses
        .map(|(((node, ready), receipt), note)| {
            let here = Use {
                number: published.number,
                spec_hash: verified.spec_hash,
                query: verified.spec.query_id,
                attempt: verified.attempt,
                context: verified.context,
                ready: Position { size: ready.ledger_size, root: ready.ledger_root },
                receipt: Position { size: receipt.ledger_size, root: receipt.ledger_root },
                note,
                participants: participants.clone(),
                snapshot: ready.snapshot,
            };
            (name_of(*node), here)
        })
        .collect();
    let uniform = if verified.ring == Ring::Z64 {
        let counted = verified.participants.iter().zip(&evidence.masked).map(|(node, vector)| {
            let mut uniform = Uniform::default();
            uniform.add(verified.ring, &vector.values);
            (name_of(*node), uniform)
        });
        counted.collect()
    } else {
        Vec::new()
    };
    let alone = alone(manifest, &verified.plan);
    Ok(Ok(Box::new(Checked { verified, uses, uniform, summed, alone })))
}

impl Done<'_, '_> {
    fn add(&mut self, published: &Published, checked: Checked) -> io::Result<()> {
        let Checked { verified, uses, uniform, summed, alone } = checked;
        let releases = &mut self.releases;
        for (agency, used) in uses {
            releases.uses.add(&agency, &used)?;
        }
        for (agency, counted) in uniform {
            releases.uniform.entry(agency).or_default().join(counted);
        }
        *(if summed { &mut releases.summed } else { &mut releases.unsummed }) += 1;
        self.questions.add_verified(&verified);
        releases.lines.push(ReleaseLine {
            number: published.number,
            at_s: published.at_s,
            price_rho: verified.plan.price().as_f64(),
            alone_rho: alone.as_f64(),
            sketched: !verified.plan.sketches().is_empty(),
            participants: verified.participants.len() as u32,
            attempt: verified.attempt,
            manifest: verified.spec.manifest_hash,
            mechanism: mechanism(&verified),
            planner: verified.spec.planner,
            purpose: verified.spec.purpose,
            sql: verified.spec.sql,
        });
        Ok(())
    }
}

/// `rho h / m^2`; for sketches the price with one honest flip. Rounded up, and 2^64 - 1 pico-rho where it is more.
fn alone(manifest: &Manifest, plan: &Plan) -> PicoRho {
    let honest = manifest.policy.honest_shares();
    let pico = if plan.sketches().is_empty() {
        let overlaps = plan.tables().iter().filter_map(|name| manifest.table(name));
        let overlap = u128::from(overlaps.map(|table| manifest.overlap(table)).min().unwrap_or(1).max(1));
        (u128::from(plan.price().get()) * u128::from(honest)).div_ceil(overlap * overlap)
    } else {
        let one = |flip, honest| flips_price(flip, honest, 1).map_or(u64::MAX, PicoRho::get);
        plan.sketches()
            .iter()
            // A sketch costs as many times one bucket's price as it has buckets of one unit.
            .map(|sketch| {
                let buckets = sketch.cost.get().div_ceil(one(sketch.flip, honest).max(1));
                u128::from(buckets) * u128::from(one(sketch.flip, 1))
            })
            .sum()
    };
    PicoRho::new(u64::try_from(pico).unwrap_or(u64::MAX))
}

fn mechanism(verified: &VerifiedRelease) -> String {
    let sketches = verified.plan.sketches().len();
    if sketches > 0 {
        return format!("{sketches} sketches of randomised bits");
    }
    let sigmas: Vec<String> = verified.plan.blocks().iter().map(|block| block.sigma.to_string()).collect();
    format!("discrete Gaussian, sigma of one share {} steps", sigmas.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone_rho(sql: &str) -> (f64, f64) {
        let text = include_str!("../../../query/tests/query/federation.toml");
        let manifest = Manifest::parse(text, "federation.toml").expect("the manifest is sound");
        let plan =
            almoner_query::plan(&manifest, sql, PicoRho::new(20_000_000_000)).expect("a sound question");
        (plan.price().as_f64(), alone(&manifest, &plan).as_f64())
    }

    /// q - t = 2; persons may be at two agencies, residents at one.
    #[test]
    fn one_agency_alone_is_protected_as_the_threat_model_says() {
        let (price, alone) = alone_rho("SELECT SUM(age) FROM persons");
        assert!((alone - price * 2.0 / 4.0).abs() <= 1e-12, "{price} {alone}");
        let (price, alone) = alone_rho("SELECT COUNT(*) FROM residents");
        assert!((alone - price * 2.0).abs() <= 1e-12, "{price} {alone}");
    }

    /// One of two honest flips left: noise would cost twice the price, flips cost more.
    #[test]
    fn sketches_cost_more_than_noise_would() {
        let (price, alone) = alone_rho("SELECT COUNT(DISTINCT person_id) FROM persons");
        assert!(alone > 2.0 * price && alone < 10.0 * price, "{price} {alone}");
    }
}
