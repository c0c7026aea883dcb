//! How far to go in a direction, by the strong conditions of Wolfe. Nocedal and Wright 2006, Alg. 3.5 and 3.6. JAX: `_src/scipy/optimize/line_search.py`.

use super::{Objective, value_and_gradient};
use crate::Pytree;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax;
use crate::numpy::{
    DotOptions, abs, dot_with, equal, greater, greater_equal, less, less_equal, logical_and, logical_not,
    logical_or, maximum, minimum, real, sign, sqrt, stack, where_,
};

/// How much the function must fall, and how much its slope.
const C1: f64 = 1e-4;
const C2: f64 = 0.9;

/// From where, in which direction, and what is known there.
pub(super) struct LineSearch<'a> {
    pub x: &'a Array,
    pub p: &'a Array,
    pub f: &'a Array,
    pub g: &'a Array,
    pub f_before: Option<&'a Array>,
    pub maxiter: usize,
}

/// What was found: how far, and the value and the gradient there.
pub(super) struct Searched {
    pub failed: Array,
    pub nfev: Array,
    pub ngev: Array,
    pub a: Array,
    pub f: Array,
    pub g: Array,
    pub status: Array,
}

fn dot(x: &Array, y: &Array) -> Array {
    dot_with(x, y, DotOptions::new().precision(Precision::Highest))
}

fn both(x: &Array, y: &Array) -> Array {
    logical_and(x, y)
}

fn not(x: &Array) -> Array {
    logical_not(x)
}

/// A place on the line: how far, and the value and the slope there.
#[derive(Clone, Pytree)]
struct Place {
    a: Array,
    phi: Array,
    dphi: Array,
}

impl Place {
    /// This one where the condition holds, else the other.
    fn or(&self, holds: &Array, other: &Place) -> Place {
        Place {
            a: where_(holds, &self.a, &other.a),
            phi: where_(holds, &self.phi, &other.phi),
            dphi: where_(holds, &self.dphi, &other.dphi),
        }
    }
}

/// The place that is given, with the gradient there.
#[derive(Clone, Pytree)]
struct Chosen {
    place: Place,
    g: Array,
}

impl Chosen {
    fn or(&self, holds: &Array, other: &Chosen) -> Chosen {
        Chosen { place: self.place.or(holds, &other.place), g: where_(holds, &self.g, &other.g) }
    }
}

/// The function along the line.
struct Line<'a> {
    f: &'a Objective<'a>,
    of: &'a LineSearch<'a>,
    phi0: Array,
    dphi0: Array,
}

impl Line<'_> {
    fn at(&self, a: &Array) -> Result<Chosen> {
        let a = a.astype(self.of.p.dtype());
        let (phi, g) = value_and_gradient(self.f, &(self.of.x + &a * self.of.p))?;
        let dphi = real(dot(&g, self.of.p));
        Ok(Chosen { place: Place { a, phi, dphi }, g })
    }

    /// Is the value too large?
    fn is_high(&self, at: &Place) -> Array {
        greater(&at.phi, &self.phi0 + C1 * &at.a * &self.dphi0)
    }

    /// Is the slope small enough?
    fn is_flat(&self, at: &Place) -> Array {
        less_equal(abs(&at.dphi), -C2 * &self.dphi0)
    }
}

/// The minimum of the cubic polynomial through three values and one slope.
fn cubic_minimum(low: &Place, b: &Array, fb: &Array, c: &Array, fc: &Array) -> Array {
    let (a, fa, slope) = (&low.a, &low.phi, &low.dphi);
    let (db, dc) = (b - a, c - a);
    let product = &db * &dc;
    let denominator = &product * &product * (&db - &dc);
    let square = |x: &Array| x * x;
    let cube = |x: &Array| x * x * x;
    let rows = [stack([&square(&dc), &-square(&db)], 0), stack([&-cube(&dc), &cube(&db)], 0)];
    let rest = stack([&(fb - fa - slope * &db), &(fc - fa - slope * &dc)], 0);
    let found = dot(&stack(&rows, 0), &rest) / denominator;
    let (p, q) = (found.index(0), found.index(1));
    let radical = &q * &q - 3.0 * &p * slope;
    a + (-q + sqrt(radical)) / (3.0 * p)
}

/// The minimum of the parabola through two values and one slope.
fn quadratic_minimum(low: &Place, high: &Place) -> Array {
    let db = &high.a - &low.a;
    let b = (&high.phi - &low.phi - &low.dphi * &db) / (&db * &db);
    &low.a - &low.dphi / (2.0 * b)
}

#[derive(Clone, Pytree)]
struct Zoom {
    done: Array,
    failed: Array,
    j: Array,
    low: Place,
    high: Place,
    /// The place that was given up last.
    a_rec: Array,
    phi_rec: Array,
    star: Chosen,
    evaluations: Array,
}

/// Halves the interval between two places, by interpolation as long as that is of use. `passes` says that it is not asked for.
fn zoomed(line: &Line<'_>, low: &Place, high: &Place, g: &Array, passes: &Array) -> Result<Zoom> {
    let one = Array::from(1.0);
    let star = Place { a: one, phi: low.phi.clone(), dphi: low.dphi.clone() };
    let init = Zoom {
        done: Array::from(false),
        failed: Array::from(false),
        j: Array::from(0),
        a_rec: (&low.a + &high.a) / 2.0,
        phi_rec: (&low.phi + &high.phi) / 2.0,
        low: low.clone(),
        high: high.clone(),
        star: Chosen { place: star, g: g.clone() },
        evaluations: Array::from(0),
    };
    let more = |s: &Zoom| both(&both(&not(&s.done), &not(passes)), &not(&s.failed));
    let step = |s: Zoom| -> Result<Zoom> {
        let width = &s.high.a - &s.low.a;
        let (left, right) = (minimum(&s.high.a, &s.low.a), maximum(&s.high.a, &s.low.a));
        let least = if width.dtype() == DType::F64 { 1e-10 } else { 1e-5 };
        let failed = logical_or(&s.failed, less_equal(&width, least));
        let inside = |a: &Array, margin: f64| {
            let margin = margin * &width;
            both(&greater(a, &left + &margin), &less(a, &right - margin))
        };
        let cubic = cubic_minimum(&s.low, &s.high.a, &s.high.phi, &s.a_rec, &s.phi_rec);
        let by_cubic = both(&greater(&s.j, 0), &inside(&cubic, 0.2));
        let quadratic = quadratic_minimum(&s.low, &s.high);
        let by_quadratic = both(&not(&by_cubic), &inside(&quadratic, 0.1));
        let by_half = both(&not(&by_cubic), &not(&by_quadratic));
        let a = where_(by_cubic, cubic, &s.a_rec);
        let a = where_(by_quadratic, quadratic, a);
        let a = where_(by_half, (&s.low.a + &s.high.a) / 2.0, a);
        let found = line.at(&a)?;
        let at = Place {
            a,
            phi: found.place.phi.astype(s.low.phi.dtype()),
            dphi: found.place.dphi.astype(s.low.dphi.dtype()),
        };
        let here = Chosen { place: at.clone(), g: found.g.astype(s.star.g.dtype()) };
        let is_high = logical_or(line.is_high(&at), greater_equal(&at.phi, &s.low.phi));
        let is_star = both(&line.is_flat(&at), &not(&is_high));
        let is_low = both(&not(&is_high), &not(&is_star));
        let turns = greater_equal(&at.dphi * (&s.high.a - &s.low.a), 0.0);
        let turns = both(&both(&turns, &not(&is_high)), &not(&is_star));
        // What is given up: the high end, the high end that the low one replaces, or the low end.
        let given_up = |old: &Array, of_high: &Array, of_low: &Array| {
            let old = where_(logical_or(&is_high, &turns), of_high, old);
            where_(both(&is_low, &not(&turns)), of_low, old)
        };
        Ok(Zoom {
            a_rec: given_up(&s.a_rec, &s.high.a, &s.low.a),
            phi_rec: given_up(&s.phi_rec, &s.high.phi, &s.low.phi),
            high: s.low.or(&turns, &at.or(&is_high, &s.high)),
            low: at.or(&is_low, &s.low),
            done: logical_or(&is_star, &s.done),
            star: here.or(&is_star, &s.star),
            failed: logical_or(failed, greater_equal(&s.j + 1, 30)),
            j: s.j + 1,
            evaluations: s.evaluations + 1,
        })
    };
    lax::while_loop(more, step, init)
}

#[derive(Clone, Pytree)]
struct Search {
    done: Array,
    failed: Array,
    i: Array,
    /// The place before.
    last: Place,
    star: Chosen,
    evaluations: Array,
}

pub(super) fn searched(f: &Objective<'_>, of: &LineSearch<'_>) -> Result<Searched> {
    let (phi0, dphi0) = (of.f.clone(), real(dot(of.g, of.p)));
    let start = match of.f_before {
        Some(before) => {
            let candidate = 1.01 * 2.0 * (&phi0 - before) / &dphi0;
            where_(greater(&candidate, 1), 1.0, candidate)
        }
        None => Array::from(1),
    };
    let line = Line { f, of, phi0: phi0.clone(), dphi0: dphi0.clone() };
    let origin = Place { a: Array::from(0.0), phi: phi0, dphi: dphi0 };
    let init = Search {
        done: Array::from(false),
        failed: Array::from(false),
        i: Array::from(1),
        last: origin.clone(),
        star: Chosen { place: origin, g: of.g.clone() },
        evaluations: Array::from(0),
    };
    let more = |s: &Search| both(&both(&not(&s.done), &less_equal(&s.i, of.maxiter as i32)), &not(&s.failed));
    let step = |s: Search| -> Result<Search> {
        let a = where_(equal(&s.i, 1), &start, &s.last.a * 2.0);
        let mut found = line.at(&a)?;
        found.place.a = a;
        let at = &found.place;
        let rises = both(&greater_equal(&at.phi, &s.last.phi), &greater(&s.i, 1));
        let is_high = logical_or(line.is_high(at), rises);
        let is_star = both(&line.is_flat(at), &not(&is_high));
        let is_past = greater_equal(&at.dphi, 0.0);
        let is_past = both(&both(&is_past, &not(&is_high)), &not(&is_star));
        let first = zoomed(&line, &s.last, at, of.g, &not(&is_high))?;
        let second = zoomed(&line, at, &s.last, of.g, &not(&is_past))?;
        let star = first.star.or(&is_high, &s.star);
        let star = found.or(&is_star, &star);
        let star = second.star.or(&is_past, &star);
        let failed = logical_or(both(&is_high, &first.failed), &s.failed);
        let done = logical_or(logical_or(&is_high, &is_star), logical_or(&is_past, &s.done));
        Ok(Search {
            done,
            failed: logical_or(both(&is_past, &second.failed), failed),
            i: s.i + 1,
            last: at.clone(),
            star,
            evaluations: s.evaluations + 1 + first.evaluations + second.evaluations,
        })
    };
    let s = lax::while_loop(more, step, init)?;
    let ended = where_(greater(&s.i, of.maxiter as i32), 3, 0);
    let status = where_(&s.failed, 1, ended);
    let mut a = s.star.place.a;
    if a.dtype() != DType::F64 {
        // Steps that are too small would not move at all.
        a = where_(less(abs(&a), 1e-8), sign(&a) * 1e-8, &a);
    }
    Ok(Searched {
        failed: logical_or(&s.failed, not(&s.done)),
        nfev: s.evaluations.clone(),
        ngev: s.evaluations,
        a,
        f: s.star.place.phi,
        g: s.star.g,
        status,
    })
}
