//! The rules told a second time, by counting units instead of territories: each of `placements` agencies has placed a
//! unit in one territory or nowhere, every such unit exists, and what each has lost is added up question by question.

use std::collections::BTreeMap;

/// Limits as plain numbers; planners by their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub total: u64,
    pub planners: BTreeMap<usize, u64>,
    /// Months and limit.
    pub period: Option<(u32, u64)>,
    pub territory: Option<Parts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub partition: u64,
    pub count: u32,
    pub placements: u32,
    pub rho: u64,
}

/// The touched territories as bits; `None` for all and everyone.
pub type Touch = Option<u32>;

/// How a limit is compared: with all that may yet be charged, or with charges alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Charges,
    Commitments,
}

/// Where each agency has placed a unit: a bit, or nothing for nowhere.
type Unit = Vec<u32>;

/// Every unit there can be, agencies in no order; the first is placed nowhere.
fn every_unit(parts: Option<Parts>) -> Vec<Unit> {
    let (count, placements) = parts.map_or((0, 0), |parts| (parts.count, parts.placements));
    let mut units: Vec<Unit> = vec![Vec::new()];
    for _ in 0..placements {
        let placed = |unit: &Unit| {
            let last = unit.last().copied().unwrap_or(0);
            let next = (0..count).map(|number| 1 << number).filter(move |bit| *bit >= last);
            let unit = unit.clone();
            // Nowhere first, so that those who are placed stand last in order.
            let nowhere = (last == 0).then_some(0);
            nowhere.into_iter().chain(next).map(move |bit| [&unit[..], &[bit]].concat()).collect::<Vec<_>>()
        };
        units = units.iter().flat_map(placed).collect();
    }
    units
}

/// How often a question counts for a unit: once for each agency that placed it in what is touched.
fn times(touch: Touch, unit: &Unit) -> u128 {
    touch.map_or(1, |touch| unit.iter().filter(|placed| touch & **placed != 0).count() as u128)
}

/// Whether it is placed in one territory alone, or in none, by one agency alone.
fn is_placed_once(unit: &Unit) -> bool {
    unit.iter().filter(|placed| **placed != 0).count() <= 1
}

/// What every unit has lost, and may yet lose, in one stretch of time.
#[derive(Debug, Clone, Default)]
struct Losses {
    charged: Vec<u128>,
    reserved: Vec<u128>,
}

impl Losses {
    fn new(units: usize) -> Self {
        Losses { charged: vec![0; units], reserved: vec![0; units] }
    }

    fn of(&self, of: Of, at: usize) -> u128 {
        self.charged[at] + if of == Of::Commitments { self.reserved[at] } else { 0 }
    }

    fn worst(&self, of: Of) -> u128 {
        (0..self.charged.len()).map(|at| self.of(of, at)).max().unwrap_or(0)
    }

    fn merge(&mut self, other: &Losses) {
        self.charged.iter_mut().zip(&other.charged).for_each(|(sum, more)| *sum += more);
        self.reserved.iter_mut().zip(&other.reserved).for_each(|(sum, more)| *sum += more);
    }
}

/// What really happened to units while nobody placed them anew: here a question that touches two territories of a unit
/// is lost once.
#[derive(Debug, Clone)]
struct Epoch {
    units: Vec<Unit>,
    months: BTreeMap<u32, Vec<u128>>,
}

/// One question's budget.
#[derive(Debug, Clone)]
pub struct Spending {
    pub planner: usize,
    pub cost: u64,
    pub month: u32,
    /// As counted: all, once territories have changed their meaning.
    pub touch: Touch,
    /// As asked, and the epoch it was asked in.
    pub asked: (Touch, usize),
}

/// What the rules say after some questions.
#[derive(Clone)]
pub struct Model {
    pub rules: Rules,
    units: Vec<Unit>,
    total: Losses,
    months: BTreeMap<u32, Losses>,
    /// Charged and reserved.
    pub planners: BTreeMap<usize, (u64, u64)>,
    epochs: Vec<Epoch>,
}

/// The number of the month of a second since 1970, by counting days year by year.
pub fn month_of(at_s: u64) -> u32 {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut days, mut year, mut month) = (at_s / 86_400, 1970, 0);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        (year, month) = (year + 1, month + 12);
    }
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        (days, month) = (days - length, month + 1);
    }
    month
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        let units = every_unit(rules.territory);
        let epochs = vec![Epoch { units: units.clone(), months: BTreeMap::new() }];
        let total = Losses::new(units.len());
        Model { rules, units, total, months: BTreeMap::new(), planners: BTreeMap::new(), epochs }
    }

    pub fn epoch(&self) -> usize {
        self.epochs.len() - 1
    }

    /// A question counts in its month, and never before one that was counted.
    pub fn month_at(&self, now: u64) -> u32 {
        month_of(now).max(self.months.last_key_value().map_or(0, |(month, _)| *month))
    }

    /// The losses that a period's and a territory's limit are about.
    fn period(&self, month: u32) -> Losses {
        let Some((length, _)) = self.rules.period else { return self.total.clone() };
        let mut sum = Losses::new(self.units.len());
        let these = self.months.iter().filter(|(other, _)| *other / length == month / length);
        these.for_each(|(_, losses)| sum.merge(losses));
        sum
    }

    /// The most that can be asked, `None` where not even nothing can. A planner that has no limit has nothing.
    pub fn room(&self, planner: usize, touch: Touch, month: u32, of: Of) -> Option<u64> {
        let own = *self.rules.planners.get(&planner)?;
        let (charged, reserved) = self.planners.get(&planner).copied().unwrap_or_default();
        let taken = charged + if of == Of::Commitments { reserved } else { 0 };
        let mut room = u128::from(own.checked_sub(taken)?);
        let count = self.rules.territory.map_or(0, |parts| parts.count);
        if touch.is_some_and(|touch| touch == 0 || touch >> count != 0) {
            return None;
        }
        let mut within = |losses: &Losses, limit: u64| {
            for (at, unit) in self.units.iter().enumerate() {
                let left = u128::from(limit).checked_sub(losses.of(of, at))?;
                let times = times(touch, unit);
                room = room.min(left.checked_div(times).unwrap_or(room));
            }
            Some(())
        };
        within(&self.total, self.rules.total)?;
        let period = self.period(month);
        if let Some((_, limit)) = self.rules.period {
            within(&period, limit)?;
        }
        if let Some(parts) = self.rules.territory {
            for (at, unit) in self.units.iter().enumerate() {
                // Also units that are placed nowhere, where all are asked about: they lose no more than others.
                if is_placed_once(unit) && times(touch, unit) > 0 {
                    room = room.min(u128::from(parts.rho).checked_sub(period.of(of, at))?);
                }
            }
        }
        Some(room as u64)
    }

    pub fn reserve(&mut self, spending: &Spending) {
        self.move_by(spending, |losses, at, times| losses.reserved[at] += times);
        self.planners.entry(spending.planner).or_default().1 += spending.cost;
    }

    /// Ends a reservation.
    pub fn end(&mut self, spending: &Spending, charged: bool) {
        self.move_by(spending, |losses, at, times| {
            losses.reserved[at] -= times;
            losses.charged[at] += if charged { times } else { 0 };
        });
        let own = self.planners.entry(spending.planner).or_default();
        own.1 -= spending.cost;
        if charged {
            own.0 += spending.cost;
            self.lose(spending);
        }
    }

    fn move_by(&mut self, spending: &Spending, change: impl Fn(&mut Losses, usize, u128)) {
        let units = self.units.len();
        let month = self.months.entry(spending.month).or_insert_with(|| Losses::new(units));
        for (at, unit) in self.units.iter().enumerate() {
            let cost = times(spending.touch, unit) * u128::from(spending.cost);
            change(&mut self.total, at, cost);
            change(month, at, cost);
        }
    }

    fn lose(&mut self, spending: &Spending) {
        let (touch, epoch) = spending.asked;
        let Epoch { units, months } = &mut self.epochs[epoch];
        let lost = months.entry(spending.month).or_insert_with(|| vec![0; units.len()]);
        for (lost, unit) in lost.iter_mut().zip(units) {
            if times(touch, unit) > 0 {
                *lost += u128::from(spending.cost);
            }
        }
    }

    /// What the unit that was always placed worst has really lost in these months.
    fn really_lost(&self, counts: impl Fn(u32) -> bool, in_force: impl Fn(&Unit) -> bool) -> u128 {
        let last = self.epoch();
        let of = |(number, epoch): (usize, &Epoch)| {
            let these = epoch.months.iter().filter(|(month, _)| counts(**month));
            let losses: Vec<_> = these.map(|(_, losses)| losses).collect();
            let units = (0..epoch.units.len()).filter(|at| number < last || in_force(&epoch.units[*at]));
            units.map(|at| losses.iter().map(|lost| lost[at]).sum::<u128>()).max().unwrap_or(0)
        };
        self.epochs.iter().enumerate().map(of).sum()
    }

    /// No unit has passed a limit that is in force. For after a charge: a limit may be lowered below what is lost.
    pub fn nobody_lost_too_much(&self, spending: &Spending) {
        let Rules { total, planners, period, territory } = &self.rules;
        let (ever, anyone) = (|_: u32| true, |_: &Unit| true);
        assert!(self.really_lost(ever, anyone) <= (*total).into(), "a unit passed the total");
        assert!(
            self.planners[&spending.planner].0 <= planners[&spending.planner],
            "a planner passed its limit"
        );
        let same = |month: u32| period.is_none_or(|(length, _)| month / length == spending.month / length);
        if let Some((_, limit)) = period {
            assert!(self.really_lost(same, anyone) <= (*limit).into(), "a unit passed the period's limit");
        }
        for number in 0..territory.map_or(0, |parts| parts.count) {
            let bit = 1 << number;
            if spending.touch.is_none_or(|touch| touch & bit != 0) {
                let lost = self.really_lost(same, |unit: &Unit| is_placed_once(unit) && unit.contains(&bit));
                assert!(
                    lost <= territory.map_or(0, |parts| parts.rho).into(),
                    "a territory passed its limit"
                );
            }
        }
        assert!(self.really_lost(ever, anyone) <= self.total.worst(Of::Charges));
    }

    /// Puts other rules in force. `open` are the reservations.
    pub fn change(&mut self, rules: Rules, open: &mut [&mut Spending]) {
        let key =
            |rules: &Rules| rules.territory.map(|parts| (parts.partition, parts.count, parts.placements));
        let changed = key(&self.rules) != key(&rules);
        self.rules = rules;
        if changed {
            self.place_anew(open);
        }
    }

    /// Territories change their meaning, or units their territories: what was spent and set aside for some then counts
    /// for all.
    pub fn place_anew(&mut self, open: &mut [&mut Spending]) {
        self.units = every_unit(self.rules.territory);
        let units = self.units.len();
        let fold = |losses: &mut Losses| {
            let worst = losses.worst(Of::Charges);
            *losses = Losses { charged: vec![worst; units], reserved: vec![0; units] };
        };
        fold(&mut self.total);
        self.months.values_mut().for_each(fold);
        for spending in open {
            spending.touch = None;
            self.move_by(spending, |losses, at, cost| losses.reserved[at] += cost);
        }
        self.epochs.push(Epoch { units: self.units.clone(), months: BTreeMap::new() });
    }

    /// Total, period and worst territory, as (charged, reserved).
    pub fn sums(&self, month: u32) -> [(u64, u64); 3] {
        let period = self.period(month);
        let pair = |charged: u128, committed: u128| (charged as u64, (committed - charged) as u64);
        let worst = |losses: &Losses| pair(losses.worst(Of::Charges), losses.worst(Of::Commitments));
        let largest = |of| {
            let one = self.units.iter().enumerate().filter(|(_, unit)| is_placed_once(unit));
            one.map(|(at, _)| period.of(of, at)).max().unwrap_or(0)
        };
        [worst(&self.total), worst(&period), pair(largest(Of::Charges), largest(Of::Commitments))]
    }

    /// Whether what really was lost, kept question by question, is what all `charges` add up to.
    pub fn lost_by(&self, charges: impl Iterator<Item = Spending>) -> bool {
        let mut again: Vec<Epoch> =
            self.epochs.iter().map(|epoch| Epoch { months: BTreeMap::new(), ..epoch.clone() }).collect();
        for Spending { cost, month, asked: (touch, epoch), .. } in charges {
            let Epoch { units, months } = &mut again[epoch];
            let lost = months.entry(month).or_insert_with(|| vec![0; units.len()]);
            for (at, unit) in units.iter().enumerate() {
                lost[at] += if times(touch, unit) > 0 { cost.into() } else { 0 };
            }
        }
        again.iter().zip(&self.epochs).all(|(again, kept)| again.months == kept.months)
    }
}
