//! Functions that use references inside have all the derivatives, and are batched, as any other.

use crate::DType::{F32, I32};
use crate::control_flow::{cond, fori_loop, scan};
use crate::core::array::Array;
use crate::error::OrThrow;
use crate::lax::testing::{Draw, case, check_rules};
use crate::lax::{add, gt, mul, reduce_sum, sin, zeros_like};
use crate::numpy::{Colon, step};
use crate::refs::{empty_ref, free_ref, freeze, new_ref};

#[test]
fn references_satisfy_the_rules() {
    let mut draw = Draw::new(91);
    let mut x = |shape: &[usize]| draw.uniform(F32, shape, -1.0, 1.0);
    check_rules([
        case("new_ref", [x(&[2, 3])], |x| new_ref(&x[0]).get(..)),
        case("empty_ref", [x(&[3])], |x| {
            let r = empty_ref(([2, 3], x[0].dtype()));
            r.set(0, sin(&x[0]));
            r.set(1, &x[0]);
            let y = r.get(..);
            free_ref(r);
            y
        }),
        case("freeze", [x(&[3])], |x| {
            let r = new_ref(&x[0]);
            r.set(1, sin(&r.get(0)));
            freeze(r)
        }),
        case("free_ref", [x(&[3])], |x| {
            let r = new_ref(&x[0]);
            let y = sin(&r.get(1));
            free_ref(r);
            y
        }),
        case("get", [x(&[2, 3])], |x| {
            let r = new_ref(sin(&x[0]));
            vec![
                r.get((1, 0..2)),
                r.get((Colon, step(.., 2))),
                r.get(([0, 1, 0], [2, 0, 2])),
                r.get((.., -1)),
            ]
        }),
        case("swap", [x(&[2, 3]), x(&[3])], |x| {
            let r = new_ref(&x[0]);
            let old = r.swap(0, sin(&x[1]));
            r.set((Colon, step(.., 2)), r.get((Colon, 0..2)));
            r.set((1, [2, 0]), mul(&x[1], &x[1]).index(..2));
            (old, r.get(..))
        }),
        case("addupdate", [x(&[2, 3]), x(&[3])], |x| {
            let r = new_ref(&x[0]);
            r.addupdate(1, sin(&x[1]));
            r.addupdate((Colon, [1, 1]), r.get((Colon, 0..2)));
            r.addupdate(.., &x[0]);
            r.get(..)
        }),
    ]);
}

#[test]
fn references_at_positions_satisfy_the_rules() {
    let mut draw = Draw::new(92);
    let mut x = |shape: &[usize]| draw.uniform(F32, shape, -1.0, 1.0);
    let i = |i: &[i32]| Array::from_slice(i, [i.len()]);
    let (one, two) = (Array::scalar(1i32), i(&[2, 0]));
    assert_eq!(one.dtype(), I32);
    check_rules([
        case("get at a position", [x(&[3, 3]), one.clone()], |x| {
            let r = new_ref(sin(&x[0]));
            (r.get(&x[1]), r.get((Colon, &x[1])))
        }),
        case("swap at a position", [x(&[3, 3]), x(&[3]), one.clone()], |x| {
            let r = new_ref(&x[0]);
            let old = r.swap(&x[2], sin(&x[1]));
            r.set((&x[2], &x[2]), r.get((0, 0)));
            (old, r.get(..))
        }),
        case("addupdate at positions", [x(&[3]), x(&[2]), two.clone()], |x| {
            let r = new_ref(&x[0]);
            r.addupdate(&x[2], sin(&x[1]));
            (r.get(&x[2]), r.get(..))
        }),
        case("swap at positions", [x(&[3, 2]), x(&[2]), two], |x| {
            let r = new_ref(&x[0]);
            let old = r.swap((&x[2], 1), sin(&x[1]));
            (old, r.get(..))
        }),
    ]);
}

#[test]
fn references_in_loops_and_branches_satisfy_the_rules() {
    let mut draw = Draw::new(93);
    let mut x = |shape: &[usize]| draw.uniform(F32, shape, -1.0, 1.0);
    check_rules([
        case("scan with a reference", [x(&[]), x(&[3])], |x| {
            let r = new_ref(&x[0]);
            let body = |c: Array, y: Array| {
                r.set(.., mul(&r.get(..), &y));
                r.addupdate(.., sin(&c));
                (add(&c, &y), r.get(..))
            };
            let (c, ys) = scan(body, x[0].clone(), x[1].clone()).or_throw();
            vec![c, ys, r.get(..)]
        }),
        case("scan over a reference", [x(&[3]), x(&[3])], |x| {
            let r = new_ref(&x[0]);
            let total = new_ref(reduce_sum(&x[1], [0]));
            let body = |c: Array, y: crate::refs::Ref| {
                y.set(.., mul(&y.get(..), &total.get(..)));
                total.addupdate(.., y.get(..));
                (add(&c, &y.get(..)), ())
            };
            let (c, ()) = scan(body, reduce_sum(&x[1], [0]), r.clone()).or_throw();
            vec![c, r.get(..), total.get(..)]
        })
        .up_to_order(1)
        .without_vmap(),
        case("scan of a loop", [x(&[])], |x| {
            let r = new_ref(&x[0]);
            fori_loop(0, 3, |_: Array, (): ()| r.set(.., sin(&r.get(..))), ()).or_throw();
            r.get(..)
        }),
        case("cond with a reference", [x(&[2]), x(&[])], |x| {
            let r = new_ref(&x[0]);
            let on_true = |y: Array| {
                r.set(0, mul(&r.get(1), &y));
                y
            };
            let on_false = |y: Array| {
                r.addupdate(1, sin(&y));
                mul(&y, &y)
            };
            let y = cond(gt(&x[1], &zeros_like(&x[1])), on_true, on_false, x[1].clone()).or_throw();
            (y, r.get(..))
        })
        // Where both branches would run, each on references, it is refused.
        .mapped(&[0]),
    ]);
}
