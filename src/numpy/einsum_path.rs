//! In which order the operands of an einsum are contracted. opt_einsum: `paths.py`, `contract.py`. JAX: `numpy.einsum_path`.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::arguments::options;
use crate::core::array::Array;
use crate::error::{OrThrow, Result, bail};
use crate::numpy::Subscripts;

/// How an order is found. JAX: `optimize`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EinsumOptimize {
    /// The best one of up to four operands; of up to 14 the best that a search of fewer and fewer branches finds; else greedily. JAX: `"auto"`.
    #[default]
    Auto,
    /// The order that needs the fewest products, of all that there are. JAX: `True`, `"optimal"`.
    Optimal,
    /// Each time the two whose product is smallest. JAX: `"greedy"`.
    Greedy,
    /// As the operands stand. JAX: `False`.
    LeftToRight,
    /// This one: the positions of the operands of each step, whose result goes to the end of the list.
    Path(Vec<Vec<usize>>),
}

impl From<Vec<Vec<usize>>> for EinsumOptimize {
    fn from(path: Vec<Vec<usize>>) -> Self {
        EinsumOptimize::Path(path)
    }
}

options! {
    /// Options of [`einsum_path_with`].
    pub struct EinsumPathOptions {
        /// How the order is found.
        optimize: into EinsumOptimize = EinsumOptimize::Auto,
    }
}

/// An order of contractions, and what it costs. opt_einsum: `PathInfo`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EinsumPath {
    /// The positions of the operands of each step, whose result goes to the end of the list.
    pub path: Vec<Vec<usize>>,
    /// How many products and sums one loop over all labels would take.
    pub naive_cost: f64,
    /// How many the steps take.
    pub opt_cost: f64,
    /// The number of elements of the largest result of a step.
    pub largest_intermediate: f64,
}

/// The order in which [`einsum`](super::einsum()) contracts its operands: the shapes decide.
///
/// ```
/// use raxla::numpy as jnp;
///
/// let (x, y, z) = (jnp::ones((2, 100)), jnp::ones((100, 100)), jnp::ones((100, 3)));
/// let found = jnp::einsum_path("ij,jk,kl", [x, y, z]);
/// assert_eq!(found.path, [[0, 1], [0, 1]]);
/// assert!(found.opt_cost < found.naive_cost);
/// ```
///
/// # Errors
/// As [`einsum`](super::einsum()).
#[track_caller]
pub fn einsum_path<T: Borrow<Array>>(subscripts: &str, operands: impl AsRef<[T]>) -> EinsumPath {
    einsum_path_with(subscripts, operands, EinsumPathOptions::new())
}

/// [`einsum_path`] by options.
///
/// # Errors
/// As [`einsum_path`].
#[track_caller]
pub fn einsum_path_with<T: Borrow<Array>>(
    subscripts: &str,
    operands: impl AsRef<[T]>,
    options: EinsumPathOptions,
) -> EinsumPath {
    let operands: Vec<&Array> = operands.as_ref().iter().map(Borrow::borrow).collect();
    let spec = Subscripts::parse(subscripts, &operands).or_throw();
    contractions("einsum_path", &spec, &options.optimize).or_throw().0
}

/// One step.
pub(super) struct Contraction {
    /// The operands, the last first.
    pub positions: Vec<usize>,
    /// The labels of each.
    pub inputs: Vec<Vec<char>>,
    /// The labels that are summed over, in alphabetical order.
    pub removed: Vec<char>,
    /// The labels of the result.
    pub result: Vec<char>,
}

/// A set of labels, by their places among all.
type Labels = u128;

/// Labels and their sizes.
struct Table {
    names: Vec<char>,
    sizes: Vec<f64>,
}

impl Table {
    fn set(&self, names: &[char]) -> Labels {
        let place = |name: &char| self.names.iter().position(|known| known == name).unwrap_or(0);
        names.iter().fold(0, |set, name| set | 1 << place(name))
    }

    fn places(&self, set: Labels) -> impl Iterator<Item = usize> {
        (0..self.names.len()).filter(move |i| set >> i & 1 == 1)
    }

    /// The number of elements of an array with these labels.
    fn size(&self, set: Labels) -> f64 {
        self.places(set).map(|i| self.sizes[i]).product()
    }

    /// The number of products and sums of one contraction.
    fn flops(&self, set: Labels, sums: bool, terms: usize) -> f64 {
        self.size(set) * (terms.saturating_sub(1).max(1) + usize::from(sums)) as f64
    }

    /// The labels of the product of two operands of which the others are left, and its cost.
    fn pair(&self, inputs: &[Labels], left: &[usize], output: Labels, i: usize, j: usize) -> (Labels, f64) {
        let others = left.iter().filter(|k| **k != i && **k != j);
        let kept = others.fold(output, |kept, k| kept | inputs[*k]);
        let (either, shared) = (inputs[i] | inputs[j], inputs[i] & inputs[j]);
        (either & kept, self.flops(either, shared & !kept != 0, 2))
    }
}

/// The path with its cost, and its steps.
pub(super) fn contractions(
    what: &str,
    spec: &Subscripts,
    optimize: &EinsumOptimize,
) -> Result<(EinsumPath, Vec<Contraction>)> {
    let (names, sizes): (Vec<char>, Vec<f64>) = spec.sizes.iter().map(|(name, n)| (*name, *n as f64)).unzip();
    let table = Table { names, sizes };
    let mut inputs: Vec<Labels> = spec.inputs.iter().map(|names| table.set(names)).collect();
    let output = table.set(&spec.output);
    let path = path_of(&table, &inputs, output, optimize);
    let all = inputs.iter().fold(0, |all, set| all | set);
    let total: u32 = inputs.iter().map(|set| set.count_ones()).sum();
    let naive_cost = table.flops(all, total > all.count_ones(), inputs.len());
    let (mut opt_cost, mut largest_intermediate) = (0.0, 0.0f64);
    let mut left = spec.inputs.clone();
    let mut steps = Vec::with_capacity(path.len());
    for (n, positions) in path.iter().enumerate() {
        let mut positions = positions.clone();
        positions.sort_unstable_by_key(|i| Reverse(*i));
        positions.dedup();
        if positions.is_empty() || positions[0] >= left.len() {
            bail!(InvalidArgument, "{what}: {path:?} is no path for {} operands", spec.inputs.len());
        }
        let taken: Vec<Vec<char>> = positions.iter().map(|i| left.remove(*i)).collect();
        let sets: Vec<Labels> = positions.iter().map(|i| inputs.remove(*i)).collect();
        let (either, kept) =
            (sets.iter().fold(0, |all, set| all | set), inputs.iter().fold(output, |all, set| all | set));
        let out = either & kept;
        opt_cost += table.flops(either, either & !out != 0, sets.len());
        largest_intermediate = largest_intermediate.max(table.size(out));
        let result = if n + 1 == path.len() {
            spec.output.clone()
        } else {
            // In the order in which they stand in the operands.
            let mut result: Vec<char> = Vec::new();
            for name in taken.iter().flatten() {
                if !result.contains(name) && table.set(&[*name]) & out != 0 {
                    result.push(*name);
                }
            }
            result
        };
        let removed = table.places(either & !out).map(|i| table.names[i]).collect();
        left.push(result.clone());
        inputs.push(out);
        steps.push(Contraction { positions, inputs: taken, removed, result });
    }
    if left.len() != 1 {
        bail!(InvalidArgument, "{what}: {path:?} is no path for {} operands", spec.inputs.len());
    }
    Ok((EinsumPath { path, naive_cost, opt_cost, largest_intermediate }, steps))
}

fn path_of(table: &Table, inputs: &[Labels], output: Labels, optimize: &EinsumOptimize) -> Vec<Vec<usize>> {
    let n = inputs.len();
    let branches = |most: usize| by_position(n, Branches::new(table, output, most).best(inputs));
    match optimize {
        EinsumOptimize::Path(path) => path.clone(),
        _ if n <= 2 => vec![(0..n).collect()],
        EinsumOptimize::LeftToRight => vec![vec![0, 1]; n - 1],
        EinsumOptimize::Optimal => by_position(n, optimal(table, inputs, output)),
        EinsumOptimize::Greedy => by_position(n, greedy(table, inputs, output)),
        EinsumOptimize::Auto => match n {
            ..=4 => by_position(n, optimal(table, inputs, output)),
            5..=6 => branches(usize::MAX),
            7..=8 => branches(2),
            9..=14 => branches(1),
            _ => by_position(n, greedy(table, inputs, output)),
        },
    }
}

/// Steps between numbered operands, where each result has the next number.
type Numbered = Vec<(usize, usize)>;

/// The same by positions in the list of what is left. opt_einsum: `ssa_to_linear`.
fn by_position(n: usize, path: Numbered) -> Vec<Vec<usize>> {
    let mut left: Vec<usize> = (0..n).collect();
    let steps = path.iter().enumerate().map(|(step, (i, j))| {
        let mut positions: Vec<usize> = [i, j].iter().map(|k| left.partition_point(|l| l < *k)).collect();
        positions.sort_unstable();
        positions.iter().rev().for_each(|position| {
            left.remove(*position);
        });
        left.push(n + step);
        positions
    });
    steps.collect()
}

fn pairs(left: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    left.iter().enumerate().flat_map(|(at, i)| left[at + 1..].iter().map(|j| (*i, *j)))
}

fn without(left: &[usize], i: usize, j: usize, new: usize) -> Vec<usize> {
    left.iter().copied().filter(|k| *k != i && *k != j).chain([new]).collect()
}

/// The cheapest of all orders.
fn optimal(table: &Table, inputs: &[Labels], output: Labels) -> Numbered {
    fn search(
        table: &Table,
        output: Labels,
        (inputs, left, path, flops): (&[Labels], &[usize], &Numbered, f64),
        best: &mut (f64, Numbered),
    ) {
        if left.len() == 1 {
            *best = (flops, path.clone());
            return;
        }
        for (i, j) in pairs(left) {
            let (set, cost) = table.pair(inputs, left, output, i, j);
            if flops + cost >= best.0 {
                continue;
            }
            let (inputs, path) = ([inputs, &[set]].concat(), [&path[..], &[(i, j)]].concat());
            let left = without(left, i, j, inputs.len() - 1);
            search(table, output, (&inputs, &left, &path, flops + cost), best);
        }
    }
    let mut best = (f64::INFINITY, Numbered::new());
    let left: Vec<usize> = (0..inputs.len()).collect();
    search(table, output, (inputs, &left, &Numbered::new(), 0.0), &mut best);
    best.1
}

/// A search that follows the most promising branches, and leaves those that are much worse than the best so far. opt_einsum: `BranchBound`.
struct Branches<'a> {
    table: &'a Table,
    output: Labels,
    most: usize,
    best: (f64, f64, Numbered),
    /// The least cost so far of as many steps.
    progress: Vec<f64>,
}

/// How much worse a branch may be than the best at the same place.
const CUTOFF: f64 = 4.0;

/// A step that may be taken: what it is sorted by, and the labels of the result.
type Candidate = ((f64, f64, f64, f64, (usize, usize)), Labels);

impl<'a> Branches<'a> {
    fn new(table: &'a Table, output: Labels, most: usize) -> Self {
        let best = (f64::INFINITY, f64::INFINITY, Numbered::new());
        Branches { table, output, most, best, progress: Vec::new() }
    }

    fn best(mut self, inputs: &[Labels]) -> Numbered {
        let left: Vec<usize> = (0..inputs.len()).collect();
        self.progress = vec![f64::INFINITY; 2 * inputs.len() + 1];
        self.search(inputs, &left, &Numbered::new(), 0.0, 0.0);
        self.best.2
    }

    fn candidate(
        &mut self,
        inputs: &[Labels],
        left: &[usize],
        (i, j): (usize, usize),
        flops: f64,
        size: f64,
    ) -> Option<Candidate> {
        let (set, cost) = self.table.pair(inputs, left, self.output, i, j);
        let of = self.table.size(set);
        let (all, largest) = (flops + cost, size.max(of));
        if (all, largest) >= (self.best.0, self.best.1) {
            return None;
        }
        let progress = &mut self.progress[inputs.len()];
        if all < *progress {
            *progress = all;
        } else if all > CUTOFF * *progress {
            return None;
        }
        let grown = of - self.table.size(inputs[i]) - self.table.size(inputs[j]);
        Some(((grown, cost, all, largest, (i, j)), set))
    }

    fn search(&mut self, inputs: &[Labels], left: &[usize], path: &Numbered, flops: f64, size: f64) {
        if left.len() == 1 {
            self.best = (flops, size, path.clone());
            return;
        }
        let mut found: Vec<Candidate> = Vec::new();
        // Products of operands that share nothing come last.
        for shares in [true, false] {
            if found.is_empty() {
                let wanted = pairs(left).filter(|(i, j)| !shares || inputs[*i] & inputs[*j] != 0);
                for pair in wanted {
                    found.extend(self.candidate(inputs, left, pair, flops, size));
                }
            }
        }
        found.sort_by(|x, y| x.0.partial_cmp(&y.0).unwrap_or(std::cmp::Ordering::Equal));
        for ((_, _, all, largest, (i, j)), set) in found.into_iter().take(self.most) {
            let (inputs, path) = ([inputs, &[set]].concat(), [&path[..], &[(i, j)]].concat());
            let left = without(left, i, j, inputs.len() - 1);
            self.search(&inputs, &left, &path, all, largest);
        }
    }
}

/// Operands with their numbers; equal sets of labels are one operand.
struct Remaining(Vec<(Labels, usize)>);

impl Remaining {
    fn number(&self, set: Labels) -> Option<usize> {
        self.0.iter().find(|(known, _)| *known == set).map(|(_, number)| *number)
    }

    fn put(&mut self, set: Labels, number: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == set) {
            Some((_, old)) => *old = number,
            None => self.0.push((set, number)),
        }
    }

    /// Those that have the label.
    fn with(&self, label: usize) -> Vec<(Labels, usize)> {
        self.0.iter().filter(|(set, _)| set >> label & 1 == 1).copied().collect()
    }
}

/// A product that may be taken: how much it grows, the numbers of both, and the sets.
type Choice = (i128, usize, usize, Labels, Labels, Labels);

/// Each time the two whose product is smallest, compared with them. opt_einsum: `ssa_greedy_optimize`.
fn greedy(table: &Table, inputs: &[Labels], output: Labels) -> Numbered {
    // What all have can be summed over in the last step only.
    let output = output | inputs.iter().fold(Labels::MAX, |all, set| all & set);
    let (mut path, mut next) = (Numbered::new(), inputs.len());
    let mut left = Remaining(Vec::new());
    for (number, set) in inputs.iter().enumerate() {
        match left.number(*set) {
            Some(known) => {
                path.push((known, number));
                left.put(*set, next);
                next += 1;
            }
            None => left.put(*set, number),
        }
    }
    let choice = |left: &Remaining, a: Labels, b: Labels| -> Option<Choice> {
        let (either, two) = (a | b, a & b);
        let used_by = |n: usize| {
            let is = |label: &usize| left.with(*label).len() >= n;
            table.places(!output & either).filter(is).fold(0, |set: Labels, label| set | 1 << label)
        };
        let set = (either & output) | (two & used_by(3)) | (either & !two & used_by(2));
        let grown = table.size(set) - table.size(a) - table.size(b);
        let (i, j) = (left.number(a)?, left.number(b)?);
        let (a, i, b, j) = if i > j { (b, j, a, i) } else { (a, i, b, j) };
        Some((grown as i128, j, i, a, b, set))
    };
    let mut queue: BinaryHeap<Reverse<Choice>> = BinaryHeap::new();
    for label in table.places(!output) {
        let mut sets = left.with(label);
        sets.sort_by_key(|(_, number)| *number);
        for (at, (set, _)) in sets.iter().enumerate() {
            let found = sets[at + 1..].iter().filter_map(|(other, _)| choice(&left, *set, *other)).min();
            queue.extend(found.map(Reverse));
        }
    }
    while let Some(Reverse((_, _, _, a, b, set))) = queue.pop() {
        let (Some(i), Some(j)) = (left.number(a), left.number(b)) else { continue };
        left.0.retain(|(known, _)| *known != a && *known != b);
        path.push((i, j));
        if let Some(known) = left.number(set) {
            path.push((known, next));
            next += 1;
        }
        left.put(set, next);
        next += 1;
        let others = left.0.iter().filter(|(other, _)| *other != set && other & set & !output != 0);
        let found = others.filter_map(|(other, _)| choice(&left, set, *other)).min();
        queue.extend(found.map(Reverse));
    }
    // What is left shares nothing: the smallest first.
    let mut rest: BinaryHeap<Reverse<(u128, usize, Labels)>> = BinaryHeap::new();
    rest.extend(
        left.0.iter().map(|(set, number)| Reverse((table.size(set & output) as u128, *number, *set))),
    );
    while rest.len() > 1 {
        if let (Some(Reverse((_, i, a))), Some(Reverse((_, j, b)))) = (rest.pop(), rest.pop()) {
            path.push((i.min(j), i.max(j)));
            let set = (a | b) & output;
            rest.push(Reverse((table.size(set) as u128, next, set)));
            next += 1;
        }
    }
    path
}
