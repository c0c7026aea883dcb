//! Functions with custom derivatives that captured arrays of the function around them.

use raxla::api::{VmapOptions, vmap_with};
use raxla::custom_derivatives::{custom_jvp, custom_vjp};
use raxla::{ErrorKind, jit, lax, numpy as jnp, prelude::*};

/// `x y`, whose derivative with respect to `x` is given as `3 y`. `y` is captured.
fn steep_product(x: &Array, y: &Array) -> Result<Array> {
    let (by, rule) = (y.clone(), y.clone());
    let f = custom_jvp(
        move |x: &Array| x * &by,
        move |(x,): (Array,), (dx,): (Array,)| (x * &rule, dx * &rule * 3.0),
    );
    f(x)
}

/// The same, by a reverse rule.
fn steep_product_vjp(x: &Array, y: &Array) -> Result<Array> {
    let (by, forward, backward) = (y.clone(), y.clone(), y.clone());
    let f = custom_vjp(
        move |x: &Array| x * &by,
        move |x: &Array| (x * &forward, ()),
        move |(): (), ct: Array| (ct * &backward * 3.0,),
    );
    f(x)
}

fn f32s(x: &Array) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn xs() -> Array {
    Array::from([1.0f32, 2.0, 3.0])
}

fn ys() -> Array {
    Array::from([10.0f32, 20.0, 30.0])
}

type Product = fn(&Array, &Array) -> Result<Array>;
const PRODUCTS: [Product; 2] = [steep_product, steep_product_vjp];

#[test]
fn vmap_maps_what_was_captured_too() {
    for product in PRODUCTS {
        let f = move |x: &Array, y: &Array| product(x, y);
        assert_eq!(f32s(&vmap(f)(&xs(), &ys()).unwrap()), [10.0, 40.0, 90.0]);
        assert_eq!(f32s(&jit(vmap(f))(&xs(), &ys()).unwrap()), [10.0, 40.0, 90.0]);
        assert_eq!(f32s(&vmap(jit(f))(&xs(), &ys()).unwrap()), [10.0, 40.0, 90.0]);
        // Only what was captured is mapped, or only the argument.
        let over = |axes: [Option<i64>; 2]| VmapOptions::new().in_axes(axes);
        let two = Array::scalar(2.0f32);
        assert_eq!(f32s(&vmap_with(f, over([None, Some(0)]))(&two, &ys()).unwrap()), [20.0, 40.0, 60.0]);
        assert_eq!(f32s(&vmap_with(f, over([Some(0), None]))(&xs(), &two).unwrap()), [2.0, 4.0, 6.0]);
        // Two mapped axes, one for each.
        let rows = vmap_with(vmap_with(f, over([None, Some(0)])), over([Some(0), None]));
        assert_eq!(f32s(&rows(&xs(), &ys()).unwrap())[3..6], [20.0, 40.0, 60.0]);
    }
}

#[test]
fn the_derivative_over_a_mapped_axis_uses_what_was_captured() {
    for product in PRODUCTS {
        let f = move |x: &Array, y: &Array| product(x, y);
        assert_eq!(f32s(&vmap(grad(f))(&xs(), &ys()).unwrap()), [30.0, 60.0, 90.0]);
        assert_eq!(f32s(&jit(vmap(grad(f)))(&xs(), &ys()).unwrap()), [30.0, 60.0, 90.0]);
    }
    let f = |x: &Array, y: &Array| steep_product(x, y);
    let total = move |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(vmap(f)(x, y)?, ..)) };
    assert_eq!(f32s(&grad(total)(&xs(), &ys()).unwrap()), [30.0, 60.0, 90.0]);
    assert_eq!(f32s(&jit(grad(total))(&xs(), &ys()).unwrap()), [30.0, 60.0, 90.0]);
    let (_, dy) = jvp(move |x: &Array| vmap(f)(x, &ys()), (xs(),), (jnp::ones_like(xs()),)).unwrap();
    assert_eq!(f32s(&dy), [30.0, 60.0, 90.0]);
    // The argument is the same for all, so its cotangents add up.
    let over = VmapOptions::new().in_axes((None, 0));
    let total =
        move |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(vmap_with(f, over.clone())(x, y)?, ..)) };
    assert_eq!(grad(total)(&Array::scalar(2.0f32), &ys()).unwrap().item::<f32>().unwrap(), 180.0);
}

#[test]
fn a_reverse_rule_that_runs_when_vmap_is_over_may_not_use_what_it_captured() {
    // JAX: UnexpectedTracerError. What a reverse rule needs is passed to it as a residual.
    let f = |x: &Array, y: &Array| steep_product_vjp(x, y);
    let total = move |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(vmap(f)(x, y)?, ..)) };
    let error = grad(total)(&xs(), &ys()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedTracer, "{error}");
}

#[test]
fn a_derivative_with_respect_to_what_was_captured_is_an_error() {
    // JAX: UnexpectedTracerError. The rule says nothing of it, so there is no right answer.
    for product in PRODUCTS {
        let error = grad(move |y: &Array| product(&Array::from(2.0), y))(&Array::from(3.0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedTracer, "{error}");
    }
}

/// [`steep_product_vjp`], which hands what it needs to its reverse rule.
fn steep_product_residual(x: &Array, y: &Array) -> Result<Array> {
    let (by, forward) = (y.clone(), y.clone());
    let f = custom_vjp(
        move |x: &Array| x * &by,
        move |x: &Array| (x * &forward, forward.clone()),
        |y: Array, ct: Array| (ct * y * 3.0,),
    );
    f(x)
}

#[test]
fn what_no_example_changes_is_not_mapped() {
    let two = || Array::scalar(2.0f32);
    let alone = || VmapOptions::new().out_axes(None::<i64>);
    for product in [steep_product, steep_product_vjp, steep_product_residual] {
        // Nothing is mapped: neither the argument nor what was captured.
        let three = Array::scalar(3.0f32);
        let f = move |_: &Array| product(&two(), &three);
        assert_eq!(f32s(&vmap(f.clone())(&ys()).unwrap()), [6.0; 3]);
        let one = vmap_with(f.clone(), alone());
        assert_eq!(one(&ys()).unwrap().item::<f32>().unwrap(), 6.0);
        assert_eq!(jit(one)(&ys()).unwrap().item::<f32>().unwrap(), 6.0);
        assert_eq!(vmap_with(jit(f), alone())(&ys()).unwrap().item::<f32>().unwrap(), 6.0);
        // So are its derivatives, and those of the map.
        let slope = move |_: &Array| grad(move |x: &Array| product(x, &Array::scalar(3.0f32)))(&two());
        assert_eq!(vmap_with(slope, alone())(&ys()).unwrap().item::<f32>().unwrap(), 9.0);
        let total = move |x: &Array| -> Result<Array> {
            let x = x.clone();
            Ok(jnp::sum(vmap(move |_: &Array| product(&x, &Array::scalar(3.0f32)))(&ys())?, ..))
        };
        assert_eq!(grad(total)(&two()).unwrap().item::<f32>().unwrap(), 27.0);
        // What was captured is mapped, so the result is.
        let captured = move |y: &Array| product(&two(), y);
        assert_eq!(f32s(&vmap(captured)(&ys()).unwrap()), [20.0, 40.0, 60.0]);
        let error = vmap_with(captured, alone())(&ys()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        let slope = move |y: &Array| {
            let y = y.clone();
            grad(move |x: &Array| product(x, &y))(&two())
        };
        assert_eq!(f32s(&vmap(slope)(&ys()).unwrap()), [30.0, 60.0, 90.0]);
    }
    let both = move |x: &Array| {
        let x = x.clone();
        jvp(move |x: &Array| vmap_with(steep(x), alone())(&ys()), (x.clone(),), (x,))
    };
    fn steep(x: &Array) -> impl Fn(&Array) -> Result<Array> + Send + Sync + 'static {
        let x = x.clone();
        move |_: &Array| steep_product(&x, &Array::scalar(3.0f32))
    }
    let (y, dy) = both(&two()).unwrap();
    assert_eq!((y.item::<f32>().unwrap(), dy.item::<f32>().unwrap()), (6.0, 18.0));
    let total = |x: &Array| -> Result<Array> {
        let x = x.clone();
        Ok(jnp::sum(vmap(move |y: &Array| steep_product_residual(&x, y))(&ys())?, ..))
    };
    assert_eq!(grad(total)(&two()).unwrap().item::<f32>().unwrap(), 180.0);
}

#[test]
fn results_of_one_function_are_mapped_each_for_itself() {
    // JAX: out_axes=(0, None).
    let f = custom_jvp(
        |x: &Array, y: &Array| (lax::sin(x), lax::cos(y)),
        |(x, y): (Array, Array), (dx, dy): (Array, Array)| {
            ((lax::sin(&x), lax::cos(&y)), (dx * 2.0, dy * 3.0))
        },
    );
    let over = VmapOptions::new().in_axes((0, None)).out_axes((Some(0), None));
    let half = Array::scalar(0.5f32);
    let (inner, jitted) = (f.clone(), jit(move |x: &Array, y: &Array| f(x, y)));
    let direct = vmap_with(move |x: &Array, y: &Array| inner(x, y), over.clone());
    let nested = vmap_with(move |x: &Array, y: &Array| jitted(x, y), over);
    for (a, b) in [direct(&xs(), &half).unwrap(), nested(&xs(), &half).unwrap()] {
        assert_eq!((a.shape(), b.shape()), (&[3][..], &[][..]));
        assert_eq!(b.item::<f32>().unwrap(), 0.5f32.cos());
    }
    let total = move |x: &Array, y: &Array| -> Result<Array> {
        let (a, b) = nested(x, y)?;
        Ok(jnp::sum(a, ..) + b)
    };
    let (dx, dy) = grad_with(total, GradOptions::argnums((Argnum::<0>, Argnum::<1>)))(&xs(), &half).unwrap();
    assert_eq!((f32s(&dx), dy.item::<f32>().unwrap()), (vec![2.0; 3], 3.0));
}

#[test]
fn derivatives_of_rust_numbers_are_weakly_typed() {
    let slope = grad(|x: &Array| jnp::square(x))(&Array::from(3.0)).unwrap();
    assert!(slope.weak_type());
    let half = Array::from([half::bf16::from_f32(2.0)]);
    assert_eq!((slope * half).dtype(), DType::BF16);
    let zero = grad(|_: &Array| Array::scalar(1.0f32))(&Array::from(3.0)).unwrap();
    assert!(zero.weak_type());
}

/// sin, by a function that holds a jaxpr.
type Nested = fn(&Array) -> Result<Array>;
const SINES: [Nested; 4] = [
    |x| jit(|x: &Array| lax::sin(x))(x),
    |x| lax::cond(jnp::greater(x, -5.0), |x: Array| lax::sin(&x), |x: Array| lax::cos(&x), x.clone()),
    |x| lax::fori_loop(0, 2, |i: Array, x: Array| jnp::where_(jnp::equal(i, 0), lax::sin(&x), &x), x.clone()),
    |x| raxla::checkpoint(|x: &Array| lax::sin(x))(x),
];

#[test]
fn a_rule_may_differentiate_a_function_that_holds_jaxprs() {
    for sine in SINES {
        let f = custom_jvp(
            move |x: &Array| sine(x),
            move |(x,): (Array,), (dx,): (Array,)| -> Result<(Array, Array)> {
                let (y, dy) = jvp(move |x: &Array| sine(x), (x,), (dx,))?;
                Ok((y, dy * 2.0))
            },
        );
        let g = move |x: &Array| -> Result<Array> { Ok(lax::sin(&f(x)?)) };
        let x = Array::scalar(1.0f32);
        let expected = 2.0 * 1f32.cos() * 1f32.sin().cos();
        let close = |found: Array| assert!((found.item::<f32>().unwrap() - expected).abs() < 1e-6, "{found}");
        close(jvp(g.clone(), (x.clone(),), (Array::scalar(1.0f32),)).unwrap().1);
        close(grad(g.clone())(&x).unwrap());
        close(jit(grad(g.clone()))(&x).unwrap());
        close(grad(jit(g.clone()))(&x).unwrap());
        close(vmap(grad(g.clone()))(&jnp::ones([2])).unwrap().index(1));
        let second = grad(grad(g))(&x);
        assert!(second.unwrap().item::<f32>().unwrap().is_finite());
    }
}
