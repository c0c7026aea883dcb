//! Which rows each batch has.

use std::sync::{Arc, Mutex, PoisonError};

use super::loader::Rest;
use crate::error::{Result, catch};
use crate::random::{self, Key};

/// Orders that are kept: workers may be in two epochs at once.
const KEPT: usize = 2;

/// The batches of all epochs are numbered through: which rows one has depends on its number alone, and not on who asks when.
pub(super) struct Plan {
    pub rows: usize,
    pub batch_size: usize,
    pub rest: Rest,
    pub key: Option<Key>,
    orders: Mutex<Vec<(u64, Arc<Vec<i32>>)>>,
}

impl Plan {
    pub fn new(rows: usize, batch_size: usize, rest: Rest, key: Option<Key>) -> Self {
        Plan { rows, batch_size, rest, key, orders: Mutex::default() }
    }

    pub fn batches_per_epoch(&self) -> u64 {
        let n = match self.rest {
            Rest::Drop => self.rows / self.batch_size,
            Rest::Keep | Rest::Pad => self.rows.div_ceil(self.batch_size),
        };
        n as u64
    }

    /// The indices of a batch, and how many of them are no padding.
    pub fn indices(&self, number: u64) -> Result<(Vec<usize>, usize)> {
        let (epoch, batch) = (number / self.batches_per_epoch(), number % self.batches_per_epoch());
        let start = batch as usize * self.batch_size;
        let end = (start + self.batch_size).min(self.rows);
        let mut indices: Vec<usize> = match self.order(epoch)? {
            Some(order) => order[start..end].iter().map(|i| *i as usize).collect(),
            None => (start..end).collect(),
        };
        let rows = indices.len();
        if let (Rest::Pad, Some(last)) = (self.rest, indices.last().copied()) {
            indices.resize(self.batch_size, last);
        }
        Ok((indices, rows))
    }

    /// The order of an epoch, computed once.
    fn order(&self, epoch: u64) -> Result<Option<Arc<Vec<i32>>>> {
        let Some(key) = &self.key else { return Ok(None) };
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(of, _)| *of == epoch) {
            return Ok(Some(Arc::clone(order)));
        }
        let key = catch(|| Ok(random::fold_in(key, epoch as u32)))?;
        let order = catch(|| random::permutation(&key, self.rows as i32).to_vec::<i32>())?;
        let order = Arc::new(order);
        if orders.len() == KEPT {
            orders.remove(0);
        }
        orders.push((epoch, Arc::clone(&order)));
        Ok(Some(order))
    }
}
