//! Rules of an agency's own that change while its node serves.

use almoner_ledger::{Approval, Policy};
use almoner_query::Spec;

use super::lie::LIAR;
use super::parties::key;
use super::world::World;

/// When, in a round, rules of the agency `LIAR` change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Its approval is in the ledger, the reservation is not.
    Approved,
    /// It has reserved, and not charged.
    Reserved,
}

impl World {
    /// Puts rules of an agency's own in force.
    pub fn rule(&mut self, node: usize, rules: &str) {
        let policy = Policy { rules: rules.into(), ..self.policy(node) };
        let own = &mut self.nodes[node];
        let after = own.books.position();
        let mut signed = policy.sign(after, &key(100 + own.id.0 as u8));
        signed.countersign(after, &key(203));
        let entry = own.books.policy_entry(signed.clone(), self.now);
        own.append(&entry);
        if let Some(real) = &own.real {
            real.change_policy(signed, self.now).expect("is signed");
        }
    }

    pub(super) fn changed(&mut self, now: Moment) {
        if let Some((_, rules)) = self.change.take_if(|(moment, _)| *moment == now) {
            self.rule(LIAR, rules);
        }
    }

    /// The officer's approval, for so many seconds, of what was asked last, in a ledger that has reserved it already.
    pub fn approve_late(&mut self, node: usize, for_s: u64) -> u64 {
        let now = self.now;
        let own = &mut self.nodes[node];
        let asked = own.questions.last().expect("one was asked");
        let question = Spec::decode(&asked.body).expect("a question").question();
        let origin = own.log.origin.clone();
        let approval = Approval { origin, question, approved: true, decided_at_s: now, until_s: now + for_s };
        let entry = own.books.approval_entry(&approval.sign(&key(100 + own.id.0 as u8)), now);
        own.append(&entry).size - 1
    }
}
