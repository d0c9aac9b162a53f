//! The coordinator's registry: what was published, what it cost, and what a restart must finish. It is a
//! convenience and a record, never an input to a node's own accounting.

use std::collections::HashMap;
use std::path::Path;

use almoner_federation::{Digest, Name, PicoRho};
use rusqlite::{Connection, OptionalExtension, params};

use crate::accounts::Accounts;
use crate::error::{LedgerError, Refusal};
use crate::group::{Group, HasStore};
use crate::node_types::Position;
use crate::registry_entry::{RegistryEntry, RegistryStep};
use crate::store::{Kind, Store, damaged, hex, sql_int};

/// Longest release and longest pending record.
const MAX_RELEASE_BYTES: usize = 1 << 28;

pub(crate) const KIND: Kind = Kind {
    name: "registry",
    application_id: i32::from_be_bytes(*b"alm2"),
    version: 1,
    tables: &[
        "CREATE TABLE releases (entry INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
        "CREATE TABLE pending (spec_hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ],
};

/// The durable registry of one coordinator; one process, one writer, and callers that share transactions, like
/// [`NodeLedger`](crate::NodeLedger).
pub struct Registry {
    inner: Group<Inner>,
}

struct Inner {
    store: Store,
    accounts: Accounts,
}

impl HasStore for Inner {
    fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Registry {
    /// Opens the registry at `path`, or begins one, and reads it back whole: tree and sums are recomputed
    /// from the entries, and every release is compared with the hash in its entry.
    ///
    /// # Errors
    /// [`LedgerError::InUse`], or [`LedgerError::Damaged`] naming the entry. Pending records are the
    /// coordinator's own notes and are not checked.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut store = Store::open(path, &KIND)?;
        let mut accounts = Accounts::default();
        store.replay(|number, bytes, _| {
            let at = || format!("entry {number}");
            let entry = RegistryEntry::decode(bytes).map_err(|error| damaged(at(), error.to_string()))?;
            accounts.apply(number, &entry).map_err(|problem| damaged(at(), problem))
        })?;
        verify_releases(&store, &accounts)?;
        Ok(Registry { inner: Group::new(Inner { store, accounts }) })
    }

    /// Records that an attempt's context was fixed, with its price and with what a restart needs to finish
    /// it (`pending`), in one transaction: durable before the first node is asked to release. The same
    /// attempt again adds nothing to the sums.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when the attempt was recorded with another context, planner or price.
    pub fn charge(
        &self,
        spec_hash: Digest,
        (attempt, context): (u32, Digest),
        planner: &Name,
        cost: PicoRho,
        now_s: u64,
        pending: &[u8],
    ) -> Result<(), LedgerError> {
        if pending.len() > MAX_RELEASE_BYTES {
            return Err(Refusal::TooLarge("the pending record").into());
        }
        let step = RegistryStep::Charge { attempt, context };
        let keep = "INSERT OR REPLACE INTO pending (spec_hash, bytes) VALUES (?1, ?2)";
        self.inner.run(|inner| {
            inner.record(step, spec_hash, planner, cost, now_s, |_, write| {
                write.prepare_cached(keep)?.execute(params![hex(&spec_hash), pending])
            })
        })
    }

    /// Records a release under `family` (what the questions it may answer too have in common) and the question it
    /// was released for, and ends the question's pending record in the same transaction. `cost` is what its attempt was charged;
    /// it is not charged again. The same release again changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when the question was published with other bytes, family, planner or price.
    pub fn publish(
        &self,
        family: Digest,
        spec_hash: Digest,
        planner: &Name,
        cost: PicoRho,
        now_s: u64,
        release: &[u8],
    ) -> Result<(), LedgerError> {
        if release.len() > MAX_RELEASE_BYTES {
            return Err(Refusal::TooLarge("the release").into());
        }
        let step = RegistryStep::Publish { family, release: Digest::of(release) };
        self.inner.run(|inner| {
            inner.record(step, spec_hash, planner, cost, now_s, |number, write| {
                if let Some(number) = number {
                    write
                        .prepare_cached("INSERT INTO releases (entry, bytes) VALUES (?1, ?2)")?
                        .execute(params![number, release])?;
                }
                write.prepare_cached("DELETE FROM pending WHERE spec_hash = ?1")?.execute([hex(&spec_hash)])
            })
        })
    }

    /// A release of `family`: at rank 0 the most accurate, which is the dearest and the newest of those; `None`
    /// when there are no more.
    pub fn in_family(&self, family: &Digest, rank: usize) -> Result<Option<Vec<u8>>, LedgerError> {
        self.inner.run(|inner| {
            inner.accounts.in_family(family, rank).map(|number| inner.release(number)).transpose()
        })
    }

    /// The release that answers the question `spec_hash`.
    pub fn by_spec(&self, spec_hash: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.inner
            .run(|inner| inner.accounts.by_spec(spec_hash).map(|number| inner.release(number)).transpose())
    }

    /// At most `at_most` entries (10,000 at the most) from number `from` on, oldest first.
    pub fn list(&self, from: u64, at_most: usize) -> Result<Vec<RegistryEntry>, LedgerError> {
        let entries = self.entries(from, at_most)?;
        let read = |bytes: &Vec<u8>| RegistryEntry::decode(bytes);
        let entries: Result<Vec<_>, _> = entries.iter().map(read).collect();
        entries.map_err(|error| damaged("an entry that was read", error.to_string()))
    }

    /// The bytes of the entries of [`Registry::list`]: the leaves of the tree.
    pub fn entries(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.inner.run(|inner| inner.store.entries(from, at_most))
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

    /// What `planner`'s questions have cost.
    pub fn spent(&self, planner: &Name) -> Result<PicoRho, LedgerError> {
        self.inner.run(|inner| Ok(inner.accounts.spent(planner)))
    }

    /// What all questions have cost.
    pub fn spent_total(&self) -> Result<PicoRho, LedgerError> {
        self.inner.run(|inner| Ok(inner.accounts.spent_total()))
    }

    /// The question's pending record.
    pub fn pending(&self, spec_hash: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.inner.run(|inner| {
            let mut statement =
                inner.store.read()?.prepare_cached("SELECT bytes FROM pending WHERE spec_hash = ?1")?;
            Ok(statement.query_row([hex(spec_hash)], |row| row.get(0)).optional()?)
        })
    }
}

impl Inner {
    /// Appends the entry, unless the very same is there, and does what belongs to it in the same
    /// transaction; `also` gets the number of a new entry.
    fn record(
        &mut self,
        step: RegistryStep,
        spec_hash: Digest,
        planner: &Name,
        cost: PicoRho,
        now_s: u64,
        also: impl FnOnce(Option<i64>, &Connection) -> rusqlite::Result<usize>,
    ) -> Result<(), LedgerError> {
        let entry = self.accounts.next(step, spec_hash, planner, cost, now_s)?;
        let accounts = &mut self.accounts;
        self.store.write(
            |_| Vec::new(),
            |write| {
                let Some(entry) = entry else { return Ok(also(None, write.tx).map(|_| ())?) };
                let number = write.append(&entry.encode())?.size - 1;
                also(Some(sql_int(number)?), write.tx)?;
                accounts.apply(number, &entry).map_err(|problem| damaged(format!("entry {number}"), problem))
            },
        )
    }

    fn release(&self, number: u64) -> Result<Vec<u8>, LedgerError> {
        let mut statement =
            self.store.read()?.prepare_cached("SELECT bytes FROM releases WHERE entry = ?1")?;
        let found = statement.query_row([sql_int(number)?], |row| row.get(0)).optional()?;
        found.ok_or_else(|| damaged(format!("the release of entry {number}"), "it is missing"))
    }
}

/// Each PUBLISH entry has its release, and no release is without one.
fn verify_releases(store: &Store, accounts: &Accounts) -> Result<(), LedgerError> {
    let mut expected: HashMap<u64, Digest> = accounts.releases().collect();
    let mut statement = store.read()?.prepare("SELECT entry, bytes FROM releases ORDER BY entry")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (number, bytes) = (row.get::<_, i64>(0)? as u64, row.get_ref(1)?);
        let place = || format!("the release of entry {number}");
        match expected.remove(&number) {
            None => return Err(damaged(place(), "that entry publishes nothing")),
            Some(hash) if bytes.as_blob().is_ok_and(|bytes| Digest::of(bytes) == hash) => {}
            Some(_) => return Err(damaged(place(), "its bytes are not those that were published")),
        }
    }
    match expected.keys().min() {
        Some(number) => Err(damaged(format!("the release of entry {number}"), "it is missing")),
        None => Ok(()),
    }
}
