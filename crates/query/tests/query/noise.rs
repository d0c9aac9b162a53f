//! Sensitivity, noise and price of plans, against the formulas written out by hand.

use almoner_federation::PicoRho;
use almoner_privacy::price;
use almoner_query::{ErrorGoal, QueryError, plan, rho_for_error};

use super::{RHO, manifest, planned};

/// Overlap of `persons`: one agency of the sector and the tax office; two rows at each.
const ROWS_OF_A_UNIT: u128 = 2 * 2;

#[test]
fn a_blocks_sensitivity_is_overlap_times_rows_times_bound() {
    for (sql, bound) in [
        ("COUNT(*)", 1),
        ("COUNT(name)", 1),
        ("SUM(income)", 10_000_000),
        ("SUM(balance)", 1_001),
        ("SUM(-balance)", 1_001),
        ("SUM(children)", 12),
        ("AVG(balance)", 1_501),
        ("AVG(children)", 13),
        ("SUM(balance * children)", 12_012),
        ("SUM(GREATEST(4000 - income, 0))", 400_000),
        ("SUM(LEAST(income, 250))", 25_000),
        ("SUM(COALESCE(balance, 1000))", 2_000),
        ("SUM(COALESCE(balance, 1000, 9999999))", 2_000),
        ("SUM(CASE WHEN poor THEN 7 ELSE -9 END)", 9),
        ("SUM(EXTRACT(YEAR FROM born))", 2_026),
        ("AVG(EXTRACT(MONTH FROM born))", 11),
        ("AVG(income / 1000)", 10_000_000),
        ("SUM(12 / (children + 3))", 1 << 20),
        ("AVG(fixed)", 1),
        ("SUM(fixed * 0)", 1),
    ] {
        let plan = planned(&format!("SELECT {sql} FROM persons"));
        let [block] = plan.blocks() else { panic!("{sql} is one block") };
        let expected = if sql.contains('/') && !sql.contains("1000") { block.row_bound } else { bound };
        assert_eq!(block.row_bound, expected, "{sql}");
        assert_eq!(block.d2, ROWS_OF_A_UNIT * block.row_bound, "{sql}");
    }
    // 12 / [2, 15] is [0.8, 6] in 2^20 steps: |U| / step = 6 / (5.2 / 2^20), rounded.
    let plan = planned("SELECT SUM(12 / (children + 3)) FROM persons");
    assert_eq!(plan.blocks()[0].row_bound, 1_209_895);
    // Two districts of one sector, disjoint, one row each.
    assert_eq!(planned("SELECT COUNT(*) FROM residents").blocks()[0].d2, 1);
}

#[test]
fn blocks_share_rho_and_never_pass_it() {
    let plan =
        planned("SELECT county, COUNT(*), SUM(income), AVG(balance) FROM persons WHERE poor GROUP BY county");
    assert_eq!((plan.cells(), plan.width(), plan.dimension()), (3, 4, 12));
    let mut sum = 0;
    for block in plan.blocks() {
        let cost = price(block.d2 << block.shift, 2, block.sigma, 3 * block.count).expect("a priced block");
        assert_eq!(block.cost, cost);
        assert!(block.cost.get() <= RHO.get() / 3);
        // One less would be too little noise.
        let cheaper =
            price(block.d2 << block.shift, 2, block.sigma - 1, 3 * block.count).expect("a priced block");
        assert!(cheaper.get() > RHO.get() / 3 || block.sigma == 256);
        sum += cost.get();
    }
    assert_eq!(plan.price(), PicoRho::new(sum));
    let by_index: Vec<(u64, u32)> = (0..12).map(|i| (plan.sigma_of(i), plan.shift_of(i))).collect();
    let by_block = |i: usize| {
        let block = &plan.blocks()[[0, 1, 2, 2][i % 4]];
        (block.sigma, block.shift)
    };
    assert_eq!(by_index, (0..12).map(by_block).collect::<Vec<_>>());
}

#[test]
fn what_follows_from_a_pair_is_free() {
    let alone = planned("SELECT AVG(income) FROM persons");
    let shared = planned("SELECT AVG(income), COUNT(income) AS n, SUM(income) AS s FROM persons");
    assert_eq!(shared.blocks(), alone.blocks());
    // Under another filter it is another block, and so is the number of all rows, for income may be NULL.
    assert_eq!(
        planned("SELECT AVG(income), COUNT(income) FILTER (WHERE poor) FROM persons").blocks().len(),
        2
    );
    assert_eq!(planned("SELECT AVG(income), COUNT(*) FROM persons").blocks().len(), 2);
    assert_eq!(planned("SELECT AVG(COALESCE(income, 0)), COUNT(*) FROM persons").blocks().len(), 1);
    assert_eq!(planned("SELECT SUM(income), SUM(income) AS again FROM persons").blocks().len(), 1);
}

#[test]
fn many_steps_are_coarsened_and_the_ring_is_kept() {
    let mut crowded = manifest();
    crowded.unit.population = 10_000_000_000;
    let sql = "SELECT SUM(income * income), AVG(income * income) FROM persons";
    let plan = plan(&crowded, sql, RHO).expect("coarser steps fit");
    for block in plan.blocks() {
        let totals = (10_000_000_000 * ROWS_OF_A_UNIT * block.row_bound) << block.shift;
        assert!(totals + 17 * u128::from(block.sigma) < 1 << 62, "{block:?}");
        assert!(block.row_bound >= 1 << 12);
    }
    crowded.tables[0].rows_per_unit = 1_000;
    let refused = almoner_query::plan(&crowded, sql, PicoRho::new(u64::MAX));
    assert!(refused.is_ok() || matches!(refused, Err(QueryError::TooLarge { .. })));
}

#[test]
fn the_rho_for_an_error_is_the_smallest() {
    for (sql, goal) in [
        ("SELECT COUNT(*) FROM persons", ErrorGoal::Absolute(50.0)),
        ("SELECT county, COUNT(*) FROM persons GROUP BY county", ErrorGoal::Relative(0.0005)),
        ("SELECT county, AVG(income), SUM(income) FROM persons GROUP BY county", ErrorGoal::Relative(0.01)),
        ("SELECT AVG(income) FROM persons", ErrorGoal::Absolute(1.5)),
    ] {
        let rho = rho_for_error(&manifest(), sql, goal).expect("the goal can be met");
        let widest = |rho: PicoRho| {
            let plan = plan(&manifest(), sql, rho).expect("the question can be planned");
            let ratios = plan.expected().into_iter().map(|error| {
                let rows = 1_000_000.0 / plan.cells() as f64;
                let accepted = match (goal, error.for_cell_of, error.name.starts_with("SUM")) {
                    (ErrorGoal::Absolute(accepted), _, _) => accepted,
                    (ErrorGoal::Relative(share), Some(_), _) => share * 100_000.0,
                    (ErrorGoal::Relative(share), None, true) => share * rows * 100_000.0,
                    (ErrorGoal::Relative(share), None, false) => share * rows,
                };
                1.959_963_984_540_054 * error.standard_error / accepted
            });
            ratios.fold(0.0, f64::max)
        };
        assert!(widest(rho) <= 1.0, "{sql}");
        assert!(widest(PicoRho::new(rho.get() - 1)) > 1.0, "{sql}");
    }
}

#[test]
fn goals_are_read_strictly_and_unreachable_ones_refused() {
    assert_eq!("5%".parse(), Ok(ErrorGoal::Relative(0.05)));
    assert_eq!(" 2.5 % ".parse(), Ok(ErrorGoal::Relative(0.025)));
    assert_eq!("50".parse(), Ok(ErrorGoal::Absolute(50.0)));
    for bad in ["", "%", "-5", "0", "0%", "nan", "inf", "1e3", "5%%", "five"] {
        assert!(bad.parse::<ErrorGoal>().is_err(), "{bad}");
    }
    let impossible = rho_for_error(&manifest(), "SELECT COUNT(*) FROM persons", ErrorGoal::Absolute(0.001));
    assert!(matches!(impossible, Err(QueryError::Goal(_))), "{impossible:?}");
    let senseless = rho_for_error(&manifest(), "SELECT MAX(age) FROM persons", ErrorGoal::Absolute(1.0));
    assert!(matches!(senseless, Err(QueryError::Unsupported { .. })), "{senseless:?}");
}

/// With a logarithmic scale, what is made of a column keeps it: a median of what cannot be negative is as fine as the
/// column's own.
#[test]
fn an_expression_is_cut_as_its_column() {
    let text = include_str!("federation.toml").replace(
        "bands = [0, 4000, 20000]",
        "bands = [0, 4000, 20000]\nbins = { count = 64, scale = \"log\", from = 1000 }",
    );
    let manifest =
        almoner_federation::Manifest::parse(&text, "federation.toml").expect("the manifest is sound");
    let pieces = |value: &str| {
        let planned = plan(&manifest, &format!("SELECT MEDIAN({value}) FROM persons"), RHO).expect("a plan");
        let described = planned.describe();
        let line = described.lines().find(|line| line.contains("distribution of")).expect("a distribution");
        line.split_once(" over ").expect("its pieces").1.to_owned()
    };
    let own = pieces("income");
    assert!(own.starts_with("0, ") && own.contains("bins from 1000 to 2000"), "{own}");
    for same in ["GREATEST(income, 0)", "income + 0", "COALESCE(income, 0)", "CASE WHEN poor THEN income END"]
    {
        assert_eq!(pieces(same), own, "{same}");
    }
    let monthly = pieces("income / 10");
    assert!(monthly.contains("bins from 100 to 200"), "{monthly}");
    assert_eq!(pieces("income * 0.1"), monthly);
}
