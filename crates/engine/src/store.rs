//! Where the rows of all tables gather while files are read: in memory, or once they are too many for it, in parts
//! on disk.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use crate::SourceError;
use crate::limits::DataLimits;
use crate::parts::{Dealer, Parts};

/// The rows read so far, of one table after another.
pub(crate) enum Store<'a> {
    /// All of them are in memory: each table's schema and batches.
    Memory { limits: Option<&'a DataLimits>, tables: Vec<(SchemaRef, Vec<RecordBatch>)>, bytes: usize },
    /// All of them are on disk.
    Disk(Dealer<'a>),
}

/// All rows, tables in the order in which they were read.
pub(crate) enum Gathered<'a> {
    Memory(Vec<Vec<RecordBatch>>),
    Disk(Parts<'a>),
}

impl<'a> Store<'a> {
    /// Without limits everything stays in memory.
    pub(crate) fn new(limits: Option<&'a DataLimits>) -> Self {
        Store::Memory { limits, tables: Vec::new(), bytes: 0 }
    }

    /// What is pushed from here on are rows of the next table.
    pub(crate) fn next_table(&mut self, schema: &SchemaRef) -> Result<(), SourceError> {
        match self {
            Store::Memory { tables, .. } => {
                tables.push((SchemaRef::clone(schema), Vec::new()));
                Ok(())
            }
            Store::Disk(dealer) => dealer.next_table(schema),
        }
    }

    /// Takes rows of the present table.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), SourceError> {
        match self {
            Store::Disk(dealer) => dealer.push(batch),
            Store::Memory { limits, tables, bytes } => {
                *bytes += batch.get_array_memory_size();
                let (_, batches) = tables.last_mut().expect("a table is begun before its rows come");
                batches.push(batch);
                match limits {
                    Some(limits) if *bytes > limits.kept_bytes() => {
                        let (limits, tables) = (*limits, std::mem::take(tables));
                        self.move_to_disk(limits, tables)
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    fn move_to_disk(
        &mut self,
        limits: &'a DataLimits,
        tables: Vec<(SchemaRef, Vec<RecordBatch>)>,
    ) -> Result<(), SourceError> {
        let mut dealer = Dealer::new(limits)?;
        for (schema, batches) in tables {
            dealer.next_table(&schema)?;
            batches.into_iter().try_for_each(|batch| dealer.push(batch))?;
        }
        *self = Store::Disk(dealer);
        Ok(())
    }

    /// When all tables are read.
    pub(crate) fn finish(self) -> Result<Gathered<'a>, SourceError> {
        match self {
            Store::Memory { tables, .. } => {
                Ok(Gathered::Memory(tables.into_iter().map(|(_, batches)| batches).collect()))
            }
            Store::Disk(dealer) => Ok(Gathered::Disk(dealer.finish()?)),
        }
    }
}
