//! Files that are longer than what they should be, or not even text: each is a finding, or shows nothing, and stops no audit.

use std::path::Path;

use almoner_audit::{Code, Mirror, Report, audit};

use crate::lies::missed;
use crate::support::{ROUND, World, federation};

/// More than any note has.
const LONG: usize = (1 << 20) + 1;

/// What an audit finds when one file of the folder has other bytes.
fn audited(world: &World, file: &str, bytes: &[u8]) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mirror = world.write(folder.path());
    overwrite(folder.path(), file, bytes);
    audit(&mirror, &[]).expect("its content stops no audit")
}

fn overwrite(folder: &Path, file: &str, bytes: &[u8]) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().expect("in a folder")).expect("room");
    std::fs::write(path, bytes).expect("room");
}

#[test]
fn checkpoints_that_cannot_be_any_are_found() {
    let world = federation(3, None, None);
    let mut wrong = Vec::new();
    for bytes in [vec![b'a'; LONG], vec![0xff; 100]] {
        for (folder, log) in [("nodes/south", "south"), ("registry", "registry")] {
            let report = audited(&world, &format!("{folder}/checkpoint"), &bytes);
            wrong.extend(missed(&report, folder, Code::Unsigned, log, None));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn notes_that_others_keep_and_that_are_none_show_nothing() {
    let world = federation(3, None, None);
    for bytes in [vec![b'a'; LONG], vec![0xff; 100]] {
        for file in ["seen/nodes/south/000000000003-0011223344556677", "nodes/north/remembered/south"] {
            let report = audited(&world, file, &bytes);
            assert!(report.is_clean(), "{report}");
        }
        let (own, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mirror = world.write(own.path());
        overwrite(other.path(), "nodes/south/checkpoint", &bytes);
        overwrite(other.path(), "registry/checkpoint", &bytes);
        let report = audit(&mirror, &[Mirror::new(other.path())]).expect("readable");
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn lists_of_questions_are_read_up_to_where_they_are_none() {
    let world = federation(3, None, None);
    let mut wrong = Vec::new();
    // A question that claims four gigabytes, one that is cut, and a length that is cut.
    for bytes in [&[0xff; 40][..], &[0, 0, 0, 9, 1], &[0, 0]] {
        let report = audited(&world, "nodes/south/questions", bytes);
        wrong.extend(missed(&report, "questions", Code::Question, "south", None));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_tile_and_evidence_that_are_too_long_are_found() {
    let world = federation(3, None, None);
    let size = world.nodes[1].log.entries.len();
    let tile = vec![0; 256 * (2 + 65_535) + 1];
    let report = audited(&world, &format!("nodes/south/tile/entries/000.p/{size}"), &tile);
    assert_eq!(missed(&report, "tile", Code::Missing, "south", Some(0)), None);
    let place = world.published[&ROUND];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mirror = world.write(folder.path());
    // A file of holes takes no room.
    let file = std::fs::File::create(folder.path().join(format!("registry/releases/00000/{place}.pb")));
    file.and_then(|file| file.set_len((1 << 28) + 1)).expect("room for a name");
    let report = audit(&mirror, &[]).expect("its content stops no audit");
    assert_eq!(missed(&report, "evidence", Code::Evidence, "registry", Some(place)), None);
}
