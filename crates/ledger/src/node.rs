//! The node's ledger: reserve, charge, expire, abort, each durable before it returns (PROTOCOL A.4).

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;

use almoner_federation::{Digest, Name, PicoRho, QueryId, Signature};
use almoner_secure_sum::{
    self as secure_sum, AcceptedContext, LocalFault, MAX_CELLS, NodeRound, RoundState, SecureSumError,
};
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use crate::books::{self, ApprovalUse, Books, Budget, Round, RoundPhase};
use crate::entry::{Approval, Entry, LoadEntry, Policy, SignedPolicy, Step, Touched};
use crate::error::{BookFault, LedgerError, Refusal};
use crate::group::{Group, HasStore};
use crate::node_types::{Asked, Charged, Position, Reservation, StoredReady};
use crate::rounds::{self, State};
use crate::seal::{About, Row, Seal};
use crate::statement::Statement;
use crate::store::{Store, damaged, hex, sql_int};

/// Most reservations that one call ends in one transaction, so that a burst of expiries stops nobody for long.
const MAX_EXPIRED: usize = 256;

/// A node's durable privacy ledger. One process, one writer: calls take turns, and those that come together
/// share a transaction; each returns when the disk has all that it wrote or saw. Calls block; async callers
/// use a blocking thread.
pub struct NodeLedger {
    inner: Group<Inner>,
}

struct Inner {
    store: Store,
    books: Books,
    seal: Seal,
    /// Of every reserved attempt: what expires first stands first.
    deadlines: BTreeSet<(u64, QueryId, u32)>,
}

impl HasStore for Inner {
    fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl NodeLedger {
    /// Begins a ledger at `path`, once in a node's life, with the policy that its officer signed to follow nothing.
    ///
    /// # Errors
    /// [`LedgerError::Begun`] when it has entries already, [`LedgerError::Entry`] for a policy that is not signed.
    pub fn begin(
        path: &Path,
        sealing_key: &[u8; 32],
        policy: SignedPolicy,
        now_s: u64,
    ) -> Result<Self, LedgerError> {
        let ledger = Self::take(path, sealing_key)?;
        if ledger.position()?.size > 0 {
            return Err(LedgerError::Begun(path.to_owned()));
        }
        ledger.change_policy(policy, now_s)?;
        Ok(ledger)
    }

    /// Opens the ledger at `path` and reads it back whole: tree, sums and states are recomputed from the entries and
    /// compared with the tables, and every sealed vector is opened once. This takes time in proportion to the file.
    /// Reservations that expired meanwhile wait for [`NodeLedger::expire`].
    ///
    /// # Errors
    /// [`LedgerError::InUse`] when another process has it, [`LedgerError::Damaged`] naming the first entry
    /// or row that disagrees, [`LedgerError::ForeignSeal`] for another sealing key; [`LedgerError::NotBegun`] for an
    /// empty file, which would begin again with the whole budget. An older copy of the file opens without error: see
    /// the crate's first page.
    pub fn open(path: &Path, sealing_key: &[u8; 32]) -> Result<Self, LedgerError> {
        let ledger = Self::take(path, sealing_key)?;
        if ledger.position()?.size == 0 {
            return Err(LedgerError::NotBegun(path.to_owned()));
        }
        Ok(ledger)
    }

    fn take(path: &Path, sealing_key: &[u8; 32]) -> Result<Self, LedgerError> {
        let seal = Seal::new(sealing_key);
        let mut store = Store::open(path, &rounds::KIND)?;
        let books = rounds::replay(&mut store, &seal)?;
        let deadlines = rounds::verify(&store, &books, &seal)?;
        Ok(NodeLedger { inner: Group::new(Inner { store, books, seal, deadlines }) })
    }

    /// The policy in force.
    pub fn policy(&self) -> Result<Policy, LedgerError> {
        self.inner.run(|inner| Ok(inner.books.policy().ok_or(BookFault::NoPolicy)?.clone()))
    }

    /// Records from which data the node answers from here on, unless they are those of before.
    pub fn load(&self, snapshot: Digest, now_s: u64) -> Result<(), LedgerError> {
        self.inner.run(|inner| {
            if inner.books.snapshot() == Some(snapshot) {
                return Ok(());
            }
            inner.commit(&Entry::Load(LoadEntry { at_s: now_s, snapshot }), |_, _, _| Ok(()))
        })
    }

    /// Puts another policy in force, which its officer, and an auditor where the present one asks for that, signed to
    /// follow the present position. What was charged before stays charged.
    ///
    /// # Errors
    /// [`LedgerError::Entry`] when a signature is missing, or for another position.
    pub fn change_policy(&self, policy: SignedPolicy, now_s: u64) -> Result<Position, LedgerError> {
        self.inner.run(|inner| {
            let entry = inner.books.policy_entry(policy, now_s);
            // Its faults are the signers', not the file's.
            inner.books.check(&entry)?;
            inner.commit(&entry, |_, _, after| Ok(after))
        })
    }

    /// Whether the data officer's approval of `question` is recorded and waits to be used.
    pub fn is_approved(&self, question: &Digest, now_s: u64) -> Result<bool, LedgerError> {
        self.inner.run(|inner| Ok(inner.books.is_approved(question, now_s)))
    }

    /// How far the data officer's decision has been used.
    pub fn approval_use(&self, decided: &Approval) -> Result<ApprovalUse, LedgerError> {
        self.inner.run(|inner| Ok(inner.books.approval_use(decided)))
    }

    /// The attempt as stored, if it was ever reserved.
    pub fn find(&self, query: QueryId, attempt: u32) -> Result<Option<StoredReady>, LedgerError> {
        self.inner.run(|inner| inner.books.round(query, attempt).map(|round| inner.stored(round)).transpose())
    }

    /// Whether a reservation of `cost` for what is `touched` would be accepted now: an early answer, not a promise.
    pub fn affordable(
        &self,
        planner: &Name,
        cost: PicoRho,
        touched: &Touched,
        now_s: u64,
    ) -> Result<(), LedgerError> {
        self.inner.run(|inner| Ok(inner.books.affordable(planner, cost, touched, now_s)?))
    }

    /// Sets budget aside, seals the noisy vector and stores the READY that `make_ready` makes for the
    /// position after the RESERVE entry, all in one transaction. The same question under the same query
    /// id and attempt gives the stored READY again, whatever its state, and the new vector is dropped.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] for another question, [`Refusal::UnknownPlanner`], [`Refusal::OverBudget`],
    /// [`Refusal::TooLarge`]; [`LedgerError::Attempt`] when the deadline is not after `now_s` or the vector
    /// has no cell or too many; [`LedgerError::Ready`] when the READY does not state this reservation;
    /// [`LedgerError::Entry`] when the approval is not the officer's, or is used or over.
    pub fn reserve(
        &self,
        mut reservation: Reservation,
        make_ready: impl FnOnce(Position) -> (Vec<u8>, Signature),
    ) -> Result<StoredReady, LedgerError> {
        let noisy = Zeroizing::new(mem::take(&mut reservation.noisy));
        if !(1..=MAX_CELLS).contains(&noisy.len()) {
            return Err(SecureSumError::from(LocalFault::VectorLength).into());
        }
        self.inner.run(|inner| inner.reserve(reservation, &noisy, make_ready))
    }

    /// Spends the reserved budget for `accepted` and gives the noisy vector back; the CHARGE entry is on
    /// the disk first. The same context again gives the same vector and position without a new entry,
    /// at any time.
    ///
    /// # Errors
    /// None of them charges: [`Refusal::Unknown`]; [`LedgerError::Attempt`] when `accepted` was made for
    /// another READY, or the attempt expired (`now_s` at or after the deadline), was aborted or was charged
    /// for another context; [`Refusal::OverBudget`] when a limit was lowered after the reservation.
    pub fn charge(
        &self,
        query: QueryId,
        attempt: u32,
        accepted: &AcceptedContext,
        now_s: u64,
    ) -> Result<Charged, LedgerError> {
        self.inner.run(|inner| inner.charge(query, attempt, accepted, now_s))
    }

    /// Ends every reservation whose deadline is at or before `now_s`, frees its budget and deletes its
    /// vector; returns how many. One call may be several transactions, of at most 256 each.
    pub fn expire(&self, now_s: u64) -> Result<usize, LedgerError> {
        let mut ended = 0;
        loop {
            let some = self.inner.run(|inner| inner.expire(now_s))?;
            ended += some;
            if some < MAX_EXPIRED {
                return Ok(ended);
            }
        }
    }

    /// Gives an attempt up: frees its budget and deletes its vector, so that it can never be released.
    /// Nothing is left to do for one that expired or was aborted before.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], or [`LedgerError::Attempt`] for one that is charged: it stays charged.
    pub fn abort(&self, query: QueryId, attempt: u32, now_s: u64) -> Result<(), LedgerError> {
        self.inner.run(|inner| inner.abort(query, attempt, now_s))
    }

    /// The tree over all entries.
    pub fn position(&self) -> Result<Position, LedgerError> {
        self.inner.run(|inner| Ok(inner.store.position()))
    }

    /// The root over the first `size` entries; `None` when there are fewer.
    pub fn root_at(&self, size: u64) -> Result<Option<Digest>, LedgerError> {
        self.inner.run(|inner| Ok(inner.store.tree().root_at(size)))
    }

    /// The RFC 9162 proof that the tree of the first `new` entries begins with that of the first `old`; `None` when
    /// `old` is larger than `new` or there are fewer than `new` entries.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, LedgerError> {
        self.inner.run(|inner| Ok(inner.store.tree().consistency_proof(old, new)))
    }

    /// The question with this hash as its planner signed it, if it was ever reserved.
    pub fn question(&self, spec_hash: &Digest) -> Result<Option<Asked>, LedgerError> {
        self.inner.run(|inner| rounds::question(inner.store.read()?, spec_hash))
    }

    /// Limits and sums for `planner` at the second `now_s`; refused when it has no allowance here.
    pub fn budget(&self, planner: &Name, now_s: u64) -> Result<Budget, LedgerError> {
        self.inner.run(|inner| Ok(inner.books.budget(planner, now_s)?))
    }

    /// At most `at_most` entries (10,000 at the most) from number `from` on: the leaves of the tree, in
    /// the form that [`Entry::decode`] reads.
    pub fn entries(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.inner.run(|inner| inner.store.entries(from, at_most))
    }
}

impl Inner {
    fn reserve(
        &mut self,
        reservation: Reservation,
        noisy: &[i64],
        make_ready: impl FnOnce(Position) -> (Vec<u8>, Signature),
    ) -> Result<StoredReady, LedgerError> {
        let Reservation {
            query,
            attempt,
            spec_hash,
            planner,
            cost,
            touched,
            approval,
            asked,
            expires_at_s,
            now_s,
            noisy: _,
        } = reservation;
        if let Some(round) = self.books.round(query, attempt) {
            return if round.spec_hash == spec_hash {
                self.stored(round)
            } else {
                Err(Refusal::Conflict.into())
            };
        }
        if expires_at_s <= now_s {
            return Err(SecureSumError::from(secure_sum::Refusal::Expired).into());
        }
        let (cost_sql, expires_sql) = (sql_int(cost.get())?, sql_int(expires_at_s)?);
        let planner_sql = planner.to_string();
        let manifest_hash = self.books.policy().ok_or(BookFault::NoPolicy).map_err(refused)?.manifest_hash;
        let statement = Statement { manifest_hash, spec_hash, attempt, cost, expires_at_s };
        let question = approval.as_ref().map(|decided| decided.approval.question);
        if let Some(decided) = &approval
            && !self.books.is_approved(&decided.approval.question, now_s)
        {
            // Should the reservation fail, the approval stays recorded and unused.
            self.books.may_approve(decided, now_s)?;
            let entry = self.books.approval_entry(decided, now_s);
            self.commit(&entry, |_, _, _| Ok(()))?;
        }
        let about = books::About { spec_hash, planner, cost };
        let step = Step::Reserve { touched, approval: question };
        let entry = self.books.round_entry(step, now_s, (query, attempt), about)?;
        let stored = self.commit(&entry, |tx, seal, after| {
            let sealed = seal.seal(&About { query, attempt, spec_hash }, noisy)?;
            let (ready, signature) = make_ready(after);
            statement.check(&ready, after)?;
            let reserved_by = after.size - 1;
            let tag = seal.tag_row(&Row { reserved_by, ready: &ready, signature: &signature.0 });
            tx.prepare_cached(rounds::INSERT)?.execute(params![
                sql_int(reserved_by)?,
                query.to_string(),
                attempt,
                hex(&spec_hash),
                planner_sql,
                cost_sql,
                expires_sql,
                State::Prepared.word(),
                ready,
                signature.0,
                tag,
            ])?;
            tx.prepare_cached("INSERT INTO vectors (reserved_by, sealed) VALUES (?1, ?2)")?
                .execute(params![sql_int(reserved_by)?, sealed])?;
            tx.prepare_cached(
                "INSERT OR IGNORE INTO questions (spec_hash, body, signature) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![hex(&spec_hash), asked.body, asked.signature.0])?;
            Ok(StoredReady { spec_hash, ready, signature, state: RoundState::Prepared })
        })?;
        self.deadlines.insert((expires_at_s, query, attempt));
        Ok(stored)
    }

    fn charge(
        &mut self,
        query: QueryId,
        attempt: u32,
        accepted: &AcceptedContext,
        now_s: u64,
    ) -> Result<Charged, LedgerError> {
        let round = self.round(query, attempt)?;
        let machine = self.machine(&round)?;
        let step = machine.charge(accepted, now_s)?;
        // Opened before the charge: a vector that cannot be read must not be paid for.
        let noisy = self.vector(&About { query, attempt, spec_hash: round.spec_hash }, round.reserved_by)?;
        let position = match (step, round.phase) {
            (secure_sum::Step::Stay, RoundPhase::Charged { position, .. }) => position,
            _ => {
                let step = Step::Charge { context: accepted.hash() };
                self.end(step, (query, attempt), &round, machine.ready().expires_at_s, now_s)?
            }
        };
        Ok(Charged::new(noisy, position))
    }

    /// Ends at most [`MAX_EXPIRED`] reservations; returns how many.
    fn expire(&mut self, now_s: u64) -> Result<usize, LedgerError> {
        for ended in 0..MAX_EXPIRED {
            let Some(&(deadline, query, attempt)) = self.deadlines.first() else { return Ok(ended) };
            if deadline > now_s {
                return Ok(ended);
            }
            let round = self.round(query, attempt)?;
            // Reserved attempts move; were one to stay, the books would refuse the entry.
            let _ = self.machine(&round)?.expire(now_s)?;
            self.end(Step::Expire, (query, attempt), &round, deadline, now_s)?;
        }
        Ok(MAX_EXPIRED)
    }

    fn abort(&mut self, query: QueryId, attempt: u32, now_s: u64) -> Result<(), LedgerError> {
        let round = self.round(query, attempt)?;
        let machine = self.machine(&round)?;
        if let secure_sum::Step::Move(_) = machine.abort()? {
            self.end(Step::Abort, (query, attempt), &round, machine.ready().expires_at_s, now_s)?;
        }
        Ok(())
    }

    /// Writes `entry` and what belongs to it, all or nothing, and takes it into the books.
    fn commit<T>(
        &mut self,
        entry: &Entry,
        rows: impl FnOnce(&Connection, &Seal, Position) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.books.check(entry).map_err(refused)?;
        let (bytes, seal, books) = (entry.encode(), &self.seal, &mut self.books);
        self.store.write(
            |head| seal.tag_head(head),
            |write| {
                let after = write.append(&bytes)?;
                let done = rows(write.tx, seal, after)?;
                books.apply(entry, after).map_err(refused)?;
                Ok(done)
            },
        )
    }

    /// Writes the entry that ends a reservation; returns the tree that ends with it.
    fn end(
        &mut self,
        step: Step,
        (query, attempt): (QueryId, u32),
        round: &Round,
        deadline: u64,
        now_s: u64,
    ) -> Result<Position, LedgerError> {
        let about =
            books::About { spec_hash: round.spec_hash, planner: round.planner.clone(), cost: round.cost };
        let (state, reserved_by) = (State::after(&step), sql_int(round.reserved_by)?);
        let entry = self.books.round_entry(step, now_s, (query, attempt), about)?;
        let after = self.commit(&entry, |tx, _, after| {
            let moved = tx
                .prepare_cached("UPDATE rounds SET state = ?2 WHERE reserved_by = ?1")?
                .execute(params![reserved_by, state.word()])?;
            let wiped = match state.keeps_vector() {
                true => 1,
                false => {
                    tx.prepare_cached("DELETE FROM vectors WHERE reserved_by = ?1")?.execute([reserved_by])?
                }
            };
            if (moved, wiped) == (1, 1) { Ok(after) } else { Err(rounds::missing(round.reserved_by)) }
        })?;
        self.deadlines.remove(&(deadline, query, attempt));
        Ok(after)
    }

    fn round(&self, query: QueryId, attempt: u32) -> Result<Round, LedgerError> {
        Ok(self.books.round(query, attempt).ok_or(Refusal::Unknown)?.clone())
    }

    /// The attempt as the protocol's own state machine, which decides what may come next.
    fn machine(&self, round: &Round) -> Result<NodeRound, LedgerError> {
        let StoredReady { ready, state, .. } = self.stored(round)?;
        Ok(NodeRound::restore(&ready, state)?)
    }

    fn stored(&self, round: &Round) -> Result<StoredReady, LedgerError> {
        let row = rounds::read(self.store.read()?, round.reserved_by)?;
        let state = match round.phase {
            RoundPhase::Reserved => RoundState::Prepared,
            RoundPhase::Charged { context, .. } => RoundState::Charged { context },
            RoundPhase::Expired => RoundState::Expired,
            RoundPhase::Aborted => RoundState::Aborted,
        };
        Ok(StoredReady { spec_hash: round.spec_hash, ready: row.ready, signature: row.signature, state })
    }

    fn vector(&self, about: &About, reserved_by: u64) -> Result<Zeroizing<Vec<i64>>, LedgerError> {
        let sealed = rounds::sealed(self.store.read()?, reserved_by)?;
        self.seal
            .open(about, sealed)
            .ok_or_else(|| damaged(rounds::place(reserved_by), "its sealed vector cannot be opened"))
    }
}

fn refused(fault: BookFault) -> LedgerError {
    match fault {
        BookFault::Refused(refusal) => refusal.into(),
        other => damaged("the next entry", other.to_string()),
    }
}
