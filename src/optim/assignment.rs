//! Assignments of least cost. Optax: `optax.assignment`.

use crate::control_flow::{fori_loop, scan, while_loop};
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, caller, throw};
use crate::{lax, numpy};

/// The shape of a matrix of costs.
#[track_caller]
fn checked(op: &str, costs: &Array) -> (usize, usize) {
    match *costs.shape() {
        [n, m] if !costs.dtype().is_complex() => (n, m),
        _ => throw!(Shape, "{op}: requires a matrix of real costs, got {}", costs.aval()),
    }
}

fn none(n: usize) -> Array {
    numpy::full((n, DType::I32), -1)
}

/// The float dtype that is computed in: JAX's default.
fn floats(costs: &Array) -> Array {
    let dtype = numpy::zeros(()).dtype();
    costs.astype(dtype)
}

/// Which rows and columns of a matrix of costs belong together, so that the sum of costs is least and none is used twice: `f32[n,m]` ->
/// two `i32` of `min(n, m)`, rows and columns. The Hungarian algorithm, in time `O(n² m)`; Kuhn 1955. Pairs come in the order that
/// Optax has: that of the columns of a square matrix, else that of falling numbers along the shorter axis.
///
/// ```
/// use raxla::{Array, optim};
///
/// let costs = Array::from([[8.0f32, 4.0, 7.0], [5.0, 2.0, 3.0], [9.0, 6.0, 7.0], [9.0, 4.0, 8.0]]);
/// let (i, j) = optim::hungarian_algorithm(&costs);
/// assert_eq!(costs.index((&i, &j)).sum(..).item::<f32>()?, 15.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `hungarian_algorithm: requires a matrix of real costs, got f32[3]`, at the caller's line.
#[track_caller]
pub fn hungarian_algorithm(cost_matrix: impl Into<Array>) -> (Array, Array) {
    let costs = cost_matrix.into();
    let (n, m) = checked("hungarian_algorithm", &costs);
    with_location(caller(), || {
        if n == 0 || m == 0 {
            return (numpy::zeros((0, DType::I32)), numpy::zeros((0, DType::I32)));
        }
        let turned = n > m;
        let costs = if turned { numpy::transpose(&costs, ..) } else { costs };
        let (rows, columns) = by_rows(&floats(&costs), n.min(m), n.max(m)).or_throw();
        if turned { (columns, rows) } else { (rows, columns) }
    })
}

/// Row by row, each by a search for the cheapest way to a free column. Rows and columns count from 1; column 0 is where a search
/// begins, and row 0 is that of a free column.
fn by_rows(costs: &Array, rows: usize, columns: usize) -> Result<(Array, Array)> {
    let float = costs.dtype();
    let infinity = || numpy::full((columns, float), f64::INFINITY);
    let int = |x: i32| numpy::full(((), DType::I32), x);
    // The last of row potentials is for those columns that a search has not come to.
    let potentials = (numpy::zeros((rows + 2, float)), numpy::zeros((columns + 1, float)));
    let row_of = numpy::zeros((columns + 1, DType::I32));
    let add_row = |(u, v, row_of): (Array, Array, Array), row: Array| -> Result<_> {
        let row_of = row_of.at(0).set(row + 1);
        type Search = (Array, Array, Array, Array, Array, Array);
        let begin: Search = (
            u,
            v,
            numpy::full((columns + 1, DType::Bool), false),
            infinity(),
            numpy::zeros((columns, DType::I32)),
            int(0),
        );
        let at_taken = |(_, _, _, _, _, column): &Search| numpy::not_equal(row_of.index(column), 0);
        let search = |(u, v, used, least, from, column): Search| -> Search {
            let used = used.at(&column).set(true);
            let open = numpy::logical_not(used.index(1..));
            let row = row_of.index(&column);
            // What it costs beyond the potentials to go on from here.
            let cost = costs.index(&row - 1) - u.index(&row) - v.index(1..);
            let cost = numpy::where_(&open, cost, f64::INFINITY);
            let better = numpy::less(&cost, &least);
            let from = numpy::where_(&better, &column, from);
            let least = numpy::where_(&better, cost, least);
            // An open column is nearer than others, whatever it costs: so the search ends if costs are infinite too.
            let reachable = numpy::where_(&open, numpy::minimum(&least, f64::from(f32::MAX)), f64::INFINITY);
            let column = numpy::argmin(&reachable, 0) + 1;
            let delta = reachable.min(..);
            let reached = numpy::where_(&used, &row_of, rows as i32 + 1);
            let u = u.at(reached).add(&delta);
            let v = numpy::where_(&used, &v - &delta, v);
            let least = numpy::where_(&open, &least - &delta, least);
            (u, v, used, least, from, column.astype(DType::I32))
        };
        let (u, v, _, _, from, column) = while_loop(at_taken, search, begin)?;
        // Back along the way, each column takes the row of the one before it.
        let moved = |(row_of, column): (Array, Array)| {
            let before = from.index(&column - 1);
            let row = row_of.index(&before);
            (row_of.at(column).set(row), before)
        };
        let more = |(_, column): &(Array, Array)| numpy::not_equal(column, 0);
        let (row_of, _) = while_loop(more, moved, (row_of, column))?;
        Ok(((u, v, row_of), ()))
    };
    let all = numpy::arange(rows).astype(DType::I32);
    let ((_, _, row_of), ()) = scan(add_row, (potentials.0, potentials.1, row_of), all)?;
    let row_of = row_of.index(1..);
    if rows == columns {
        return Ok((row_of - 1, numpy::arange(rows).astype(DType::I32)));
    }
    // The columns that have a row, those of later rows first.
    let (row_of, at) = lax::top_k(&row_of, rows, 0);
    Ok((row_of - 1, at))
}

/// [`hungarian_algorithm`] by shortest augmenting paths; pairs are in the order of rows. Crouse 2016,
/// <https://doi.org/10.1109/TAES.2016.140952>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let costs = Array::from([[8.0f32, 4.0, 7.0], [5.0, 2.0, 3.0], [9.0, 6.0, 7.0], [9.0, 4.0, 8.0]]);
/// let (i, j) = optim::base_hungarian_algorithm(costs);
/// assert_eq!((i.to_vec::<i32>()?, j.to_vec::<i32>()?), (vec![0, 1, 3], vec![0, 2, 1]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `base_hungarian_algorithm: requires a matrix of real costs, got f32[3]`, at the caller's line.
#[track_caller]
pub fn base_hungarian_algorithm(cost_matrix: impl Into<Array>) -> (Array, Array) {
    let costs = cost_matrix.into();
    let (n, m) = checked("base_hungarian_algorithm", &costs);
    with_location(caller(), || {
        if n == 0 || m == 0 {
            return (numpy::zeros((0, DType::I32)), numpy::zeros((0, DType::I32)));
        }
        let turned = m < n;
        let costs = if turned { numpy::transpose(&costs, ..) } else { costs };
        let column_of = by_paths(&floats(&costs), n.min(m), n.max(m)).or_throw();
        if turned {
            let i = numpy::argsort(&column_of, 0).astype(DType::I32);
            (column_of.index(&i), i)
        } else {
            (numpy::arange(n).astype(DType::I32), column_of)
        }
    })
}

/// What is known between two searches: the potentials of rows and columns, and what belongs together, -1 for nothing.
type Matching = (Array, Array, Array, Array);

/// The column of each row.
fn by_paths(costs: &Array, rows: usize, columns: usize) -> Result<Array> {
    let float = costs.dtype();
    let begin: Matching =
        (numpy::zeros((rows, float)), numpy::zeros((columns, float)), none(columns), none(rows));
    let body = |row: Array, (u, v, row_of, column_of): Matching| -> Result<Matching> {
        let row = row.astype(DType::I32);
        let found = shortest_path(costs, rows, columns, &row, (&u, &v, &row_of))?;
        let Found { sink, length, seen_rows, seen_columns, distances, from } = found;
        let u = u.at(&row).add(&length);
        let others = numpy::logical_and(&seen_rows, numpy::not_equal(numpy::arange(rows), &row));
        // Of a row without a column, which is not among those, any distance will do.
        let reached = distances.index(numpy::maximum(&column_of, 0));
        let u = numpy::where_(others, &u + &length - reached, u);
        let v = numpy::where_(seen_columns, &v + &distances - &length, v);
        type Walk = (Array, Array, Array, Array);
        let turn = |(sink, row_of, column_of, _): Walk| -> Walk {
            let i = from.index(&sink);
            let next = column_of.index(&i);
            let done = numpy::equal(&i, &row);
            (next, row_of.at(&sink).set(&i), column_of.at(&i).set(&sink), done)
        };
        let more = |(_, _, _, done): &Walk| numpy::logical_not(done);
        let (_, row_of, column_of, _) =
            while_loop(more, turn, (sink, row_of, column_of, numpy::array(false)))?;
        Ok((u, v, row_of, column_of))
    };
    Ok(fori_loop(0, rows, body, begin)?.3)
}

/// The end of the cheapest way from a row to a free column, and what was seen on the way.
struct Found {
    sink: Array,
    length: Array,
    seen_rows: Array,
    seen_columns: Array,
    distances: Array,
    from: Array,
}

/// Dijkstra's search over the costs beyond potentials.
fn shortest_path(
    costs: &Array,
    rows: usize,
    columns: usize,
    row: &Array,
    (u, v, row_of): (&Array, &Array, &Array),
) -> Result<Found> {
    let float = costs.dtype();
    let flags = |n: usize| numpy::full((n, DType::Bool), false);
    // The row that the search is at, its distance, the end once it is found, rows and columns seen, distances, and from which row.
    type Search = (Array, Array, Array, Array, Array, Array, Array);
    let begin: Search = (
        row.clone(),
        numpy::zeros(((), float)),
        numpy::full(((), DType::I32), -1),
        flags(rows),
        flags(columns),
        numpy::full((columns, float), f64::INFINITY),
        none(columns),
    );
    let more = |(_, _, sink, ..): &Search| numpy::equal(sink, -1);
    let step = |(i, length, _, seen_rows, seen_columns, distances, from): Search| -> Search {
        let seen_rows = seen_rows.at(&i).set(true);
        let open = numpy::logical_not(&seen_columns);
        let through = length + costs.index(&i) - u.index(&i) - v;
        // A way that costs too much for a number is one still: so the search ends if costs are infinite too.
        let most = f64::from(f32::MAX);
        let through = numpy::where_(numpy::less(&through, most), &through, most);
        let better = numpy::logical_and(&open, numpy::less(&through, &distances));
        let from = numpy::where_(&better, &i, from);
        let distances = numpy::where_(better, through, distances);
        let reachable = numpy::where_(&open, &distances, f64::INFINITY);
        let length = reachable.min(..);
        // Of several as near, a free one.
        let nearest = numpy::logical_and(&open, numpy::equal(&reachable, &length));
        let free = numpy::equal(row_of, -1);
        let rank = numpy::where_(&nearest, numpy::where_(&free, 2, 1), 0);
        let column = numpy::argmax(rank, 0).astype(DType::I32);
        let seen_columns = seen_columns.at(&column).set(true);
        let next = row_of.index(&column);
        let ends = numpy::equal(&next, -1);
        let sink = numpy::where_(&ends, &column, -1);
        (numpy::where_(ends, i, next), length, sink, seen_rows, seen_columns, distances, from)
    };
    let (_, length, sink, seen_rows, seen_columns, distances, from) = while_loop(more, step, begin)?;
    Ok(Found { sink, length, seen_rows, seen_columns, distances, from })
}
