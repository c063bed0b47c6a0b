//! The tables of the file at one moment.

use redb::{Database, ReadOnlyTable, ReadableDatabase};

use super::file::{RECORDS, SERIALS};

/// The tables at one moment: later changes do not show in them.
pub(super) struct View {
    /// Each name's records.
    pub(super) records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Each zone's serial.
    pub(super) serials: ReadOnlyTable<&'static [u8], u32>,
}

impl View {
    /// The tables as they are now.
    pub(super) fn new(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(Self { records: transaction.open_table(RECORDS)?, serials: transaction.open_table(SERIALS)? })
    }
}
