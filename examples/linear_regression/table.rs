//! Tables of numbers in CSV files: a header of names, one row a line, the target in the last column.

use std::ops::Range;
use std::path::Path;

use raxla::{Array, Error, ErrorKind, Result};

/// A table, row by row.
pub struct Table {
    /// One a column; the last is the target's.
    pub names: Vec<String>,
    cells: Vec<f32>,
}

impl Table {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Table> {
        let at = |line: usize| format!("{}:{line}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).context(path.display()))?;
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let names: Vec<String> =
            lines.next().map(|(_, header)| fields(header).map(str::to_owned).collect()).unwrap_or_default();
        if names.len() < 2 {
            return Err(invalid(format!(
                "{}: a table needs at least two columns, got {}",
                at(1),
                names.len()
            )));
        }
        let mut cells = Vec::new();
        for (i, line) in lines {
            let before = cells.len();
            for (field, name) in fields(line).zip(&names) {
                let number = field.parse::<f32>().ok().filter(|x| x.is_finite());
                let missing = || invalid(format!("{}: {name} is no number: {field:?}", at(i + 1)));
                cells.push(number.ok_or_else(missing)?);
            }
            let found = fields(line).count();
            if found != names.len() || cells.len() - before != found {
                return Err(invalid(format!("{}: {found} cells below {} names", at(i + 1), names.len())));
            }
        }
        if cells.is_empty() {
            return Err(invalid(format!("{}: a header, but no row", at(1))));
        }
        Ok(Table { names, cells })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.cells.len() / self.names.len()
    }

    /// Features `f32[n, columns - 1]` and target `f32[n]` of some rows.
    pub fn rows(&self, rows: Range<usize>) -> (Array, Array) {
        let (n, columns) = (rows.len(), self.names.len());
        let rows = self.cells[rows.start * columns..rows.end * columns].chunks_exact(columns);
        let features: Vec<f32> = rows.clone().flat_map(|row| &row[..columns - 1]).copied().collect();
        let target: Vec<f32> = rows.map(|row| row[columns - 1]).collect();
        (Array::from_slice(&features, [n, columns - 1]), Array::from(target))
    }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| field.trim().trim_matches('"'))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
