//! How many other agencies remember each charge of a node, how many it must hear at its start, and what that is good for:
//! counting alone, over sets of agencies that must have an honest one in common.

/// The other agencies as witnesses of one agency's ledger. Of any two sets of `a` and `b` of W agencies, `a + b - W` are in
/// both; if those are more than the t that may lie, one of them is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witnessing {
    /// W: all agencies but the ledger's own.
    pub others: u32,
    /// w: how many of them have cosigned a charge before its answer leaves; none where that is switched off.
    pub cosign: u32,
    /// t: how many of them may lie, or have lost their own memory.
    pub colluders: u32,
}

impl Witnessing {
    /// The least w with which any two sets of w of `others` agencies have more than `colluders` in common:
    /// `ceil((W + t + 1)/2)`, at most W. With it neither a charge nor a start needs all others, if there are t + 3 or more.
    pub fn least(others: u32, colluders: u32) -> u32 {
        others.saturating_add(colluders).saturating_add(1).div_ceil(2).min(others)
    }

    /// r: how many others a node must hear at its start, `min(W, W - w + t + 1)`: the least that has more than t in common
    /// with whichever w cosigned its last charge. None where witnesses are switched off.
    pub fn heard_at_start(self) -> u32 {
        let Witnessing { others, cosign, colluders } = self;
        match cosign {
            0 => 0,
            _ => others.saturating_sub(cosign).saturating_add(colluders).saturating_add(1).min(others),
        }
    }

    /// Whether a node that starts with a ledger that has forgotten an answered charge hears of it from an honest agency:
    /// `r + w - W > t`.
    pub fn stops_old_copies(self) -> bool {
        self.common(self.heard_at_start(), self.cosign) > self.colluders
    }

    /// Whether of two copies of one node that run at the same time only one gets its charges cosigned: `2w - W > t`.
    pub fn stops_second_copies(self) -> bool {
        self.common(self.cosign, self.cosign) > self.colluders
    }

    /// How many others may be away while a node charges and starts.
    pub fn may_be_away(self) -> u32 {
        self.others.saturating_sub(self.cosign.max(self.heard_at_start()))
    }

    /// The fewest that are in both a set of `a` and one of `b`.
    fn common(self, a: u32, b: u32) -> u32 {
        a.saturating_add(b).saturating_sub(self.others)
    }
}
