//! What units have lost in one stretch of time, where questions may touch some territories alone.

use almoner_federation::PicoRho;

use crate::entry::Touched;

/// Two sums: what is spent, and what is set aside.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) charged: PicoRho,
    /// In 128 bits: what is reserved on one territory each may count for all of them together, and must still be
    /// given back in the same parts.
    reserved: u128,
}

impl Sums {
    /// Both together; an overflow is beyond every limit.
    pub(super) fn committed(&self) -> PicoRho {
        add(self.charged, PicoRho::new(u64::try_from(self.reserved).unwrap_or(u64::MAX)))
    }

    pub(super) fn reserve(&mut self, cost: PicoRho) {
        self.reserved += u128::from(cost.get());
    }

    /// Ends a reservation, charged or not.
    pub(super) fn end(&mut self, cost: PicoRho, charged: bool) {
        self.reserved = self.reserved.saturating_sub(cost.get().into());
        if charged {
            self.charged = add(self.charged, cost);
        }
    }

    fn merge(&mut self, more: &Sums) {
        self.charged = add(self.charged, more.charged);
        self.reserved += more.reserved;
    }
}

/// Sums of questions that touch all territories, and of those that touch each one among others.
///
/// A unit that its agencies place in the territories of a set T loses `all + sum of T's sums` at most, whatever T is:
/// questions about other territories read no row of it (docs/specification.md, on territories). No unit is in more than
/// `placements` territories, so `all + placements * the largest sum` bounds every unit's loss.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    all: Sums,
    territories: Vec<Sums>,
}

impl Spent {
    pub(super) fn new(territories: u32) -> Self {
        Spent { all: Sums::default(), territories: vec![Sums::default(); territories as usize] }
    }

    /// Adds what was spent in another stretch of time, with the same territories.
    pub(super) fn merge(&mut self, more: &Spent) {
        self.all.merge(&more.all);
        self.territories.iter_mut().zip(&more.territories).for_each(|(sums, more)| sums.merge(more));
    }

    /// The most that any unit has lost, by `of` charges or by all that is committed.
    pub(super) fn worst(&self, placements: u32, of: fn(&Sums) -> PicoRho) -> PicoRho {
        self.worst_with(placements, of, None)
    }

    /// As [`Spent::worst`], if `cost` more were committed to what `touched` says.
    pub(super) fn worst_with(
        &self,
        placements: u32,
        of: fn(&Sums) -> PicoRho,
        more: Option<(&Touched, PicoRho)>,
    ) -> PicoRho {
        let (all, some) = match more {
            None => (PicoRho::ZERO, None),
            Some((Touched::All, cost)) => (cost, None),
            Some((Touched::Some(numbers), cost)) => (PicoRho::ZERO, Some((numbers, cost))),
        };
        let largest = self.territories.iter().map(of).max().unwrap_or_default();
        let touched = some.into_iter().flat_map(|(numbers, cost)| {
            numbers.iter().map(move |number| add(of(&self.territories[usize::from(*number)]), cost))
        });
        let largest = touched.max().unwrap_or_default().max(largest);
        add(add(of(&self.all), all), times(largest, placements))
    }

    /// What all questions that touch one territory have spent, by `of`.
    pub(super) fn of(&self, territory: u16, of: fn(&Sums) -> PicoRho) -> PicoRho {
        add(of(&self.all), of(&self.territories[usize::from(territory)]))
    }

    /// What was spent on the territory for which it is most.
    pub(super) fn largest(&self, of: fn(&Sums) -> PicoRho) -> PicoRho {
        add(of(&self.all), self.territories.iter().map(of).max().unwrap_or_default())
    }

    /// Changes the sums of what `touched` says.
    pub(super) fn change(&mut self, touched: &Touched, change: impl Fn(&mut Sums)) {
        match touched {
            Touched::All => change(&mut self.all),
            Touched::Some(numbers) => {
                numbers.iter().for_each(|number| change(&mut self.territories[usize::from(*number)]))
            }
        }
    }

    /// Forgets which territories the charges were for, because their meaning changes: what any unit has lost at most,
    /// every unit counts as having lost. `open` is what is reserved in this stretch, over all territories.
    pub(super) fn fold(&mut self, placements: u32, open: u128, territories: u32) {
        let charged = self.worst(placements, |sums| sums.charged);
        *self = Spent::new(territories);
        self.all = Sums { charged, reserved: open };
    }
}

fn times(a: PicoRho, factor: u32) -> PicoRho {
    PicoRho::new(a.get().saturating_mul(factor.into()))
}

/// Saturating: a sum beyond 64 bits is beyond every limit.
pub(super) fn add(a: PicoRho, b: PicoRho) -> PicoRho {
    a.checked_add(b).unwrap_or(PicoRho::new(u64::MAX))
}
