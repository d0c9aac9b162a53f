//! How many witnesses are enough: every federation of a few agencies, every set of witnesses, every set of liars.

use almoner_federation::Witnessing;

/// Most other agencies: all pairs of sets of eight are 65,536.
const MOST: u32 = 8;

/// All sets of `size` of `of` agencies, as bits.
fn sets(size: u32, of: u32) -> impl Iterator<Item = u32> + Clone {
    (0..1u32 << of).filter(move |set| set.count_ones() == size)
}

/// Whether, whoever they are, some of `a` and of `b` agencies are the same and honest, with any `t` liars.
fn always_meet(a: u32, b: u32, others: u32, t: u32) -> bool {
    let liars = sets(t, others);
    sets(a, others).all(|first| {
        sets(b, others).all(|second| {
            let common = first & second;
            // Liars outside what both have in common hurt nobody: the worst are those who cover it.
            common.count_ones() > t || liars.clone().all(|liars| common & !liars != 0)
        })
    })
}

#[test]
fn sets_of_witnesses_have_an_honest_agency_in_common_exactly_where_it_is_said() {
    for others in 1..=MOST {
        for colluders in 0..others {
            for cosign in 1..=others {
                let witnessing = Witnessing { others, cosign, colluders };
                let heard = witnessing.heard_at_start();
                assert!((1..=others).contains(&heard), "{witnessing:?}");
                let old = always_meet(heard, cosign, others, colluders);
                assert_eq!(witnessing.stops_old_copies(), old, "{witnessing:?}");
                assert_eq!(old, cosign > colluders, "{witnessing:?}");
                // No fewer would do, and where even all do not, all are heard.
                assert!(!old || !always_meet(heard - 1, cosign, others, colluders), "{witnessing:?}");
                assert!(old || heard == others, "{witnessing:?}");
                let second = always_meet(cosign, cosign, others, colluders);
                assert_eq!(witnessing.stops_second_copies(), second, "{witnessing:?}");
            }
        }
    }
}

#[test]
fn the_default_is_the_least_that_stops_second_copies_and_needs_all_others_only_where_it_must() {
    for others in 1..=MOST {
        for colluders in 0..others {
            let cosign = Witnessing::least(others, colluders);
            let witnessing = Witnessing { others, cosign, colluders };
            assert!(always_meet(cosign, cosign, others, colluders), "{witnessing:?}");
            assert!(witnessing.stops_old_copies() && witnessing.stops_second_copies(), "{witnessing:?}");
            assert!(!always_meet(cosign - 1, cosign - 1, others, colluders), "{witnessing:?}: fewer do, too");
            // A start asks for no more than a charge does.
            assert!(witnessing.heard_at_start() <= cosign, "{witnessing:?}");
            assert_eq!(witnessing.may_be_away(), others - cosign, "{witnessing:?}");
            assert_eq!(witnessing.may_be_away() >= 1, others >= colluders + 3, "{witnessing:?}");
        }
        // Where all others may lie, no number is enough.
        assert_eq!(Witnessing::least(others, others), others);
    }
    let off = Witnessing { others: 4, cosign: 0, colluders: 1 };
    assert_eq!((off.heard_at_start(), off.may_be_away()), (0, 4));
    assert!(!off.stops_old_copies() && !off.stops_second_copies());
}

#[test]
fn with_one_more_than_may_collude_two_copies_may_run() {
    // Each has witnesses of its own: 1 and 2 cosign the one, 3 and 4 the other.
    let few = Witnessing { others: 4, cosign: 2, colluders: 1 };
    assert!(few.stops_old_copies() && !few.stops_second_copies());
    assert_eq!((few.heard_at_start(), few.may_be_away()), (4, 0));
}
