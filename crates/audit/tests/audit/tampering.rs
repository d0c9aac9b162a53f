//! Evidence that is changed after it was made: by a stranger, by whoever holds the folder, by a party with its own key.

use almoner_api::v1;
use almoner_audit::{AskedQuestion, Code, Publication};
use almoner_federation::{Digest, Signature};
use almoner_ledger::{Entry, RegistryEntry, RegistryStep};
use almoner_secure_sum::{Message as _, Output, Ready};
use prost::Message as _;

use crate::lies::missed;
use crate::support::{LIAR, ROUND, World, federation, key, name};

/// How entries are changed.
#[derive(Debug, Clone, Copy)]
enum Change {
    Flip,
    Drop,
    Swap,
    Duplicate,
    Insert,
}

const CHANGES: [Change; 5] = [Change::Flip, Change::Drop, Change::Swap, Change::Duplicate, Change::Insert];

/// Who does it: somebody who changes the entries alone, one who makes all hash tiles anew, and the log itself, which signs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Stranger,
    Mirror,
    Itself,
}

fn change(entries: &mut Vec<Vec<u8>>, at: usize, change: Change) {
    match change {
        Change::Flip => {
            let last = entries[at].len() - 1;
            entries[at][last] ^= 1;
        }
        Change::Drop => drop(entries.remove(at)),
        Change::Swap => entries.swap(at, at + 1),
        Change::Duplicate => entries.insert(at, entries[at].clone()),
        Change::Insert => entries.insert(at, entries[0].clone()),
    }
}

/// Every change by everyone in one log, between the last position that is surely known and the first one after.
fn every_change(folder: &str, log: &str, at: usize) {
    let mut wrong = Vec::new();
    for who in [Who::Stranger, Who::Mirror, Who::Itself] {
        for how in CHANGES {
            let mut world = federation(4, None, None);
            if folder == "registry" {
                // What another time was seen of it; releases do not tell its positions.
                for size in 1..=world.registry.entries.len() as u64 {
                    world.seen.push((folder.into(), world.registry.note(size)));
                }
            }
            let old = match folder {
                "registry" => &mut world.registry,
                _ => &mut world.nodes[LIAR].log,
            };
            let (before, note) = (old.entries.clone(), old.note(old.entries.len() as u64).to_string());
            change(&mut old.entries, at, how);
            if who != Who::Itself {
                world.stale_notes.insert(folder.into(), note);
            }
            if who == Who::Stranger {
                world.stale_tiles.push((folder.into(), before));
            }
            let report = world.audit();
            // A bundle that does not hold what its path says is broken from its beginning.
            let (code, entry) = match (who, how) {
                (Who::Stranger | Who::Mirror, Change::Flip | Change::Swap) => (Code::Root, at as u64),
                (Who::Stranger | Who::Mirror, _) => (Code::Missing, 0),
                (Who::Itself, Change::Duplicate) => (Code::Fork, at as u64 + 1),
                (Who::Itself, _) => (Code::Fork, at as u64),
            };
            wrong.extend(missed(&report, &format!("{log} {how:?} by {who:?}"), code, log, Some(entry)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_ledger_in_which_anything_was_changed_is_found() {
    every_change("nodes/south", "south", 6);
}

#[test]
fn a_registry_in_which_anything_was_changed_is_found() {
    every_change("registry", "registry", 2);
}

#[test]
fn yesterdays_ledger_is_found_by_what_was_shown_of_the_later_one() {
    let mut wrong = Vec::new();
    // Before any new charge.
    let mut world = federation(4, None, None);
    world.nodes[LIAR].log.entries.truncate(9);
    wrong.extend(missed(&world.audit(), "restored", Code::Rollback, "south", Some(9)));
    // After new ones: entries that nobody was shown, as many as before and fewer.
    for entries in [11, 16] {
        let mut world = federation(4, None, None);
        let other = federation(4, Some(crate::support::Lie::Price), None);
        world.nodes[LIAR].log.entries.truncate(5);
        let fresh = other.nodes[LIAR].log.entries[5..entries].to_vec();
        world.nodes[LIAR].log.entries.extend(fresh);
        wrong.extend(missed(&world.audit(), "restored and used", Code::Fork, "south", Some(4)));
    }
    // Only what this auditor saw remembers the last entries, and only what a witness does.
    for witness in [false, true] {
        let mut world = federation(4, None, None);
        let size = world.nodes[LIAR].log.entries.len() as u64;
        world.nodes[LIAR].append_policy_again();
        let later = world.nodes[LIAR].log.note(size + 1);
        world.nodes[LIAR].log.entries.pop();
        if witness {
            world.nodes[LIAR].shown = Some(later);
        } else {
            world.seen.push(("nodes/south".into(), later));
        }
        wrong.extend(missed(&world.audit(), "seen before", Code::Rollback, "south", Some(size)));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

type Tamper = fn(&mut World);

fn release(world: &mut World, change: impl FnOnce(&mut v1::Release)) {
    world.republish(ROUND, |evidence| change(evidence.release.as_mut().expect("it has one")));
}

/// Signed again by the coordinator.
fn publish_total(release: &mut v1::Release) {
    let signed = release.publication.as_ref().expect("it has one");
    let then = Publication::decode(&signed.body).expect("a publication");
    let body = Publication::new(then.context, &release.total, then.published_at_s).encode();
    release.publication = Some(v1::Signed::new(body.clone(), &key(200).sign(&body)));
}

/// A message of the liar changed and signed again by it.
fn resign(signed: &mut v1::Signed, seed: u8, body: Vec<u8>) {
    *signed = v1::Signed::new(body.clone(), &key(seed).sign(&body));
}

const RELEASES: [(&str, Code, Tamper); 22] = [
    ("a total changed and signed again", Code::Sum, |world| {
        release(world, |release| {
            release.total[0] += 1;
            publish_total(release);
        })
    }),
    ("a total changed", Code::Release, |world| release(world, |release| release.total[0] += 1)),
    ("a total cut and signed again", Code::Release, |world| {
        release(world, |release| {
            release.total.pop();
            publish_total(release);
        })
    }),
    ("two masked vectors swapped", Code::Sum, |world| {
        world.republish(ROUND, |evidence| evidence.masked.swap(0, 1));
    }),
    ("a masked word changed", Code::Sum, |world| {
        world.republish(ROUND, |evidence| evidence.masked[2].values[0] ^= 1);
    }),
    ("two masked words changed that keep the sum", Code::Sum, |world| {
        world.republish(ROUND, |evidence| {
            for (vector, change) in [(0, 1), (1, u64::MAX)] {
                let word = &mut evidence.masked[vector].values[0];
                *word = word.wrapping_add(change);
            }
        });
    }),
    ("a masked vector left out", Code::Sum, |world| {
        world.republish(ROUND, |evidence| drop(evidence.masked.pop()));
    }),
    ("a receipt left out", Code::Release, |world| release(world, |release| drop(release.outputs.pop()))),
    ("receipts swapped", Code::Release, |world| release(world, |release| release.outputs.swap(0, 1))),
    ("READYs swapped", Code::Release, |world| release(world, |release| release.readies.swap(0, 1))),
    ("a READY for less, signed again", Code::Release, |world| {
        release(world, |release| {
            let mut ready = Ready::decode(&release.readies[1].body).expect("a READY");
            ready.cost = almoner_federation::PicoRho::new(1);
            resign(&mut release.readies[1], 2, ready.encode());
        })
    }),
    ("a receipt of another context, signed again", Code::Release, |world| {
        release(world, |release| {
            let mut output = Output::decode(&release.outputs[1].body).expect("a receipt");
            output.ctx_hash = Digest::of(b"another");
            resign(&mut release.outputs[1], 2, output.encode());
        })
    }),
    ("a receipt signed by a stranger", Code::Release, |world| {
        release(world, |release| {
            let body = release.outputs[1].body.clone();
            resign(&mut release.outputs[1], 250, body);
        })
    }),
    ("a question signed by another planner", Code::Release, |world| {
        release(world, |release| {
            let spec = release.spec.as_mut().expect("it has one");
            let body = spec.body.clone();
            resign(spec, 202, body);
        })
    }),
    ("no question", Code::Release, |world| release(world, |release| release.spec = None)),
    ("a context signed by a stranger", Code::Release, |world| {
        release(world, |release| {
            let context = release.context.as_mut().expect("it has one");
            let body = context.body.clone();
            resign(context, 250, body);
        })
    }),
    ("a publication signed by a stranger", Code::Release, |world| {
        release(world, |release| {
            let publication = release.publication.as_mut().expect("it has one");
            let body = publication.body.clone();
            resign(publication, 250, body);
        })
    }),
    ("no checkpoint", Code::Release, |world| release(world, |release| release.checkpoints[1].clear())),
    ("another round's release", Code::Evidence, |world| {
        let other = world.releases[&world.published[&0]].clone();
        world.republish(ROUND, |evidence| *evidence = other);
    }),
    ("evidence that the registry does not name", Code::Evidence, |world| {
        let place = world.published[&ROUND];
        let evidence = world.releases.get_mut(&place).expect("published");
        evidence.masked[0].values[0] ^= 1;
    }),
    ("no evidence", Code::Evidence, |world| {
        let place = world.published[&ROUND];
        world.releases.remove(&place);
    }),
    ("another price in the registry", Code::Evidence, |world| {
        let place = world.published[&ROUND];
        world.rewrite_registry(place, |entry| entry.cost = almoner_federation::PicoRho::new(1));
    }),
];

#[test]
fn every_change_of_a_release_is_found_at_its_entry() {
    let mut wrong = Vec::new();
    for (what, code, tamper) in RELEASES {
        let mut world = federation(4, None, None);
        tamper(&mut world);
        let place = world.published[&ROUND];
        wrong.extend(missed(&world.audit(), what, code, "registry", Some(place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn every_bit_of_a_release_matters() {
    // One bit in every 97th byte, whatever it belongs to.
    let world = federation(3, None, None);
    let place = world.published[&2];
    let bytes = world.releases[&place].encode_to_vec();
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        let Ok(evidence) = v1::Evidence::decode(changed.as_slice()) else { continue };
        if evidence.encode_to_vec() == bytes {
            continue;
        }
        let manifest = &world.manifests[0].1;
        assert!(almoner_audit::verify_evidence(manifest, &evidence).is_err(), "byte {at} means nothing");
    }
    assert!(almoner_audit::verify_evidence(&world.manifests[0].1, &world.releases[&place]).is_ok());
}

#[test]
fn what_ledgers_and_registry_leave_out_is_found_by_others() {
    let mut wrong = Vec::new();
    // The registry forgets its last release, and signs so; this auditor has seen the longer one.
    let mut world = federation(4, None, None);
    let size = world.registry.entries.len() as u64;
    world.seen.push(("registry".into(), world.registry.note(size)));
    world.registry.entries.pop();
    wrong.extend(missed(&world.audit(), "release left out", Code::Rollback, "registry", Some(size - 1)));
    // It never had the last rounds: the ledgers know them.
    let mut world = federation(4, None, None);
    world.registry.entries.truncate(6);
    world.releases.retain(|number, _| *number < 6);
    let first = world.nodes[0].log.entries.iter().position(
        |entry| matches!(Entry::decode(entry), Ok(Entry::Round(round)) if round.at_s > last_at(&world)),
    );
    let charge = first.map(|reserve| reserve as u64 + 1);
    let report = world.audit();
    let found = report.findings.iter().find(|f| f.code == Code::Omitted);
    assert!(found.is_some_and(|finding| finding.log == "north" && finding.entry == charge), "{report}");
    // One round was lost, one published: two findings, whoever charged them.
    assert!(report.findings.len() <= 3, "{report}");
    // A publication twice.
    let mut world = federation(4, None, None);
    let again = world.registry.entries[1].clone();
    world.registry.push(again);
    world.releases.insert(10, world.releases[&1].clone());
    wrong.extend(missed(&world.audit(), "published twice", Code::Books, "registry", Some(10)));
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// When the registry's last entry was written.
fn last_at(world: &World) -> u64 {
    RegistryEntry::decode(world.registry.entries.last().expect("some")).expect("an entry").at_s
}

#[test]
fn checkpoints_and_questions_that_nobody_signed_are_found() {
    let mut wrong = Vec::new();
    let mut check = |what: &str, code, log: &str, entry, tamper: Tamper| {
        let mut world = federation(4, None, None);
        tamper(&mut world);
        wrong.extend(missed(&world.audit(), what, code, log, entry));
    };
    check("a stranger's checkpoint", Code::Unsigned, "south", None, |world| {
        world.nodes[LIAR].log.key = key(250);
    });
    check("another agency's checkpoint", Code::Unsigned, "south", None, |world| {
        world.nodes[LIAR].log.origin = world.nodes[0].log.origin.clone();
    });
    check("no checkpoint that can be read", Code::Unsigned, "south", None, |world| {
        world.stale_notes.insert("nodes/south".into(), "nothing".into());
    });
    check("the registry's checkpoint by a stranger", Code::Unsigned, "registry", None, |world| {
        world.registry.key = key(250);
    });
    check("a checkpoint of more entries", Code::Missing, "south", Some(0), |world| {
        let log = &world.nodes[LIAR].log;
        let note = log.signed(log.entries.len() as u64 + 1, Digest::of(b"more")).to_string();
        world.stale_notes.insert("nodes/south".into(), note);
    });
    check("a checkpoint of fewer entries", Code::Rollback, "south", Some(13), |world| {
        let note = world.nodes[LIAR].log.note(13).to_string();
        world.stale_notes.insert("nodes/south".into(), note);
    });
    check("a question that nobody signed", Code::Question, "south", None, |world| {
        let body = world.nodes[LIAR].questions[3].body.clone();
        let mut body = body;
        let last = body.len() - 1;
        body[last] ^= 1;
        world.nodes[LIAR].questions.push(AskedQuestion { body, signature: Signature([7; 64]) });
    });
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_publish_entry_that_was_rewritten_and_signed_is_found_by_its_sums() {
    let mut world = federation(4, None, None);
    let place = world.published[&0];
    world.rewrite_registry(place, |entry| {
        entry.planner = name("city");
        assert!(matches!(entry.step, RegistryStep::Publish { .. }));
    });
    let report = world.audit();
    assert_eq!(missed(&report, "planner in the registry", Code::Books, "registry", Some(place)), None);
}
