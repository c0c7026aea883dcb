//! Functions that borrow, errors of the program's own, and eager code that may fail.

use std::fmt;

use raxla::api::{linear_transpose, make_jaxpr};
use raxla::prelude::*;
use raxla::{checkpoint, custom_jvp, custom_vjp, lax, try_};

#[derive(Debug, PartialEq)]
struct OutOfRange(u32);
impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is out of range", self.0)
    }
}
impl std::error::Error for OutOfRange {}

fn fails<T>() -> Result<T> {
    Err(Error::other(OutOfRange(7)))
}

#[track_caller]
fn is_ours<T>(result: Result<T>) {
    let Err(error) = result else { panic!("no error") };
    assert_eq!((error.kind(), error.message()), (ErrorKind::Other, "7 is out of range"));
    assert_eq!(error.downcast_ref(), Some(&OutOfRange(7)));
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.is::<OutOfRange>());
    assert_eq!(error.location().unwrap().file(), file!());
}

#[test]
fn an_error_of_the_programs_own_passes_through_every_transformation() {
    let f = |_: &Array| -> Result<Array> { fails() };
    let x = || Array::from([1.0f32, 2.0]);
    is_ours(jit(f)(&x()));
    is_ours(grad(f)(&x()));
    is_ours(vmap(f)(&x()));
    is_ours(jit(grad(vmap(jit(f))))(&x()));
    is_ours(hessian(f)(&x()));
    is_ours(checkpoint(f)(&x()));
    is_ours(make_jaxpr(f)(&x()));
    is_ours(jvp(f, (x(),), (x(),)));
    is_ours(vjp(f, (x(),)).map(|_| ()));
    is_ours(linearize(f, (x(),)).map(|_| ()));
    is_ours(linear_transpose(f, (x(),)).map(|_| ()));
    is_ours(custom_jvp(f, |(x,): (Array,), _: (Array,)| (x.clone(), x))(&x()));
    let rule = |_: (Array,), _: (Array,)| -> Result<(Array, Array)> { fails() };
    is_ours(jvp(custom_jvp(|x: &Array| x.clone(), rule), (x(),), (x(),)));
    let back = |(): (), _: Array| -> Result<(Array,)> { fails() };
    let g = custom_vjp(|x: &Array| lax::reduce_sum(x, [0]), |x: &Array| (lax::reduce_sum(x, [0]), ()), back);
    is_ours(grad(jit(g))(&x()));
    is_ours(lax::scan(|_: Array, _: Array| -> Result<(Array, ())> { fails() }, Array::from(0.0), x()));
    is_ours(lax::map(|_: Array| -> Result<Array> { fails() }, x()));
    is_ours(lax::cond(true, |x: Array| x, |_: Array| -> Result<Array> { fails() }, x()));
    is_ours(lax::switch(0, &[&|_: Array| -> Result<Array> { fails() }], x()));
    is_ours(lax::fori_loop(0, 3, |_: Array, _: Array| -> Result<Array> { fails() }, x()));
    is_ours(lax::while_loop(|_: &Array| Array::from(true), |_: Array| -> Result<Array> { fails() }, x()));
    is_ours(lax::associative_scan(|_: Array, _: Array| -> Result<Array> { fails() }, x()));
    let zero = Array::scalar(0.0f32);
    is_ours(lax::reduce(x(), zero, |_: Array, _: Array| -> Result<Array> { fails() }, 0));
}

#[test]
fn a_question_mark_takes_a_boxed_error_and_gives_back_raxlas_own() {
    let boxed =
        |inner: Result<Array>| -> Result<Array, Box<dyn std::error::Error + Send + Sync>> { Ok(inner?) };
    let f = move |x: &Array| -> Result<Array> {
        Ok(boxed(raxla::try_(|| x + &Array::from([1.0f32, 2.0, 3.0])))?)
    };
    let error = jit(f)(&Array::from([1.0f32, 2.0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let line = line!() + 1;
    let parsed = || -> Result<f32> { Ok("x".parse::<f32>().map_err(|e| Box::new(e) as Box<_>)?) };
    let error: Error = parsed().unwrap_err();
    assert!(error.downcast_ref::<std::num::ParseFloatError>().is_some());
    assert_eq!(error.location().map(|at| (at.file(), at.line())), Some((file!(), line)));
}

#[test]
fn eager_code_in_try_fails_with_an_error_at_its_line() {
    let (x, y) = (Array::from([1.0f32, 2.0]), Array::from([1.0f32, 2.0, 3.0]));
    let line = line!() + 1;
    let error = try_(|| &x + &y).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert_eq!(error.location().map(|at| (at.file(), at.line())), Some((file!(), line)));
    assert_eq!(try_(|| &x + &x).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
    // Inside of a transformation too: the trace goes on.
    let f = |x: &Array| try_(|| x + &y).unwrap_or_else(|_| x * 2.0);
    assert_eq!(vmap(f)(&Array::from([[1.0f32, 2.0]])).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
    let panics = std::panic::catch_unwind(|| try_(|| panic!("mine")));
    assert_eq!(panics.unwrap_err().downcast_ref(), Some(&"mine"));
}

#[test]
fn what_runs_at_once_may_borrow() {
    let scale = Array::from(2.0);
    let x = Array::from([1.0f32, 2.0]);
    let total = |x: &Array| lax::reduce_sum(&(x * x * &scale), [0]);
    let f32s = |x: Array| x.to_vec::<f32>().unwrap();
    assert_eq!(f32s(grad(total)(&x).unwrap()), [4.0, 8.0]);
    assert_eq!(f32s(grad(checkpoint(total))(&x).unwrap()), [4.0, 8.0]);
    assert_eq!(f32s(vmap(|x: &Array| x * &scale)(&x).unwrap()), [2.0, 4.0]);
    assert_eq!(f32s(vmap(grad(|x: &Array| x * x * &scale))(&x).unwrap()), [4.0, 8.0]);
    assert_eq!(f32s(hessian(total)(&x).unwrap()), [4.0, 0.0, 0.0, 4.0]);
    assert_eq!(f32s(jvp(total, (&x,), (&x,)).unwrap().1), [20.0]);
    // Pullbacks and pushforwards own what they need.
    let (f_vjp, f_jvp) = {
        let scale = Array::from(3.0);
        let f = |x: &Array| x * &scale;
        (vjp(f, (&x,)).unwrap().1, linearize(f, (&x,)).unwrap().1)
    };
    assert_eq!(f32s(f_vjp(&x).unwrap().0), [3.0, 6.0]);
    assert_eq!(f32s(jit(f_jvp)(&x).unwrap()), [3.0, 6.0]);
    // A gradient inside of a compiled function borrows from it.
    let step = jit(|w: &Array, x: &Array| grad(|w: &Array| lax::reduce_sum(&(w * x), [0]))(w));
    assert_eq!(f32s(step(&x, &x).unwrap()), [1.0, 2.0]);
    let mut traced = 0;
    let body = |carry: Array, x: Array| {
        traced += 1;
        (carry + x * &scale, ())
    };
    assert_eq!(f32s(lax::scan(body, Array::scalar(0.0f32), x.clone()).unwrap().0), [6.0]);
    assert_eq!(traced, 1);
}

#[test]
fn captured_values_are_cloned_by_a_macro() {
    struct Model {
        scale: Array,
    }
    let model = Model { scale: Array::from(2.0) };
    let shift = Array::from(1.0);
    let by_reference = &shift;
    let affine = capture!([by_reference, scale = model.scale] |x: &Array| x * &scale + &by_reference);
    let moved = capture!([shift] move |x: &Array| x + &shift);
    drop((model, shift));
    let x = Array::from([1.0f32, 2.0]);
    assert_eq!(jit(affine)(&x).unwrap().to_vec::<f32>().unwrap(), [3.0, 5.0]);
    assert_eq!(jit(moved)(&x).unwrap().to_vec::<f32>().unwrap(), [2.0, 3.0]);
}
