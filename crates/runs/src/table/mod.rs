//! The tables of a run: CSV with a header row and one record a line.
//!
//! The columns are the fields of the record, by their serde names; after them a table may have one
//! column for each layer of the network. Columns are found by name, in any order; other
//! columns are ignored.

mod reader;
mod writer;

use std::path::Path;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor, value};
use serde::{Serialize, forward_to_deserialize_any};

pub(crate) use reader::open;
pub use reader::{Cells, LayerColumn, Reader, Row, Rows};
pub use writer::Table;

/// A row of a table: its fields are the columns. A field of type `Option` is a column that may be
/// missing.
pub trait Record: Serialize + DeserializeOwned {
    /// The table's name in a run's folder.
    const FILE: &'static str;
    /// The suffix of the columns per layer, after the layer's name.
    const PER_LAYER: Option<&'static str> = None;

    /// Whether a record that was read can be one of a run.
    ///
    /// # Errors
    /// The column that cannot hold what it holds.
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }
}

/// How far the run has come whose table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has ended: every line is whole.
    Ended,
    /// Unknown: the last line may be incomplete.
    Unknown,
    /// It is running or was killed: a table may also be missing or empty.
    Unfinished,
}

/// A cell out of the range of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The column.
    pub column: &'static str,
    /// What was expected.
    pub expected: &'static str,
}

/// The columns of a record, without those for each layer.
pub fn columns<R: Record>() -> &'static [&'static str] {
    /// Takes the names of the fields from `Deserialize` and reads nothing.
    struct Fields<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, value::Error> {
            *self.0 = fields;
            Err(value::Error::custom("only the names were asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
            Err(value::Error::custom("a record is a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = R::deserialize(Fields(&mut fields));
    assert!(!fields.is_empty(), "a record is a struct with named fields");
    fields
}

impl<R: Record> Table<R> {
    /// The path of the table in a run's folder.
    pub fn path(folder: &Path) -> std::path::PathBuf {
        folder.join(R::FILE)
    }
}
